//! The declarations for machines without a Windows Driver Kit: version 1 of the client's table,
//! from the public documentation. Where the documentation is silent about an IRQL, none is given
//! here.
//!
//! Programs use the crate's root, never this module: on Windows the root holds the kit's own
//! declarations.
#![allow(
    non_snake_case,
    non_camel_case_types,
    non_upper_case_globals,
    reason = "the names are the DDI's"
)]

use core::mem::offset_of;

use wdk_sys::{
    BOOLEAN, GUID, HANDLE, LPCGUID, LPGUID, NTSTATUS, PCUNICODE_STRING, PDEVICE_OBJECT, PFN_NUMBER,
    PLARGE_INTEGER, PMDL, PVOID, ULONG,
};

/// One endpoint of a channel, from `VmbChannelAllocate`.
pub type VMBCHANNEL = HANDLE;
/// An outgoing packet, from `VmbPacketAllocate` or in the caller's memory through
/// `VmbPacketInitialize`.
pub type VMBPACKET = HANDLE;
/// The completion context of one incoming packet, from the process-packet callback.
pub type VMBPACKETCOMPLETION = HANDLE;

/// Send: the packet is complete only when the peer's completion arrives; until then its resources
/// are held.
pub const VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION: u32 = 0x1;
/// Send with an MDL: the given length replaces the first MDL's own, up to the end of its last page.
pub const VMBUS_CHANNEL_FORMAT_FLAG_FORCE_MDL_LENGTH: u32 = 0x2;
/// Send: the inline buffer is pageable, so it is copied before the IRQL is raised.
pub const VMBUS_CHANNEL_FORMAT_FLAG_PAGED_BUFFER: u32 = 0x4;
/// Every flag that a send knows.
pub const VMBUS_CHANNEL_FORMAT_FLAGS: u32 = VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION
    | VMBUS_CHANNEL_FORMAT_FLAG_FORCE_MDL_LENGTH
    | VMBUS_CHANNEL_FORMAT_FLAG_PAGED_BUFFER;

/// GPADL: the host promises not to write. A hint for migration, not a protection.
pub const VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY: u32 = 0x1;
/// Every flag that the creation of a GPADL knows.
pub const VMBUS_CHANNEL_GPADL_FLAGS: u32 = VMBUS_CHANNEL_GPADL_FLAG_READ_ONLY;

/// Channel: its data are pipe messages, framed by the library.
pub const VMBUS_CHANNEL_INIT_FLAG_IS_PIPE: u32 = 0x1;
/// Every flag that `VmbChannelInitSetFlags` knows.
pub const VMBUS_CHANNEL_INIT_FLAGS: u32 = VMBUS_CHANNEL_INIT_FLAG_IS_PIPE;

/// Process-packet callback: external data came with the packet and can be fetched.
pub const VMBUS_CHANNEL_PROCESS_PACKET_FLAG_EXTERNAL_DATA: u32 = 0x1;
/// Every flag that the process-packet callback may be given.
pub const VMBUS_CHANNEL_PROCESS_PACKET_FLAGS: u32 = VMBUS_CHANNEL_PROCESS_PACKET_FLAG_EXTERNAL_DATA;

/// `VmbChannelPacketGetExternalData`: the caller only reads the data.
pub const VMBUS_CHANNEL_PACKET_EXTERNAL_DATA_FLAG_READ_ONLY: u32 = 0x1;
/// Every flag that `VmbChannelPacketGetExternalData` knows.
pub const VMBUS_CHANNEL_PACKET_EXTERNAL_DATA_FLAGS: u32 =
    VMBUS_CHANNEL_PACKET_EXTERNAL_DATA_FLAG_READ_ONLY;

/// The version to ask for with a [`KMCL_CLIENT_INTERFACE_V1`].
pub const KMCL_CLIENT_INTERFACE_VERSION_V1: u32 = 1;

#[cfg(not(miri))]
unsafe extern "C" {
    /// The interface's type. Its value is in no public text: on Windows it is the kit's, elsewhere
    /// whoever answers the query (a simulated machine, a test) defines this symbol with a value of
    /// its own.
    pub static KMCL_CLIENT_INTERFACE_TYPE: GUID;
}

/// The interface's type, for programs that Miri runs: it links no statics.
#[cfg(miri)]
pub static KMCL_CLIENT_INTERFACE_TYPE: GUID = GUID {
    Data1: 0,
    Data2: 0,
    Data3: 0,
    Data4: [0; 8],
};

/// The channel opened. `PASSIVE_LEVEL`. A failure rolls the channel back to a state without
/// traffic.
pub type EVT_VMB_CHANNEL_OPENED = Option<unsafe extern "C" fn(Channel: VMBCHANNEL) -> NTSTATUS>;
/// The channel closed; its GPADLs are deleted in here. `PASSIVE_LEVEL`.
pub type EVT_VMB_CHANNEL_CLOSED = Option<unsafe extern "C" fn(Channel: VMBCHANNEL)>;
/// The channel stops delivering; every packet out is to be completed, nothing more sent.
/// `PASSIVE_LEVEL`.
pub type EVT_VMB_CHANNEL_SUSPEND = Option<unsafe extern "C" fn(Channel: VMBCHANNEL)>;
/// The channel is configured, nothing is delivered yet; must not wait for the peer.
/// `PASSIVE_LEVEL`.
pub type EVT_VMB_CHANNEL_STARTED = Option<unsafe extern "C" fn(Channel: VMBCHANNEL)>;
/// The channel delivers; may wait for the peer's answers. `PASSIVE_LEVEL`.
pub type EVT_VMB_CHANNEL_POST_STARTED = Option<unsafe extern "C" fn(Channel: VMBCHANNEL)>;
/// A packet arrived; it is to be completed exactly once, here or later. At most `DISPATCH_LEVEL`.
pub type EVT_VMB_CHANNEL_PROCESS_PACKET = Option<
    unsafe extern "C" fn(
        Channel: VMBCHANNEL,
        Packet: VMBPACKETCOMPLETION,
        Buffer: PVOID,
        BufferLength: u32,
        Flags: u32,
    ),
>;
/// A batch of arrived packets ended. At most `DISPATCH_LEVEL`.
pub type EVT_VMB_CHANNEL_PROCESSING_COMPLETE =
    Option<unsafe extern "C" fn(Channel: VMBCHANNEL, PacketsProcessed: u32)>;
/// An outgoing packet is complete; `Buffer` is the peer's reply, if any, for the call only. At most
/// `DISPATCH_LEVEL`.
pub type EVT_VMB_PACKET_COMPLETION_ROUTINE = Option<
    unsafe extern "C" fn(Packet: VMBPACKET, Status: NTSTATUS, Buffer: PVOID, BufferLength: u32),
>;
/// The device of `VmbClientChannelInitSetTargetPnp` was found, connecting to it failed.
/// `PASSIVE_LEVEL`.
pub type EVT_VMB_CHANNEL_PNP_FAILURE =
    Option<unsafe extern "C" fn(Channel: VMBCHANNEL, FailureStatus: NTSTATUS)>;

/// Pointer to an [`EVT_VMB_CHANNEL_OPENED`].
pub type PFN_VMB_CHANNEL_OPENED = EVT_VMB_CHANNEL_OPENED;
/// Pointer to an [`EVT_VMB_CHANNEL_CLOSED`].
pub type PFN_VMB_CHANNEL_CLOSED = EVT_VMB_CHANNEL_CLOSED;
/// Pointer to an [`EVT_VMB_CHANNEL_SUSPEND`].
pub type PFN_VMB_CHANNEL_SUSPEND = EVT_VMB_CHANNEL_SUSPEND;
/// Pointer to an [`EVT_VMB_CHANNEL_STARTED`].
pub type PFN_VMB_CHANNEL_STARTED = EVT_VMB_CHANNEL_STARTED;
/// Pointer to an [`EVT_VMB_CHANNEL_POST_STARTED`].
pub type PFN_VMB_CHANNEL_POST_STARTED = EVT_VMB_CHANNEL_POST_STARTED;
/// Pointer to an [`EVT_VMB_CHANNEL_PROCESS_PACKET`].
pub type PFN_VMB_CHANNEL_PROCESS_PACKET = EVT_VMB_CHANNEL_PROCESS_PACKET;
/// Pointer to an [`EVT_VMB_CHANNEL_PROCESSING_COMPLETE`].
pub type PFN_VMB_CHANNEL_PROCESSING_COMPLETE = EVT_VMB_CHANNEL_PROCESSING_COMPLETE;
/// Pointer to an [`EVT_VMB_PACKET_COMPLETION_ROUTINE`].
pub type PFN_VMB_PACKET_COMPLETION_ROUTINE = EVT_VMB_PACKET_COMPLETION_ROUTINE;
/// Pointer to an [`EVT_VMB_CHANNEL_PNP_FAILURE`].
pub type PFN_VMB_CHANNEL_PNP_FAILURE = EVT_VMB_CHANNEL_PNP_FAILURE;

/// What a channel calls when its state changes, for `VmbChannelInitSetStateChangeCallbacks`. Begin
/// with
/// [`VMB_CHANNEL_STATE_CHANGE_CALLBACKS_INIT`](crate::VMB_CHANNEL_STATE_CHANGE_CALLBACKS_INIT).
#[repr(C)]
#[derive(Debug, Default, Copy, Clone)]
pub struct _VMB_CHANNEL_STATE_CHANGE_CALLBACKS {
    /// 1.
    pub Version: ULONG,
    /// The structure's size in bytes.
    pub Size: ULONG,
    /// Called when the channel opened.
    pub EvtChannelOpened: PFN_VMB_CHANNEL_OPENED,
    /// Called when the channel closed.
    pub EvtChannelClosed: PFN_VMB_CHANNEL_CLOSED,
    /// Called when the channel stops delivering.
    pub EvtChannelSuspend: PFN_VMB_CHANNEL_SUSPEND,
    /// Called before the channel delivers.
    pub EvtChannelStarted: PFN_VMB_CHANNEL_STARTED,
    /// Called when the channel delivers.
    pub EvtChannelPostStarted: PFN_VMB_CHANNEL_POST_STARTED,
}
/// The structure under its usual name.
pub type VMB_CHANNEL_STATE_CHANGE_CALLBACKS = _VMB_CHANNEL_STATE_CHANGE_CALLBACKS;
/// Pointer to a [`VMB_CHANNEL_STATE_CHANGE_CALLBACKS`].
pub type PVMB_CHANNEL_STATE_CHANGE_CALLBACKS = *mut _VMB_CHANNEL_STATE_CHANGE_CALLBACKS;

/// Declares the table from one list, in the table's order: of each member its name, the names of
/// its function type and of the pointer to it, and its signature.
macro_rules! client_interface {
    ($(
        $(#[$doc:meta])*
        $member:ident: $function:ident, $pointer:ident = fn($($parameter:ident: $type:ty),* $(,)?) $(-> $result:ty)?;
    )*) => {
        $(
            $(#[$doc])*
            pub type $function = Option<unsafe extern "C" fn($($parameter: $type),*) $(-> $result)?>;
            #[doc = concat!("Pointer to an [`", stringify!($function), "`].")]
            pub type $pointer = $function;
        )*

        /// The client's table of functions, version 1.
        ///
        /// The caller clears it, asks for it and gives its reference back through the header's
        /// `InterfaceDereference`.
        #[repr(C)]
        #[derive(Debug, Default, Copy, Clone)]
        pub struct _KMCL_CLIENT_INTERFACE_V1 {
            /// The anonymous `INTERFACE` header: size, version, context, reference and dereference.
            #[expect(clippy::pub_underscore_fields, reason = "bindgen's name for it")]
            pub __bindgen_padding_0: [u8; INTERFACE_SIZE],
            $(
                $(#[$doc])*
                pub $member: $pointer,
            )*
        }

        /// The names of the table's members, in its order.
        pub const MEMBERS: [&str; 41] = [$(stringify!($member)),*];

        /// Where each member of the table begins, in bytes from its start, in the table's order.
        pub const MEMBER_OFFSETS: [usize; MEMBERS.len()] =
            [$(offset_of!(_KMCL_CLIENT_INTERFACE_V1, $member)),*];

        /// Asserts at compile time that `$struct` has each of the table's members where this module
        /// has it.
        #[cfg(kmcl_sys_from_kit)]
        macro_rules! assert_same_members {
            ($struct:ty) => {
                $(assert!(
                    offset_of!($struct, $member) == offset_of!(crate::committed::KMCL_CLIENT_INTERFACE_V1, $member),
                    concat!("the kit has ", stringify!($member), " at another offset")
                );)*
            };
        }
        #[cfg(kmcl_sys_from_kit)]
        pub(crate) use assert_same_members;
    };
}

/// The size of the `INTERFACE` header in bytes: two 16-bit numbers and three pointers.
const INTERFACE_SIZE: usize = size_of::<wdk_sys::INTERFACE>();

client_interface! {
    /// Makes a channel with the library's own defaults. `PASSIVE_LEVEL`.
    VmbChannelAllocate: FN_VMB_CHANNEL_ALLOCATE, PFN_VMB_CHANNEL_ALLOCATE =
        fn(ParentDeviceObject: PDEVICE_OBJECT, IsServer: BOOLEAN, Channel: *mut VMBCHANNEL) -> NTSTATUS;
    /// Disposes of a disabled channel.
    VmbChannelCleanup: FN_VMB_CHANNEL_CLEANUP, PFN_VMB_CHANNEL_CLEANUP = fn(Channel: VMBCHANNEL);
    /// Describes a buffer to the peer, locked until the GPADL is deleted, and waits for its
    /// acknowledgement.
    VmbChannelCreateGpadlFromBuffer: FN_VMB_CHANNEL_CREATE_GPADL_FROM_BUFFER,
        PFN_VMB_CHANNEL_CREATE_GPADL_FROM_BUFFER =
        fn(Channel: VMBCHANNEL, Flags: u32, Buffer: PVOID, ByteCount: u32, GpadlHandle: *mut u32) -> NTSTATUS;
    /// Describes a chain of MDLs to the peer and waits for its acknowledgement. A length of 0 means
    /// to the end.
    VmbChannelCreateGpadlFromMdl: FN_VMB_CHANNEL_CREATE_GPADL_FROM_MDL,
        PFN_VMB_CHANNEL_CREATE_GPADL_FROM_MDL =
        fn(
            Channel: VMBCHANNEL,
            Flags: u32,
            Mdl: PMDL,
            StartOffsetWithinMdl: u32,
            DataLengthWithinMdl: u32,
            GpadlHandle: *mut u32,
        ) -> NTSTATUS;
    /// Takes a GPADL back; blocks while the peer has it mapped.
    VmbChannelDeleteGpadl: FN_VMB_CHANNEL_DELETE_GPADL, PFN_VMB_CHANNEL_DELETE_GPADL =
        fn(Channel: VMBCHANNEL, GpadlHandle: u32);
    /// Closes the channel; blocks until it is torn down and every incoming packet is completed.
    VmbChannelDisable: FN_VMB_CHANNEL_DISABLE, PFN_VMB_CHANNEL_DISABLE = fn(Channel: VMBCHANNEL);
    /// Takes the peer's offer, or waits for one; from the disabled state only.
    VmbChannelEnable: FN_VMB_CHANNEL_ENABLE, PFN_VMB_CHANNEL_ENABLE = fn(Channel: VMBCHANNEL) -> NTSTATUS;
    /// Writes the instance GUID of the active channel.
    VmbChannelGetInterfaceInstance: FN_VMB_CHANNEL_GET_INTERFACE_INSTANCE,
        PFN_VMB_CHANNEL_GET_INTERFACE_INSTANCE = fn(Channel: VMBCHANNEL, InterfaceInstance: LPGUID);
    /// Writes the memory-mapped I/O range that the peer reserved; valid once the channel opened.
    VmbChannelGetMmioSpace: FN_VMB_CHANNEL_GET_MMIO_SPACE, PFN_VMB_CHANNEL_GET_MMIO_SPACE =
        fn(Channel: VMBCHANNEL, MmioAddress: *mut u64, MmioSize: *mut u64);
    /// Reads the driver's pointer of a channel.
    VmbChannelGetPointer: FN_VMB_CHANNEL_GET_POINTER, PFN_VMB_CHANNEL_GET_POINTER =
        fn(Channel: VMBCHANNEL) -> PVOID;
    /// Sets the size of the context kept with each incoming packet, in bytes; before enabling.
    VmbChannelInitSetClientContextSize: FN_VMB_CHANNEL_INIT_SET_CLIENT_CONTEXT_SIZE,
        PFN_VMB_CHANNEL_INIT_SET_CLIENT_CONTEXT_SIZE = fn(Channel: VMBCHANNEL, ContextSize: u32) -> NTSTATUS;
    /// Sets the `VMBUS_CHANNEL_INIT_FLAG`s; before enabling.
    VmbChannelInitSetFlags: FN_VMB_CHANNEL_INIT_SET_FLAGS, PFN_VMB_CHANNEL_INIT_SET_FLAGS =
        fn(Channel: VMBCHANNEL, Flags: u32) -> NTSTATUS;
    /// Names the channel for debugging and performance counters; before enabling.
    VmbChannelInitSetFriendlyName: FN_VMB_CHANNEL_INIT_SET_FRIENDLY_NAME,
        PFN_VMB_CHANNEL_INIT_SET_FRIENDLY_NAME = fn(Channel: VMBCHANNEL, Name: PCUNICODE_STRING) -> NTSTATUS;
    /// Sets the most external data a packet brings, in bytes and MDLs, neither 0; before enabling.
    VmbChannelInitSetMaximumExternalData: FN_VMB_CHANNEL_INIT_SET_MAXIMUM_EXTERNAL_DATA,
        PFN_VMB_CHANNEL_INIT_SET_MAXIMUM_EXTERNAL_DATA =
        fn(Channel: VMBCHANNEL, DataSize: u32, ChainLength: u32) -> NTSTATUS;
    /// Sets the largest inline packet, in bytes, not 0; before enabling.
    VmbChannelInitSetMaximumPacketSize: FN_VMB_CHANNEL_INIT_SET_MAXIMUM_PACKET_SIZE,
        PFN_VMB_CHANNEL_INIT_SET_MAXIMUM_PACKET_SIZE = fn(Channel: VMBCHANNEL, PacketSize: u32) -> NTSTATUS;
    /// Sets what is called for arrived packets; before enabling.
    VmbChannelInitSetProcessPacketCallbacks: FN_VMB_CHANNEL_INIT_SET_PROCESS_PACKET_CALLBACKS,
        PFN_VMB_CHANNEL_INIT_SET_PROCESS_PACKET_CALLBACKS =
        fn(
            Channel: VMBCHANNEL,
            ProcessPacketCallback: PFN_VMB_CHANNEL_PROCESS_PACKET,
            ProcessingCompleteCallback: PFN_VMB_CHANNEL_PROCESSING_COMPLETE,
        ) -> NTSTATUS;
    /// Sets what is called when the state changes; before enabling.
    VmbChannelInitSetStateChangeCallbacks: FN_VMB_CHANNEL_INIT_SET_STATE_CHANGE_CALLBACKS,
        PFN_VMB_CHANNEL_INIT_SET_STATE_CHANGE_CALLBACKS =
        fn(Channel: VMBCHANNEL, StateChangeCallbacks: PVMB_CHANNEL_STATE_CHANGE_CALLBACKS) -> NTSTATUS;
    /// Completes an incoming packet, with a reply if the peer asked for one.
    VmbChannelPacketComplete: FN_VMB_CHANNEL_PACKET_COMPLETE, PFN_VMB_CHANNEL_PACKET_COMPLETE =
        fn(PacketCompletionContext: VMBPACKETCOMPLETION, PacketCompletionBuffer: PVOID, BufSize: u32);
    /// Has an incoming packet delivered again at `PASSIVE_LEVEL`; only inside the process-packet
    /// callback.
    VmbChannelPacketDeferToPassive: FN_VMB_CHANNEL_PACKET_DEFER_TO_PASSIVE,
        PFN_VMB_CHANNEL_PACKET_DEFER_TO_PASSIVE = fn(PacketCompletionContext: VMBPACKETCOMPLETION);
    /// Declares an incoming packet unprocessable and halts the queue.
    VmbChannelPacketFail: FN_VMB_CHANNEL_PACKET_FAIL, PFN_VMB_CHANNEL_PACKET_FAIL =
        fn(PacketCompletionContext: VMBPACKETCOMPLETION);
    /// Fetches the MDL of an incoming packet's external data; valid on exactly `STATUS_SUCCESS`.
    VmbChannelPacketGetExternalData: FN_VMB_CHANNEL_PACKET_GET_EXTERNAL_DATA,
        PFN_VMB_CHANNEL_PACKET_GET_EXTERNAL_DATA =
        fn(PacketCompletionContext: VMBPACKETCOMPLETION, Flags: u32, Mdl: *mut PMDL) -> NTSTATUS;
    /// Stops the traffic; blocks until it stopped. On a disabled channel: it will start paused.
    VmbChannelPause: FN_VMB_CHANNEL_PAUSE, PFN_VMB_CHANNEL_PAUSE = fn(Channel: VMBCHANNEL);
    /// Sends a packet and waits. `PASSIVE_LEVEL`; at most `DISPATCH_LEVEL` with a timeout of 0 and
    /// without waiting for a completion.
    VmbChannelSendSynchronousRequest: FN_VMB_CHANNEL_SEND_SYNCHRONOUS_REQUEST,
        PFN_VMB_CHANNEL_SEND_SYNCHRONOUS_REQUEST =
        fn(
            Channel: VMBCHANNEL,
            Buffer: PVOID,
            BufferSize: u32,
            ExternalDataMdl: PMDL,
            Flags: u32,
            CompletionBuffer: PVOID,
            CompletionBufferSize: *mut u32,
            Timeout: PLARGE_INTEGER,
        ) -> NTSTATUS;
    /// Chooses whether packets always arrive at `PASSIVE_LEVEL`, or at `DISPATCH_LEVEL` too.
    VmbChannelSetIncomingProcessingAtPassive: FN_VMB_CHANNEL_SET_INCOMING_PROCESSING_AT_PASSIVE,
        PFN_VMB_CHANNEL_SET_INCOMING_PROCESSING_AT_PASSIVE =
        fn(Channel: VMBCHANNEL, RequirePassive: BOOLEAN);
    /// Sets the latency of the outgoing monitor, in units of 100 ns; from opened to closed.
    VmbChannelSetInterruptLatency: FN_VMB_CHANNEL_SET_INTERRUPT_LATENCY,
        PFN_VMB_CHANNEL_SET_INTERRUPT_LATENCY =
        fn(Channel: VMBCHANNEL, Latency: u16, OriginalLatency: *mut u16) -> NTSTATUS;
    /// Sets the driver's pointer of a channel.
    VmbChannelSetPointer: FN_VMB_CHANNEL_SET_POINTER, PFN_VMB_CHANNEL_SET_POINTER =
        fn(Channel: VMBCHANNEL, Pointer: PVOID);
    /// Caps the incoming packets not completed yet; not 0.
    VmbChannelSetTransactionQuota: FN_VMB_CHANNEL_SET_TRANSACTION_QUOTA,
        PFN_VMB_CHANNEL_SET_TRANSACTION_QUOTA = fn(Channel: VMBCHANNEL, Quota: u32);
    /// The memory that `VmbPacketInitialize` needs, in bytes.
    VmbChannelSizeofPacket: FN_VMB_CHANNEL_SIZEOF_PACKET, PFN_VMB_CHANNEL_SIZEOF_PACKET =
        fn(Channel: VMBCHANNEL) -> u32;
    /// Takes a channel out of the paused state.
    VmbChannelStart: FN_VMB_CHANNEL_START, PFN_VMB_CHANNEL_START = fn(Channel: VMBCHANNEL);
    /// Sets the sizes of the two rings, in pages; client endpoints only, before enabling.
    VmbClientChannelInitSetRingBufferPageCount: FN_VMB_CLIENT_CHANNEL_INIT_SET_RING_BUFFER_PAGE_COUNT,
        PFN_VMB_CLIENT_CHANNEL_INIT_SET_RING_BUFFER_PAGE_COUNT =
        fn(Channel: VMBCHANNEL, IncomingPageCount: u32, OutgoingPageCount: u32) -> NTSTATUS;
    /// Has the library find the device through `PnP`, by type and perhaps instance; client
    /// endpoints only, before enabling.
    VmbClientChannelInitSetTargetPnp: FN_VMB_CLIENT_CHANNEL_INIT_SET_TARGET_PNP,
        PFN_VMB_CLIENT_CHANNEL_INIT_SET_TARGET_PNP =
        fn(
            Channel: VMBCHANNEL,
            InterfaceType: LPCGUID,
            InterfaceInstance: LPCGUID,
            PnpFailureCallback: PFN_VMB_CHANNEL_PNP_FAILURE,
        ) -> NTSTATUS;
    /// Takes a packet from the channel's lookaside list, or null.
    VmbPacketAllocate: FN_VMB_PACKET_ALLOCATE, PFN_VMB_PACKET_ALLOCATE = fn(Channel: VMBCHANNEL) -> VMBPACKET;
    /// Frees a packet of `VmbPacketAllocate` that is not sent.
    VmbPacketFree: FN_VMB_PACKET_FREE, PFN_VMB_PACKET_FREE = fn(VmbPacket: VMBPACKET);
    /// The channel a packet belongs to.
    VmbPacketGetChannel: FN_VMB_PACKET_GET_CHANNEL, PFN_VMB_PACKET_GET_CHANNEL =
        fn(PacketObject: VMBPACKET) -> VMBCHANNEL;
    /// Reads the driver's pointer of a packet.
    VmbPacketGetPointer: FN_VMB_PACKET_GET_POINTER, PFN_VMB_PACKET_GET_POINTER =
        fn(PacketObject: VMBPACKET) -> PVOID;
    /// Makes a packet of the caller's memory; it has no completion routine until one is set.
    VmbPacketInitialize: FN_VMB_PACKET_INITIALIZE, PFN_VMB_PACKET_INITIALIZE =
        fn(Channel: VMBCHANNEL, VmbPacket: VMBPACKET, ByteCount: u32) -> NTSTATUS;
    /// Sends a packet, with external data described by an MDL or null.
    VmbPacketSend: FN_VMB_PACKET_SEND, PFN_VMB_PACKET_SEND =
        fn(
            PacketObject: VMBPACKET,
            Buffer: PVOID,
            BufferLength: u32,
            ExternalDataMdl: PMDL,
            Flags: u32,
        ) -> NTSTATUS;
    /// Sends a packet with a part of what an MDL describes; must wait for completion. A length of 0
    /// means all.
    VmbPacketSendWithExternalMdl: FN_VMB_PACKET_SEND_WITH_EXTERNAL_MDL,
        PFN_VMB_PACKET_SEND_WITH_EXTERNAL_MDL =
        fn(
            PacketObject: VMBPACKET,
            Buffer: PVOID,
            BufferLength: u32,
            ExternalDataMdl: PMDL,
            MdlOffset: u32,
            MdlLength: u32,
            Flags: u32,
        ) -> NTSTATUS;
    /// Sends a packet with whole pages by number; must wait for completion.
    VmbPacketSendWithExternalPfns: FN_VMB_PACKET_SEND_WITH_EXTERNAL_PFNS,
        PFN_VMB_PACKET_SEND_WITH_EXTERNAL_PFNS =
        fn(
            PacketObject: VMBPACKET,
            Buffer: PVOID,
            BufferLength: u32,
            ExternalDataPfns: *mut PFN_NUMBER,
            PfnLength: u32,
            Flags: u32,
        ) -> NTSTATUS;
    /// Replaces what is called when a packet is complete; freeing it is then the driver's.
    VmbPacketSetCompletionRoutine: FN_VMB_PACKET_SET_COMPLETION_ROUTINE,
        PFN_VMB_PACKET_SET_COMPLETION_ROUTINE =
        fn(PacketObject: VMBPACKET, CompletionRoutine: PFN_VMB_PACKET_COMPLETION_ROUTINE);
    /// Sets the driver's pointer of a packet.
    VmbPacketSetPointer: FN_VMB_PACKET_SET_POINTER, PFN_VMB_PACKET_SET_POINTER =
        fn(PacketObject: VMBPACKET, Pointer: PVOID);
}

/// The table under its usual name.
pub type KMCL_CLIENT_INTERFACE_V1 = _KMCL_CLIENT_INTERFACE_V1;
/// Pointer to a [`KMCL_CLIENT_INTERFACE_V1`].
pub type PKMCL_CLIENT_INTERFACE_V1 = *mut _KMCL_CLIENT_INTERFACE_V1;

// The layout that the bus driver expects on 64-bit systems; components shipped with Windows ask for
// 360 bytes.
const _: () = {
    assert!(INTERFACE_SIZE == 32);
    assert!(size_of::<KMCL_CLIENT_INTERFACE_V1>() == 360);
    assert!(align_of::<KMCL_CLIENT_INTERFACE_V1>() == 8);
    assert!(offset_of!(KMCL_CLIENT_INTERFACE_V1, __bindgen_padding_0) == 0);
    let mut slot = 0;
    while slot < MEMBERS.len() {
        assert!(MEMBER_OFFSETS[slot] == 32 + 8 * slot);
        slot += 1;
    }
    assert!(size_of::<VMB_CHANNEL_STATE_CHANGE_CALLBACKS>() == 48);
    assert!(align_of::<VMB_CHANNEL_STATE_CHANGE_CALLBACKS>() == 8);
    assert!(offset_of!(VMB_CHANNEL_STATE_CHANGE_CALLBACKS, Version) == 0);
    assert!(offset_of!(VMB_CHANNEL_STATE_CHANGE_CALLBACKS, Size) == 4);
    assert!(offset_of!(VMB_CHANNEL_STATE_CHANGE_CALLBACKS, EvtChannelOpened) == 8);
    assert!(offset_of!(VMB_CHANNEL_STATE_CHANGE_CALLBACKS, EvtChannelClosed) == 16);
    assert!(offset_of!(VMB_CHANNEL_STATE_CHANGE_CALLBACKS, EvtChannelSuspend) == 24);
    assert!(offset_of!(VMB_CHANNEL_STATE_CHANGE_CALLBACKS, EvtChannelStarted) == 32);
    assert!(offset_of!(VMB_CHANNEL_STATE_CHANGE_CALLBACKS, EvtChannelPostStarted) == 40);
};
