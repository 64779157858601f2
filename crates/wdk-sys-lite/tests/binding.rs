//! How the crate is used: the framework's functions through their table, and the kit's small
//! functions and macros.
//!
//! This program is the framework and the kernel: it defines the symbols that the crate declares.
#![cfg(not(windows))]

use std::cell::{Cell, RefCell};
use std::panic::catch_unwind;
use std::ptr::null_mut;

use wdk_sys::{
    _WDFFUNCENUM, BOOLEAN, DISPATCH_LEVEL, HANDLE, KIRQL, NT_ERROR, NT_INFORMATION, NT_SUCCESS,
    NT_WARNING, NTSTATUS, PASSIVE_LEVEL, PWDF_DRIVER_GLOBALS, STATUS_BUFFER_OVERFLOW,
    STATUS_CANCELLED, STATUS_OBJECT_NAME_EXISTS, STATUS_PENDING, STATUS_SUCCESS, ULONG_PTR,
    WDFFUNC, WDFOBJECT, WDFREQUEST, call_unsafe_wdf_function_binding,
};
use wdk_sys_lite as wdk_sys;

thread_local! {
    static CALLS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static IRQL: Cell<KIRQL> = const { Cell::new(0) };
}

fn record(call: String) {
    CALLS.with_borrow_mut(|calls| calls.push(call));
}

unsafe extern "C" fn missing() {
    record("missing".to_owned());
}

unsafe extern "C" fn complete(
    globals: PWDF_DRIVER_GLOBALS,
    request: WDFREQUEST,
    status: NTSTATUS,
    size: ULONG_PTR,
) {
    record(format!(
        "complete {:x} {:x} {status} {size}",
        globals.addr(),
        request.addr()
    ));
}

unsafe extern "C" fn is_canceled(globals: PWDF_DRIVER_GLOBALS, request: WDFREQUEST) -> BOOLEAN {
    record(format!(
        "is canceled {:x} {:x}",
        globals.addr(),
        request.addr()
    ));
    1
}

unsafe extern "C" fn debugger(globals: PWDF_DRIVER_GLOBALS) {
    record(format!("break {:x}", globals.addr()));
}

unsafe extern "C" fn delete(globals: PWDF_DRIVER_GLOBALS, object: WDFOBJECT) {
    record(format!("delete {:x} {:x}", globals.addr(), object.addr()));
}

type Complete = unsafe extern "C" fn(PWDF_DRIVER_GLOBALS, WDFREQUEST, NTSTATUS, ULONG_PTR);
type IsCanceled = unsafe extern "C" fn(PWDF_DRIVER_GLOBALS, WDFREQUEST) -> BOOLEAN;
type Delete = unsafe extern "C" fn(PWDF_DRIVER_GLOBALS, WDFOBJECT);
type Debugger = unsafe extern "C" fn(PWDF_DRIVER_GLOBALS);

const FUNCTIONS: usize = wdk_sys::__private::get_wdf_function_count();

static TABLE: [WDFFUNC; FUNCTIONS] = {
    let mut table: [WDFFUNC; FUNCTIONS] = [Some(missing); FUNCTIONS];
    // SAFETY: pointers to functions have one size, and each entry is called as what it is: by the
    // name of its index.
    unsafe {
        table[_WDFFUNCENUM::WdfRequestCompleteWithInformationTableIndex as usize] =
            std::mem::transmute::<Option<Complete>, WDFFUNC>(Some(complete));
        table[_WDFFUNCENUM::WdfRequestIsCanceledTableIndex as usize] =
            std::mem::transmute::<Option<IsCanceled>, WDFFUNC>(Some(is_canceled));
        table[_WDFFUNCENUM::WdfObjectDeleteTableIndex as usize] =
            std::mem::transmute::<Option<Delete>, WDFFUNC>(Some(delete));
        table[_WDFFUNCENUM::WdfVerifierDbgBreakPointTableIndex as usize] =
            std::mem::transmute::<Option<Debugger>, WDFFUNC>(Some(debugger));
    }
    table
};

// SAFETY: no other item of this program has this name.
#[unsafe(no_mangle)]
static mut WdfFunctions_01033: *const WDFFUNC = (&raw const TABLE).cast();

// SAFETY: no other item of this program has this name.
#[unsafe(no_mangle)]
static mut WdfDriverGlobals: PWDF_DRIVER_GLOBALS = std::ptr::without_provenance_mut(0x600D);

// SAFETY: no other item of this program has this name.
#[unsafe(no_mangle)]
extern "C" fn KeGetCurrentIrql() -> KIRQL {
    IRQL.get()
}

fn handle(value: usize) -> HANDLE {
    std::ptr::without_provenance_mut(value)
}

#[test]
fn a_framework_function_is_called_through_its_entry_with_the_drivers_globals() {
    // SAFETY: the table's entries are functions of this program, which take any handle.
    let canceled = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfRequestCompleteWithInformation,
            handle(0x10),
            STATUS_PENDING,
            7
        );
        wdk_sys::call_unsafe_wdf_function_binding!(WdfObjectDelete, handle(0x20),);
        call_unsafe_wdf_function_binding!(WdfVerifierDbgBreakPoint);
        call_unsafe_wdf_function_binding!(WdfRequestIsCanceled, handle(0x30))
    };
    let expected = [
        "complete 600d 10 259 7",
        "delete 600d 20",
        "break 600d",
        "is canceled 600d 30",
    ];
    assert_eq!(
        (CALLS.take(), canceled),
        (expected.map(str::to_owned).to_vec(), 1)
    );
}

#[test]
fn every_entry_of_the_table_has_its_functions_name() {
    let names = wdk_sys::__private::WDF_FUNCTION_NAMES;
    assert_eq!(
        names.len(),
        _WDFFUNCENUM::WdfFunctionTableNumEntries.cast_unsigned() as usize
    );
    assert_eq!(
        names[_WDFFUNCENUM::WdfDriverCreateTableIndex as usize],
        "WdfDriverCreate"
    );
    assert_eq!(
        names[_WDFFUNCENUM::WdfFdoQueryForInterfaceTableIndex as usize],
        "WdfFdoQueryForInterface"
    );
}

#[test]
fn statuses_fall_into_four_classes() {
    let classes = |status| {
        [
            NT_SUCCESS(status),
            NT_INFORMATION(status),
            NT_WARNING(status),
            NT_ERROR(status),
        ]
    };
    assert_eq!(classes(STATUS_SUCCESS), [true, false, false, false]);
    assert_eq!(classes(STATUS_PENDING), [true, false, false, false]);
    assert_eq!(
        classes(STATUS_OBJECT_NAME_EXISTS),
        [true, true, false, false]
    );
    assert_eq!(classes(STATUS_BUFFER_OVERFLOW), [false, false, true, false]);
    assert_eq!(classes(STATUS_CANCELLED), [false, false, false, true]);
}

#[test]
fn paged_code_asserts_an_irql_below_dispatch_level() {
    let at = |irql: u32| {
        IRQL.set(irql.try_into().expect("an IRQL has 8 bits"));
        catch_unwind(|| wdk_sys::PAGED_CODE!()).is_ok()
    };
    assert!(at(PASSIVE_LEVEL));
    assert!(at(wdk_sys::APC_LEVEL));
    assert_eq!(at(DISPATCH_LEVEL), !cfg!(debug_assertions));
}

#[test]
fn a_default_structure_is_all_zeros() {
    let config = wdk_sys::WDF_IO_QUEUE_CONFIG::default();
    assert_eq!(
        (config.Size, config.Driver, config.EvtIoRead.is_none()),
        (0, null_mut(), true)
    );
    let list = wdk_sys::LOOKASIDE_LIST_EX::default();
    assert_eq!(
        (list.L.TotalAllocates, list.L.ListEntry.Flink),
        (0, null_mut())
    );
}
