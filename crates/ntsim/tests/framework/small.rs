//! Memory, lookaside lists, collections, strings and registry keys.

use ntsim::kernel::kernel;
use ntsim::{Config, DriverImage, Machine, StopCode};
use wdk_sys_lite::{
    _POOL_TYPE, KEY_READ, KEY_SET_VALUE, NTSTATUS, PCUNICODE_STRING, PDRIVER_OBJECT,
    STATUS_ACCESS_DENIED, STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_NOT_FOUND, UNICODE_STRING,
    WDF_DRIVER_CONFIG, WDFOBJECT, call_unsafe_wdf_function_binding,
};

use crate::harness::{
    attributes, create_driver, create_object, driver_breaks, image, in_driver, size_in_u32,
};

struct Text {
    _units: Vec<u16>,
    header: UNICODE_STRING,
}

fn text(text: &str) -> Text {
    let mut units: Vec<u16> = text.encode_utf16().collect();
    let bytes = u16::try_from(units.len() * 2).unwrap_or(0);
    let header = UNICODE_STRING {
        Length: bytes,
        MaximumLength: bytes,
        Buffer: units.as_mut_ptr(),
    };
    Text {
        _units: units,
        header,
    }
}

#[test]
fn a_memory_object_has_a_buffer_of_its_length() {
    in_driver(|device| {
        let mut own = attributes();
        own.ParentObject = device;
        let (mut memory, mut buffer) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: local structures.
        unsafe {
            let status = call_unsafe_wdf_function_binding!(
                WdfMemoryCreate,
                &raw mut own,
                _POOL_TYPE::NonPagedPoolNx,
                0,
                100,
                &raw mut memory,
                &raw mut buffer
            );
            assert_eq!(status, 0);
            buffer.cast::<u8>().add(99).write_volatile(1);
            let mut length = 0;
            let same =
                call_unsafe_wdf_function_binding!(WdfMemoryGetBuffer, memory, &raw mut length);
            assert_eq!((same, length), (buffer, 100));
            let status = call_unsafe_wdf_function_binding!(
                WdfMemoryCreate,
                &raw mut own,
                _POOL_TYPE::NonPagedPoolNx,
                0,
                0,
                &raw mut memory,
                std::ptr::null_mut()
            );
            assert_eq!(status, STATUS_INVALID_PARAMETER, "no bytes");
        }
    });
}

/// `core/fxmemorybufferapi.cpp` 136: the pool type goes to Driver Verifier's no-execute check.
#[test]
fn executable_memory_is_a_violation() {
    let check = driver_breaks(|_| {
        let mut memory = std::ptr::null_mut();
        // SAFETY: a local place for the handle.
        let _ = unsafe {
            call_unsafe_wdf_function_binding!(
                WdfMemoryCreate,
                std::ptr::null_mut(),
                _POOL_TYPE::NonPagedPool,
                u32::from_le_bytes(*b"Exec"),
                100,
                &raw mut memory,
                std::ptr::null_mut()
            )
        };
    });
    assert_eq!(check.code, StopCode::DRIVER_VERIFIER_DETECTED_VIOLATION);
    assert_eq!(check.parameters[0], 0x2000, "{check}");
    assert_eq!(check.parameters[3], u64::from(u32::from_le_bytes(*b"Exec")));
}

/// Makes a memory object with a tag and never gives a reference of it back.
fn leave_memory(tag: u32) {
    let mut memory = std::ptr::null_mut();
    // SAFETY: a local place for the handle; the reference is never given back.
    unsafe {
        let status = call_unsafe_wdf_function_binding!(
            WdfMemoryCreate,
            std::ptr::null_mut(),
            _POOL_TYPE::NonPagedPoolNx,
            tag,
            100,
            &raw mut memory,
            std::ptr::null_mut()
        );
        assert_eq!(status, 0);
        call_unsafe_wdf_function_binding!(
            WdfObjectReferenceActual,
            memory,
            std::ptr::null_mut(),
            0,
            std::ptr::null()
        );
    }
}

/// A leak names the tag that the driver gave, or the driver's own for 0 (`core/fxmemorybufferapi.cpp`
/// 132): here the letters of `tester`.
#[test]
fn a_memory_object_that_is_left_is_reported_with_its_tag() {
    for (tag, named) in [(u32::from_le_bytes(*b"Mine"), "'Mine'"), (0, "'test'")] {
        let check = driver_breaks(move |_| {
            leave_memory(tag);
        });
        assert!(check.message.contains(named), "{check}");
    }
}

/// Without a tag of its own a driver's memory has its configuration's, else its service's name behind
/// `WDF`, else the framework's (`core/fxdriverapi.cpp`, `WdfDriverCreate`; `core/fxdriver.cpp`,
/// `_InitializeTag`).
#[test]
fn a_drivers_own_tag_is_its_configurations_or_of_its_name() {
    thread_local! {
        static TAG: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
    }
    unsafe extern "system" fn entry(driver: PDRIVER_OBJECT, path: PCUNICODE_STRING) -> NTSTATUS {
        let config = WDF_DRIVER_CONFIG {
            Size: size_in_u32::<WDF_DRIVER_CONFIG>(),
            DriverPoolTag: TAG.get(),
            ..WDF_DRIVER_CONFIG::default()
        };
        // SAFETY: DriverEntry's own arguments.
        assert_eq!(unsafe { create_driver(driver, path, config) }, 0);
        leave_memory(0);
        0
    }
    for (name, tag, named) in [
        ("tester", *b"Own!", "'Own!'"),
        ("tester", *b"Ddk ", "'test'"),
        ("WdfSample", [0; 4], "'Samp'"),
        ("wdfab", [0; 4], "'FxDr'"),
        ("ab", [0; 4], "'FxDr'"),
    ] {
        let check = Machine::run(Config::default(), move |system| {
            TAG.set(u32::from_le_bytes(tag));
            let image = DriverImage {
                name: name.to_owned(),
                entry,
                ..image()
            };
            let driver = system.load_driver(image).expect("the driver loads");
            let _ = system.unload_driver(driver);
        })
        .expect_bug_check();
        assert!(check.message.contains(named), "{named}: {check}");
    }
}

/// A paged list is made at `PASSIVE_LEVEL` (`core/fxlookasidelistapi.cpp`).
#[test]
fn a_paged_lookaside_list_at_dispatch_level_is_a_violation() {
    let make = |pool| {
        let mut list = std::ptr::null_mut();
        // SAFETY: a local place for the handle.
        let status = unsafe {
            call_unsafe_wdf_function_binding!(
                WdfLookasideListCreate,
                std::ptr::null_mut(),
                64,
                pool,
                std::ptr::null_mut(),
                0,
                &raw mut list
            )
        };
        assert_eq!(status, 0);
    };
    in_driver(move |_| {
        make(_POOL_TYPE::PagedPool);
        kernel().sched.set_irql(2);
        make(_POOL_TYPE::NonPagedPoolNx);
        kernel().sched.set_irql(0);
    });
    let check = driver_breaks(move |_| {
        kernel().sched.set_irql(2);
        make(_POOL_TYPE::PagedPool);
    });
    assert_eq!(check.code, StopCode::WDF_VIOLATION, "{check}");
    assert!(check.message.contains("WdfLookasideListCreate"), "{check}");
}

#[test]
fn a_preallocated_memory_object_is_the_drivers_buffer() {
    in_driver(|_| {
        let mut bytes = [0_u8; 16];
        let mut memory = std::ptr::null_mut();
        // SAFETY: a local buffer that outlives the object.
        unsafe {
            let status = call_unsafe_wdf_function_binding!(
                WdfMemoryCreatePreallocated,
                std::ptr::null_mut(),
                bytes.as_mut_ptr().cast(),
                16,
                &raw mut memory
            );
            assert_eq!(status, 0);
            let buffer =
                call_unsafe_wdf_function_binding!(WdfMemoryGetBuffer, memory, std::ptr::null_mut());
            assert_eq!(buffer.cast(), bytes.as_mut_ptr());
            call_unsafe_wdf_function_binding!(WdfObjectDelete, memory);
        }
    });
}

#[test]
fn a_lookaside_list_makes_memory_objects() {
    in_driver(|_| {
        let (mut list, mut memory) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: local structures.
        unsafe {
            let status = call_unsafe_wdf_function_binding!(
                WdfLookasideListCreate,
                std::ptr::null_mut(),
                64,
                _POOL_TYPE::NonPagedPoolNx,
                std::ptr::null_mut(),
                0,
                &raw mut list
            );
            assert_eq!(status, 0);
            let status = call_unsafe_wdf_function_binding!(
                WdfMemoryCreateFromLookaside,
                list,
                &raw mut memory
            );
            assert_eq!(status, 0);
            let mut length = 0;
            let _ = call_unsafe_wdf_function_binding!(WdfMemoryGetBuffer, memory, &raw mut length);
            assert_eq!(length, 64);
        }
    });
}

fn collection() -> WDFOBJECT {
    let mut collection = std::ptr::null_mut();
    // SAFETY: a local variable.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfCollectionCreate,
            std::ptr::null_mut(),
            &raw mut collection
        )
    };
    assert_eq!(status, 0);
    collection
}

#[test]
fn a_collection_keeps_its_objects() {
    in_driver(|_| {
        let collection = collection();
        let object = create_object(&mut attributes()).expect("an object");
        // SAFETY: the test's own objects.
        unsafe {
            assert_eq!(
                call_unsafe_wdf_function_binding!(WdfCollectionAdd, collection, object),
                0
            );
            assert_eq!(
                call_unsafe_wdf_function_binding!(WdfCollectionGetCount, collection),
                1
            );
            call_unsafe_wdf_function_binding!(WdfObjectDelete, object);
            let first = call_unsafe_wdf_function_binding!(WdfCollectionGetFirstItem, collection);
            assert_eq!(
                first, object,
                "deleted, but kept by the collection's reference"
            );
            call_unsafe_wdf_function_binding!(WdfCollectionRemove, collection, object);
            let first = call_unsafe_wdf_function_binding!(WdfCollectionGetFirstItem, collection);
            assert!(first.is_null());
        }
    });
}

#[test]
fn what_is_not_in_a_collection_cannot_be_removed() {
    let check = driver_breaks(|device| {
        let collection = collection();
        // SAFETY: removing what is not there is what is tried.
        unsafe { call_unsafe_wdf_function_binding!(WdfCollectionRemove, collection, device) };
    });
    assert_eq!(check.code, StopCode::WDF_VIOLATION);
}

#[test]
fn a_string_object_copies_its_text() {
    in_driver(|_| {
        let mut string = std::ptr::null_mut();
        let mut header = UNICODE_STRING::default();
        let source = text("Grüße");
        // SAFETY: local structures.
        unsafe {
            let status = call_unsafe_wdf_function_binding!(
                WdfStringCreate,
                &raw const source.header,
                std::ptr::null_mut(),
                &raw mut string
            );
            assert_eq!(status, 0);
            call_unsafe_wdf_function_binding!(WdfStringGetUnicodeString, string, &raw mut header);
            let units = std::slice::from_raw_parts(header.Buffer, usize::from(header.Length / 2));
            assert_eq!(String::from_utf16_lossy(units), "Grüße");
            assert_ne!(header.Buffer, source.header.Buffer);
            let odd = UNICODE_STRING {
                Length: 3,
                ..source.header
            };
            let status = call_unsafe_wdf_function_binding!(
                WdfStringCreate,
                &raw const odd,
                std::ptr::null_mut(),
                &raw mut string
            );
            assert_eq!(status, STATUS_INVALID_PARAMETER);
        }
    });
}

fn parameters(device: WDFOBJECT, access: u32) -> WDFOBJECT {
    let mut key = std::ptr::null_mut();
    // SAFETY: the new device, and a local variable.
    unsafe {
        let driver = call_unsafe_wdf_function_binding!(WdfDeviceGetDriver, device);
        let status = call_unsafe_wdf_function_binding!(
            WdfDriverOpenParametersRegistryKey,
            driver,
            access,
            std::ptr::null_mut(),
            &raw mut key
        );
        assert_eq!(status, 0);
    }
    key
}

fn number(key: WDFOBJECT, name: &str) -> Result<u32, NTSTATUS> {
    let mut value = 0;
    let name = text(name);
    // SAFETY: a key of the test's, and local variables.
    let status = unsafe {
        call_unsafe_wdf_function_binding!(
            WdfRegistryQueryULong,
            key,
            &raw const name.header,
            &raw mut value
        )
    };
    if status == 0 { Ok(value) } else { Err(status) }
}

#[test]
fn a_drivers_parameters_are_in_its_registry_key() {
    in_driver(|device| {
        let key = parameters(device, KEY_READ);
        assert_eq!(
            number(key, "answer"),
            Ok(42),
            "names do not distinguish case"
        );
        assert_eq!(number(key, "Question"), Err(STATUS_OBJECT_NAME_NOT_FOUND));
        // SAFETY: a key of the test's.
        unsafe { call_unsafe_wdf_function_binding!(WdfRegistryClose, key) };
    });
}

#[test]
fn a_keys_access_is_what_it_was_opened_for() {
    in_driver(|device| {
        let key = parameters(device, KEY_SET_VALUE);
        assert_eq!(number(key, "Answer"), Err(STATUS_ACCESS_DENIED));
    });
}

#[test]
fn a_closed_key_is_gone() {
    let check = driver_breaks(|device| {
        let key = parameters(device, KEY_READ);
        // SAFETY: using the key after closing it is what is tried.
        unsafe { call_unsafe_wdf_function_binding!(WdfRegistryClose, key) };
        let _ = number(key, "Answer");
    });
    assert_eq!(check.code, StopCode::WDF_VIOLATION);
}

#[test]
fn a_registry_number_can_be_set_and_read_back_in_every_form() {
    in_driver(|device| {
        let key = parameters(device, KEY_READ | KEY_SET_VALUE);
        let name = text("Limit");
        let (mut memory, mut kind) = (std::ptr::null_mut(), 0);
        let mut string = std::ptr::null_mut();
        // SAFETY: a key of the test's, and local structures.
        unsafe {
            let status = call_unsafe_wdf_function_binding!(
                WdfRegistryAssignULong,
                key,
                &raw const name.header,
                7
            );
            assert_eq!(status, 0);
            let status = call_unsafe_wdf_function_binding!(
                WdfRegistryQueryMemory,
                key,
                &raw const name.header,
                _POOL_TYPE::NonPagedPoolNx,
                std::ptr::null_mut(),
                &raw mut memory,
                &raw mut kind
            );
            assert_eq!((status, kind), (0, wdk_sys_lite::REG_DWORD));
            let mut length = 0;
            let buffer =
                call_unsafe_wdf_function_binding!(WdfMemoryGetBuffer, memory, &raw mut length);
            assert_eq!((length, buffer.cast::<[u8; 4]>().read()), (4, [7, 0, 0, 0]));
            let status = call_unsafe_wdf_function_binding!(
                WdfStringCreate,
                std::ptr::null(),
                std::ptr::null_mut(),
                &raw mut string
            );
            assert_eq!(status, 0);
            let status = call_unsafe_wdf_function_binding!(
                WdfRegistryQueryString,
                key,
                &raw const name.header,
                string
            );
            assert_eq!(
                status,
                wdk_sys_lite::STATUS_OBJECT_TYPE_MISMATCH,
                "it is no string"
            );
        }
        assert_eq!(number(key, "Limit"), Ok(7));
    });
}

#[test]
fn a_registry_string_fits_or_is_refused() {
    in_driver(|device| {
        let key = parameters(device, KEY_READ);
        ntsim::kernel::kernel().wdf.registry().set(
            &ntsim::wdf::registry::parameters_path("tester"),
            "Name",
            ntsim::wdf::registry::Value::string("abc"),
        );
        let name = text("Name");
        let mut room = [0_u16; 3];
        let mut value = UNICODE_STRING {
            Length: 0,
            MaximumLength: 4,
            Buffer: room.as_mut_ptr(),
        };
        let mut length = 0;
        // SAFETY: a key of the test's, and local structures.
        unsafe {
            let mut query = |value: &mut UNICODE_STRING| {
                call_unsafe_wdf_function_binding!(
                    WdfRegistryQueryUnicodeString,
                    key,
                    &raw const name.header,
                    &raw mut length,
                    std::ptr::from_mut(value)
                )
            };
            assert_eq!(query(&mut value), wdk_sys_lite::STATUS_BUFFER_OVERFLOW);
            value.MaximumLength = 6;
            assert_eq!(query(&mut value), 0);
        }
        assert_eq!((value.Length, length), (6, 6));
        assert_eq!(String::from_utf16_lossy(&room), "abc");
    });
}

#[test]
fn a_key_that_does_not_exist_cannot_be_opened() {
    in_driver(|device| {
        let parent = parameters(device, KEY_READ);
        let name = text("Missing");
        let mut key = std::ptr::null_mut();
        // SAFETY: a key of the test's, and local structures.
        let status = unsafe {
            call_unsafe_wdf_function_binding!(
                WdfRegistryOpenKey,
                parent,
                &raw const name.header,
                KEY_READ,
                std::ptr::null_mut(),
                &raw mut key
            )
        };
        assert_eq!(status, STATUS_OBJECT_NAME_NOT_FOUND);
    });
}
