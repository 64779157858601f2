//! Reports for people: the driver's own lines first, who did the other half of a mistake, who waits
//! for whom, and the command that repeats a failure.
#![cfg(target_os = "linux")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use ntsim::{Config, FailCall, Machine, Outcome, System};
use wdk_sys_lite::ntddk::{
    ExAllocatePool2, ExFreePoolWithTag, KeAcquireSpinLockRaiseToDpc, KeInitializeEvent,
    KeReleaseSpinLock, KeWaitForSingleObject,
};
use wdk_sys_lite::{_EVENT_TYPE, KEVENT, KSPIN_LOCK, POOL_FLAG_NON_PAGED};

const TAG: u32 = u32::from_ne_bytes(*b"Test");

fn allocate() -> *mut core::ffi::c_void {
    // SAFETY: any size may be asked for.
    unsafe { ExAllocatePool2(POOL_FLAG_NON_PAGED, 100, TAG) }
}

fn free(block: *mut core::ffi::c_void) {
    // SAFETY: what is wrong with the block the simulator reports.
    unsafe { ExFreePoolWithTag(block, TAG) };
}

/// The line on which something stands in this file.
fn line_of(text: &str) -> String {
    let number = include_str!("reports.rs")
        .lines()
        .position(|line| line.contains(text))
        .expect("a line");
    format!("tests/reports.rs:{}", number + 1)
}

#[test]
fn the_drivers_frames_come_first_with_file_and_line() {
    let check = Machine::run(Config::default(), |system: &System| {
        system.as_driver("driver", || {
            let block = allocate();
            free(block);
            free(block); // for the second time
        });
    })
    .expect_bug_check();
    let report = format!("{check:?}");
    let stack = report.split_once("stack:").expect("a stack").1;
    let first: String = stack
        .lines()
        .filter(|line| !line.is_empty())
        .take(2)
        .collect();
    assert!(first.contains("reports::free"), "{report}");
    assert!(
        report.contains(&line_of("// for the second time")),
        "{report}"
    );
    assert!(report.contains("frames of the simulator"), "{report}");
    assert!(!report.contains("ntsim/src/"), "{report}");
}

fn with_both(outer: &mut KSPIN_LOCK, inner: &mut KSPIN_LOCK) {
    // SAFETY: zeroed words are free locks; they are released in the reverse order.
    unsafe {
        let irql = KeAcquireSpinLockRaiseToDpc(outer);
        let raised = KeAcquireSpinLockRaiseToDpc(inner);
        KeReleaseSpinLock(inner, raised);
        KeReleaseSpinLock(outer, irql);
    }
}

#[test]
fn a_lock_order_names_both_places() {
    let check = Machine::run(Config::default(), |system: &System| {
        system.as_driver("driver", || {
            let mut locks = Box::new((0, 0));
            let (first, second) = (&mut locks.0, &mut locks.1);
            with_both(first, second); // one order
            with_both(second, first); // the other order
        });
    })
    .expect_bug_check();
    let report = format!("{check:?}");
    let (stack, history) = report
        .split_once("the other way round:")
        .expect("the other place");
    assert!(stack.contains(&line_of("// the other order")), "{report}");
    assert!(history.contains(&line_of("// one order")), "{report}");
}

/// Two locks in both orders, without the verifier that would say so: for some seed each waits for
/// the other.
#[test]
fn a_hang_says_who_waits_for_what_since_when_and_who_holds_it() {
    let run = |seed| {
        let config = Config {
            verifier: false,
            ..Config::with_seed(seed)
        };
        Machine::run(config, |system: &System| {
            let locks: &'static mut [KSPIN_LOCK; 2] = Box::leak(Box::new([0, 0]));
            let [first, second] = locks
                .each_mut()
                .map(|lock| std::ptr::from_mut(lock).expose_provenance());
            let acquire = |outer, inner| {
                // SAFETY: zeroed words that live for ever are free locks.
                move |_: &System| unsafe {
                    KeAcquireSpinLockRaiseToDpc(std::ptr::with_exposed_provenance_mut(outer));
                    KeAcquireSpinLockRaiseToDpc(std::ptr::with_exposed_provenance_mut(inner));
                    KeReleaseSpinLock(std::ptr::with_exposed_provenance_mut(inner), 2);
                    KeReleaseSpinLock(std::ptr::with_exposed_provenance_mut(outer), 0);
                }
            };
            let one = system.spawn("one", acquire(first, second));
            let other = system.spawn("other", acquire(second, first));
            let waiter = system.spawn("waiter", |_| {
                // SAFETY: an all-zero event is one that can be initialised; nobody sets it.
                unsafe {
                    let event = Box::leak(Box::new(std::mem::zeroed::<KEVENT>()));
                    KeInitializeEvent(event, _EVENT_TYPE::NotificationEvent, 0);
                    let _ = KeWaitForSingleObject(
                        std::ptr::from_mut(event).cast(),
                        0,
                        0,
                        0,
                        std::ptr::null_mut(),
                    );
                }
            });
            one.join();
            other.join();
            waiter.join();
        })
        .outcome
    };
    let waiting = (1..500)
        .filter_map(|seed| match run(seed) {
            Outcome::Hung(waiting) => Some(waiting),
            _ => None,
        })
        .find(|waiting| waiting.iter().any(|line| line.starts_with("one ")))
        .expect("a seed with a deadlock");
    let of = |name: &str| {
        let line = waiting.iter().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("{name} in {waiting:#?}"))
    };
    assert!(
        of("operator").contains("waits for the end of one since "),
        "{waiting:#?}"
    );
    assert!(
        of("one").contains("spins for the spin lock at "),
        "{waiting:#?}"
    );
    assert!(of("one").contains(", held by other since "), "{waiting:#?}");
    assert!(of("other").contains(", held by one since "), "{waiting:#?}");
    assert!(
        of("waiter").contains("waits for the event at "),
        "{waiting:#?}"
    );
    assert!(
        of("waiter").contains("(calls: KeWaitForSingleObject)"),
        "{waiting:#?}"
    );
}

#[test]
fn a_failure_points_at_the_tests_line_and_ends_with_the_command_that_repeats_it() {
    let report = Machine::run(Config::with_seed(7), |system: &System| {
        system.as_driver("driver", || free(allocate().wrapping_byte_add(16)));
    });
    let failed = std::cell::Cell::new(None);
    let hook = std::panic::take_hook();
    let place = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let seen = std::sync::Arc::clone(&place);
    std::panic::set_hook(Box::new(move |info| {
        *seen.lock().expect("no panic holds it") =
            info.location().map(ToString::to_string).unwrap_or_default();
    }));
    let payload = catch_unwind(AssertUnwindSafe(|| {
        report.expect_finished(); // here it fails
        failed.set(Some(()));
    }));
    std::panic::set_hook(hook);
    let message = *payload
        .expect_err("it fails")
        .downcast::<String>()
        .expect("a text");
    assert!(
        place
            .lock()
            .expect("no panic holds it")
            .contains(&line_of("// here it fails")),
        "{place:?}"
    );
    assert!(message.contains("seed 7"), "{message}");
    assert!(
        message.ends_with(
            "repeat with: cargo test -p ntsim --test reports -- --exact \
             a_failure_points_at_the_tests_line_and_ends_with_the_command_that_repeats_it"
        ),
        "{message}"
    );
}

#[test]
fn a_call_is_made_to_fail_by_its_function_and_number() {
    let run = |fail_call| {
        let config = Config {
            fail_call: Some(fail_call),
            ..Config::default()
        };
        let report = Machine::run(config, |system: &System| {
            system.as_driver("driver", || {
                let blocks = [allocate(), allocate(), allocate()];
                let failed = blocks.map(<*mut core::ffi::c_void>::is_null);
                blocks
                    .into_iter()
                    .filter(|block| !block.is_null())
                    .for_each(free);
                failed
            })
        });
        (report.failed_call, report.expect_finished())
    };
    assert_eq!(
        run(FailCall::Function("ExAllocatePool2", 2)),
        (true, [false, true, false])
    );
    assert_eq!(run(3.into()), (true, [false, false, true]));
    assert_eq!(
        run(FailCall::Function("ExAllocatePool2", 4)),
        (false, [false; 3])
    );
    assert_eq!(
        run(FailCall::Function("NoSuchFunction", 1)),
        (false, [false; 3])
    );
}

#[derive(Clone, Default)]
struct Written(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic holds it").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Calls that never return, for the machine stopped in them, are in the trace of its end.
#[test]
fn a_bug_check_leaves_a_whole_trace() {
    let written = Written::default();
    let sink = ntsim::trace_events::TraceSink::new(written.clone());
    let config = Config {
        trace: Some(sink.clone()),
        ..Config::default()
    };
    Machine::run(config, |system: &System| {
        system.as_driver("driver", || {
            let block = allocate();
            free(block);
            free(block);
        });
    })
    .expect_bug_check();
    sink.finish().expect("memory can be written");
    let bytes = written.0.lock().expect("no panic holds it").clone();
    let text = String::from_utf8(bytes).expect("text");
    assert!(
        text.starts_with("[\n{") && text.ends_with("}\n]\n"),
        "{text}"
    );
    assert_eq!(text.matches("\"ExFreePoolWithTag\"").count(), 2, "{text}");
    assert_eq!(text.matches("\"driver\"").count(), 1, "{text}");
}

/// A test's own assertion that fails in the machine ends with the command too: for the test's
/// standard error.
#[test]
fn a_failed_assertion_in_a_machine_ends_with_the_command() {
    const CHILD: &str = "NTSIM_TEST_FAILS_AN_ASSERTION";
    if std::env::var_os(CHILD).is_some() {
        Machine::run(Config::with_seed(5), |_: &System| panic!("the test's own")).expect_finished();
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "a_failed_assertion_in_a_machine_ends_with_the_command",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .expect("this program runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(text.contains("the test's own"), "{text}");
    assert!(
        text.contains(
            "the machine had seed 5\nrepeat with: cargo test -p ntsim --test reports -- --exact \
             a_failed_assertion_in_a_machine_ends_with_the_command"
        ),
        "{text}"
    );
}
