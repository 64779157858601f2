//! References to framework objects, and values in their contexts.

use wdk_sys::{
    _WDF_EXECUTION_LEVEL, _WDF_SYNCHRONIZATION_SCOPE, WDF_OBJECT_ATTRIBUTES,
    WDF_OBJECT_CONTEXT_TYPE_INFO, WDFOBJECT, call_unsafe_wdf_function_binding,
};

use super::size_of_config;
use super::slot::Slot;

/// A reference to a framework object: the object's memory stays until the reference is given back,
/// whatever becomes of the object meanwhile.
///
/// # Invariants
///
/// `handle` is an object on which one reference belongs to this value.
#[derive(Debug)]
pub struct Reference {
    handle: WDFOBJECT,
}

// SAFETY: the framework's objects may be used from any thread; a reference is an atomic count.
unsafe impl Send for Reference {}
// SAFETY: as above.
unsafe impl Sync for Reference {}

impl Reference {
    /// Adds a reference to an object. IRQL: `DISPATCH_LEVEL` or below.
    ///
    /// # Safety
    ///
    /// `handle` is a valid framework object.
    pub(super) unsafe fn new(handle: WDFOBJECT) -> Self {
        // SAFETY: the object is valid by the caller's word; tag, line and file are for the debugger
        // and may be null.
        unsafe {
            call_unsafe_wdf_function_binding!(
                WdfObjectReferenceActual,
                handle,
                core::ptr::null_mut(),
                0,
                core::ptr::null()
            );
        }
        Self { handle }
    }

    /// Takes over a reference that the framework has added.
    ///
    /// # Safety
    ///
    /// `handle` is a valid framework object, and the caller gives up one reference on it.
    pub(super) const unsafe fn adopt(handle: WDFOBJECT) -> Self {
        Self { handle }
    }

    /// The object.
    pub(super) const fn handle(&self) -> WDFOBJECT {
        self.handle
    }

    /// Whether both are references to the same object.
    pub fn is(&self, other: &Self) -> bool {
        core::ptr::eq(self.handle, other.handle)
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // SAFETY: by the invariant the object is valid and the reference ours; it is given back
        // once.
        unsafe {
            call_unsafe_wdf_function_binding!(
                WdfObjectDereferenceActual,
                self.handle,
                core::ptr::null_mut(),
                0,
                core::ptr::null()
            );
        }
    }
}

/// What the framework knows of a type of context. Its address is the type's identity, so it is made
/// for statics.
#[repr(transparent)]
pub struct ContextType(WDF_OBJECT_CONTEXT_TYPE_INFO);

// SAFETY: the pointers in it are to statics, and nobody writes through them.
unsafe impl Sync for ContextType {}

impl ContextType {
    /// The type information of `T`'s context, which is to be placed at `this`.
    pub const fn new<T: Context>(this: *const Self) -> Self {
        const {
            assert!(
                align_of::<Slot<T::Value>>() <= 16,
                "the framework aligns contexts to 16 bytes on 64-bit systems"
            );
        }
        Self(WDF_OBJECT_CONTEXT_TYPE_INFO {
            Size: size_of_config::<WDF_OBJECT_CONTEXT_TYPE_INFO>(),
            ContextName: T::NAME.as_ptr(),
            ContextSize: size_of::<Slot<T::Value>>(),
            UniqueType: this.cast(),
            EvtDriverGetUniqueContextType: None,
        })
    }
}

/// A type of which something may be kept in the context of a framework object; implemented by
/// [`context!`](super::object::context).
///
/// # Safety
///
/// `info` always returns the same static, made with [`ContextType::new`] for this very type at that
/// static's address.
pub unsafe trait Context: Sized + Send + Sync + 'static {
    /// What is kept.
    type Value: Sync;
    /// The name that the debugger shows.
    const NAME: &'static core::ffi::CStr;
    /// What the framework knows of the type.
    fn info() -> &'static ContextType;
}

/// Lets a type, or something that goes with it, be kept in the context of framework objects.
macro_rules! context {
    ($type:ident) => {
        $crate::wdf::object::context!($type, $type);
    };
    ($type:ident, $value:ty) => {
        // SAFETY: the static is made for the type, at its own address.
        unsafe impl $crate::wdf::object::Context for $type {
            type Value = $value;
            // SAFETY: the text ends with the only NUL in it: a type's name has none.
            const NAME: &'static core::ffi::CStr = unsafe {
                core::ffi::CStr::from_bytes_with_nul_unchecked(
                    concat!(stringify!($type), "\0").as_bytes(),
                )
            };
            fn info() -> &'static $crate::wdf::object::ContextType {
                static INFO: $crate::wdf::object::ContextType =
                    $crate::wdf::object::ContextType::new::<$type>(&raw const INFO);
                &INFO
            }
        }
    };
}
pub(crate) use context;

/// Attributes of an object without a context, everything inherited.
pub(super) fn attributes_without_context() -> WDF_OBJECT_ATTRIBUTES {
    WDF_OBJECT_ATTRIBUTES {
        Size: size_of_config::<WDF_OBJECT_ATTRIBUTES>(),
        ExecutionLevel: _WDF_EXECUTION_LEVEL::WdfExecutionLevelInheritFromParent,
        SynchronizationScope: _WDF_SYNCHRONIZATION_SCOPE::WdfSynchronizationScopeInheritFromParent,
        ..WDF_OBJECT_ATTRIBUTES::default()
    }
}

/// Attributes of an object with a context of `T`, everything else inherited.
pub(super) fn attributes<T: Context>() -> WDF_OBJECT_ATTRIBUTES {
    WDF_OBJECT_ATTRIBUTES {
        ContextTypeInfo: &raw const T::info().0,
        ..attributes_without_context()
    }
}

/// # Safety
///
/// `object` is valid for `'a`.
unsafe fn slot<'a, T: Context>(object: WDFOBJECT) -> Option<&'a Slot<T::Value>> {
    // SAFETY: the object is valid; the type information is a static. The framework answers with the
    // context that has this type, or null.
    let slot = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfObjectGetTypedContextWorker,
            object,
            &raw const T::info().0
        )
    };
    // SAFETY: a context of this type has the size that the information says, lives as long as its
    // object, began as zeros (an empty slot), and is reached only as the slot it is.
    unsafe { slot.cast::<Slot<T::Value>>().as_ref() }
}

/// Puts the value in an object's context. False, and the value dropped, if the object has no such
/// context or has a value in it already.
///
/// # Safety
///
/// `object` is valid, and nobody else puts or takes its value at the same time.
pub(super) unsafe fn put<T: Context>(object: WDFOBJECT, value: T::Value) -> bool {
    // SAFETY: as the caller says.
    let Some(slot) = (unsafe { slot::<T>(object) }) else {
        return false;
    };
    // SAFETY: the caller is alone in putting and taking.
    unsafe { slot.put(value) }
}

/// The value in an object's context.
///
/// # Safety
///
/// `object` is valid for `'a`, and its value is not taken meanwhile.
pub(super) unsafe fn get<'a, T: Context>(object: WDFOBJECT) -> Option<&'a T::Value> {
    // SAFETY: as the caller says.
    let slot = unsafe { slot::<T>(object) }?;
    // SAFETY: the value is not taken during `'a`.
    unsafe { slot.get() }
}

/// Takes the value out of an object's context.
///
/// # Safety
///
/// `object` is valid, nobody uses its value any more, and nobody else puts or takes it at the same
/// time. If the value is not `Send`, the caller is where it may be used and dropped.
pub(super) unsafe fn take<T: Context>(object: WDFOBJECT) -> Option<T::Value> {
    // SAFETY: as the caller says.
    let slot = unsafe { slot::<T>(object) }?;
    // SAFETY: as the caller says.
    unsafe { slot.take() }
}
