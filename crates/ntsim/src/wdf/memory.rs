//! Memory objects, and lookaside lists of them.

use std::cell::Cell;
use std::ptr::NonNull;
use std::rc::Rc;

use wdk_sys_lite::{
    _POOL_TYPE, NTSTATUS, POOL_TYPE, PVOID, PWDF_DRIVER_GLOBALS, PWDF_OBJECT_ATTRIBUTES,
    STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_SUCCESS, ULONG, WDFLOOKASIDE,
    WDFMEMORY,
};

use crate::bugcheck::verifier_violation;
use crate::kernel::{DriverId, kernel};
use crate::mm::unwritten::{self, Origin};
use crate::nt_export;
use crate::trace::Trace;

use super::object::{self, Attributes, Body, Kind, Object};
use super::store;
use super::table::wdf_functions;
use super::{caller, is_too_high, require};

/// A memory object's buffer.
pub struct Memory {
    buffer: NonNull<u8>,
    length: usize,
    owned: Cell<bool>,
}

impl Memory {
    /// The buffer.
    #[must_use]
    pub fn buffer(&self) -> *mut u8 {
        self.buffer.as_ptr()
    }

    /// Its length in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }
}

impl Body for Memory {
    fn destroyed(&self, _object: &Object) {
        if self.owned.replace(false) {
            store::free(self.buffer);
        }
    }
}

struct Lookaside {
    length: usize,
    /// Pool type and tag.
    pool: (POOL_TYPE, ULONG),
    attributes: Attributes,
}

impl Body for Lookaside {}

/// A memory object over a buffer of somebody else's: a preallocated one, or a request's.
///
/// # Errors
///
/// As [`object::create`].
pub fn preallocated(
    driver: DriverId,
    attributes: &Attributes,
    parent: Option<&Rc<Object>>,
    buffer: NonNull<u8>,
    length: usize,
) -> Result<Rc<Object>, NTSTATUS> {
    let memory = Memory {
        buffer,
        length,
        owned: Cell::new(false),
    };
    object::create(Kind::Memory, driver, attributes, parent, Rc::new(memory))
}

/// The tag of what a driver allocates without one: its configuration's, unless that is the kits'
/// example; else the first letters of its service's name behind `WDF`, if there are three; else the
/// framework's.
fn own_tag(driver: DriverId) -> ULONG {
    const EXAMPLE: ULONG = ULONG::from_le_bytes(*b"Ddk ");
    let config = crate::driver::by_id(driver).and_then(|driver| driver.config.get());
    if let Some(tag) = config.map(|config| config.DriverPoolTag)
        && tag != 0
        && tag != EXAMPLE
    {
        return tag;
    }
    let name = crate::driver::name_of(driver);
    let name = match name.as_bytes() {
        [first, second, third, rest @ ..]
            if [first, second, third].map(u8::to_ascii_lowercase) == *b"wdf" =>
        {
            rest
        }
        all => all,
    };
    if name.len() < 3 {
        return store::TAG;
    }
    let mut letters = [0; 4];
    for (letter, byte) in letters.iter_mut().zip(name) {
        *letter = *byte;
    }
    ULONG::from_le_bytes(letters)
}

/// Checks a pool type as the framework has Driver Verifier check it, and gives the tag: the driver's
/// own for 0.
fn checked_pool(driver: DriverId, pool_type: POOL_TYPE, tag: ULONG) -> ULONG {
    let tag = if tag == 0 { own_tag(driver) } else { tag };
    if pool_type == _POOL_TYPE::NonPagedPool {
        verifier_violation(
            [
                0x2000,
                0,
                u64::from(pool_type.cast_unsigned()),
                u64::from(tag),
            ],
            "executable pool is allocated: NonPagedPool where NonPagedPoolNx is meant",
        );
    }
    tag
}

/// A memory object with a buffer of its own, which starts as garbage.
fn allocate(
    driver: DriverId,
    attributes: &Attributes,
    parent: Option<&Rc<Object>>,
    (pool_type, tag): (POOL_TYPE, ULONG),
    length: usize,
) -> Result<Rc<Object>, NTSTATUS> {
    let paged = pool_type & 1 == _POOL_TYPE::PagedPool;
    let buffer = store::allocate(length, paged).ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    let stack = kernel().config.verifier.then(Trace::capture);
    // SAFETY: the buffer has just been allocated with `length` bytes, and nobody else knows it.
    unsafe {
        unwritten::mark(
            buffer.as_ptr(),
            length,
            Origin::at("a memory object", stack),
        );
    }
    let memory = Rc::new(Memory {
        buffer,
        length,
        owned: Cell::new(true),
    });
    let body: Rc<dyn Body> = Rc::<Memory>::clone(&memory);
    let object = object::create(Kind::Memory, driver, attributes, parent, body)
        .inspect_err(|_| store::free(buffer))?;
    object.set_tag(tag);
    if paged {
        object.clean_up_at_passive();
    }
    Ok(object)
}

/// A memory object of a device's with a value in it.
pub(crate) fn create_with(
    parent: &Rc<Object>,
    attributes: &Attributes,
    value: &[u8],
) -> Result<Rc<Object>, NTSTATUS> {
    if kernel().should_fail() {
        return Err(STATUS_INSUFFICIENT_RESOURCES);
    }
    let object = allocate(
        parent.driver,
        attributes,
        Some(parent),
        (
            _POOL_TYPE::NonPagedPoolNx,
            checked_pool(parent.driver, _POOL_TYPE::NonPagedPoolNx, 0),
        ),
        value.len().max(1),
    )?;
    // SAFETY: the buffer has at least the value's length, and nobody else knows it yet.
    unsafe {
        object
            .body::<Memory>()
            .buffer()
            .copy_from_nonoverlapping(value.as_ptr(), value.len());
    }
    Ok(object)
}

/// Writes a handle out, and the buffer where it is wanted.
///
/// # Safety
///
/// `memory` may be written; `buffer` is null or may be written.
unsafe fn give(
    created: Result<Rc<Object>, NTSTATUS>,
    memory: *mut WDFMEMORY,
    buffer: *mut PVOID,
) -> NTSTATUS {
    match created {
        Ok(object) => {
            // SAFETY: says the caller.
            unsafe {
                memory.write(object.handle());
                if !buffer.is_null() {
                    buffer.write(object.body::<Memory>().buffer().cast());
                }
            }
            STATUS_SUCCESS
        }
        Err(status) => status,
    }
}

nt_export! { table
    /// Makes a memory object with a buffer.
    irql(<= DISPATCH_LEVEL) fn WdfMemoryCreate(
        _globals: PWDF_DRIVER_GLOBALS,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        pool_type: POOL_TYPE,
        tag: ULONG,
        length: usize,
        memory: *mut WDFMEMORY,
        buffer: *mut PVOID,
    ) -> NTSTATUS {
        require("WdfMemoryCreate", "Memory", memory.is_null());
        if length == 0 {
            return STATUS_INVALID_PARAMETER;
        }
        let (driver, parent) = caller();
        // SAFETY: null or attributes that the driver vouches for by calling.
        let created = unsafe { Attributes::read(Kind::Memory, attributes) }.and_then(|attributes| {
            if kernel().should_fail() {
                return Err(STATUS_INSUFFICIENT_RESOURCES);
            }
            let tag = checked_pool(driver, pool_type, tag);
            allocate(driver, &attributes, parent.as_ref(), (pool_type, tag), length)
        });
        // SAFETY: not null; the driver vouches that both may be written.
        unsafe { give(created, memory, buffer) }
    }

    /// Makes a memory object over the driver's own buffer.
    irql(<= DISPATCH_LEVEL) fn WdfMemoryCreatePreallocated(
        _globals: PWDF_DRIVER_GLOBALS,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        buffer: PVOID,
        length: usize,
        memory: *mut WDFMEMORY,
    ) -> NTSTATUS {
        require("WdfMemoryCreatePreallocated", "Memory", memory.is_null());
        require("WdfMemoryCreatePreallocated", "Buffer", buffer.is_null());
        let Some(buffer) = NonNull::new(buffer.cast::<u8>()).filter(|_| length > 0) else {
            return STATUS_INVALID_PARAMETER;
        };
        let (driver, parent) = caller();
        // SAFETY: null or attributes that the driver vouches for by calling.
        let created = unsafe { Attributes::read(Kind::Memory, attributes) }.and_then(|attributes| {
            if kernel().should_fail() {
                return Err(STATUS_INSUFFICIENT_RESOURCES);
            }
            preallocated(driver, &attributes, parent.as_ref(), buffer, length)
        });
        // SAFETY: not null; the driver vouches that it may be written.
        unsafe { give(created, memory, std::ptr::null_mut()) }
    }

    /// The buffer of a memory object, and its length.
    irql(any) fn WdfMemoryGetBuffer(
        _globals: PWDF_DRIVER_GLOBALS,
        memory: WDFMEMORY,
        length: *mut usize,
    ) -> PVOID {
        let memory = object::of(memory, Kind::Memory).body::<Memory>();
        if !length.is_null() {
            // SAFETY: not null, and the driver vouches that it may be written.
            unsafe { length.write(memory.length) };
        }
        memory.buffer().cast()
    }

    /// Makes a lookaside list of memory objects. As under Driver Verifier's special pool it keeps
    /// nothing back: each buffer is a pool block of its own.
    irql(<= DISPATCH_LEVEL) fn WdfLookasideListCreate(
        _globals: PWDF_DRIVER_GLOBALS,
        attributes: PWDF_OBJECT_ATTRIBUTES,
        length: usize,
        pool_type: POOL_TYPE,
        memory_attributes: PWDF_OBJECT_ATTRIBUTES,
        tag: ULONG,
        lookaside: *mut WDFLOOKASIDE,
    ) -> NTSTATUS {
        require("WdfLookasideListCreate", "Lookaside", lookaside.is_null());
        if length == 0 {
            return STATUS_INVALID_PARAMETER;
        }
        let (driver, parent) = caller();
        // SAFETY: null or attributes that the driver vouches for by calling.
        let read = unsafe {
            Attributes::read(Kind::Lookaside, attributes)
                .and_then(|own| Ok((own, Attributes::read(Kind::Memory, memory_attributes)?)))
        };
        // SAFETY: as above; the caller gets null unless the list is made.
        unsafe { lookaside.write(std::ptr::null_mut()) };
        let created = read.and_then(|(own, attributes)| {
            if pool_type & 1 == _POOL_TYPE::PagedPool {
                is_too_high("WdfLookasideListCreate for paged pool");
                let device = |attributes: &Attributes| attributes.parent()?.ancestor(Kind::Device);
                if let (Some(of_list), Some(of_memory)) = (device(&own), device(&attributes))
                    && !Rc::ptr_eq(&of_list, &of_memory)
                {
                    return Err(STATUS_INVALID_PARAMETER);
                }
            }
            if kernel().should_fail() {
                return Err(STATUS_INSUFFICIENT_RESOURCES);
            }
            let tag = checked_pool(driver, pool_type, tag);
            let list = Lookaside { length, pool: (pool_type, tag), attributes };
            object::create(Kind::Lookaside, driver, &own, parent.as_ref(), Rc::new(list))
        });
        match created {
            Ok(object) => {
                // SAFETY: not null, and the driver vouches that it may be written.
                unsafe { lookaside.write(object.handle()) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// Makes a memory object from a lookaside list. Its parent is what the list's memory attributes
    /// name, else the driver.
    irql(<= DISPATCH_LEVEL) fn WdfMemoryCreateFromLookaside(
        _globals: PWDF_DRIVER_GLOBALS,
        lookaside: WDFLOOKASIDE,
        memory: *mut WDFMEMORY,
    ) -> NTSTATUS {
        require("WdfMemoryCreateFromLookaside", "Memory", memory.is_null());
        // SAFETY: not null; the caller gets null unless the object is made.
        unsafe { memory.write(std::ptr::null_mut()) };
        let list = object::of(lookaside, Kind::Lookaside).body::<Lookaside>();
        if kernel().should_fail() {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        let (driver, parent) = caller();
        let created = allocate(driver, &list.attributes, parent.as_ref(), list.pool, list.length);
        // SAFETY: not null; the driver vouches that it may be written.
        unsafe { give(created, memory, std::ptr::null_mut()) }
    }
}

wdf_functions! {
    WdfMemoryCreateTableIndex: PFN_WDFMEMORYCREATE = WdfMemoryCreate;
    WdfMemoryCreatePreallocatedTableIndex: PFN_WDFMEMORYCREATEPREALLOCATED = WdfMemoryCreatePreallocated;
    WdfMemoryGetBufferTableIndex: PFN_WDFMEMORYGETBUFFER = WdfMemoryGetBuffer;
    WdfLookasideListCreateTableIndex: PFN_WDFLOOKASIDELISTCREATE = WdfLookasideListCreate;
    WdfMemoryCreateFromLookasideTableIndex: PFN_WDFMEMORYCREATEFROMLOOKASIDE = WdfMemoryCreateFromLookaside;
}
