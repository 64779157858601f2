//! Packets from the host: each completed exactly once.
//!
//! ```text
//!                         +-- complete(reply) ------> Disposition
//!   process_packet: Incoming -- detach -----------------> Disposition, PendingIncoming -- complete, from anywhere
//!                         +-- defer_to_passive -----> Disposition: it comes again at PASSIVE_LEVEL
//!                         +-- fail -----------------> Disposition: the queue stops
//!                         +-- external_data --------> Ready(ExternalData) -- into_packet --> Incoming
//!                                                     Pending(Disposition): it comes again
//! ```
//!
//! A [`Disposition`] comes from nowhere else, so a handler cannot forget a packet nor complete one
//! twice.
//!
//! ```
//! # use kmcl::{channel::Handler, incoming::{Disposition, Incoming}};
//! # use zerocopy::{FromBytes, Immutable, IntoBytes};
//! #[derive(FromBytes, IntoBytes, Immutable)]
//! #[repr(C)]
//! struct Order { kind: u32, argument: u32 }
//!
//! fn obey<'c, H: Handler>(packet: Incoming<'c, H>) -> Disposition<'c> {
//!     // By value: the host can no longer change what was read. Too short a message is `None`.
//!     match packet.payload().read::<Order>(0) {
//!         Some(Order { kind: 1, argument }) => packet.complete(&argument.wrapping_add(1).to_le_bytes()),
//!         Some(Order { kind: 2, .. }) => packet.defer_to_passive(),
//!         _ => packet.complete(&[]),
//!     }
//! }
//! ```

use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr::NonNull;

use kmcl_sys::{
    VMBPACKETCOMPLETION, VMBUS_CHANNEL_PACKET_EXTERNAL_DATA_FLAG_READ_ONLY,
    VMBUS_CHANNEL_PROCESS_PACKET_FLAG_EXTERNAL_DATA,
};

use wdk_sys::ntddk::{MmMapLockedPagesSpecifyCache, MmUnmapLockedPages};
use wdk_sys::{
    _MEMORY_CACHING_TYPE, _MM_PAGE_PRIORITY, MDL, STATUS_PENDING, STATUS_SUCCESS, ULONG,
};

use crate::channel::{Handler, Shared, SharedRef, call};
use crate::debugger::say;
use crate::host::HostBytes;
use crate::status::{Error, Status};
use crate::sync::KERNEL_MODE;

/// `MdlMappingNoExecute`, which the kit defines beside the priorities.
const NO_EXECUTE: ULONG = 0x4000_0000;
const NORMAL_PRIORITY: ULONG = _MM_PAGE_PRIORITY::NormalPagePriority.cast_unsigned() | NO_EXECUTE;

/// What became of a packet. It comes only from consuming an [`Incoming`], so a handler cannot
/// forget one.
///
/// # Invariants
///
/// There is one for each packet that was indicated and has been completed, kept, deferred or failed
/// in this callback.
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
    shared: SharedRef<'c, H>,
    packet: VMBPACKETCOMPLETION,
    payload: HostBytes<'c>,
    flags: u32,
}

impl<'c, H: Handler> Incoming<'c, H> {
    /// # Safety
    ///
    /// As the invariants say; `buffer` is readable for `length` bytes for `'c`.
    #[inline]
    pub(crate) unsafe fn new(
        shared: SharedRef<'c, H>,
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

    /// The bytes of the message, for the time of this callback and until the packet is completed.
    /// Their number is rounded up to 8.
    #[must_use]
    #[inline]
    pub fn payload(&self) -> HostBytes<'_> {
        self.payload
    }

    /// Whether the packet describes external data that has not been fetched.
    #[must_use]
    pub const fn has_external_data(&self) -> bool {
        self.flags & VMBUS_CHANNEL_PROCESS_PACKET_FLAG_EXTERNAL_DATA != 0
    }

    /// Completes the packet; the host gets the reply if it asked for one.
    #[inline]
    pub fn complete(self, reply: &[u8]) -> Disposition<'c> {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: by the invariant the packet is ours, and it is consumed.
        unsafe { complete(this.shared.as_ptr(), this.packet, reply) };
        Disposition(PhantomData)
    }

    /// Has the packet presented again at `PASSIVE_LEVEL`.
    pub fn defer_to_passive(self) -> Disposition<'c> {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: by the invariant the packet is ours, and it is consumed; this is inside its
        // callback.
        unsafe {
            call!(
                this.shared.table(),
                VmbChannelPacketDeferToPassive(this.packet)
            );
        };
        Disposition(PhantomData)
    }

    /// Gives up on the packet: the channel's queue stops. Whether it may be completed then is
    /// documented nowhere; it is not.
    pub fn fail(self) -> Disposition<'c> {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: by the invariant the packet is ours, and it is consumed.
        unsafe { call!(this.shared.table(), VmbChannelPacketFail(this.packet)) };
        Disposition(PhantomData)
    }

    /// Keeps the packet beyond the callback, to be completed from anywhere. Its payload must be
    /// copied before.
    ///
    /// If the channel is being torn down, which it cannot be inside a callback, the packet is
    /// completed at once.
    pub fn detach(self) -> (Option<PendingIncoming<H>>, Disposition<'c>) {
        if !self.shared.packets.acquire_raw() {
            return (None, self.complete(&[]));
        }
        let this = core::mem::ManuallyDrop::new(self);
        (
            Some(PendingIncoming {
                shared: this.shared.as_ptr(),
                packet: this.packet,
            }),
            Disposition(PhantomData),
        )
    }
}

/// What became of asking for a packet's external data.
pub enum External<'c, H: Handler> {
    /// The pages are pinned until the packet is completed.
    Ready(ExternalData<'c, H>),
    /// KMCL will present the packet again, perhaps at another IRQL: return this at once.
    Pending(Disposition<'c>),
    /// It failed; the packet is still to be completed.
    Failed(Incoming<'c, H>, Error),
}

/// A packet with its external data: the other side's memory, which it can write at any time.
///
/// # Invariants
///
/// As [`Incoming`]; its MDL chain is KMCL's, and describes locked pages until the packet is
/// completed.
pub struct ExternalData<'c, H: Handler> {
    packet: Incoming<'c, H>,
    mdl: NonNull<MDL>,
}

impl<'c, H: Handler> Incoming<'c, H> {
    /// Asks for the external data of a packet that has some; it is to be had once.
    #[must_use]
    pub fn external_data(mut self, read_only: bool) -> External<'c, H> {
        if !self.has_external_data() {
            return External::Failed(self, Error::InvalidLength);
        }
        let flags = if read_only {
            VMBUS_CHANNEL_PACKET_EXTERNAL_DATA_FLAG_READ_ONLY
        } else {
            0
        };
        let mut mdl = core::ptr::null_mut();
        // SAFETY: by the invariant the packet is ours and outstanding, inside its callback; the
        // result is writable.
        let status = unsafe {
            call!(
                self.shared.table(),
                VmbChannelPacketGetExternalData(self.packet, flags, &raw mut mdl)
            )
        };
        // STATUS_PENDING is a success code and leaves no MDL.
        match (status, NonNull::new(mdl)) {
            (STATUS_PENDING, _) => {
                let _ = core::mem::ManuallyDrop::new(self);
                External::Pending(Disposition(PhantomData))
            }
            (STATUS_SUCCESS, Some(mdl)) => {
                self.flags &= !VMBUS_CHANNEL_PROCESS_PACKET_FLAG_EXTERNAL_DATA;
                External::Ready(ExternalData { packet: self, mdl })
            }
            (STATUS_SUCCESS, None) => External::Failed(self, Error::InvalidLength),
            _ => External::Failed(self, Error::Status(Status(status))),
        }
    }
}

impl<'c, H: Handler> ExternalData<'c, H> {
    /// The packet's inline bytes.
    #[must_use]
    #[inline]
    pub fn payload(&self) -> HostBytes<'_> {
        self.packet.payload()
    }

    /// Maps one part of the data after the other, and shows each to the closure.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`] if a part cannot be mapped.
    pub fn for_each_part(&mut self, mut show: impl FnMut(HostBytes<'_>)) -> Result<(), Error> {
        let mut next = Some(self.mdl);
        while let Some(mdl) = next {
            // SAFETY: KMCL's MDLs are valid until the packet is completed, which needs this value.
            // Their pages are locked and have no address: KMCL gives them out so, once for each
            // packet, and whoever maps one here unmaps it before this value can be used again,
            // which is borrowed exclusively.
            unsafe {
                let part = Mapping::new(mdl)?;
                show(part.bytes());
                next = NonNull::new((*mdl.as_ptr()).Next);
            }
        }
        Ok(())
    }

    /// The packet, to be completed. Its external data is not to be had again: whether KMCL gives it
    /// out twice is documented nowhere.
    #[must_use]
    pub fn into_packet(self) -> Incoming<'c, H> {
        self.packet
    }
}

/// The pages of an MDL, mapped to kernel space until this is dropped.
///
/// # Invariants
///
/// `start` is where the pages of `mdl` are mapped.
struct Mapping {
    start: NonNull<c_void>,
    mdl: NonNull<MDL>,
}

impl Mapping {
    /// # Errors
    ///
    /// [`Error::NoMemory`].
    ///
    /// # Safety
    ///
    /// The MDL is valid, and its pages locked, for as long as this lives; they are not mapped.
    unsafe fn new(mdl: NonNull<MDL>) -> Result<Self, Error> {
        // SAFETY: as the caller says; a failure to map to kernel space is NULL, not a bug check.
        let start = unsafe {
            MmMapLockedPagesSpecifyCache(
                mdl.as_ptr(),
                KERNEL_MODE,
                _MEMORY_CACHING_TYPE::MmCached,
                core::ptr::null_mut(),
                0,
                NORMAL_PRIORITY,
            )
        };
        let start = NonNull::new(start).ok_or(Error::NoMemory)?;
        Ok(Self { start, mdl })
    }

    fn bytes(&self) -> HostBytes<'_> {
        // SAFETY: by the invariant, for as many bytes as the MDL describes.
        unsafe {
            HostBytes::new(
                self.start.as_ptr().cast_const().cast(),
                (*self.mdl.as_ptr()).ByteCount as usize,
            )
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: by the invariant; views of it borrow this value.
        unsafe { MmUnmapLockedPages(self.start.as_ptr(), self.mdl.as_ptr()) };
    }
}

impl<H: Handler> Drop for Incoming<'_, H> {
    /// Only a handler that diverges gets here: nothing else makes a [`Disposition`].
    fn drop(&mut self) {
        say(c"kmcl: an incoming packet is dropped, and completed\n");
        // SAFETY: by the invariant the packet is ours, and it ends here.
        unsafe { complete(self.shared.as_ptr(), self.packet, &[]) };
    }
}

/// A packet of the host's that a handler has kept.
///
/// Disabling or pausing the channel waits for it: complete it soon after
/// [`Handler::suspended`]. Dropped, it is completed with an empty reply.
///
/// # Invariants
///
/// As [`Incoming`]; and one acquisition of `shared.packets` belongs to it.
pub struct PendingIncoming<H: Handler> {
    /// There for as long as the acquisition: the channel's owner waits for it.
    shared: NonNull<Shared<H>>,
    packet: VMBPACKETCOMPLETION,
}

// SAFETY: a packet may be completed on any thread at DISPATCH_LEVEL or below.
unsafe impl<H: Handler> Send for PendingIncoming<H> {}
// SAFETY: a shared one can do nothing.
unsafe impl<H: Handler> Sync for PendingIncoming<H> {}

impl<H: Handler> PendingIncoming<H> {
    /// Completes the packet; the host gets the reply if it asked for one. IRQL: `DISPATCH_LEVEL` or
    /// below.
    #[inline]
    pub fn complete(self, reply: &[u8]) {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: `this` is forgotten, so the packet ends once, here; its acquisition keeps what is
        // shared until then.
        unsafe { finish(this.shared, this.packet, reply) };
    }
}

impl<H: Handler> Drop for PendingIncoming<H> {
    fn drop(&mut self) {
        // SAFETY: the packet ends here; its acquisition keeps what is shared until then.
        unsafe { finish(self.shared, self.packet, &[]) };
    }
}

/// # Safety
///
/// The packet belongs to the caller, who gives it up, with its acquisition of `packets`.
///
/// What is shared is handed over as a pointer: its owner may free it as soon as `packets` is
/// released, while a reference would promise that it stays until this has returned.
unsafe fn finish<H: Handler>(
    shared: NonNull<Shared<H>>,
    packet: VMBPACKETCOMPLETION,
    reply: &[u8],
) {
    // SAFETY: as the caller says; what is shared, and the channel, are there until `packets` is
    // released.
    unsafe {
        complete(shared, packet, reply);
        shared.as_ref().packets.release_raw();
    }
}

/// # Safety
///
/// The packet belongs to the caller, who gives it up; what is shared is there until the packet is
/// completed.
#[inline]
unsafe fn complete<H: Handler>(
    shared: NonNull<Shared<H>>,
    packet: VMBPACKETCOMPLETION,
    reply: &[u8],
) {
    let length = u32::try_from(reply.len()).unwrap_or(u32::MAX);
    let start = if reply.is_empty() {
        core::ptr::null_mut()
    } else {
        reply.as_ptr().cast_mut().cast()
    };
    // SAFETY: the packet is outstanding, and until it is completed what is shared is there; the
    // reply is readable for its length for the time of the call, or NULL with length 0.
    unsafe {
        call!(
            shared.as_ref().table(),
            VmbChannelPacketComplete(packet, start, length)
        );
    };
}
