//! The guest's bus driver: it talks to the host by control messages, makes a device of each offer,
//! and gives KMCL the operations that need the host's answer.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use wdk_sys_lite::{
    GUID, NTSTATUS, PINTERFACE, PVOID, STATUS_DEVICE_NOT_CONNECTED, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_PARAMETER,
};

use super::kmcl;
use super::message::{
    CONNECTION_VERSION, ChannelOnly, GpadlTeardown, InitiateContact, Message, OfferChannel,
    OpenChannel, PageRange, SINT, VERSIONS, gpadl_messages,
};
use super::{guid_from_bytes, guid_text};
use crate::kernel::kernel;
use crate::pnp::{self, Pdo};
use crate::sched::{ContextKind, Key};

/// Interrupts go to this virtual processor unless the channel says otherwise.
const TARGET_PROCESSOR: u32 = 0;

/// How far the bus driver has come with the host.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Contact {
    #[default]
    None,
    /// This version, by its place in the list, was proposed.
    Proposed(usize),
    /// The offers were asked for.
    Connected,
    /// The host knows none of the versions.
    Refused,
}

/// An offer as the guest knows it.
pub(crate) struct GuestOffer {
    pub(crate) relid: u32,
    pub(crate) interface_type: GUID,
    pub(crate) instance: GUID,
    pub(crate) mmio_megabytes: u16,
    pub(crate) mmio_base: u64,
    pub(crate) rescinded: Cell<bool>,
    /// A KMCL channel is connecting to it or connected.
    pub(crate) taken: Cell<bool>,
    pdo: OnceCell<Rc<Pdo>>,
    /// The device's stack is gone for good.
    device_gone: Cell<bool>,
}

impl GuestOffer {
    /// The device that stands for it.
    pub(crate) fn pdo(&self) -> Option<&Rc<Pdo>> {
        self.pdo.get()
    }
}

/// The guest's record of a GPADL, until the host has torn it down.
enum Described {
    Waiting,
    Answered(i32),
    TearingDown,
}

/// The bus driver's state.
#[derive(Default)]
pub(crate) struct GuestBus {
    contact: Cell<Contact>,
    inbox: RefCell<VecDeque<Vec<u8>>>,
    working: Cell<bool>,
    offers: RefCell<BTreeMap<u32, Rc<GuestOffer>>>,
    opens: RefCell<BTreeMap<u32, Option<i32>>>,
    gpadls: RefCell<BTreeMap<u32, Described>>,
    next_id: Cell<u32>,
    next_mmio: Cell<u64>,
    answers: OnceCell<Key>,
}

/// How long an open that is not wanted any more may still wait for the host's answer, at most, in
/// nanoseconds.
const LAST_PATIENCE: u64 = 200_000;

/// Where the guest sets memory-mapped I/O space aside.
const MMIO_BASE: u64 = 0xF_8000_0000;

impl GuestBus {
    fn post(message: &Message) {
        kernel().vmbus.to_host(message);
    }

    /// A key that is woken by each of the host's answers.
    pub(crate) fn answers(&self) -> Key {
        *self.answers.get_or_init(|| {
            kernel()
                .sched
                .new_key_for("the host's answer to a control message")
        })
    }

    /// Makes contact with the host, if that has not happened.
    pub(crate) fn connect(&self) {
        if self.contact.get() == Contact::None {
            self.propose(0);
        }
    }

    fn propose(&self, place: usize) {
        let Some(version) = VERSIONS.get(place) else {
            self.contact.set(Contact::Refused);
            return;
        };
        self.contact.set(Contact::Proposed(place));
        Self::post(&Message::InitiateContact(InitiateContact {
            version: (*version).into(),
            target_processor: TARGET_PROCESSOR.into(),
            interrupt_page: if *version >= CONNECTION_VERSION {
                SINT
            } else {
                0
            }
            .into(),
            parent_to_child_monitor_page: 0.into(),
            child_to_parent_monitor_page: 0.into(),
        }));
    }

    /// A control message has arrived from the host. Runs outside any context; a worker thread does
    /// the rest.
    pub(crate) fn arrived(&self, bytes: Vec<u8>) {
        self.inbox.borrow_mut().push_back(bytes);
        if self.working.replace(true) {
            return;
        }
        kernel()
            .sched
            .spawn(ContextKind::SystemThread, "VMBus messages", || {
                let bus = &kernel().vmbus.bus;
                loop {
                    let next = bus.inbox.borrow_mut().pop_front();
                    let Some(bytes) = next else { break };
                    // What the host sends beyond the protocol is ignored.
                    if let Ok(message) = Message::parse(&bytes) {
                        bus.handle(message);
                    }
                    kernel().sched.wake(bus.answers());
                    kernel().sched.point();
                }
                bus.working.set(false);
            });
    }

    fn handle(&self, message: Message) {
        match message {
            Message::VersionResponse(response) => {
                if let Contact::Proposed(place) = self.contact.get() {
                    if response.supported == 0 {
                        self.propose(place + 1);
                    } else {
                        self.contact.set(Contact::Connected);
                        Self::post(&Message::RequestOffers);
                    }
                }
            }
            Message::OfferChannel(offer) => self.offered(&offer),
            Message::RescindOffer(rescind) => self.rescinded(rescind.channel.get()),
            Message::OpenResult(result) => {
                if let Some(slot) = self.opens.borrow_mut().get_mut(&result.open_id.get()) {
                    *slot = Some(result.status.get());
                }
            }
            Message::GpadlCreated(created) => {
                if let Some(slot) = self.gpadls.borrow_mut().get_mut(&created.gpadl.get())
                    && matches!(slot, Described::Waiting)
                {
                    *slot = Described::Answered(created.status.get());
                }
            }
            Message::GpadlTornDown(gone) => {
                let mut gpadls = self.gpadls.borrow_mut();
                if matches!(gpadls.get(&gone.gpadl.get()), Some(Described::TearingDown)) {
                    gpadls.remove(&gone.gpadl.get());
                }
            }
            _ => {}
        }
    }

    fn offered(&self, offer: &OfferChannel) {
        let relid = offer.channel.get();
        if self.offers.borrow().contains_key(&relid) {
            return;
        }
        let megabytes = offer.mmio_megabytes.get();
        let base = match self.next_mmio.get() {
            0 => MMIO_BASE,
            next => next,
        };
        self.next_mmio.set(base + (u64::from(megabytes) << 20));
        let known = Rc::new(GuestOffer {
            relid,
            interface_type: guid_from_bytes(&offer.interface_type),
            instance: guid_from_bytes(&offer.interface_instance),
            mmio_megabytes: megabytes,
            mmio_base: base,
            rescinded: Cell::new(false),
            taken: Cell::new(false),
            pdo: OnceCell::new(),
            device_gone: Cell::new(false),
        });
        self.offers.borrow_mut().insert(relid, Rc::clone(&known));
        let type_text = guid_text(&known.interface_type);
        let pdo = kernel().pnp.report(
            format!("VMBUS\\{type_text}"),
            format!("VMBUS\\{type_text}\\{}", guid_text(&known.instance)),
            Rc::new(BusDriver),
        );
        // The offer is new, so nobody has set its device.
        let _ = known.pdo.set(pdo);
        kmcl::offers_changed();
    }

    fn rescinded(&self, relid: u32) {
        let Some(offer) = self.offer(relid) else {
            return;
        };
        offer.rescinded.set(true);
        kmcl::offers_changed();
        if let Some(pdo) = offer.pdo() {
            kernel().pnp.surprise_remove(pdo);
        }
        self.release(&offer);
    }

    /// Gives the offer's number back to the host once nobody needs it.
    pub(crate) fn release(&self, offer: &Rc<GuestOffer>) {
        if offer.rescinded.get() && !offer.taken.get() && offer.device_gone.get() {
            let known = self.offers.borrow_mut().remove(&offer.relid);
            if known.is_some() {
                Self::post(&Message::RelidReleased(ChannelOnly {
                    channel: offer.relid.into(),
                }));
            }
        }
    }

    pub(crate) fn offer(&self, relid: u32) -> Option<Rc<GuestOffer>> {
        self.offers.borrow().get(&relid).cloned()
    }

    /// The offer behind a device.
    pub(crate) fn offer_of(&self, pdo: u32) -> Option<Rc<GuestOffer>> {
        self.find(|offer| offer.pdo().is_some_and(|known| known.id == pdo))
    }

    /// The first offer that fits.
    pub(crate) fn find(&self, fits: impl Fn(&GuestOffer) -> bool) -> Option<Rc<GuestOffer>> {
        self.offers
            .borrow()
            .values()
            .find(|offer| fits(offer))
            .cloned()
    }

    fn next_id(&self) -> u32 {
        // Handles start where no small number, mistaken for one, hits.
        let id = self.next_id.get().max(0xE1E0) + 1;
        self.next_id.set(id);
        id
    }

    /// Describes memory to the host and waits for its acknowledgement. `PASSIVE_LEVEL`.
    pub(crate) fn create_gpadl(
        &self,
        offer: &GuestOffer,
        ranges: &[PageRange],
    ) -> Result<u32, NTSTATUS> {
        let gpadl = self.next_id();
        let messages =
            gpadl_messages(offer.relid, gpadl, ranges).ok_or(STATUS_INVALID_PARAMETER)?;
        self.gpadls.borrow_mut().insert(gpadl, Described::Waiting);
        for message in &messages {
            Self::post(message);
        }
        let status = loop {
            if let Some(Described::Answered(status)) = self.gpadls.borrow().get(&gpadl) {
                break *status;
            }
            kernel().sched.wait(self.answers(), None);
        };
        if status == 0 {
            return Ok(gpadl);
        }
        self.gpadls.borrow_mut().remove(&gpadl);
        Err(if offer.rescinded.get() {
            STATUS_DEVICE_NOT_CONNECTED
        } else {
            STATUS_INSUFFICIENT_RESOURCES
        })
    }

    /// Takes a description back and waits until the host has let go of the memory. `PASSIVE_LEVEL`.
    pub(crate) fn teardown_gpadl(&self, offer: &GuestOffer, gpadl: u32) {
        self.gpadls
            .borrow_mut()
            .insert(gpadl, Described::TearingDown);
        Self::post(&Message::GpadlTeardown(GpadlTeardown {
            channel: offer.relid.into(),
            gpadl: gpadl.into(),
        }));
        kernel().sched.wait_until(self.answers(), || {
            !self.gpadls.borrow().contains_key(&gpadl)
        });
    }

    /// Opens a channel over a ring GPADL and waits for the host's answer. `PASSIVE_LEVEL`.
    ///
    /// A host may never answer. The wait ends when the host takes the offer back, and soon after
    /// the channel is not `wanted` any more; a change of that wakes [`GuestBus::answers`]. The host
    /// is then told that the channel is closed.
    pub(crate) fn open(
        &self,
        offer: &GuestOffer,
        ring_gpadl: u32,
        downstream_page: u32,
        wanted: impl Fn() -> bool,
    ) -> Result<(), NTSTATUS> {
        let open_id = self.next_id();
        self.opens.borrow_mut().insert(open_id, None);
        Self::post(&Message::OpenChannel(Box::new(OpenChannel {
            channel: offer.relid.into(),
            open_id: open_id.into(),
            ring_gpadl: ring_gpadl.into(),
            target_processor: TARGET_PROCESSOR.into(),
            downstream_page_offset: downstream_page.into(),
            user_data: [0; 120],
        })));
        let sched = &kernel().sched;
        let mut deadline = None;
        let status = loop {
            if let Some(Some(status)) = self.opens.borrow().get(&open_id) {
                break Some(*status);
            }
            if !wanted() && deadline.is_none() {
                deadline = Some(sched.now() + sched.random(LAST_PATIENCE));
            }
            let late = deadline.is_some_and(|deadline| sched.now() >= deadline);
            if late || offer.rescinded.get() {
                break None;
            }
            sched.wait(self.answers(), deadline);
        };
        self.opens.borrow_mut().remove(&open_id);
        match status {
            Some(0) => Ok(()),
            Some(_) => Err(STATUS_DEVICE_NOT_CONNECTED),
            None => {
                Self::close(offer);
                Err(STATUS_DEVICE_NOT_CONNECTED)
            }
        }
    }

    /// Closes a channel; the host does not answer.
    pub(crate) fn close(offer: &GuestOffer) {
        Self::post(&Message::CloseChannel(ChannelOnly {
            channel: offer.relid.into(),
        }));
    }
}

/// The bus as plug and play sees it.
struct BusDriver;

impl pnp::Bus for BusDriver {
    fn query_interface(
        &self,
        pdo: &Rc<Pdo>,
        interface_type: &GUID,
        size: u16,
        version: u16,
        interface: PINTERFACE,
        _data: PVOID,
    ) -> NTSTATUS {
        kmcl::interface::query(Some(pdo), interface_type, size, version, interface)
    }

    fn removed(&self, pdo: &Rc<Pdo>) {
        kmcl::interface::device_removed(pdo);
        let bus = &kernel().vmbus.bus;
        if let Some(offer) = bus.offer_of(pdo.id)
            && offer.rescinded.get()
        {
            offer.device_gone.set(true);
            bus.release(&offer);
        }
    }
}
