//! KMCL's interface: its identity, its table of functions, and who holds a reference on it.

use std::rc::Rc;

use kmcl_sys::{KMCL_CLIENT_INTERFACE_V1, KMCL_CLIENT_INTERFACE_VERSION_V1};
use wdk_sys_lite::{
    GUID, INTERFACE, NTSTATUS, PINTERFACE, PVOID, STATUS_INVALID_BUFFER_SIZE, STATUS_NOT_SUPPORTED,
    STATUS_SUCCESS,
};

use super::{HandleKind, api, provider, violation};
use crate::kernel::{DriverId, kernel};
use crate::nt_export;
use crate::pnp::{NamedDevice, Pdo};
use crate::vmbus::guid_bytes;

/// The interface's type. The real one is in no public text but the kit's header; this one is the
/// simulator's own.
#[unsafe(no_mangle)]
pub static KMCL_CLIENT_INTERFACE_TYPE: GUID = GUID {
    Data1: 0x6E74_7369,
    Data2: 0x6D4B,
    Data3: 0x4D43,
    Data4: *b"Lclient1",
};

/// A driver's references on the interface, from one query.
pub(crate) struct Reference {
    pub(crate) driver: DriverId,
    /// The device whose stack was asked; none for the bus driver's own device.
    pdo: Option<u32>,
    pub(crate) count: u32,
}

/// The bus driver's device in the object manager, for drivers that are not on a device's stack.
pub(crate) struct KmclInterfaceDevice;

/// Its name in a guest.
pub(crate) const DEVICE_NAME: &str = r"\Device\VMBus\kmcl_interface";

impl NamedDevice for KmclInterfaceDevice {
    fn query_interface(
        &self,
        interface_type: &GUID,
        size: u16,
        version: u16,
        interface: PINTERFACE,
        _data: PVOID,
    ) -> NTSTATUS {
        query(None, interface_type, size, version, interface)
    }
}

/// Fills the caller's table and takes a reference for it.
pub(crate) fn query(
    pdo: Option<&Rc<Pdo>>,
    interface_type: &GUID,
    size: u16,
    version: u16,
    interface: PINTERFACE,
) -> NTSTATUS {
    const SIZE: usize = size_of::<KMCL_CLIENT_INTERFACE_V1>();
    if guid_bytes(interface_type) != guid_bytes(&KMCL_CLIENT_INTERFACE_TYPE)
        || u32::from(version) != KMCL_CLIENT_INTERFACE_VERSION_V1
        || usize::from(size) > SIZE
    {
        return STATUS_NOT_SUPPORTED;
    }
    if usize::from(size) < SIZE {
        return STATUS_INVALID_BUFFER_SIZE;
    }
    let Some(driver) = kernel().sched.current().driver() else {
        return STATUS_NOT_SUPPORTED;
    };
    let context = provider().new_handle(HandleKind::Interface);
    provider().references.borrow_mut().insert(
        context,
        Reference {
            driver,
            pdo: pdo.map(|pdo| pdo.id),
            count: 1,
        },
    );
    let header = INTERFACE {
        Size: size,
        Version: version,
        Context: std::ptr::without_provenance_mut(context),
        InterfaceReference: Some(InterfaceReference),
        InterfaceDereference: Some(InterfaceDereference),
    };
    // SAFETY: the caller of the query vouches for `size` writable bytes at `interface`, and `size`
    // is the table's. The header goes to the table's start, where it belongs.
    unsafe {
        interface
            .cast::<KMCL_CLIENT_INTERFACE_V1>()
            .write_unaligned(table());
        interface.write_unaligned(header);
    }
    STATUS_SUCCESS
}

fn table() -> KMCL_CLIENT_INTERFACE_V1 {
    macro_rules! filled {
        ($($name:ident)*) => {
            KMCL_CLIENT_INTERFACE_V1 {
                __bindgen_padding_0: [0; size_of::<INTERFACE>()],
                $($name: Some(api::$name),)*
            }
        };
    }
    filled! {
        VmbChannelAllocate
        VmbChannelCleanup
        VmbChannelCreateGpadlFromBuffer
        VmbChannelCreateGpadlFromMdl
        VmbChannelDeleteGpadl
        VmbChannelDisable
        VmbChannelEnable
        VmbChannelGetInterfaceInstance
        VmbChannelGetMmioSpace
        VmbChannelGetPointer
        VmbChannelInitSetClientContextSize
        VmbChannelInitSetFlags
        VmbChannelInitSetFriendlyName
        VmbChannelInitSetMaximumExternalData
        VmbChannelInitSetMaximumPacketSize
        VmbChannelInitSetProcessPacketCallbacks
        VmbChannelInitSetStateChangeCallbacks
        VmbChannelPacketComplete
        VmbChannelPacketDeferToPassive
        VmbChannelPacketFail
        VmbChannelPacketGetExternalData
        VmbChannelPause
        VmbChannelSendSynchronousRequest
        VmbChannelSetIncomingProcessingAtPassive
        VmbChannelSetInterruptLatency
        VmbChannelSetPointer
        VmbChannelSetTransactionQuota
        VmbChannelSizeofPacket
        VmbChannelStart
        VmbClientChannelInitSetRingBufferPageCount
        VmbClientChannelInitSetTargetPnp
        VmbPacketAllocate
        VmbPacketFree
        VmbPacketGetChannel
        VmbPacketGetPointer
        VmbPacketInitialize
        VmbPacketSend
        VmbPacketSendWithExternalMdl
        VmbPacketSendWithExternalPfns
        VmbPacketSetCompletionRoutine
        VmbPacketSetPointer
    }
}

nt_export! { table
    /// Takes a further reference.
    irql(<= DISPATCH_LEVEL) fn InterfaceReference(context: PVOID) {
        let known = provider()
            .references
            .borrow_mut()
            .get_mut(&context.addr())
            .map(|reference| reference.count += 1);
        if known.is_none() {
            stale("InterfaceReference", context);
        }
    }

    /// Gives a reference back.
    irql(<= DISPATCH_LEVEL) fn InterfaceDereference(context: PVOID) {
        let left = provider()
            .references
            .borrow_mut()
            .get_mut(&context.addr())
            .map(|reference| {
                reference.count -= 1;
                (reference.count, reference.driver)
            });
        let Some((count, driver)) = left else {
            stale("InterfaceDereference", context)
        };
        if count == 0 {
            provider().references.borrow_mut().remove(&context.addr());
            check_unused(driver);
        }
    }
}

fn stale(function: &str, context: PVOID) -> ! {
    violation(
        if provider().was_issued(context.addr(), HandleKind::Interface) {
            format!(
                "{function}: the interface was dereferenced as often as it was referenced before"
            )
        } else {
            format!("{function}: {context:p} is not the Context of KMCL's interface")
        },
    )
}

/// A driver without references must have no channels.
fn check_unused(driver: DriverId) {
    let provider = provider();
    let referenced = provider
        .references
        .borrow()
        .values()
        .any(|reference| reference.driver == driver);
    let channel = provider
        .channels
        .borrow()
        .values()
        .find(|channel| channel.driver == driver)
        .map(|channel| channel.handle);
    if let Some(channel) = channel
        && !referenced
    {
        violation(format!(
            "InterfaceDereference: the last reference went while channel {channel:#x} exists"
        ));
    }
}

/// A device's stack is gone: nobody on it may hold a reference any more.
pub(crate) fn device_removed(pdo: &Pdo) {
    let held = provider()
        .references
        .borrow()
        .values()
        .find(|reference| reference.pdo == Some(pdo.id))
        .map(|reference| reference.count);
    if let Some(count) = held {
        violation(format!(
            "KMCL's interface was not dereferenced before the removal of {} ({count} references)",
            pdo.instance
        ));
    }
}
