//! A driver that is only what a test makes of it, on an offered device, straight on KMCL's table.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use kmcl_sys::{
    KMCL_CLIENT_INTERFACE_TYPE, KMCL_CLIENT_INTERFACE_V1, VMB_CHANNEL_STATE_CHANGE_CALLBACKS,
    VMB_CHANNEL_STATE_CHANGE_CALLBACKS_INIT, VMBCHANNEL, VMBPACKET, VMBPACKETCOMPLETION,
};
use ntsim::export::enter_driver;
use ntsim::kernel::{DriverId, kernel};
use ntsim::mm::Owner;
use ntsim::mm::pages::KernelPages;
use ntsim::pnp::Pdo;
use ntsim::vmbus::{HostChannel, KmclBehaviour, Offer, OfferHandle};
use ntsim::{BugCheck, Config, Machine, Report, StopCode, System};
use wdk_sys_lite::{GUID, INTERFACE, NTSTATUS, PVOID, STATUS_SUCCESS};

/// The driver's number; the simulator has loaded no image for it.
pub const DRIVER: DriverId = DriverId(1000);
/// The largest message.
pub const PACKET_SIZE: u32 = 2048;

pub static TYPE: GUID = GUID {
    Data1: 0x1234_5678,
    Data2: 1,
    Data3: 2,
    Data4: *b"ntsimtst",
};
pub static INSTANCE: GUID = GUID {
    Data1: 0x9ABC_DEF0,
    Data2: 3,
    Data3: 4,
    Data4: *b"instance",
};

type OnChannel = Rc<dyn Fn(VMBCHANNEL)>;
type OnOpened = Rc<dyn Fn(VMBCHANNEL) -> NTSTATUS>;
type OnPacket = Rc<dyn Fn(VMBPACKETCOMPLETION, &[u8], u32)>;
type OnCompletion = Rc<dyn Fn(VMBPACKET, NTSTATUS, Option<&[u8]>)>;

/// What the driver does in its callbacks, beyond writing down that they ran.
#[derive(Clone, Default)]
pub struct Hooks {
    pub opened: Option<OnOpened>,
    pub started: Option<OnChannel>,
    pub post_started: Option<OnChannel>,
    pub suspend: Option<OnChannel>,
    pub closed: Option<OnChannel>,
    pub packet: Option<OnPacket>,
    pub completion: Option<OnCompletion>,
}

#[derive(Default)]
struct Driver {
    hooks: Hooks,
    log: Vec<String>,
    table: KMCL_CLIENT_INTERFACE_V1,
    /// Sends under way, and whether new ones are barred, so that none begins after
    /// `EvtChannelSuspend`.
    senders: u32,
    barred: bool,
}

thread_local! {
    static STATE: RefCell<Driver> = RefCell::default();
}

fn hooks() -> Hooks {
    STATE.with_borrow(|state| state.hooks.clone())
}

pub fn set_hooks(change: impl FnOnce(&mut Hooks)) {
    STATE.with_borrow_mut(|state| change(&mut state.hooks));
}

pub fn note(line: impl Into<String>) {
    STATE.with_borrow_mut(|state| state.log.push(line.into()));
}

/// What happened in the driver's callbacks so far.
pub fn log() -> Vec<String> {
    STATE.with_borrow(|state| state.log.clone())
}

/// Waits until the driver has written down something.
pub fn wait_for(system: &System, line: &str) {
    wait_for_times(system, line, 1);
}

pub fn wait_for_times(system: &System, line: &str, times: usize) {
    for _ in 0..2_000_000 {
        if log().iter().filter(|entry| entry.starts_with(line)).count() >= times {
            return;
        }
        system.sleep(Duration::from_micros(1));
    }
    panic!("no {times} times {line:?} in {:?}", log());
}

pub fn table() -> KMCL_CLIENT_INTERFACE_V1 {
    STATE.with_borrow(|state| state.table)
}

/// Calls a function of KMCL's table.
#[macro_export]
macro_rules! kmcl {
    ($name:ident($($arg:expr),* $(,)?)) => {{
        let function = $crate::harness::table().$name.expect("a full table");
        #[allow(clippy::macro_metavars_in_unsafe, reason = "the arguments are a test's plain values")]
        // SAFETY: the arguments are as the test wants them; what they break, the simulator reports.
        let result = unsafe { function($($arg),*) };
        result
    }};
}

unsafe extern "C" fn on_opened(channel: VMBCHANNEL) -> NTSTATUS {
    note("opened");
    hooks().opened.map_or(STATUS_SUCCESS, |hook| hook(channel))
}

macro_rules! channel_callback {
    ($function:ident, $hook:ident, $name:literal) => {
        unsafe extern "C" fn $function(channel: VMBCHANNEL) {
            note($name);
            if let Some(hook) = hooks().$hook {
                hook(channel);
            }
            note(concat!($name, " done"));
        }
    };
}

unsafe extern "C" fn on_started(channel: VMBCHANNEL) {
    STATE.with_borrow_mut(|state| state.barred = false);
    // SAFETY: as this callback.
    unsafe { on_started_noted(channel) }
}

unsafe extern "C" fn on_suspend(channel: VMBCHANNEL) {
    STATE.with_borrow_mut(|state| state.barred = true);
    while STATE.with_borrow(|state| state.senders > 0) {
        kernel().sched.sleep(1000);
    }
    // SAFETY: as this callback.
    unsafe { on_suspend_noted(channel) }
}

channel_callback!(on_started_noted, started, "started");
channel_callback!(on_post_started, post_started, "post-started");
channel_callback!(on_suspend_noted, suspend, "suspend");
channel_callback!(on_closed, closed, "closed");

unsafe extern "C" fn on_packet(
    _channel: VMBCHANNEL,
    packet: VMBPACKETCOMPLETION,
    buffer: PVOID,
    length: u32,
    flags: u32,
) {
    // SAFETY: KMCL's contract: the payload is readable during the call.
    let payload = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), length as usize) };
    if let Some(hook) = hooks().packet {
        hook(packet, payload, flags);
    } else {
        kmcl!(VmbChannelPacketComplete(packet, std::ptr::null_mut(), 0));
    }
}

unsafe extern "C" fn on_processing_complete(_channel: VMBCHANNEL, packets: u32) {
    note(format!("batch of {packets}"));
}

pub unsafe extern "C" fn on_completion(
    packet: VMBPACKET,
    status: NTSTATUS,
    buffer: PVOID,
    length: u32,
) {
    // SAFETY: KMCL's contract: null, or readable during the call.
    let reply = (!buffer.is_null())
        .then(|| unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), length as usize) });
    note(format!("completed {:#x}", status.cast_unsigned()));
    if let Some(hook) = hooks().completion {
        hook(packet, status, reply);
    } else {
        kmcl!(VmbPacketFree(packet));
    }
}

/// Runs something as the driver.
pub fn driver<R>(work: impl FnOnce() -> R) -> R {
    let call = enter_driver(DRIVER, "the test's driver");
    let result = work();
    call.leave();
    result
}

/// The driver on its device, up to a channel that is configured and not enabled.
pub struct Fixture<'a> {
    pub system: &'a System,
    pub offer: OfferHandle,
    pub pdo: Rc<Pdo>,
    pub channel: VMBCHANNEL,
    pub context: PVOID,
}

/// Asks the device's own stack for the interface.
pub fn query(pdo: &Rc<Pdo>, size: u16, version: u16) -> (NTSTATUS, KMCL_CLIENT_INTERFACE_V1) {
    let mut table = KMCL_CLIENT_INTERFACE_V1::default();
    // SAFETY: the symbol is defined by the simulator.
    let identity = unsafe { &KMCL_CLIENT_INTERFACE_TYPE };
    let interface = (&raw mut table).cast();
    let status = driver(|| {
        pdo.bus.query_interface(
            pdo,
            identity,
            size,
            version,
            interface,
            std::ptr::null_mut(),
        )
    });
    (status, table)
}

/// Asks the bus driver's own device, as a driver does that is not on the device's stack.
pub fn query_by_name() -> KMCL_CLIENT_INTERFACE_V1 {
    let mut table = KMCL_CLIENT_INTERFACE_V1::default();
    // SAFETY: the symbol is defined by the simulator.
    let identity = unsafe { &KMCL_CLIENT_INTERFACE_TYPE };
    let interface = (&raw mut table).cast();
    let device = kernel()
        .pnp
        .named_device(r"\Device\VMBus\kmcl_interface")
        .expect("the bus driver's device");
    let status =
        driver(|| device.query_interface(identity, 360, 1, interface, std::ptr::null_mut()));
    assert_eq!(status, STATUS_SUCCESS);
    table
}

pub fn header(table: &KMCL_CLIENT_INTERFACE_V1) -> INTERFACE {
    // SAFETY: the table begins with the header.
    unsafe { (&raw const *table).cast::<INTERFACE>().read() }
}

impl Fixture<'_> {
    pub fn enable(&self) {
        assert_eq!(
            driver(|| kmcl!(VmbChannelEnable(self.channel))),
            STATUS_SUCCESS
        );
    }

    /// Enables the channel and waits until packets flow.
    pub fn open(&self) {
        let before = log()
            .iter()
            .filter(|line| *line == "post-started done")
            .count();
        self.enable();
        wait_for_times(self.system, "post-started done", before + 1);
    }

    pub fn disable(&self) {
        driver(|| kmcl!(VmbChannelDisable(self.channel)));
    }

    /// Disables and cleans the channel up and gives the interface back; nothing may be left.
    pub fn finish(self) {
        self.disable();
        driver(|| {
            kmcl!(VmbChannelCleanup(self.channel));
            self.dereference();
        });
        assert_eq!(self.system.leaks(DRIVER), []);
    }

    pub fn dereference(&self) {
        let dereference = header(&table())
            .InterfaceDereference
            .expect("a dereference routine");
        // SAFETY: the routine of the interface that was queried, with its own context.
        unsafe { dereference(self.context) };
    }

    /// A packet with the test's completion routine.
    pub fn packet(&self) -> VMBPACKET {
        let packet = driver(|| kmcl!(VmbPacketAllocate(self.channel)));
        assert!(!packet.is_null());
        driver(|| kmcl!(VmbPacketSetCompletionRoutine(packet, Some(on_completion))));
        packet
    }

    pub fn send(&self, packet: VMBPACKET, payload: &[u8], flags: u32) -> NTSTATUS {
        driver(|| {
            assert_eq!(kmcl!(VmbPacketGetChannel(packet)), self.channel);
            send(packet, payload, flags)
        })
    }

    /// As [`Shared::send_unless_suspended`].
    pub fn send_unless_suspended(&self, payload: &[u8], flags: u32) -> Option<NTSTATUS> {
        self.share().send_unless_suspended(payload, flags)
    }

    /// What another thread needs to send.
    pub fn share(&self) -> Shared {
        Shared(self.channel)
    }

    /// Sends a message with the default completion routine.
    pub fn message(&self, payload: &[u8]) {
        let packet = driver(|| kmcl!(VmbPacketAllocate(self.channel)));
        assert!(!packet.is_null());
        assert_eq!(self.send(packet, payload, 0), STATUS_SUCCESS);
    }
}

/// A channel, for several threads.
#[derive(Clone, Copy)]
pub struct Shared(VMBCHANNEL);

impl Shared {
    /// Sends unless the channel is suspended, and bars its suspension meanwhile.
    pub fn send_unless_suspended(self, payload: &[u8], flags: u32) -> Option<NTSTATUS> {
        if STATE.with_borrow(|state| state.barred) {
            return None;
        }
        STATE.with_borrow_mut(|state| state.senders += 1);
        let status = driver(|| {
            let packet = kmcl!(VmbPacketAllocate(self.0));
            assert!(!packet.is_null());
            kmcl!(VmbPacketSetCompletionRoutine(packet, Some(on_completion)));
            send(packet, payload, flags)
        });
        STATE.with_borrow_mut(|state| state.senders -= 1);
        Some(status)
    }
}

pub fn send(packet: VMBPACKET, payload: &[u8], flags: u32) -> NTSTATUS {
    let length = u32::try_from(payload.len()).expect("a short message");
    kmcl!(VmbPacketSend(
        packet,
        payload.as_ptr().cast_mut().cast(),
        length,
        std::ptr::null_mut(),
        flags
    ))
}

pub fn callbacks() -> VMB_CHANNEL_STATE_CHANGE_CALLBACKS {
    let mut callbacks = VMB_CHANNEL_STATE_CHANGE_CALLBACKS::default();
    VMB_CHANNEL_STATE_CHANGE_CALLBACKS_INIT(&mut callbacks);
    callbacks.EvtChannelOpened = Some(on_opened);
    callbacks.EvtChannelStarted = Some(on_started);
    callbacks.EvtChannelPostStarted = Some(on_post_started);
    callbacks.EvtChannelSuspend = Some(on_suspend);
    callbacks.EvtChannelClosed = Some(on_closed);
    callbacks
}

pub fn configure(channel: VMBCHANNEL) {
    assert!(configure_with(channel));
}

/// Configures a channel; false if a setter failed.
pub fn configure_with(channel: VMBCHANNEL) -> bool {
    driver(|| {
        let mut callbacks = callbacks();
        let results = [
            kmcl!(VmbChannelInitSetMaximumPacketSize(channel, PACKET_SIZE)),
            kmcl!(VmbChannelInitSetMaximumExternalData(channel, 0x20000, 4)),
            kmcl!(VmbChannelInitSetProcessPacketCallbacks(
                channel,
                Some(on_packet),
                Some(on_processing_complete)
            )),
            kmcl!(VmbChannelInitSetStateChangeCallbacks(
                channel,
                &raw mut callbacks
            )),
            kmcl!(VmbClientChannelInitSetRingBufferPageCount(channel, 2, 2)),
        ];
        results.iter().all(|status| *status == STATUS_SUCCESS)
    })
}

/// A fresh driver with KMCL's table.
pub fn start(table: &KMCL_CLIENT_INTERFACE_V1) {
    STATE.with_borrow_mut(|state| {
        *state = Driver {
            table: *table,
            ..Driver::default()
        };
    });
}

/// Runs a test with the driver on an offered device.
pub fn machine<R: Send + 'static>(
    config: Config,
    offer: Offer,
    host: impl FnOnce(HostChannel) + Send + 'static,
    test: impl FnOnce(Fixture<'_>) -> R + Send + 'static,
) -> Report<R> {
    let config = Config {
        max_steps: config.max_steps.or(Some(3_000_000)),
        ..config
    };
    Machine::run(config, move |system| {
        let offer = system.offer(offer, host);
        let pdo = offer.pdo().expect("a device");
        let table = query_by_name();
        start(&table);
        let mut channel = std::ptr::null_mut();
        let status = driver(|| kmcl!(VmbChannelAllocate(pdo.device_object(), 0, &raw mut channel)));
        assert_eq!(status, STATUS_SUCCESS);
        configure(channel);
        test(Fixture {
            system,
            offer,
            pdo,
            channel,
            context: header(&table).Context,
        })
    })
}

/// Runs a test for several seeds.
pub fn seeds<H: FnOnce(HostChannel) + Send + 'static>(
    behaviour: &KmclBehaviour,
    host: impl Fn() -> H,
    test: impl Fn(Fixture<'_>) + Send + Copy + 'static,
) {
    for seed in 1..=12 {
        let config = Config {
            kmcl: behaviour.clone(),
            ..Config::with_seed(seed)
        };
        machine(config, Offer::new(TYPE, INSTANCE), host(), test).expect_finished();
    }
}

/// Runs a test whose driver breaks a rule; the finding's text contains `expected`, whatever the
/// seed.
pub fn breaks<H: FnOnce(HostChannel) + Send + 'static>(
    expected: &str,
    host: impl Fn() -> H,
    test: impl Fn(Fixture<'_>) + Send + Copy + 'static,
) {
    for seed in 1..=6 {
        let report = machine(
            Config::with_seed(seed),
            Offer::new(TYPE, INSTANCE),
            host(),
            test,
        );
        let check: BugCheck = report.expect_bug_check();
        assert_eq!(
            check.code,
            StopCode::NTSIM_KMCL_VIOLATION,
            "seed {seed}: {check}"
        );
        assert!(check.message.contains(expected), "seed {seed}: {check}");
    }
}

/// The current IRQL.
pub fn irql() -> u8 {
    kernel().sched.current().irql()
}

/// Pages of the driver's.
pub fn pages(count: usize) -> KernelPages {
    ntsim::mm::pages::allocate(count, Owner::Driver(DRIVER)).expect("memory")
}
