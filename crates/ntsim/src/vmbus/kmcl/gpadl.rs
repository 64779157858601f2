//! GPADLs: guest memory that the host may map for longer than one packet.

use std::cell::Cell;
use std::rc::Rc;

use kmcl_sys::VMBUS_CHANNEL_GPADL_FLAGS;
use wdk_sys_lite::{
    MDL_PAGES_LOCKED, MDL_PARTIAL, MDL_SOURCE_IS_NONPAGED_POOL, NTSTATUS, PFN_NUMBER, PMDL, PVOID,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER,
};

use super::channel::{Channel, Stage};
use super::violation;
use crate::kernel::kernel;
use crate::vmbus::memory::{self, Pinned};
use crate::vmbus::message::PageRange;
use crate::vmbus::shared::PAGE;

/// A GPADL of a channel's.
pub(super) struct Gpadl {
    /// `VmbChannelDeleteGpadl` waits for the host.
    deleting: Cell<bool>,
    /// The driver's buffer, in bytes from its address, if KMCL knows it.
    buffer: Option<(usize, u32)>,
    frames: Pinned,
}

impl Gpadl {
    pub(super) fn is_being_deleted(&self) -> bool {
        self.deleting.get()
    }

    /// The driver's buffer must be the memory that was described.
    fn check_buffer(&self, handle: u32) {
        if let Some((address, bytes)) = self.buffer
            && memory::frames_of(address, bytes as usize).as_deref() != Some(self.frames.frames())
        {
            violation(format!(
                "the buffer at {address:#x} was freed while GPADL {handle:#x} described it to the host"
            ));
        }
    }
}

/// The page ranges that a part of a chain of MDLs describes; a `length` of 0 means up to the end.
/// None if the part is not in the chain. Also: how many MDLs it touches.
pub(super) fn ranges_of(
    function: &str,
    mdl: PMDL,
    offset: u32,
    length: u32,
    forced: bool,
) -> Option<(Vec<PageRange>, u32)> {
    let mut ranges = Vec::new();
    let mut skip = offset;
    let mut left = if length == 0 { u32::MAX } else { length };
    let mut next = mdl;
    let locked = (MDL_PAGES_LOCKED | MDL_PARTIAL | MDL_SOURCE_IS_NONPAGED_POOL).cast_signed();
    while !next.is_null() && left > 0 {
        // SAFETY: the driver vouches for the chain of MDLs.
        let mdl = unsafe { next.read() };
        if i32::from(mdl.MdlFlags) & locked == 0 {
            violation(format!("{function}: an MDL whose pages are not locked"));
        }
        let mut bytes = mdl.ByteCount;
        if forced {
            let page = u32::try_from(PAGE).unwrap_or(u32::MAX);
            let last = (mdl.ByteOffset + bytes).next_multiple_of(page) - mdl.ByteOffset;
            bytes = bytes.max(skip.saturating_add(left).min(last));
        }
        if skip >= bytes {
            skip -= bytes;
        } else {
            let start = mdl.ByteOffset + skip;
            let part = (bytes - skip).min(left);
            let first = start as usize / PAGE;
            let within = start % u32::try_from(PAGE).unwrap_or(u32::MAX);
            // SAFETY: the array of page frames follows the MDL, one for each page that it
            // describes.
            let frames = unsafe {
                std::slice::from_raw_parts(
                    next.add(1).cast::<PFN_NUMBER>().add(first),
                    PageRange::frame_count(part, within),
                )
            };
            ranges.push(PageRange {
                length: part,
                offset: within,
                frames: frames.to_vec(),
            });
            skip = 0;
            left -= part;
        }
        next = if forced {
            std::ptr::null_mut()
        } else {
            mdl.Next
        };
    }
    let count = u32::try_from(ranges.len()).unwrap_or(u32::MAX);
    let complete = !ranges.is_empty() && (length == 0 || left == 0);
    complete.then_some((ranges, count))
}

fn create(
    function: &str,
    channel: &Rc<Channel>,
    flags: u32,
    ranges: Option<Vec<PageRange>>,
    buffer: Option<(usize, u32)>,
) -> Result<u32, NTSTATUS> {
    if flags & !VMBUS_CHANNEL_GPADL_FLAGS != 0 {
        violation(format!("{function}: unknown flags {flags:#x}"));
    }
    let ranges = ranges.ok_or(STATUS_INVALID_PARAMETER)?;
    if kernel().should_fail() {
        return Err(STATUS_INSUFFICIENT_RESOURCES);
    }
    let connection = channel.connection().ok_or(STATUS_INVALID_DEVICE_STATE)?;
    if channel.stage.get() == Stage::Closing {
        return Err(STATUS_INVALID_DEVICE_STATE);
    }
    let frames = Pinned::new(
        ranges
            .iter()
            .flat_map(|range| range.frames.iter().copied())
            .collect(),
    );
    let handle = kernel()
        .vmbus
        .bus
        .create_gpadl(&connection.offer, &ranges)?;
    let gpadl = Gpadl {
        deleting: Cell::new(false),
        buffer,
        frames,
    };
    channel.gpadls.borrow_mut().insert(handle, Rc::new(gpadl));
    Ok(handle)
}

/// `VmbChannelCreateGpadlFromBuffer`.
pub(super) fn from_buffer(
    channel: &Rc<Channel>,
    flags: u32,
    buffer: PVOID,
    bytes: u32,
) -> Result<u32, NTSTATUS> {
    let function = "VmbChannelCreateGpadlFromBuffer";
    if bytes == 0 {
        return Err(STATUS_INVALID_PARAMETER);
    }
    let Some(frames) = memory::frames_of(buffer.addr(), bytes as usize) else {
        violation(format!(
            "{function}: {bytes} bytes at {buffer:p} are not the driver's memory"
        ))
    };
    let range = PageRange {
        length: bytes,
        offset: u32::try_from(buffer.addr() % PAGE).unwrap_or(0),
        frames,
    };
    create(
        function,
        channel,
        flags,
        Some(vec![range]),
        Some((buffer.addr(), bytes)),
    )
}

/// `VmbChannelCreateGpadlFromMdl`.
pub(super) fn from_mdl(
    channel: &Rc<Channel>,
    flags: u32,
    mdl: PMDL,
    offset: u32,
    length: u32,
) -> Result<u32, NTSTATUS> {
    let function = "VmbChannelCreateGpadlFromMdl";
    if mdl.is_null() {
        violation(format!("{function}: the MDL is a null pointer"));
    }
    let ranges = ranges_of(function, mdl, offset, length, false).map(|(ranges, _)| ranges);
    create(function, channel, flags, ranges, None)
}

/// `VmbChannelDeleteGpadl`.
pub(super) fn delete(channel: &Rc<Channel>, handle: u32) {
    let known = channel.gpadls.borrow().get(&handle).cloned();
    let Some(gpadl) = known.filter(|gpadl| !gpadl.deleting.replace(true)) else {
        violation(format!(
            "VmbChannelDeleteGpadl: the channel has no GPADL {handle:#x}"
        ))
    };
    let Some(connection) = channel.connection() else {
        violation("VmbChannelDeleteGpadl: the channel is closed")
    };
    gpadl.check_buffer(handle);
    kernel().vmbus.bus.teardown_gpadl(&connection.offer, handle);
    channel.gpadls.borrow_mut().remove(&handle);
    channel.wake();
}
