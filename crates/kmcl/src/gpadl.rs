//! Guest memory that the host maps for as long as the channel is open.
//!
//! (A GPADL is a *guest physical address descriptor list*.) A channel keeps its GPADLs in a list.
//! Whatever is still there when the channel closes is deleted after [`Handler::closed`]; deleting
//! waits while the host has the memory mapped. Each is deleted once: whoever takes it out of the
//! list does it.
//!
//! ```
//! # use kmcl::{channel::{Context, Handler}, gpadl::{Access, Gpadl}, mdl::HostBuffer, pool::Tag, status::Status};
//! /// In `opened`: the host is told the handle later, in a message.
//! fn share<H: Handler>(cx: &mut Context<'_, H>) -> Result<(Gpadl<H>, u32), Status> {
//!     let buffer = HostBuffer::try_new(65536, Tag::new(*b"Shar"))?;
//!     let memory = cx.sender().create_gpadl(buffer, Access::ReadWrite, cx.irql())?;
//!     let id = memory.id()?;
//!     Ok((memory, id))
//! }
//!
//! /// What the host has written there, if it is finished: a count first, of which no more is believed than there is room for.
//! fn count<H: Handler>(memory: &Gpadl<H>) -> Option<u32> {
//!     memory.buffer().view().read::<u32>(0).filter(|count| *count <= 1024)
//! }
//! ```

use crate::atomic::{AtomicBool, AtomicU32, Ordering};
use core::cell::UnsafeCell;

use kmcl_sys::VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY;

use crate::channel::{Handler, Shared, call};
use crate::irql::AtPassive;
use crate::mdl::{HostBuffer, Mdl};
use crate::packet::Sender;
use crate::pool::{InPool, PoolArc, Tag};
use crate::status::{Error, Status};
use crate::sync::SpinLock;

const TAG: Tag = Tag::new(*b"KmGp");

/// What the host is asked to do with the memory. No protection: the host can write either way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Read and write.
    ReadWrite,
    /// Read only, as a hint.
    ReadOnly,
}

enum Memory {
    Buffer(HostBuffer),
    Mdl(Mdl),
}

struct Record {
    id: AtomicU32,
    live: AtomicBool,
    /// Reached by the one [`Gpadl`] of this record alone: whoever deletes it needs only its handle.
    memory: UnsafeCell<Memory>,
    /// The next in the channel's list; guarded by the list's lock.
    next: UnsafeCell<Option<PoolArc<Record>>>,
}

// SAFETY: `next` is reached only under the list's lock, and `memory` only through the one `Gpadl`,
// as its own borrow is; the rest is shared as it is.
unsafe impl Send for Record {}
// SAFETY: as above.
unsafe impl Sync for Record {}

/// A channel's GPADLs.
pub(crate) struct List(SpinLock<Option<PoolArc<Record>>>);

impl List {
    pub(crate) const fn new() -> Self {
        Self(SpinLock::new(None))
    }

    fn push(&self, record: PoolArc<Record>, irql: &mut impl AtPassive) {
        self.0.with(irql, |head, _| {
            // SAFETY: the lock is held.
            unsafe { *record.next.get() = head.take() };
            *head = Some(record);
        });
    }

    fn pop(&self, irql: &mut impl AtPassive) -> Option<PoolArc<Record>> {
        self.0.with(irql, |head, _| {
            let record = head.take()?;
            // SAFETY: the lock is held.
            *head = unsafe { (*record.next.get()).take() };
            Some(record)
        })
    }

    /// Takes a record out; false if somebody else has.
    fn remove(&self, record: &PoolArc<Record>, irql: &mut impl AtPassive) -> bool {
        self.0.with(irql, |head, _| {
            let mut link: *mut Option<PoolArc<Record>> = head;
            // SAFETY: the lock is held; `link` is the head or a `next` of a record in the list,
            // which the list keeps alive.
            unsafe {
                while let Some(found) = &*link {
                    if core::ptr::eq::<Record>(&raw const **found, &raw const **record) {
                        let next = (*found.next.get()).take();
                        *link = next;
                        return true;
                    }
                    link = found.next.get();
                }
            }
            false
        })
    }
}

/// Guest memory that the host may map. The handle goes to the host in a message of the driver's own
/// protocol.
///
/// Dropped, the memory stays the host's until the channel closes; [`Gpadl::delete`] takes it back
/// before.
///
/// # Invariants
///
/// The memory stays in its place until the GPADL is deleted, by whoever of its owner and the closed
/// callback is first, and until this is dropped. Of all that refer to the record, only this reaches
/// its memory.
pub struct Gpadl<H: Handler> {
    shared: PoolArc<Shared<H>>,
    record: PoolArc<Record>,
}

impl<H: Handler> Sender<H> {
    /// Makes a buffer known to the host. Waits for the host's answer. Possible from
    /// [`Handler::opened`] until the channel closes.
    ///
    /// # Errors
    ///
    /// [`Error::NotOpen`], [`Error::NoMemory`] or KMCL's; the buffer is freed.
    pub fn create_gpadl(
        &self,
        buffer: HostBuffer,
        access: Access,
        irql: &mut impl AtPassive,
    ) -> Result<Gpadl<H>, Error> {
        self.create(Memory::Buffer(buffer), access, irql)
    }

    /// As [`Sender::create_gpadl`], for memory that an MDL describes.
    ///
    /// # Errors
    ///
    /// As [`Sender::create_gpadl`].
    pub fn create_gpadl_from_mdl(
        &self,
        mdl: Mdl,
        access: Access,
        irql: &mut impl AtPassive,
    ) -> Result<Gpadl<H>, Error> {
        self.create(Memory::Mdl(mdl), access, irql)
    }

    fn create(
        &self,
        memory: Memory,
        access: Access,
        irql: &mut impl AtPassive,
    ) -> Result<Gpadl<H>, Error> {
        let shared = self.shared();
        let Some(_open) = shared.open.try_acquire() else {
            return Err(Error::NotOpen);
        };
        // Everything that can fail comes before the host knows of the memory.
        let record = PoolArc::try_new(
            Record {
                id: AtomicU32::new(0),
                live: AtomicBool::new(true),
                memory: UnsafeCell::new(memory),
                next: UnsafeCell::new(None),
            },
            TAG,
        )?;
        let flags = match access {
            Access::ReadWrite => 0,
            Access::ReadOnly => VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY,
        };
        let mut id = 0;
        let id_pointer = &raw mut id;
        // SAFETY: the channel is open while `open` is held: its owner closes `open` before it cleans
        // the channel up. This is PASSIVE_LEVEL by the witness. Nobody else knows the record yet,
        // and the memory stays until the GPADL is deleted: the record keeps it, and the list keeps
        // the record.
        Status::check(unsafe {
            match &*record.memory.get() {
                Memory::Buffer(buffer) => call!(
                    shared.table(),
                    VmbChannelCreateGpadlFromBuffer(
                        shared.channel,
                        flags,
                        buffer.as_ptr().cast(),
                        buffer.length(),
                        id_pointer
                    )
                ),
                Memory::Mdl(mdl) => call!(
                    shared.table(),
                    VmbChannelCreateGpadlFromMdl(
                        shared.channel,
                        flags,
                        mdl.as_ref().as_ptr(),
                        0,
                        mdl.as_ref().length(),
                        id_pointer
                    )
                ),
            }
        })?;
        record.id.store(id, Ordering::Release);
        shared.gpadls.push(record.clone(), irql);
        Ok(Gpadl {
            shared: shared.clone(),
            record,
        })
    }
}

impl<H: Handler> Gpadl<H> {
    /// The handle by which the host knows the memory.
    ///
    /// # Errors
    ///
    /// [`Error::NotOpen`] once the channel has closed.
    pub fn id(&self) -> Result<u32, Error> {
        if self.record.live.load(Ordering::Acquire) {
            Ok(self.record.id.load(Ordering::Acquire))
        } else {
            Err(Error::NotOpen)
        }
    }

    /// The memory.
    #[must_use]
    pub fn buffer(&self) -> &HostBuffer {
        // SAFETY: by the invariant this is the one value that reaches the memory, and it is
        // borrowed.
        match unsafe { &*self.record.memory.get() } {
            Memory::Buffer(buffer) => buffer,
            Memory::Mdl(mdl) => mdl.buffer(),
        }
    }

    /// The memory, to write to.
    pub fn buffer_mut(&mut self) -> &mut HostBuffer {
        // SAFETY: by the invariant this is the one value that reaches the memory, and it is
        // borrowed exclusively.
        match unsafe { &mut *self.record.memory.get() } {
            Memory::Buffer(buffer) => buffer,
            Memory::Mdl(mdl) => mdl.buffer_mut(),
        }
    }

    /// Takes the memory back. Waits while the host has it mapped. Nothing is left to do if the
    /// channel has closed.
    pub fn delete(self, irql: &mut impl AtPassive) {
        let Some(_open) = self.shared.open.try_acquire() else {
            return;
        };
        if self.shared.gpadls.remove(&self.record, irql) {
            delete(&self.shared, &self.record);
        }
    }
}

fn delete<H: Handler>(shared: &Shared<H>, record: &Record) {
    record.live.store(false, Ordering::Release);
    // SAFETY: the record was taken out of the list by the caller alone, so this is its one
    // deletion; the channel is allocated and open while the caller holds `open`, or is in its
    // `closed` callback; callers run at PASSIVE_LEVEL.
    unsafe {
        call!(
            shared.table(),
            VmbChannelDeleteGpadl(shared.channel, record.id.load(Ordering::Acquire))
        );
    }
}

/// Deletes what is left, in the `closed` callback.
pub(crate) fn delete_all<H: Handler>(shared: &Shared<H>, irql: &mut impl AtPassive) {
    while let Some(record) = shared.gpadls.pop(irql) {
        delete(shared, &record);
    }
}
