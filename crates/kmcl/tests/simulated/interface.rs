//! What the bus driver answers to the query for its interface.

use std::cell::Cell;
use std::rc::Rc;

use kmcl::interface::InterfaceVersion;
use kmcl_sys::KMCL_CLIENT_INTERFACE_V1;
use ntsim::pnp::{Bus, Pdo};
use ntsim::{Config, Machine};
use wdk_sys_lite::{
    GUID, INTERFACE, NTSTATUS, PINTERFACE, PVOID, STATUS_REVISION_MISMATCH, STATUS_SUCCESS,
};

use crate::driver::{self, Numbers, Options, Query};
use crate::guest::{HARDWARE_ID, image};

thread_local! {
    static DEREFERENCED: Cell<u32> = const { Cell::new(0) };
}

unsafe extern "C" fn reference(_context: PVOID) {}
unsafe extern "C" fn dereference(_context: PVOID) {
    DEREFERENCED.set(DEREFERENCED.get() + 1);
}
unsafe extern "C" fn nothing() {}

#[derive(Clone, Copy, Debug)]
struct Answer {
    status: NTSTATUS,
    size: u16,
    version: u16,
    missing: Option<usize>,
}

/// A newer version than the first, as the bus has it.
const NEWER: InterfaceVersion = InterfaceVersion {
    version: 3,
    size: 400,
};

struct FakeBus(Answer);

impl Bus for FakeBus {
    fn query_interface(
        &self,
        _pdo: &Rc<Pdo>,
        _interface_type: &GUID,
        size: u16,
        version: u16,
        interface: PINTERFACE,
        _data: PVOID,
    ) -> NTSTATUS {
        assert!((size, version) == (360, 1) || (size, version) == (NEWER.size, NEWER.version));
        if self.0.status < 0 {
            return self.0.status;
        }
        // SAFETY: 360 bytes of the caller's: a header and 41 pointers.
        unsafe {
            let members = interface.add(1).cast::<*const ()>();
            for index in 0..41 {
                let member = if self.0.missing == Some(index) {
                    std::ptr::null()
                } else {
                    nothing as *const ()
                };
                members.add(index).write_unaligned(member);
            }
            interface.write_unaligned(INTERFACE {
                Size: self.0.size,
                Version: self.0.version,
                Context: std::ptr::null_mut(),
                InterfaceReference: Some(reference),
                InterfaceDereference: Some(dereference),
            });
        }
        STATUS_SUCCESS
    }

    fn removed(&self, _pdo: &Rc<Pdo>) {}
}

/// How the device's start ends on a bus that answers so, and how often the interface was given
/// back.
fn start(answer: Answer) -> (Result<(), NTSTATUS>, u32) {
    let (result, dereferenced, _) = start_asking(answer, Query::First);
    (result, dereferenced)
}

/// As [`start`], with what the driver saw of the interface.
fn start_asking(answer: Answer, query: Query) -> (Result<(), NTSTATUS>, u32, Numbers) {
    const { assert!(size_of::<KMCL_CLIENT_INTERFACE_V1>() == 32 + 41 * 8) };
    Machine::run(Config::default(), move |system| {
        driver::set_options(Options {
            query,
            ..Options::default()
        });
        let loaded = system.load_driver(image()).expect("the driver loads");
        let bus = Rc::new(FakeBus(answer));
        let pdo =
            ntsim::kernel::kernel()
                .pnp
                .report(HARDWARE_ID.to_owned(), "fake".to_owned(), bus);
        let result = system.wait_started(pdo.id);
        let leaks = system.unload_driver(loaded).expect("the driver unloads");
        assert!(leaks.is_empty(), "{leaks:?}");
        (result, DEREFERENCED.get(), driver::seen())
    })
    .expect_finished()
}

const GOOD: Answer = Answer {
    status: STATUS_SUCCESS,
    size: 360,
    version: 1,
    missing: None,
};

#[test]
fn a_bus_without_the_interface_is_an_error_and_nothing_is_given_back() {
    let answer = Answer {
        status: wdk_sys_lite::STATUS_UNSUCCESSFUL,
        ..GOOD
    };
    assert_eq!(start(answer), (Err(wdk_sys_lite::STATUS_UNSUCCESSFUL), 0));
}

#[test]
fn a_short_or_old_answer_is_refused_and_given_back_once() {
    for answer in [
        Answer { size: 352, ..GOOD },
        Answer { size: 0, ..GOOD },
        Answer { version: 0, ..GOOD },
        Answer { version: 2, ..GOOD },
    ] {
        assert_eq!(
            start(answer),
            (Err(STATUS_REVISION_MISMATCH), 1),
            "{answer:?}"
        );
    }
}

#[test]
fn an_answer_with_any_member_missing_is_refused_and_given_back_once() {
    for missing in 0..41 {
        let answer = Answer {
            missing: Some(missing),
            ..GOOD
        };
        assert_eq!(
            start(answer),
            (Err(STATUS_REVISION_MISMATCH), 1),
            "member {missing}"
        );
    }
}

#[test]
fn a_newer_answer_is_checked_as_the_first_is() {
    for answer in [
        Answer { size: 352, ..GOOD },
        Answer { version: 1, ..GOOD },
        Answer {
            version: 3,
            missing: Some(40),
            ..GOOD
        },
    ] {
        let (result, dereferenced, _) = start_asking(answer, Query::Version(NEWER));
        assert_eq!(
            (result, dereferenced),
            (Err(STATUS_REVISION_MISMATCH), 1),
            "{answer:?}"
        );
    }
}

#[test]
fn a_newer_version_is_there_whole_and_given_back_once() {
    let queried = |answer, version| {
        let query = Query::Only(version);
        let (started, dereferenced, seen) = start_asking(answer, query);
        assert!(started.is_err(), "the driver goes no further");
        assert_eq!(dereferenced, 1);
        seen
    };
    let newer = Answer {
        size: 400,
        version: 3,
        ..GOOD
    };
    let seen = queried(newer, NEWER);
    assert_eq!((seen.version, seen.header), (3, (400, 3)));
    // What is not larger and newer than the first is the first.
    for version in [
        InterfaceVersion { size: 360, ..NEWER },
        InterfaceVersion {
            version: 1,
            ..NEWER
        },
        InterfaceVersion::V1,
    ] {
        let seen = queried(GOOD, version);
        assert_eq!((seen.version, seen.header), (1, (360, 1)), "{version:?}");
    }
}
