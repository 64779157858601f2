//! A driver that keeps the rules, under everything at once: each request ends exactly once, and
//! nothing hangs or is left.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use ntsim::io::Process;
use ntsim::kernel::kernel;

use ntsim::{Config, System};
use wdk_sys_lite::{
    _WDF_EXECUTION_LEVEL as Level, _WDF_IO_QUEUE_DISPATCH_TYPE as Dispatch,
    _WDF_REQUEST_STOP_ACTION_FLAGS as Action, _WDF_SYNCHRONIZATION_SCOPE as Scope, NT_SUCCESS,
    STATUS_CANCELLED, STATUS_DEVICE_BUSY, STATUS_INVALID_DEVICE_STATE, STATUS_SUCCESS, WDFQUEUE,
    WDFREQUEST, WDFSPINLOCK,
};

use crate::harness::{
    INTERFACE, as_driver, attributes, bare, canceled_on_queue, complete, io_resume, io_stop, on,
    queue_config, request_cancel, run_with, wdf,
};

thread_local! {
    static WAITING: Cell<WDFQUEUE> = const { Cell::new(std::ptr::null_mut()) };
    static LOCK: Cell<WDFSPINLOCK> = const { Cell::new(std::ptr::null_mut()) };
    static OWNED: RefCell<Vec<WDFREQUEST>> = const { RefCell::new(Vec::new()) };
    static HELD: Cell<bool> = const { Cell::new(false) };
    static DONE: Cell<bool> = const { Cell::new(false) };
    static STOP: Cell<bool> = const { Cell::new(false) };
    static ENDED: Cell<u32> = const { Cell::new(0) };
}

fn next(queue: WDFQUEUE) -> Option<WDFREQUEST> {
    let mut request = std::ptr::null_mut();
    NT_SUCCESS(wdf!(WdfIoQueueRetrieveNextRequest, queue, &raw mut request)).then_some(request)
}

/// Runs something under the driver's lock, without which no request is put among the owned ones or
/// taken from them.
fn locked<R>(act: impl FnOnce(&mut Vec<WDFREQUEST>) -> R) -> R {
    wdf!(WdfSpinLockAcquire, LOCK.get());
    let mut owned = OWNED.take();
    let result = act(&mut owned);
    OWNED.set(owned);
    wdf!(WdfSpinLockRelease, LOCK.get());
    result
}

/// Takes a request back from cancellation; without success `EvtRequestCancel` completes it.
fn take_back(owned: &mut Vec<WDFREQUEST>, request: WDFREQUEST) -> bool {
    let known = owned.contains(&request);
    owned.retain(|other| *other != request);
    known && NT_SUCCESS(wdf!(WdfRequestUnmarkCancelable, request))
}

/// Keeps a request and lets its sender cancel it.
fn keep_cancelable(request: WDFREQUEST) {
    let status = locked(|owned| {
        let status = wdf!(WdfRequestMarkCancelableEx, request, Some(request_cancel));
        if NT_SUCCESS(status) {
            owned.push(request);
        }
        status
    });
    if !NT_SUCCESS(status) {
        complete(request, STATUS_CANCELLED);
    }
}

/// Reads wait in a manual queue until a thread or a DPC of the driver's completes them; writes do
/// so, or are completed at once, or are kept by the driver, cancelable.
fn driver(level: i32, scope: i32, dispatch: i32, with_callback: bool) {
    on("add", move |device, _, _| {
        let mut manual = bare(Dispatch::WdfIoQueueDispatchManual);
        if with_callback {
            manual.EvtIoCanceledOnQueue = Some(canceled_on_queue);
        }
        let mut own = attributes();
        own.ExecutionLevel = level;
        own.SynchronizationScope = scope;
        let mut waiting = std::ptr::null_mut();
        let status = wdf!(
            WdfIoQueueCreate,
            device,
            &raw mut manual,
            &raw mut own,
            &raw mut waiting
        );
        assert_eq!(status, STATUS_SUCCESS);
        WAITING.set(waiting);
        let mut own = attributes();
        own.ParentObject = device;
        let mut lock = std::ptr::null_mut();
        assert_eq!(
            wdf!(WdfSpinLockCreate, &raw mut own, &raw mut lock),
            STATUS_SUCCESS
        );
        LOCK.set(lock);
        let mut config = queue_config(dispatch);
        config.EvtIoStop = Some(io_stop);
        config.EvtIoResume = Some(io_resume);
        let mut own = attributes();
        own.ExecutionLevel = level;
        own.SynchronizationScope = scope;
        let mut queue = std::ptr::null_mut();
        let status = wdf!(
            WdfIoQueueCreate,
            device,
            &raw mut config,
            &raw mut own,
            &raw mut queue
        );
        assert_eq!(status, STATUS_SUCCESS);
    });
    let forward = |request| {
        let status = wdf!(WdfRequestForwardToIoQueue, request, WAITING.get());
        if !NT_SUCCESS(status) {
            complete(request, STATUS_INVALID_DEVICE_STATE);
        }
    };
    on("read", move |_, request, _| forward(request));
    on("write", move |_, request, _| {
        match kernel().sched.random(3) {
            0 => forward(request),
            1 => keep_cancelable(request),
            _ => complete(request, STATUS_SUCCESS),
        }
    });
    on("cancel", |request, _, _| {
        locked(|owned| owned.retain(|other| *other != request));
        complete(request, STATUS_CANCELLED);
    });
    on("stop", |_, request, numbers| {
        if !locked(|owned| take_back(owned, request)) {
            return;
        }
        let purge = Action::WdfRequestStopActionPurge as usize & numbers[0] != 0;
        match kernel().sched.random(3) {
            0 if !purge => wdf!(WdfRequestStopAcknowledge, request, 1),
            1 if !purge => {
                // Acknowledged while it is ours, and ours again once it is marked.
                wdf!(WdfRequestStopAcknowledge, request, 0);
                keep_cancelable(request);
            }
            _ => complete(request, STATUS_CANCELLED),
        }
    });
    on("canceled on queue", |_, request, _| {
        complete(request, STATUS_CANCELLED);
    });
}

fn drain() {
    while let Some(request) = next(WAITING.get()) {
        if kernel().sched.random(4) == 0 {
            assert_eq!(wdf!(WdfRequestRequeue, request), STATUS_SUCCESS);
            break;
        }
        complete(request, STATUS_SUCCESS);
    }
    let taken = locked(|owned| {
        let request = owned.first().copied()?;
        take_back(owned, request).then_some(request)
    });
    if let Some(request) = taken {
        complete(request, STATUS_SUCCESS);
    }
}

fn client(process: &Process) {
    let Ok(file) = process.open(&INTERFACE) else {
        return;
    };
    for _ in 0..process.random(12) {
        let count = process.random(4) + 1;
        let pending: Vec<_> = (0..count)
            .filter_map(|_| {
                if process.random(2) == 0 {
                    file.start_read(8).ok()
                } else {
                    file.start_write(&[1]).ok()
                }
            })
            .collect();
        match process.random(4) {
            0 => {
                let _ = file.cancel_all();
            }
            1 => {
                for pending in &pending {
                    let _ = pending.cancel();
                }
            }
            2 if process.random(3) == 0 => return,
            _ => process.sleep(Duration::from_nanos(process.random(20_000))),
        }
        for pending in pending {
            let status = pending.wait().status;
            assert!(
                [
                    STATUS_SUCCESS,
                    STATUS_CANCELLED,
                    STATUS_INVALID_DEVICE_STATE
                ]
                .contains(&status),
                "{status:#x}"
            );
            ENDED.set(ENDED.get() + 1);
        }
    }
}

/// The driver's thread that completes what waits, itself or in a DPC.
fn completer(system: &System) {
    while !STOP.get() {
        if system.random(2) == 0 {
            as_driver(drain);
        } else {
            let done = Rc::new(Cell::new(false));
            let flag = Rc::clone(&done);
            kernel().sched.queue_dpc(None, "driver's DPC", move || {
                as_driver(drain);
                flag.set(true);
            });
            while !done.get() {
                system.sleep(Duration::from_micros(1));
            }
        }
        system.sleep(Duration::from_nanos(system.random(20_000) + 100));
    }
}

fn events(system: &System, pdo: u32) {
    for _ in 0..system.random(6) {
        system.sleep(Duration::from_nanos(system.random(30_000)));
        match system.random(3) {
            0 => {
                if system.power_down(pdo).is_ok() {
                    system.sleep(Duration::from_nanos(system.random(10_000)));
                    system.power_up(pdo).expect("wakes up");
                }
            }
            1 => {
                // It is open, so it stays.
                assert_eq!(system.remove_device(pdo), Err(STATUS_DEVICE_BUSY));
            }
            _ => {
                let _ = system.rebalance(pdo);
            }
        }
    }
}

fn storm(seed: u64) -> u32 {
    let level = [
        Level::WdfExecutionLevelInheritFromParent,
        Level::WdfExecutionLevelPassive,
    ];
    let scope = [
        Scope::WdfSynchronizationScopeNone,
        Scope::WdfSynchronizationScopeQueue,
    ];
    let dispatch = [
        Dispatch::WdfIoQueueDispatchParallel,
        Dispatch::WdfIoQueueDispatchSequential,
    ];
    let bit = move |number: u32| usize::from(seed >> number & 1 == 1);
    let config = Config {
        switch_chance: [64, 160][bit(4)],
        ..Config::with_seed(seed)
    };
    let surprise = seed.is_multiple_of(3);
    run_with(
        config,
        move || driver(level[bit(0)], scope[bit(1)], dispatch[bit(2)], bit(3) == 1),
        move |bench| {
            let (system, pdo) = (bench.system, bench.pdo);
            // Keeps the device object, and with it the queues, for as long as the driver's thread
            // uses them.
            let holder = system.spawn_process("holder", |process| {
                let _file = process.open(&INTERFACE).expect("opens");
                HELD.set(true);
                while !DONE.get() {
                    process.sleep(Duration::from_micros(10));
                }
            });
            while !HELD.get() {
                system.sleep(Duration::from_micros(1));
            }
            let clients: Vec<_> = (0..3)
                .map(|_| system.spawn_process("client", client))
                .collect();
            let thread = system.spawn("completer", completer);
            let operator = system.spawn("events", move |system| events(system, pdo));
            operator.join();
            if surprise {
                let _ = system.surprise_remove(pdo);
            }
            for client in clients {
                client.join();
            }
            STOP.set(true);
            thread.join();
            DONE.set(true);
            holder.join();
            assert!(kernel().io.pending_requests().is_empty());
            ENDED.get()
        },
    )
    .expect_finished()
}

#[test]
fn every_request_ends_whatever_happens_around_it() {
    let ended: u32 = (1..=400).map(storm).sum();
    assert!(ended > 400 * 10, "{ended} requests");
}
