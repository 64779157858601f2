//! The framework's function table, through which drivers call every function of KMDF.
//!
//! Each module of the framework lists its functions with `wdf_functions!`, which checks their
//! signatures against the bindings'. Every entry that no module fills is a function that stops the
//! machine with the missing function's name.

use wdk_sys_lite::__private::WDF_FUNCTION_NAMES;
use wdk_sys_lite::{PWDF_DRIVER_GLOBALS, WDF_DRIVER_GLOBALS, WDFFUNC};

use crate::bugcheck::{StopCode, bug_check};

/// How many entries the table has.
pub const COUNT: usize = WDF_FUNCTION_NAMES.len();

/// A function and its place in the table.
pub(crate) struct Entry {
    pub index: i32,
    pub function: WDFFUNC,
}

/// Lists functions of a module for the table, as its constant `FUNCTIONS`:
/// `wdf_functions! { WdfSpinLockCreateTableIndex: PFN_WDFSPINLOCKCREATE = WdfSpinLockCreate; … }`.
macro_rules! wdf_functions {
    ($($index:ident: $signature:ident = $function:path;)*) => {
        /// This module's functions in the framework's table.
        pub(crate) const FUNCTIONS: &[$crate::wdf::table::Entry] = &[$(
            $crate::wdf::table::Entry {
                index: wdk_sys_lite::_WDFFUNCENUM::$index,
                // SAFETY: both types are optional function pointers of one size; a caller casts the
                // entry back to the signature that this line has checked before it calls it.
                function: unsafe {
                    std::mem::transmute::<wdk_sys_lite::$signature, wdk_sys_lite::WDFFUNC>(Some($function))
                },
            },
        )*];
    };
}
pub(crate) use wdf_functions;

unsafe extern "C" fn missing<const INDEX: usize>() {
    let name = WDF_FUNCTION_NAMES.get(INDEX).copied().unwrap_or("?");
    bug_check(
        StopCode::NTSIM_MISSING_FUNCTION,
        [INDEX as u64, 0, 0, 0],
        format!("the driver called {name}, which the simulator does not have"),
    )
}

macro_rules! ten_missing {
    ($base:expr) => {
        [
            Some(missing::<{ $base }>),
            Some(missing::<{ $base + 1 }>),
            Some(missing::<{ $base + 2 }>),
            Some(missing::<{ $base + 3 }>),
            Some(missing::<{ $base + 4 }>),
            Some(missing::<{ $base + 5 }>),
            Some(missing::<{ $base + 6 }>),
            Some(missing::<{ $base + 7 }>),
            Some(missing::<{ $base + 8 }>),
            Some(missing::<{ $base + 9 }>),
        ]
    };
}

macro_rules! hundred_missing {
    ($base:expr) => {
        [
            ten_missing!($base),
            ten_missing!($base + 10),
            ten_missing!($base + 20),
            ten_missing!($base + 30),
            ten_missing!($base + 40),
            ten_missing!($base + 50),
            ten_missing!($base + 60),
            ten_missing!($base + 70),
            ten_missing!($base + 80),
            ten_missing!($base + 90),
        ]
    };
}

/// A stub for every index below 500.
const MISSING: [[[WDFFUNC; 10]; 10]; 5] = [
    hundred_missing!(0),
    hundred_missing!(100),
    hundred_missing!(200),
    hundred_missing!(300),
    hundred_missing!(400),
];

/// Every module of the framework.
const MODULES: &[&[Entry]] = &[
    super::queue::FUNCTIONS,
    super::request::FUNCTIONS,
    super::file::FUNCTIONS,
    super::collection::FUNCTIONS,
    super::deferred::FUNCTIONS,
    super::device_api::FUNCTIONS,
    super::device_init::FUNCTIONS,
    super::lock::FUNCTIONS,
    super::memory::FUNCTIONS,
    super::object_api::FUNCTIONS,
    super::registry::FUNCTIONS,
    super::target::FUNCTIONS,
    super::verifier_api::FUNCTIONS,
];

#[allow(
    clippy::cast_sign_loss,
    reason = "the bindings' indices are not negative"
)]
const fn build() -> [WDFFUNC; COUNT] {
    let mut table: [WDFFUNC; COUNT] = [None; COUNT];
    let mut index = 0;
    while index < COUNT {
        table[index] = MISSING[index / 100][index / 10 % 10][index % 10];
        index += 1;
    }
    let mut module = 0;
    while module < MODULES.len() {
        let mut entry = 0;
        while entry < MODULES[module].len() {
            table[MODULES[module][entry].index as usize] = MODULES[module][entry].function;
            entry += 1;
        }
        module += 1;
    }
    table
}

static TABLE: [WDFFUNC; COUNT] = build();

/// A pointer in a static that is never written.
#[repr(transparent)]
pub struct Constant<T>(T);

// SAFETY: the pointer and what it points to never change.
unsafe impl<T> Sync for Constant<T> {}

/// The framework's function table, as the framework's loader sets it for a driver.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the framework's own name")]
pub static WdfFunctions_01033: Constant<*const WDFFUNC> = Constant(TABLE.as_ptr());

/// What every call carries. One for all drivers of all machines: the simulator knows the caller
/// from its own records, so nothing in it tells drivers apart.
static GLOBALS: Constant<WDF_DRIVER_GLOBALS> = Constant(WDF_DRIVER_GLOBALS {
    Driver: std::ptr::null_mut(),
    DriverFlags: 0,
    DriverTag: 0,
    DriverName: [0; 32],
    DisplaceDriverUnload: 0,
});

/// The pointer to what every call carries.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the framework's own name")]
pub static WdfDriverGlobals: Constant<PWDF_DRIVER_GLOBALS> =
    Constant((&raw const GLOBALS.0).cast_mut());
