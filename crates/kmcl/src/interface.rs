//! The interface of the bus driver: a table of functions, counted.
//!
//! A driver asks for it in `EvtDevicePrepareHardware`, when the devices below are started, and
//! drops it with its channel in `EvtDeviceReleaseHardware`. A channel has a reference of its own.
//!
//! ```
//! # use kmcl::{interface::{Interface, InterfaceVersion}, irql::Passive, status::Error};
//! # #[cfg(not(windows))]
//! # use wdk_sys_lite as wdk_sys;
//! /// # Safety
//! ///
//! /// `device` is a function device object of this driver's.
//! unsafe fn query(device: wdk_sys::WDFDEVICE, irql: &mut Passive<'_>) -> Result<Interface, Error> {
//!     // Version and size as the kit declares them; version 1 where the system has no such version.
//!     let newer = InterfaceVersion { version: 2, size: 400 };
//!     // SAFETY: as the caller says.
//!     let interface = unsafe { Interface::query_version(device, newer, irql) }?;
//!     if interface.version() >= 2 {
//!         // `interface.as_ptr()` is a table that the driver's own declaration of version 2 describes.
//!     }
//!     Ok(interface)
//! }
//! ```

use core::mem::{MaybeUninit, offset_of};
use core::ptr::NonNull;

use kmcl_sys::{
    KMCL_CLIENT_INTERFACE_TYPE, KMCL_CLIENT_INTERFACE_V1, KMCL_CLIENT_INTERFACE_VERSION_V1,
    MEMBER_COUNT,
};
use wdk_sys::{INTERFACE, PINTERFACE, WDFDEVICE, WDFIOTARGET, call_unsafe_wdf_function_binding};

use crate::debugger::say;
use crate::irql::{Passive, at_passive_level};
use crate::pool::{InPool, PoolArc, Tag, allocate, free};
use crate::status::{Error, Status};

const TAG: Tag = Tag::new(*b"KmIf");
const SIZE: u16 = 360;
const VERSION: u16 = 1;
const _: () = assert!(KMCL_CLIENT_INTERFACE_VERSION_V1 == VERSION as u32);
const _: () = assert!(size_of::<KMCL_CLIENT_INTERFACE_V1>() == SIZE as usize);

/// A reference to the KMCL client interface.
///
/// # Invariants
///
/// The table was filled by a successful query, and every member of version 1 in it is a function.
/// The query left one reference of the exporter's, which the last clone gives back.
///
/// At which IRQL it may be given back is documented nowhere, so it is at `PASSIVE_LEVEL`. A last
/// clone that is dropped above leaks, and debug builds say so.
#[derive(Clone)]
pub struct Interface(PoolArc<Table>);

pub(crate) struct Table {
    /// Version 1, with which every later version begins: every member is initialised. The bindings
    /// declare the header as integers: moved as a table, its pointers would no longer be pointers,
    /// and its padding would have to be initialised. It is moved as bytes, and read by member.
    functions: MaybeUninit<KMCL_CLIENT_INTERFACE_V1>,
    /// All of a later version, if one was asked for and is there.
    newer: Option<Newer>,
}

struct Newer {
    block: NonNull<u8>,
    version: u16,
}

// SAFETY: the table is not written after the query; its functions may be called from any thread.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

/// A version of the interface, by number and size in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InterfaceVersion {
    /// `KMCL_CLIENT_INTERFACE_VERSION_…` of the kit.
    pub version: u16,
    /// `sizeof` of the kit's struct.
    pub size: u16,
}

impl InterfaceVersion {
    /// Version 1, all that public documentation describes.
    pub const V1: Self = Self {
        version: VERSION,
        size: SIZE,
    };
}

impl Interface {
    /// Asks the drivers below `device`, a function device object on a VMBus device, for the
    /// interface.
    ///
    /// # Errors
    ///
    /// The status of `WdfFdoQueryForInterface` (`STATUS_NOT_SUPPORTED` where no VMBus device is
    /// below), [`Error::InvalidInterface`] for an answer that is not what was asked for,
    /// [`Error::NoMemory`].
    ///
    /// # Safety
    ///
    /// `device` is a valid framework device object.
    pub unsafe fn query(device: WDFDEVICE, irql: &mut Passive<'_>) -> Result<Self, Error> {
        // SAFETY: as the caller says.
        unsafe { Self::query_version(device, InterfaceVersion::V1, irql) }
    }

    /// As [`Interface::query`], for a later version where the bus driver has it, and version 1
    /// otherwise.
    ///
    /// # Errors
    ///
    /// As [`Interface::query`].
    ///
    /// # Safety
    ///
    /// `device` is a valid framework device object.
    pub unsafe fn query_version(
        device: WDFDEVICE,
        version: InterfaceVersion,
        _irql: &mut Passive<'_>,
    ) -> Result<Self, Error> {
        Self::query_with(version, |interface, InterfaceVersion { version, size }| {
            // SAFETY: PASSIVE_LEVEL by the witness, a valid device by the caller; the GUID is a
            // constant of the kit's; `interface` has `size` bytes, zeroed; no interface-specific
            // data.
            unsafe {
                call_unsafe_wdf_function_binding!(
                    WdfFdoQueryForInterface,
                    device,
                    &raw const KMCL_CLIENT_INTERFACE_TYPE,
                    interface,
                    size,
                    version,
                    core::ptr::null_mut(),
                )
            }
        })
    }

    /// Asks another device stack, the bus driver's own (`\Device\VMBus\kmcl_interface`), for the
    /// interface.
    ///
    /// # Errors
    ///
    /// As [`Interface::query`].
    ///
    /// # Safety
    ///
    /// `target` is a valid, open remote I/O target.
    pub unsafe fn query_io_target(
        target: WDFIOTARGET,
        _irql: &mut Passive<'_>,
    ) -> Result<Self, Error> {
        Self::query_with(
            InterfaceVersion::V1,
            |interface, InterfaceVersion { version, size }| {
                // SAFETY: as in `query_version`, with an I/O target that the caller vouches for.
                unsafe {
                    call_unsafe_wdf_function_binding!(
                        WdfIoTargetQueryForInterface,
                        target,
                        &raw const KMCL_CLIENT_INTERFACE_TYPE,
                        interface,
                        size,
                        version,
                        core::ptr::null_mut(),
                    )
                }
            },
        )
    }

    fn query_with(
        version: InterfaceVersion,
        query: impl Fn(PINTERFACE, InterfaceVersion) -> i32,
    ) -> Result<Self, Error> {
        let table = match Table::newer(version, &query) {
            Some(table) => table,
            None => Table::first(&query)?,
        };
        if !table.is_complete() {
            // Dropping the table gives the reference back.
            return Err(Error::InvalidInterface);
        }
        Ok(Self(PoolArc::try_new(table, TAG)?))
    }

    /// The version that is there.
    #[must_use]
    pub fn version(&self) -> u16 {
        self.0.newer.as_ref().map_or(VERSION, |newer| newer.version)
    }

    /// The whole table as the bus driver filled it, for members beyond version 1 that a driver
    /// declares from its kit.
    ///
    /// It is as long as the version that [`Interface::version`] names, and valid as long as this
    /// reference.
    #[must_use]
    pub fn as_ptr(&self) -> *const core::ffi::c_void {
        match &self.0.newer {
            Some(newer) => newer.block.as_ptr().cast_const().cast(),
            None => self.0.functions.as_ptr().cast(),
        }
    }

    #[inline]
    pub(crate) fn table(&self) -> *const KMCL_CLIENT_INTERFACE_V1 {
        self.0.functions.as_ptr()
    }

    /// A copy, to be kept nearer.
    pub(crate) fn functions(&self) -> MaybeUninit<KMCL_CLIENT_INTERFACE_V1> {
        self.0.functions
    }
}

impl Table {
    fn first(query: &impl Fn(PINTERFACE, InterfaceVersion) -> i32) -> Result<Self, Error> {
        let mut functions = MaybeUninit::new(KMCL_CLIENT_INTERFACE_V1::default());
        Status::check(query(functions.as_mut_ptr().cast(), InterfaceVersion::V1))?;
        Ok(Self {
            functions,
            newer: None,
        })
    }

    fn newer(
        wanted: InterfaceVersion,
        query: &impl Fn(PINTERFACE, InterfaceVersion) -> i32,
    ) -> Option<Self> {
        if wanted.version <= VERSION || wanted.size <= SIZE {
            return None;
        }
        let block = allocate(wanted.size.into(), TAG, true)?;
        if query(block.as_ptr().cast(), wanted) < 0 {
            // SAFETY: the block was allocated above and is not used any more.
            unsafe { free(block, TAG) };
            return None;
        }
        // SAFETY: the block is larger than version 1, aligned as pool is, and initialised (zeroed,
        // then filled).
        let functions = unsafe { block.cast::<MaybeUninit<KMCL_CLIENT_INTERFACE_V1>>().read() };
        Some(Self {
            functions,
            newer: Some(Newer {
                block,
                version: wanted.version,
            }),
        })
    }

    fn header(&self) -> INTERFACE {
        // SAFETY: the table is initialised, and begins with an INTERFACE (the header's nameless
        // first member), which is plain data.
        unsafe { self.functions.as_ptr().cast::<INTERFACE>().read() }
    }

    /// A KMDF exporter may answer a larger request by filling less of it; so nothing is taken for
    /// granted.
    fn is_complete(&self) -> bool {
        let header = self.header();
        let version = self.newer.as_ref().map_or(VERSION, |newer| newer.version);
        let members = self
            .functions
            .as_ptr()
            .wrapping_byte_add(offset_of!(KMCL_CLIENT_INTERFACE_V1, VmbChannelAllocate))
            .cast::<*const ()>();
        header.Size >= SIZE
            && header.Version == version
            // SAFETY: the members are MEMBER_COUNT pointers from the first one on, as kmcl-sys
            // asserts; each may be read as a pointer.
            && (0..MEMBER_COUNT).all(|index| unsafe { !members.wrapping_add(index).read().is_null() })
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        let header = self.header();
        if !at_passive_level() {
            say(c"kmcl: an interface is dropped above PASSIVE_LEVEL and leaks\n");
        } else if let Some(dereference) = header.InterfaceDereference {
            // SAFETY: the successful query left one reference that has not been given back; this is
            // its only end. The argument is the interface's own context.
            unsafe { dereference(header.Context) };
        }
        if let Some(newer) = &self.newer {
            // SAFETY: the block was allocated by `newer` and is not used any more.
            unsafe { free(newer.block, TAG) };
        }
    }
}

/// How a callback finds its way back.
///
/// KMCL's callbacks get a channel or a packet and no context; what belongs to it is reached through
/// functions of the table. Those three stand here for the driver as a whole: they are the bus
/// driver's own code and the same in every interface that it gives out. Allocating a channel sets
/// them, so that they belong to an interface that has given channels out.
pub(crate) mod routes {
    use crate::atomic::{AtomicPtr, Ordering};

    use kmcl_sys::{KMCL_CLIENT_INTERFACE_V1, VMBCHANNEL, VMBPACKET};
    use wdk_sys::PVOID;

    static CHANNEL_POINTER: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());
    static PACKET_POINTER: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());
    static PACKET_CHANNEL: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

    /// # Safety
    ///
    /// The table is there, and its members are initialised.
    pub unsafe fn set(table: *const KMCL_CLIENT_INTERFACE_V1) {
        // SAFETY: as the caller says.
        let members = unsafe {
            (
                (*table).VmbChannelGetPointer,
                (*table).VmbPacketGetPointer,
                (*table).VmbPacketGetChannel,
            )
        };
        if let (Some(channel), Some(pointer), Some(of)) = members {
            CHANNEL_POINTER.store(channel as *mut (), Ordering::Release);
            PACKET_POINTER.store(pointer as *mut (), Ordering::Release);
            PACKET_CHANNEL.store(of as *mut (), Ordering::Release);
        }
    }

    /// # Safety
    ///
    /// `channel` is a valid channel of an interface for which [`set`] was called.
    #[inline]
    pub unsafe fn channel_pointer(channel: VMBCHANNEL) -> PVOID {
        type Get = unsafe extern "C" fn(VMBCHANNEL) -> PVOID;
        // SAFETY: by the caller's word `set` has stored the function, of this type.
        unsafe {
            core::mem::transmute::<*mut (), Get>(CHANNEL_POINTER.load(Ordering::Acquire))(channel)
        }
    }

    /// # Safety
    ///
    /// `packet` is a valid packet of a channel of an interface for which [`set`] was called.
    #[inline]
    pub unsafe fn packet_pointer(packet: VMBPACKET) -> PVOID {
        type Get = unsafe extern "C" fn(VMBPACKET) -> PVOID;
        // SAFETY: as above.
        unsafe {
            core::mem::transmute::<*mut (), Get>(PACKET_POINTER.load(Ordering::Acquire))(packet)
        }
    }

    /// # Safety
    ///
    /// `packet` is a valid packet of a channel of an interface for which [`set`] was called.
    #[inline]
    pub unsafe fn packet_channel(packet: VMBPACKET) -> VMBCHANNEL {
        type Get = unsafe extern "C" fn(VMBPACKET) -> VMBCHANNEL;
        // SAFETY: as above.
        unsafe {
            core::mem::transmute::<*mut (), Get>(PACKET_CHANNEL.load(Ordering::Acquire))(packet)
        }
    }
}
