//! Synchronous requests: a message, and the wait for its answer.
//!
//! Nothing says what KMCL still does with the buffers of a request whose time has run out, or whose
//! channel has closed. So they are not the caller's: each request has a block of its own with all
//! that KMCL is given pointers to. Once the host has answered, the block is freed; else the channel
//! keeps it until it has been disabled.

use core::mem::size_of;
use core::num::NonZeroU64;
use core::ptr::NonNull;

use kmcl_sys::VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION;
use wdk_sys::{LARGE_INTEGER, STATUS_BUFFER_OVERFLOW};

use crate::channel::{Handler, call};
use crate::irql::{Irql, MayAwaitReply};
use crate::mdl::Mdl;
use crate::packet::{Sender, checked};
use crate::pool::{Tag, allocate, free};
use crate::status::{Error, Status};
use crate::sync::SpinLock;

const TAG: Tag = Tag::new(*b"KmRq");

impl<H: Handler> Sender<H> {
    /// Sends a message and waits for the host's reply, which is copied to `reply`; gives the number
    /// of bytes. `timeout` is in units of 100 ns; with none the wait has no end.
    ///
    /// A request that the host has not answered leaves a copy of its message and the room for its
    /// reply with the channel, until that is disabled.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLength`] unless `reply` has a length that is a multiple of 8 and not 0;
    /// [`Error::NotOpen`], [`Error::NoMemory`]; `STATUS_CANCELLED` if the time ran out,
    /// `STATUS_DEVICE_REMOVED` if the channel closed, and KMCL's others.
    pub fn sync_request(
        &self,
        payload: &[u8],
        reply: &mut [u8],
        timeout: Option<NonZeroU64>,
        irql: &mut impl MayAwaitReply,
    ) -> Result<usize, Error> {
        match self.exchange(payload, None, reply, timeout, irql) {
            Ok((length, _)) => Ok(length),
            Err((error, _)) => Err(error),
        }
    }

    /// As [`Sender::sync_request`], with memory that the host may use meanwhile: the whole of it,
    /// for which the channel must be configured
    /// ([`maximum_external_data`](crate::channel::ChannelConfig::maximum_external_data)). It comes
    /// back with the number of bytes of the reply.
    ///
    /// # Errors
    ///
    /// As [`Sender::sync_request`]; with the memory if the host has not
    /// seen it, or has answered and lets go of it. If the time ran out or the channel closed, the
    /// host may still use the memory, and no text says until when: the channel then keeps it until
    /// it has been disabled.
    ///
    /// # Examples
    ///
    /// ```
    /// # use core::num::NonZeroU64;
    /// # use kmcl::{channel::{Handler, PostStarted}, mdl::{HostBuffer, Mdl}, pool::Tag, status::Error};
    /// /// In `post_started`: asks the host for a page of data, and waits a second for it.
    /// fn first_word<H: Handler>(cx: &mut PostStarted<'_, H>) -> Result<Option<u64>, Error> {
    ///     let page = Mdl::try_new(HostBuffer::try_new(4096, Tag::new(*b"Page"))?)?;
    ///     let mut reply = [0; 8];
    ///     let second = NonZeroU64::new(10_000_000);
    ///     let (_bytes, page) = cx.sender().sync_request_with(b"fill", page, &mut reply, second, cx.irql())?;
    ///     Ok(page.buffer().view().read::<u64>(0))
    /// }
    /// ```
    pub fn sync_request_with(
        &self,
        payload: &[u8],
        data: Mdl,
        reply: &mut [u8],
        timeout: Option<NonZeroU64>,
        irql: &mut impl MayAwaitReply,
    ) -> Result<(usize, Mdl), (Error, Option<Mdl>)> {
        match self.exchange(payload, Some(data), reply, timeout, irql)? {
            (length, Some(data)) => Ok((length, data)),
            // What was given comes back with a success.
            (_, None) => Err((Error::InvalidLength, None)),
        }
    }

    fn exchange(
        &self,
        payload: &[u8],
        data: Option<Mdl>,
        reply: &mut [u8],
        timeout: Option<NonZeroU64>,
        irql: &mut impl MayAwaitReply,
    ) -> Result<(usize, Option<Mdl>), (Error, Option<Mdl>)> {
        let shared = &**self.shared();
        let length = match checked(shared, payload) {
            Ok(length) => length,
            Err(error) => return Err((error, data)),
        };
        if reply.is_empty() || !reply.len().is_multiple_of(8) {
            return Err((Error::InvalidLength, data));
        }
        let mut loan = Loan::try_new(payload, reply.len(), data, timeout)?;
        // Held until what the host may keep is in its place: an owner that waits for it frees all
        // that is kept.
        let Some(_packets) = shared.packets.try_acquire() else {
            return Err((Error::NotOpen, loan.take_data()));
        };
        // The gate is not held: closing waits for it, and KMCL ends this request only when it
        // closes.
        if !shared.gate.is_open() {
            return Err((Error::NotOpen, loan.take_data()));
        }
        let parts = loan.parts();
        // SAFETY: PASSIVE_LEVEL, where this may wait, by the witness; the channel is allocated
        // while `packets` is held. The buffers, the MDL and its memory are the loan's, with the
        // lengths given; it stays until the host has answered, or the channel has been disabled.
        let status = unsafe {
            call!(
                shared.table(),
                VmbChannelSendSynchronousRequest(
                    shared.channel,
                    parts.payload.cast(),
                    length,
                    loan.mdl(),
                    VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION,
                    parts.reply.cast(),
                    parts.capacity,
                    parts.timeout
                )
            )
        };
        match Status::check(status) {
            Ok(()) => {
                // SAFETY: the request is over, with the reply.
                let bytes = unsafe { loan.copy_reply(reply) };
                Ok((bytes, loan.take_data()))
            }
            // It had no room in the ring, or its reply none in the buffer.
            Err(error) if status == STATUS_BUFFER_OVERFLOW => Err((error, loan.take_data())),
            Err(error) => {
                shared.lent.keep(loan, irql);
                Err((error, None))
            }
        }
    }
}

/// What KMCL, and perhaps the host, has of a request.
///
/// # Invariants
///
/// `block` is a pool block of this module's, owned by this value: an initialised [`Head`], the room
/// for the reply, `room` bytes, and behind it the message.
pub(crate) struct Loan {
    block: NonNull<Head>,
}

struct Head {
    next: Option<Loan>,
    data: Option<Mdl>,
    timeout: LARGE_INTEGER,
    /// Bytes of the room for the reply, and afterwards of the reply.
    capacity: u32,
    room: u32,
    /// No wait has an end that nobody has asked for.
    endless: bool,
}

/// Where the parts of a loan are.
struct Parts {
    payload: *mut u8,
    reply: *mut u8,
    capacity: *mut u32,
    timeout: *mut LARGE_INTEGER,
}

// SAFETY: the block belongs to the value wherever it is.
unsafe impl Send for Loan {}

impl Loan {
    fn try_new(
        payload: &[u8],
        room: usize,
        data: Option<Mdl>,
        timeout: Option<NonZeroU64>,
    ) -> Result<Self, (Error, Option<Mdl>)> {
        let Ok(capacity) = u32::try_from(room) else {
            return Err((Error::TooLarge, data));
        };
        let size = size_of::<Head>()
            .checked_add(room)
            .and_then(|size| size.checked_add(payload.len()));
        let Some(size) = size else {
            return Err((Error::TooLarge, data));
        };
        let Some(block) = allocate(size, TAG, false) else {
            return Err((Error::NoMemory, data));
        };
        let block = block.cast::<Head>();
        let mut relative = LARGE_INTEGER::default();
        relative.QuadPart = timeout.map_or(0, |units| {
            i64::try_from(units.get()).map_or(i64::MIN, i64::wrapping_neg)
        });
        let head = Head {
            next: None,
            data,
            timeout: relative,
            capacity,
            room: capacity,
            endless: timeout.is_none(),
        };
        // SAFETY: the block has the size computed above, and pool's alignment.
        unsafe { block.write(head) };
        let loan = Self { block };
        // SAFETY: so many bytes lie behind the room for the reply, in a block that is new.
        unsafe {
            loan.parts()
                .payload
                .copy_from_nonoverlapping(payload.as_ptr(), payload.len());
        }
        Ok(loan)
    }

    fn parts(&self) -> Parts {
        let head = self.block.as_ptr();
        // SAFETY: by the invariant all of it lies within the block; no reference to the head is
        // made, which KMCL may write to.
        unsafe {
            let reply = head.add(1).cast::<u8>();
            Parts {
                payload: reply.add((*head).room as usize),
                reply,
                capacity: &raw mut (*head).capacity,
                timeout: if (*head).endless {
                    core::ptr::null_mut()
                } else {
                    &raw mut (*head).timeout
                },
            }
        }
    }

    fn mdl(&self) -> wdk_sys::PMDL {
        // SAFETY: by the invariant; only the owner changes this field.
        unsafe { &(*self.block.as_ptr()).data }
            .as_ref()
            .map_or(core::ptr::null_mut(), |data| data.as_ref().as_ptr())
    }

    fn take_data(&mut self) -> Option<Mdl> {
        // SAFETY: by the invariant; only the owner changes this field.
        unsafe { &mut (*self.block.as_ptr()).data }.take()
    }

    fn take_next(&mut self) -> Option<Self> {
        // SAFETY: by the invariant; only the owner changes this field.
        unsafe { &mut (*self.block.as_ptr()).next }.take()
    }

    fn set_next(&mut self, next: Option<Self>) {
        // SAFETY: by the invariant; only the owner changes this field.
        unsafe { (*self.block.as_ptr()).next = next };
    }

    /// Copies as much of the reply as there is, and as the buffer takes.
    ///
    /// # Safety
    ///
    /// The request has ended with a success: KMCL has written the reply and its length, and is done
    /// with the block.
    unsafe fn copy_reply(&self, to: &mut [u8]) -> usize {
        let parts = self.parts();
        // SAFETY: as the caller says; the reply has the room that the buffer has, of which no more
        // is read.
        unsafe {
            let bytes = to.len().min(parts.capacity.read() as usize);
            parts.reply.copy_to_nonoverlapping(to.as_mut_ptr(), bytes);
            bytes
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        // SAFETY: by the invariant the head is initialised and the block ours; both end here.
        unsafe {
            self.block.as_ptr().drop_in_place();
            free(self.block.cast(), TAG);
        }
    }
}

/// What a channel keeps until the host cannot use it any more.
pub(crate) struct Lent(SpinLock<Option<Loan>>);

impl Lent {
    /// None.
    pub(crate) const fn new() -> Self {
        Self(SpinLock::new(None))
    }

    fn keep(&self, mut loan: Loan, irql: &mut impl Irql) {
        self.0.with(irql, |first, _| {
            loan.set_next(first.take());
            *first = Some(loan);
        });
    }

    /// Frees what is kept, one after the other: dropped from the first, they would take a frame of
    /// the stack each.
    pub(crate) fn free(&self, irql: &mut impl Irql) {
        let mut next = self.0.with(irql, |first, _| first.take());
        while let Some(mut loan) = next {
            next = loan.take_next();
        }
    }
}
