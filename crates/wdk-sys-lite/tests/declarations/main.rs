//! Each declaration of this crate against what the real crates declare: `wdk-sys` 0.5.2 (by the
//! facts in `tests/data`) and `windows-sys` 0.61.2.
//!
//! The sources are read item by item, so that an item cannot be declared and escape. What differs
//! from a reference is in `tests/data/differences.json` with the reason, and what the facts do not
//! list in `tests/data/additions.json` with the source.
#![cfg(all(target_arch = "x86_64", not(windows)))]

use std::path::Path;
use std::{env, fs};

use declared::{Declared, Source};
use facts::Facts;
use layout_check::LayoutCheck;

mod declared;
mod facts;
mod layout;
mod layout_check;
mod windows_sys;

fn declared() -> Declared {
    Declared::read(&declared::sources()).expect("sources that every comparison covers")
}

#[test]
fn every_declaration_is_that_of_wdk_sys() {
    let complaints = facts::complaints(&declared(), &Facts::read());
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_structure_has_the_layout_of_wdk_sys() {
    let complaints = layout_check::complaints(&layout::layouts());
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn the_list_of_layouts_has_every_structure() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/declarations/layout.rs");
    let expected = facts::layouts(&declared(), &Facts::read());
    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &expected).expect("a writable list of layouts");
    }
    let found = fs::read_to_string(&path).expect("a list of layouts");
    assert!(
        found == expected,
        "tests/declarations/layout.rs is not what the facts and the sources say: \
         run `UPDATE=1 cargo test -p wdk-sys-lite`"
    );
}

/// The complaints about the sources with one text put in place of another.
fn complaints_with(file: &str, from: &str, to: &str) -> Vec<String> {
    let mut sources: Vec<Source> = declared::sources();
    let (_, text) = sources
        .iter_mut()
        .find(|(name, _)| name == file)
        .expect("a source file of that name");
    assert!(text.contains(from), "{file} does not contain {from}");
    *text = text.replacen(from, to, 1);
    match Declared::read(&sources) {
        Ok(declared) => facts::complaints(&declared, &Facts::read()),
        Err(complaint) => vec![complaint],
    }
}

#[track_caller]
fn assert_refused(file: &str, from: &str, to: &str, complaint: &str) {
    let complaints = complaints_with(file, from, to);
    assert!(
        complaints.iter().any(|found| found.contains(complaint)),
        "{from} -> {to}: expected a complaint about {complaint}, got {complaints:?}"
    );
}

#[test]
fn a_wrong_signature_is_refused() {
    assert_refused(
        "ntddk.rs",
        "NumberOfBytes: SIZE_T",
        "NumberOfBytes: ULONG",
        "fn ExAllocatePool2",
    );
    assert_refused(
        "ntddk.rs",
        "Tag: ULONG) -> PVOID",
        "Tag: ULONG)",
        "fn ExAllocatePool2",
    );
    assert_refused("ntddk.rs", "P: PVOID", "Q: PVOID", "fn ExFreePool");
    assert_refused(
        "ntddk.rs",
        "pub fn DbgPrint(Format: PCSTR, ...)",
        "pub fn DbgPrint(Format: PCSTR)",
        "DbgPrint",
    );
    assert_refused(
        "ntddk.rs",
        "unsafe extern \"C\"",
        "unsafe extern \"system\"",
        "extern \"C\"",
    );
}

#[test]
fn a_wrong_attribute_is_refused() {
    assert_refused(
        "ntddk.rs",
        "#[must_use]\n    pub fn ZwClose",
        "pub fn ZwClose",
        "fn ZwClose (attributes)",
    );
    assert_refused(
        "ntddk.rs",
        "pub fn KeSetEvent",
        "#[must_use]\n    pub fn KeSetEvent",
        "fn KeSetEvent (attributes)",
    );
}

#[test]
fn an_item_that_no_fact_covers_is_refused() {
    assert_refused(
        "ntddk.rs",
        "pub fn ExFreePool(",
        "pub fn ExFreePoolNow(",
        "function ExFreePoolNow",
    );
    assert_refused(
        "types.rs",
        "pub type ACCESS_MASK",
        "pub type ACCESS_MASKS",
        "type ACCESS_MASKS",
    );
    assert_refused(
        "types.rs",
        "pub struct _MDL {",
        "pub struct _MDL2 {",
        "structure _MDL2",
    );
    assert_refused(
        "types.rs",
        "pub mod _POOL_TYPE {",
        "pub mod _POOL_TYPES {",
        "enumeration _POOL_TYPES",
    );
    assert_refused(
        "constants.rs",
        "pub const APC_LEVEL",
        "pub const APC_LEVELS",
        "constant APC_LEVELS",
    );
    assert_refused(
        "types.rs",
        "pub const WdfDriverCreateTableIndex",
        "pub const WdfMadeUp",
        "index WdfMadeUp",
    );
    assert_refused(
        "lib.rs",
        "pub const fn NT_SUCCESS",
        "pub const fn NT_MAYBE",
        "fn NT_MAYBE",
    );
    assert_refused(
        "lib.rs",
        "pub mod ntddk;",
        "pub mod ntddk;\npub static SPARE: u8 = 0;",
        "no comparison covers",
    );
    assert_refused(
        "lib.rs",
        "pub mod ntddk;",
        "pub mod ntddk;\npub mod ntifs;",
        "the crate's modules",
    );
    assert_refused(
        "types.rs",
        "pub type BOOLEAN = UCHAR;",
        "pub type BOOLEAN = UCHAR; pub type BOOLEAN = UCHAR;",
        "twice",
    );
}

#[test]
fn a_wrong_type_is_refused() {
    assert_refused(
        "types.rs",
        "pub type KIRQL = UCHAR",
        "pub type KIRQL = ULONG",
        "type KIRQL",
    );
    assert_refused(
        "types.rs",
        "type c_long = i32",
        "type c_long = i64",
        "type c_long",
    );
    assert_refused(
        "types.rs",
        "pub ByteOffset: ULONG",
        "pub ByteOffset: USHORT",
        "_MDL (fields)",
    );
    assert_refused(
        "types.rs",
        "pub Flink: *mut _LIST_ENTRY,",
        "",
        "_LIST_ENTRY (fields)",
    );
    assert_refused(
        "types.rs",
        "pub union _LARGE_INTEGER {",
        "pub struct _LARGE_INTEGER {",
        "_LARGE_INTEGER (kind)",
    );
    assert_refused(
        "types.rs",
        "_opaque: [u8; 208]",
        "_opaque: [u8; 200]",
        "_IRP (fields)",
    );
    assert_refused(
        "types.rs",
        "Device: WDFDEVICE) -> NTSTATUS",
        "Device: WDFDEVICE)",
        "EVT_WDF_DEVICE",
    );
    assert_refused(
        "types.rs",
        "    _MDL,\n",
        "",
        "_MDL: bindgen gives it a Default",
    );
    assert_refused(
        "types.rs",
        "#[derive(Debug, Copy, Clone)]\npub struct _MDL",
        "pub struct _MDL",
        "_MDL: bindgen derives",
    );
}

#[test]
fn a_wrong_constant_is_refused() {
    assert_refused(
        "constants.rs",
        "DISPATCH_LEVEL: u32 = 2",
        "DISPATCH_LEVEL: u32 = 3",
        "const DISPATCH_LEVEL",
    );
    assert_refused(
        "constants.rs",
        "DISPATCH_LEVEL: u32 = 2",
        "DISPATCH_LEVEL: u8 = 2",
        "const DISPATCH_LEVEL",
    );
    assert_refused(
        "constants.rs",
        "0xC000_0001_u32",
        "0xC000_0002_u32",
        "const STATUS_UNSUCCESSFUL",
    );
    assert_refused(
        "constants.rs",
        "0x0000_0000_0000_0040;",
        "0x0000_0000_0000_0041;",
        "const POOL_FLAG_NON_PAGED",
    );
    assert_refused(
        "constants.rs",
        "WDF_NO_HANDLE: PVOID",
        "WDF_NO_HANDLE: PULONG",
        "const WDF_NO_HANDLE",
    );
    assert_refused(
        "types.rs",
        "NonPagedPoolNx: Type = 512",
        "NonPagedPoolNx: Type = 0",
        "_POOL_TYPE::NonPagedPoolNx",
    );
    assert_refused(
        "types.rs",
        "    pub const NonPagedPoolNx: Type = 512;\n",
        "",
        "_POOL_TYPE: its constants",
    );
    assert_refused(
        "types.rs",
        "pub use self::_POOL_TYPE::Type as POOL_TYPE;",
        "",
        "type POOL_TYPE",
    );
}

#[test]
fn a_wrong_framework_function_is_refused() {
    let index = "WdfDriverCreateTableIndex: Type = 116";
    assert_refused(
        "types.rs",
        index,
        "WdfDriverCreateTableIndex: Type = 117",
        "index WdfDriverCreateTableIndex",
    );
    assert_refused(
        "types.rs",
        index,
        "WdfDriverCreateTableIndex: Type = 117",
        "WdfDriverCreate (number)",
    );
    let row = "WdfDriverCreate[WdfDriverCreateTableIndex as PFN_WDFDRIVERCREATE]";
    let wrong_index = "WdfDriverCreate[WdfDeviceCreateTableIndex as PFN_WDFDRIVERCREATE]";
    assert_refused("wdf.rs", row, wrong_index, "WdfDriverCreate (index)");
    let wrong_pointer = "WdfDriverCreate[WdfDriverCreateTableIndex as PFN_WDFDEVICECREATE]";
    assert_refused("wdf.rs", row, wrong_pointer, "WdfDriverCreate (pointer)");
    assert_refused(
        "wdf.rs",
        "Item: WDFOBJECT",
        "Item: PVOID",
        "WdfCollectionRemove (call)",
    );
    assert_refused(
        "wdf.rs",
        "\"WdfDriverCreate\",",
        "\"WdfDriverMake\",",
        "WdfDriverMake at 116",
    );
    let pointer = "pub type PFN_WDFCOLLECTIONGETCOUNT =";
    assert_refused(
        "types.rs",
        pointer,
        "pub type PFN_WDFCOLLECTIONADDED =",
        "type PFN_WDFCOLLECTIONADDED",
    );
    let functions = "#[link_name = \"WdfFunctions_01033\"]";
    assert_refused(
        "lib.rs",
        functions,
        "#[link_name = \"WdfFunctions_01031\"]",
        "static WdfFunctions",
    );
}

#[test]
fn a_wrong_layout_is_refused() {
    let wrong = LayoutCheck {
        name: "_MDL",
        size: (48, 56),
        align: (8, 4),
        fields: vec![("Next", 0, 0), ("Size", 8, 10)],
    };
    let complaints = layout_check::complaints(&[wrong]);
    assert_eq!(complaints.len(), 3, "{complaints:?}");
}

#[test]
fn a_listed_difference_that_is_gone_is_refused() {
    let mut facts = Facts::read();
    let mut gone = facts
        .differences
        .first()
        .expect("a difference to copy")
        .clone();
    gone.reference = "wdk-sys".to_owned();
    gone.item = "fn NoSuchFunction".to_owned();
    facts.differences.push(gone);
    let complaints = facts::complaints(&declared(), &facts);
    assert_eq!(
        complaints,
        ["fn NoSuchFunction: the listed difference is gone"]
    );
}
