//! Packets from the host: each completed exactly once.

use core::marker::PhantomData;

use kmcl_sys::{VMBPACKETCOMPLETION, VMBUS_CHANNEL_PROCESS_PACKET_FLAG_EXTERNAL_DATA};

use crate::channel::{Handler, Shared, call};
use crate::host::HostBytes;
use crate::pool::PoolArc;

/// What became of a packet. It comes only from consuming an [`Incoming`], so a handler cannot forget one.
#[must_use = "a handler returns it"]
pub struct Disposition<'c>(PhantomData<&'c ()>);

/// A packet that the host sent, in its callback.
///
/// ```compile_fail
/// # use kmcl::{channel::Handler, incoming::{Disposition, Incoming}};
/// fn twice<'c, H: Handler>(packet: Incoming<'c, H>) -> Disposition<'c> {
///     packet.complete(&[]);
///     packet.complete(&[]) // it is gone
/// }
/// ```
///
/// # Invariants
///
/// `packet` has been indicated and neither completed, deferred nor failed; this is its only owner.
pub struct Incoming<'c, H: Handler> {
    shared: &'c PoolArc<Shared<H>>,
    packet: VMBPACKETCOMPLETION,
    payload: HostBytes<'c>,
    flags: u32,
}

impl<'c, H: Handler> Incoming<'c, H> {
    /// # Safety
    ///
    /// As the invariants say; `buffer` is readable for `length` bytes for `'c`.
    pub(crate) unsafe fn new(
        shared: &'c PoolArc<Shared<H>>,
        packet: VMBPACKETCOMPLETION,
        buffer: *const u8,
        length: u32,
        flags: u32,
    ) -> Self {
        let length = if buffer.is_null() { 0 } else { length as usize };
        // SAFETY: as the caller says.
        let payload = unsafe { HostBytes::new(buffer, length) };
        Self {
            shared,
            packet,
            payload,
            flags,
        }
    }

    /// The bytes of the message, for the time of this callback. Their number is rounded up to 8.
    #[must_use]
    pub fn payload(&self) -> HostBytes<'_> {
        self.payload
    }

    /// Whether the packet describes external data.
    #[must_use]
    pub const fn has_external_data(&self) -> bool {
        self.flags & VMBUS_CHANNEL_PROCESS_PACKET_FLAG_EXTERNAL_DATA != 0
    }

    /// Completes the packet; the host gets the reply if it asked for one.
    pub fn complete(self, reply: &[u8]) -> Disposition<'c> {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: by the invariant the packet is ours, and it is consumed.
        unsafe { complete(this.shared, this.packet, reply) };
        Disposition(PhantomData)
    }

    /// Has the packet presented again at `PASSIVE_LEVEL`.
    pub fn defer_to_passive(self) -> Disposition<'c> {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: by the invariant the packet is ours, and it is consumed; this is inside its callback.
        unsafe { call!(this.shared.table(), VmbChannelPacketDeferToPassive(this.packet)) };
        Disposition(PhantomData)
    }

    /// Gives up on the packet: the channel's queue stops. Whether it may be completed then is documented nowhere; it is not.
    pub fn fail(self) -> Disposition<'c> {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: by the invariant the packet is ours, and it is consumed.
        unsafe { call!(this.shared.table(), VmbChannelPacketFail(this.packet)) };
        Disposition(PhantomData)
    }

    /// Keeps the packet beyond the callback, to be completed from anywhere. Its payload must be copied before.
    ///
    /// If the channel is being torn down, which it cannot be inside a callback, the packet is completed at once.
    pub fn detach(self) -> (Option<PendingIncoming<H>>, Disposition<'c>) {
        if !self.shared.packets.acquire_raw() {
            return (None, self.complete(&[]));
        }
        let this = core::mem::ManuallyDrop::new(self);
        (
            Some(PendingIncoming {
                shared: this.shared.clone(),
                packet: this.packet,
            }),
            Disposition(PhantomData),
        )
    }
}

impl<H: Handler> Drop for Incoming<'_, H> {
    /// Only a handler that diverges gets here: nothing else makes a [`Disposition`].
    fn drop(&mut self) {
        debug_assert!(false, "an incoming packet is dropped");
        // SAFETY: by the invariant the packet is ours, and it ends here.
        unsafe { complete(self.shared, self.packet, &[]) };
    }
}

/// A packet of the host's that a handler has kept.
///
/// Disabling or pausing the channel waits for it: complete it soon after
/// [`Handler::suspended`](crate::channel::Handler::suspended). Dropped, it is completed with an empty reply.
///
/// # Invariants
///
/// As [`Incoming`]; and one acquisition of `shared.packets` belongs to it.
pub struct PendingIncoming<H: Handler> {
    shared: PoolArc<Shared<H>>,
    packet: VMBPACKETCOMPLETION,
}

// SAFETY: a packet may be completed on any thread at DISPATCH_LEVEL or below.
unsafe impl<H: Handler> Send for PendingIncoming<H> {}
// SAFETY: a shared one can do nothing.
unsafe impl<H: Handler> Sync for PendingIncoming<H> {}

impl<H: Handler> PendingIncoming<H> {
    /// Completes the packet; the host gets the reply if it asked for one. IRQL: `DISPATCH_LEVEL` or below.
    pub fn complete(self, reply: &[u8]) {
        let mut this = core::mem::ManuallyDrop::new(self);
        // SAFETY: `this` is forgotten, so the packet ends once, here, and the reference is dropped once.
        unsafe {
            finish(&this.shared, this.packet, reply);
            core::ptr::drop_in_place(&raw mut this.shared);
        }
    }
}

impl<H: Handler> Drop for PendingIncoming<H> {
    fn drop(&mut self) {
        // SAFETY: the packet ends here; the reference is dropped by the compiler after this.
        unsafe { finish(&self.shared, self.packet, &[]) };
    }
}

/// # Safety
///
/// The packet belongs to the caller, who gives it up, with its acquisition of `packets`.
unsafe fn finish<H: Handler>(shared: &Shared<H>, packet: VMBPACKETCOMPLETION, reply: &[u8]) {
    // SAFETY: as the caller says; the channel is there until `packets` is released.
    unsafe {
        complete(shared, packet, reply);
        shared.packets.release_raw();
    }
}

/// # Safety
///
/// The packet belongs to the caller, who gives it up.
unsafe fn complete<H: Handler>(shared: &Shared<H>, packet: VMBPACKETCOMPLETION, reply: &[u8]) {
    let length = u32::try_from(reply.len()).unwrap_or(u32::MAX);
    let start = if reply.is_empty() {
        core::ptr::null_mut()
    } else {
        reply.as_ptr().cast_mut().cast()
    };
    // SAFETY: the packet is outstanding; the reply is readable for its length for the time of the call, or NULL with length 0.
    unsafe { call!(shared.table(), VmbChannelPacketComplete(packet, start, length)) };
}
