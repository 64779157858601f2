//! The link between a device's programs and the host: what waits on either side, and how it is
//! brought together.
//!
//! ```text
//!   ReadFile  ---> reads ---+
//!                           +--> deliver: one message to one reader, in order
//!   the host  ---> inbox ---+
//!
//!   WriteFile, TRANSACT ---> sends --> send: a copy in a buffer --> KMCL --> answer
//!                                      the request waits in in_flight  ----------^
//! ```
//!
//! A request that waits does so in one of three queues of the framework's, never with the driver:
//! the framework then completes it if it is cancelled, if its handle is closed, or if the device
//! goes, and the driver finds it gone. So each request is completed exactly once, without a lock
//! between cancelling and completing.
//!
//! That is also why a message to the host is copied: KMCL reads it until the packet is back, and a
//! request's own buffer would have to stay so long, so that a program could not end while the host
//! leaves the ring full. What is copied is bounded: there are
//! [`Config::send_quota`](crate::config::Config::send_quota) buffers, and writers beyond wait.
//!
//! A message from the host is copied because KMCL lends it for the callback only. The packet's
//! completion stays with it until a reader has it, so that KMCL's quota stops the host in time.

use kmcl::host::HostBytes;
use kmcl::incoming::{Disposition, Incoming};
use kmcl::irql::{Dispatch, Irql};
use kmcl::packet::{Mode, Sender, Transaction};
use kmcl::pool::PoolBox;
use kmcl::status::{Error, Status};
use kmcl::sync::SpinLock;
use wdk_sys::{
    NTSTATUS, STATUS_BUFFER_OVERFLOW, STATUS_BUFFER_TOO_SMALL, STATUS_DEVICE_NOT_CONNECTED,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_BUFFER_SIZE,
};

use crate::channel::Port;
use crate::config::Config;
use crate::ioctl::{Info, State};
use crate::message::{Buffers, Fifo, Message, Shortage, Side};
use crate::pump::Pump;
use crate::session::{Moment, Sessions};
use crate::stats::Counters;
use crate::wdf;
use crate::wdf::device::Device;
use crate::wdf::memory::copy;
use crate::wdf::object::Reference;
use crate::wdf::queue::Queue;
use crate::wdf::request::{Kind, Request};

/// What travels with a packet: the message, and the request that waits for it.
pub struct Outgoing {
    message: PoolBox<Message>,
    request: Reference,
}

impl Transaction for Outgoing {
    fn payload(&self) -> &[u8] {
        self.message.bytes()
    }
}

/// How a request is to be completed.
pub struct Answer {
    request: Request,
    status: Status,
    information: usize,
}

/// See the module.
pub struct Link {
    config: Config,
    sessions: Sessions,
    sender: SpinLock<Option<Sender<Port>>>,
    /// Reads that wait for a message.
    reads: Queue,
    /// Writes and transactions that wait for a buffer.
    sends: Queue,
    /// Writes and transactions whose message is with KMCL.
    in_flight: Queue,
    /// Messages that wait for a reader.
    inbox: SpinLock<Fifo>,
    incoming: Buffers,
    outgoing: Buffers,
    deliver: Pump,
    send: Pump,
    counters: Counters,
}

impl Link {
    /// The link of a new device; its requests wait in queues of the device's.
    ///
    /// # Errors
    ///
    /// The framework's.
    pub fn new(device: Device<'_>, config: Config) -> wdf::Result<Self> {
        let size = buffer_size(config);
        Ok(Self {
            config,
            sessions: Sessions::new(),
            sender: SpinLock::new(None),
            reads: device.create_manual_queue()?,
            sends: device.create_manual_queue()?,
            in_flight: device.create_manual_queue()?,
            inbox: SpinLock::new(Fifo::new()),
            incoming: Buffers::new(Side::Host, size, config.receive_quota.get()),
            outgoing: Buffers::new(Side::Program, size, config.send_quota.get()),
            deliver: Pump::new(),
            send: Pump::new(),
            counters: Counters::default(),
        })
    }

    /// What is in effect.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What tells this device's lines in the debugger from another's: an address.
    pub fn id(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// The state and the session.
    pub fn now(&self) -> Moment {
        self.sessions.now()
    }

    /// Changes the state. [`Link::settle`] is to follow.
    pub fn change(&self, change: impl FnOnce(&Sessions) -> Option<Moment>) {
        if let Some(Moment { state, session }) = change(&self.sessions) {
            wdk::println!("vmbchan {:#x}: {state:?}, session {session}", self.id());
        }
    }

    /// Does whatever has become possible, or necessary, by a change of state. When this returns, it
    /// is done or another processor is doing it.
    pub fn settle(&self, irql: &mut impl Irql) {
        let mut irql = irql.dispatch();
        self.send_waiting(&mut irql);
        self.deliver_waiting(&mut irql);
    }

    /// The channel is there, or is not any more.
    pub fn set_sender(&self, sender: Option<Sender<Port>>, irql: &mut impl Irql) {
        let old = self
            .sender
            .with(irql, |kept, _| core::mem::replace(kept, sender));
        drop(old);
    }

    /// Forgets the messages that nobody has read.
    pub fn forget_messages(&self, irql: &mut impl Irql) {
        loop {
            let message = self.inbox.with(irql, |inbox, _| inbox.pop());
            let Some(message) = message else { return };
            self.discard(message, irql);
        }
    }

    /// Has a reader wait for a message.
    pub fn read(&self, request: Request, irql: &mut Dispatch<'_>) {
        match self.reads.push(request, irql) {
            Ok(()) => self.deliver_waiting(irql),
            Err((request, status)) => request.complete(status, 0),
        }
    }

    /// Has a write or a transaction sent. Its message is not empty, and not longer than the limit.
    pub fn write(&self, request: Request, irql: &mut Dispatch<'_>) {
        match self.sends.push(request, irql) {
            Ok(()) => self.send_waiting(irql),
            Err((request, status)) => request.complete(status, 0),
        }
    }

    /// Takes a message of the host's.
    pub fn receive<'c>(
        &self,
        packet: Incoming<'c, Port>,
        irql: &mut Dispatch<'_>,
    ) -> Disposition<'c> {
        let now = self.sessions.now();
        if packet.has_external_data() || packet.payload().len() > buffer_size(self.config) {
            self.counters.messages_malformed.one();
            wdk::println!(
                "vmbchan {:#x}: a message of {} bytes was refused, external data: {}",
                self.id(),
                packet.payload().len(),
                packet.has_external_data()
            );
            return packet.complete(&[]);
        }
        // While the device goes down nobody reads any more. And KMCL's quota is the number of
        // buffers, so one is free unless memory is short.
        let buffer = match now.state {
            State::Open => self.incoming.take(irql).ok(),
            State::Off | State::Connecting | State::Closed | State::Removed | State::Unanswered => {
                None
            }
        };
        let Some(mut message) = buffer else {
            self.counters.messages_dropped.one();
            return packet.complete(&[]);
        };
        message.fill(|buffer| packet.payload().copy_to(buffer));
        message.session = now.session;
        let (completion, disposition) = packet.detach();
        message.completion = completion;
        self.inbox.with(irql, |inbox, _| inbox.push(message));
        self.deliver_waiting(irql);
        disposition
    }

    /// A packet is back, with the host's reply or with an error: prepares the answer to the request
    /// that waits for it. There is none if the request was cancelled. [`Link::release`] is to
    /// follow.
    pub fn answer(
        &self,
        outgoing: &Outgoing,
        outcome: Result<HostBytes<'_>, NTSTATUS>,
        irql: &mut Dispatch<'_>,
    ) -> Option<Answer> {
        let sent = outgoing.message.bytes().len();
        if outcome.is_ok() {
            self.counters.messages_sent.one();
            self.counters.bytes_sent.add(sent);
        }
        let mut request = self.in_flight.take(&outgoing.request, irql)?;
        let (status, information) = match outcome {
            Err(status) => (Status(status), 0),
            Ok(reply) => match request.kind() {
                Kind::Control { output, .. } => {
                    self.counters.transactions.one();
                    copy_reply(reply, &mut request, output)
                }
                Kind::Read(_) | Kind::Write(_) | Kind::Other => (Status::SUCCESS, sent),
            },
        };
        Some(Answer {
            request,
            status,
            information,
        })
    }

    /// A packet is free: its message's buffer is for the next, and only then its request is
    /// completed, so that a program that sends one message after another finds everything at hand
    /// again.
    pub fn release(&self, outgoing: Outgoing, answer: Option<Answer>, irql: &mut Dispatch<'_>) {
        let Outgoing { message, request } = outgoing;
        drop(request);
        self.outgoing.put(message, irql);
        if let Some(Answer {
            request,
            status,
            information,
        }) = answer
        {
            request.complete(status, information);
        }
        self.send_waiting(irql);
    }

    /// A message could not be sent.
    fn fail(&self, outgoing: Outgoing, error: Error, irql: &mut Dispatch<'_>) {
        let answer = self.answer(&outgoing, Err(error.status().0), irql);
        self.release(outgoing, answer, irql);
    }

    /// What the driver knows of itself.
    pub fn info(&self, irql: &mut Dispatch<'_>) -> Info {
        let now = self.sessions.now();
        let lookaside = self
            .sender
            .with(irql, |sender, _| {
                sender.as_ref().and_then(Sender::lookaside_counters)
            })
            .unwrap_or_default();
        let messages_waiting = self.inbox.with(irql, |inbox, _| inbox.count());
        Info {
            version: Info::VERSION,
            size: {
                const { assert!(size_of::<Info>() == 136) };
                136
            },
            state: now.state as u32,
            session: now.session,
            maximum_message_size: self.config.maximum_message_size.get(),
            receive_quota: self.config.receive_quota.get(),
            send_quota: self.config.send_quota.get(),
            ring_pages: self.config.ring_pages.get(),
            messages_waiting,
            messages_in_flight: self.outgoing.in_use(irql),
            messages_sent: self.counters.messages_sent.get(),
            bytes_sent: self.counters.bytes_sent.get(),
            messages_received: self.counters.messages_received.get(),
            bytes_received: self.counters.bytes_received.get(),
            transactions: self.counters.transactions.get(),
            messages_dropped: self.counters.messages_dropped.get(),
            messages_malformed: self.counters.messages_malformed.get(),
            lookaside_hits: u64::from(
                lookaside
                    .allocates
                    .saturating_sub(lookaside.allocate_misses),
            ),
            lookaside_misses: u64::from(lookaside.allocate_misses),
            buffer_hits: self.incoming.hits().saturating_add(self.outgoing.hits()),
            buffer_misses: self
                .incoming
                .misses()
                .saturating_add(self.outgoing.misses()),
            open_timeout: self.config.open_timeout.get(),
            receive_buffers: self.incoming.in_use(irql),
        }
    }

    fn deliver_waiting(&self, irql: &mut Dispatch<'_>) {
        self.deliver.run(|| self.deliver_now(irql));
    }

    /// Brings messages and readers together. Only ever run by the pump, so one at a time: that
    /// keeps the order.
    fn deliver_now(&self, irql: &mut Dispatch<'_>) {
        loop {
            let message = self.inbox.with(irql, |inbox, _| inbox.pop());
            let now = self.sessions.now();
            match message {
                Some(message) if message.session != now.session => self.discard(message, irql),
                Some(message) => {
                    let Some(reader) = self.reads.pop(irql) else {
                        self.inbox.with(irql, |inbox, _| inbox.put_back(message));
                        break;
                    };
                    self.hand_over(message, reader, irql);
                }
                None => {
                    let Some(status) = now.refusal() else { break };
                    let Some(reader) = self.reads.pop(irql) else {
                        break;
                    };
                    reader.complete(Status(status), 0);
                }
            }
        }
        // A channel that is being closed waits for the completions. The messages can still be read.
        while self.sessions.now().state != State::Open {
            let completion = self.inbox.with(irql, |inbox, _| inbox.take_completion());
            let Some(completion) = completion else { break };
            completion.complete(&[]);
        }
    }

    /// Gives a message to a reader, or keeps it if the reader's buffer is too short.
    fn hand_over(&self, message: PoolBox<Message>, mut reader: Request, irql: &mut Dispatch<'_>) {
        let length = message.bytes().len();
        let room = match reader.kind() {
            Kind::Read(room) => room,
            Kind::Write(_) | Kind::Control { .. } | Kind::Other => 0,
        };
        let status = if room < length {
            Err(Status(STATUS_BUFFER_TOO_SMALL))
        } else {
            reader
                .output()
                .and_then(|buffer| match copy(message.bytes(), buffer) {
                    copied if copied == length => Ok(()),
                    _ => Err(Status(STATUS_BUFFER_TOO_SMALL)),
                })
        };
        match status {
            Ok(()) => {
                self.counters.messages_received.one();
                self.counters.bytes_received.add(length);
                self.incoming.put(message, irql);
                reader.complete(Status::SUCCESS, length);
            }
            Err(status) => {
                self.inbox.with(irql, |inbox, _| inbox.put_back(message));
                reader.complete(status, 0);
            }
        }
    }

    /// Forgets a message that its session's end has made void.
    fn discard(&self, message: PoolBox<Message>, irql: &mut impl Irql) {
        self.counters.messages_dropped.one();
        self.incoming.put(message, irql);
    }

    fn send_waiting(&self, irql: &mut Dispatch<'_>) {
        self.send.run(|| self.send_now(irql));
    }

    /// Sends what waits, or refuses it. Only ever run by the pump, so one at a time: that keeps the
    /// order.
    fn send_now(&self, irql: &mut Dispatch<'_>) {
        loop {
            let now = self.sessions.now();
            if let Some(status) = now.refusal() {
                for queue in [&self.sends, &self.in_flight] {
                    while let Some(request) = queue.pop(irql) {
                        request.complete(Status(status), 0);
                    }
                }
                return;
            }
            if now.state != State::Open {
                return;
            }
            match self.outgoing.take(irql) {
                Ok(buffer) => {
                    let Some(request) = self.sends.pop(irql) else {
                        self.outgoing.put(buffer, irql);
                        return;
                    };
                    self.send_one(request, buffer, irql);
                }
                // The next packet that comes back runs this again.
                Err(Shortage::Limit) => return,
                Err(Shortage::Memory) => {
                    let Some(request) = self.sends.pop(irql) else {
                        return;
                    };
                    request.complete(Status(STATUS_INSUFFICIENT_RESOURCES), 0);
                }
            }
        }
    }

    fn send_one(&self, request: Request, mut message: PoolBox<Message>, irql: &mut Dispatch<'_>) {
        let mode = match request.kind() {
            Kind::Control { .. } => Mode::Transact,
            Kind::Read(_) | Kind::Write(_) | Kind::Other => Mode::Notify,
        };
        let refused = match request.input() {
            Err(status) => Some(status),
            Ok(bytes) => {
                message.fill(|buffer| copy(bytes, buffer));
                (message.bytes().len() != bytes.len()).then_some(Status(STATUS_INVALID_BUFFER_SIZE))
            }
        };
        if let Some(status) = refused {
            self.outgoing.put(message, irql);
            return request.complete(status, 0);
        }
        let sender = self.sender.with(irql, |sender, _| sender.clone());
        let Some(sender) = sender else {
            self.outgoing.put(message, irql);
            return request.complete(Status(STATUS_DEVICE_NOT_CONNECTED), 0);
        };
        // The request must be found by the packet's completion, which may run before the send
        // returns.
        let reference = request.reference();
        if let Err((request, status)) = self.in_flight.push(request, irql) {
            self.outgoing.put(message, irql);
            return request.complete(status, 0);
        }
        let outgoing = Outgoing {
            message,
            request: reference,
        };
        match sender.transaction(outgoing) {
            Err((error, outgoing)) => self.fail(outgoing, error, irql),
            Ok(packet) => match packet.send(mode) {
                Ok(()) => {}
                Err(failed) => {
                    let error = failed.error;
                    // Without a context the packet's completion has run, and has finished it.
                    if let Some(outgoing) = failed.into_context() {
                        self.fail(outgoing, error, irql);
                    }
                }
            },
        }
    }
}

impl Drop for Link {
    /// Nobody else is there any more. Each buffer is back, or waits with its message.
    fn drop(&mut self) {
        let waiting = self.inbox.get_mut().count();
        debug_assert_eq!(
            self.incoming.in_use_now(),
            waiting,
            "a buffer of the host's side leaks"
        );
        debug_assert_eq!(
            self.outgoing.in_use_now(),
            0,
            "a buffer of the programs' side leaks"
        );
    }
}

/// The longest message, and the padding that KMCL counts to it.
fn buffer_size(config: Config) -> usize {
    let bytes = config.maximum_message_size.get();
    bytes.checked_next_multiple_of(8).unwrap_or(bytes) as usize
}

/// Copies a reply to the output buffer of a transaction, `room` bytes. Gives the status and length
/// to complete it with.
fn copy_reply(reply: HostBytes<'_>, request: &mut Request, room: usize) -> (Status, usize) {
    let copied = if room == 0 {
        Ok(0)
    } else {
        request.output().map(|buffer| reply.copy_to(buffer))
    };
    match copied {
        Err(status) => (status, 0),
        Ok(copied) if copied < reply.len() => (Status(STATUS_BUFFER_OVERFLOW), copied),
        Ok(copied) => (Status::SUCCESS, copied),
    }
}
