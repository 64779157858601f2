//! Atomics whose operations a kernel that is a program can see.
//!
//! Between two atomic operations of a driver's another processor may do anything. A simulated
//! kernel runs one processor at a time, and lets another go on where the driver calls it; with the
//! feature `scheduling-points` it is also called before each operation of these types, which are
//! otherwise `core`'s, by the same names. Without the feature they *are* `core`'s.

#[cfg(not(feature = "scheduling-points"))]
pub use core::sync::atomic::{
    AtomicBool, AtomicI32, AtomicI64, AtomicIsize, AtomicPtr, AtomicU8, AtomicU16, AtomicU32,
    AtomicU64, AtomicUsize, Ordering, fence,
};

#[cfg(feature = "scheduling-points")]
pub use self::points::{
    AtomicBool, AtomicI32, AtomicI64, AtomicIsize, AtomicPtr, AtomicU8, AtomicU16, AtomicU32,
    AtomicU64, AtomicUsize, Ordering, before_each_operation, fence,
};

#[cfg(feature = "scheduling-points")]
mod points {
    use core::fmt;
    use core::sync::atomic;
    pub use core::sync::atomic::Ordering;

    static HOOK: atomic::AtomicPtr<()> = atomic::AtomicPtr::new(core::ptr::null_mut());

    /// Has a function called before each operation, on whichever thread, from now on. It is called
    /// with the driver's stack and IRQL, whatever they are.
    pub fn before_each_operation(hook: fn()) {
        HOOK.store(hook as *mut (), Ordering::Release);
    }

    #[inline]
    fn point() {
        let hook = HOOK.load(Ordering::Acquire);
        if !hook.is_null() {
            // SAFETY: only `before_each_operation` writes it, from a function of this type.
            unsafe { core::mem::transmute::<*mut (), fn()>(hook)() };
        }
    }

    /// As [`atomic::fence`], after a scheduling point.
    #[inline]
    pub fn fence(order: Ordering) {
        point();
        atomic::fence(order);
    }

    macro_rules! common {
        ($name:ident[$($parameter:ident)?] of $value:ty) => {
            impl$(<$parameter>)? $name$(<$parameter>)? {
                /// A new one with this value.
                #[inline]
                #[must_use]
                pub const fn new(value: $value) -> Self {
                    Self(atomic::$name::new(value))
                }

                /// One in memory that is somebody else's.
                ///
                /// # Safety
                ///
                /// As of `core`'s function of this name.
                #[inline]
                #[must_use]
                pub const unsafe fn from_ptr<'a>(pointer: *mut $value) -> &'a Self {
                    // SAFETY: this type is `core`'s, by its representation; the rest is the
                    // caller's word.
                    unsafe { &*pointer.cast::<Self>() }
                }

                /// The value, of one that nobody else can reach.
                #[inline]
                pub fn get_mut(&mut self) -> &mut $value {
                    self.0.get_mut()
                }

                /// The value.
                #[inline]
                #[must_use]
                pub fn into_inner(self) -> $value {
                    self.0.into_inner()
                }

                /// Where the value is.
                #[inline]
                #[must_use]
                pub const fn as_ptr(&self) -> *mut $value {
                    self.0.as_ptr()
                }

                /// Reads the value, after a scheduling point.
                #[inline]
                pub fn load(&self, order: Ordering) -> $value {
                    point();
                    self.0.load(order)
                }

                /// Writes a value, after a scheduling point.
                #[inline]
                pub fn store(&self, value: $value, order: Ordering) {
                    point();
                    self.0.store(value, order);
                }

                /// Puts a value in the place of the one that it returns, after a scheduling point.
                #[inline]
                pub fn swap(&self, value: $value, order: Ordering) -> $value {
                    point();
                    self.0.swap(value, order)
                }

                /// Puts a value in the place of another, if that is there, after a scheduling
                /// point.
                ///
                /// # Errors
                ///
                /// The value that is there.
                #[inline]
                pub fn compare_exchange(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    point();
                    self.0.compare_exchange(current, new, success, failure)
                }

                /// As [`Self::compare_exchange`]; it may fail though the value is there.
                ///
                /// # Errors
                ///
                /// The value that is there.
                #[inline]
                pub fn compare_exchange_weak(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    point();
                    self.0.compare_exchange_weak(current, new, success, failure)
                }

                /// Changes the value until nobody else has changed it meanwhile; before each of its
                /// operations is a scheduling point.
                ///
                /// # Errors
                ///
                /// The value for which the function returned none.
                #[inline]
                pub fn fetch_update(
                    &self,
                    set: Ordering,
                    fetch: Ordering,
                    mut update: impl FnMut($value) -> Option<$value>,
                ) -> Result<$value, $value> {
                    let mut before = self.load(fetch);
                    while let Some(next) = update(before) {
                        match self.compare_exchange_weak(before, next, set, fetch) {
                            Ok(before) => return Ok(before),
                            Err(now) => before = now,
                        }
                    }
                    Err(before)
                }
            }

            impl$(<$parameter>)? fmt::Debug for $name$(<$parameter>)? {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    fmt::Debug::fmt(&self.0, f)
                }
            }

            impl$(<$parameter>)? Default for $name$(<$parameter>)? {
                fn default() -> Self {
                    Self(atomic::$name::default())
                }
            }
        };
    }

    macro_rules! operations {
        ($name:ident of $value:ty: $($operation:ident)*) => {
            impl $name {
                $(
                    /// The operation of this name of `core`'s, after a scheduling point.
                    #[inline]
                    pub fn $operation(&self, value: $value, order: Ordering) -> $value {
                        point();
                        self.0.$operation(value, order)
                    }
                )*
            }
        };
    }

    macro_rules! integers {
        ($($name:ident of $value:ty)*) => {$(
            #[doc = concat!("`core`'s [`", stringify!($name), "`](atomic::", stringify!($name), "), with scheduling points.")]
            #[repr(transparent)]
            pub struct $name(atomic::$name);

            common!($name[] of $value);
            operations!($name of $value: fetch_add fetch_sub fetch_and fetch_nand fetch_or fetch_xor fetch_max fetch_min);
        )*};
    }

    integers! {
        AtomicU8 of u8
        AtomicU16 of u16
        AtomicU32 of u32
        AtomicU64 of u64
        AtomicUsize of usize
        AtomicI32 of i32
        AtomicI64 of i64
        AtomicIsize of isize
    }

    /// `core`'s [`AtomicBool`](atomic::AtomicBool), with scheduling points.
    #[repr(transparent)]
    pub struct AtomicBool(atomic::AtomicBool);

    common!(AtomicBool[] of bool);
    operations!(AtomicBool of bool: fetch_and fetch_nand fetch_or fetch_xor);

    /// `core`'s [`AtomicPtr`](atomic::AtomicPtr), with scheduling points.
    #[repr(transparent)]
    pub struct AtomicPtr<T>(atomic::AtomicPtr<T>);

    common!(AtomicPtr[T] of *mut T);
}
