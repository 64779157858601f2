//! The 41 functions of KMCL's table, with the IRQL of each.
//!
//! The documentation gives an IRQL for two of them. What waits, and what configures, must be called
//! at `PASSIVE_LEVEL` here; the rest can be called from callbacks, so up to `DISPATCH_LEVEL`.

use kmcl_sys::{
    PFN_VMB_CHANNEL_PNP_FAILURE, PFN_VMB_CHANNEL_PROCESS_PACKET,
    PFN_VMB_CHANNEL_PROCESSING_COMPLETE, PFN_VMB_PACKET_COMPLETION_ROUTINE,
    PVMB_CHANNEL_STATE_CHANGE_CALLBACKS, VMB_CHANNEL_STATE_CHANGE_CALLBACKS, VMBCHANNEL, VMBPACKET,
    VMBPACKETCOMPLETION, VMBUS_CHANNEL_FORMAT_FLAG_FORCE_MDL_LENGTH,
    VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION, VMBUS_CHANNEL_INIT_FLAGS,
};
use wdk_sys_lite::{
    BOOLEAN, LPCGUID, LPGUID, NTSTATUS, PCUNICODE_STRING, PDEVICE_OBJECT, PFN_NUMBER,
    PLARGE_INTEGER, PMDL, PVOID, STATUS_BUFFER_OVERFLOW, STATUS_INSUFFICIENT_RESOURCES,
    STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER, STATUS_INVALID_PARAMETER_1,
    STATUS_INVALID_PARAMETER_2, STATUS_INVALID_PARAMETER_3, STATUS_NOT_SUPPORTED, STATUS_SUCCESS,
};

use super::channel::{Channel, Settings, Target};
use super::outgoing::{Message, Patience};
use super::{caller, channel_of, gpadl, incoming, incoming_of, outgoing, packet_of, violation};
use crate::bugcheck::{StopCode, bug_check};
use crate::export::DISPATCH_LEVEL;
use crate::ke::deadline;
use crate::kernel::kernel;
use crate::nt_export;
use crate::vmbus::behaviour::choose;
use crate::vmbus::message::PageRange;
use crate::vmbus::shared::PAGE;

/// Writes through a pointer that a function needs.
fn put<T>(function: &str, name: &str, pointer: *mut T, value: T) {
    if pointer.is_null() {
        violation(format!("{function}: {name} is a null pointer"));
    }
    // SAFETY: not null, and the driver vouches that it may be written.
    unsafe { pointer.write(value) };
}

/// Changes the settings, in the one state in which that is allowed.
fn configure(function: &str, channel: VMBCHANNEL, change: impl FnOnce(&mut Settings)) -> NTSTATUS {
    let channel = channel_of(function, channel);
    if !channel.is_disabled() {
        violation(format!(
            "{function}: the channel is enabled; it is configured before"
        ));
    }
    if channel.enabled_once.get() && !choose(kernel().config.kmcl.setters_after_disable) {
        return STATUS_INVALID_PARAMETER_1;
    }
    if kernel().should_fail() {
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    change(&mut channel.settings.borrow_mut());
    STATUS_SUCCESS
}

/// What a pipe, an MDL or an array of page frames brings, made ready to be sent.
fn external(
    function: &str,
    mdl: PMDL,
    offset: u32,
    length: u32,
    flags: u32,
) -> Result<(Vec<PageRange>, u32), NTSTATUS> {
    if mdl.is_null() {
        return Ok((Vec::new(), 0));
    }
    let forced = flags & VMBUS_CHANNEL_FORMAT_FLAG_FORCE_MDL_LENGTH != 0;
    gpadl::ranges_of(function, mdl, offset, length, forced).ok_or(STATUS_INVALID_PARAMETER)
}

nt_export! { table
    /// Makes a channel with KMCL's defaults.
    irql(== PASSIVE_LEVEL) fn VmbChannelAllocate(
        parent: PDEVICE_OBJECT,
        is_server: BOOLEAN,
        channel: *mut VMBCHANNEL,
    ) -> NTSTATUS {
        let function = "VmbChannelAllocate";
        let driver = caller(function);
        if is_server != 0 {
            return STATUS_NOT_SUPPORTED;
        }
        if kernel().should_fail() {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        let pdo = kernel().pnp.pdo_of(parent);
        if pdo.is_none() {
            violation(format!("{function}: {parent:p} is no device object"));
        }
        let new = Channel::allocate(driver, pdo.map(|pdo| pdo.id));
        put(function, "Channel", channel, new.as_handle());
        STATUS_SUCCESS
    }

    /// Disposes of a disabled channel.
    irql(== PASSIVE_LEVEL) fn VmbChannelCleanup(channel: VMBCHANNEL) {
        channel_of("VmbChannelCleanup", channel).cleanup();
    }

    /// Describes a buffer to the host.
    irql(== PASSIVE_LEVEL) fn VmbChannelCreateGpadlFromBuffer(
        channel: VMBCHANNEL,
        flags: u32,
        buffer: PVOID,
        bytes: u32,
        handle: *mut u32,
    ) -> NTSTATUS {
        let function = "VmbChannelCreateGpadlFromBuffer";
        match gpadl::from_buffer(&channel_of(function, channel), flags, buffer, bytes) {
            Ok(gpadl) => {
                put(function, "GpadlHandle", handle, gpadl);
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// Describes a chain of MDLs to the host.
    irql(== PASSIVE_LEVEL) fn VmbChannelCreateGpadlFromMdl(
        channel: VMBCHANNEL,
        flags: u32,
        mdl: PMDL,
        offset: u32,
        length: u32,
        handle: *mut u32,
    ) -> NTSTATUS {
        let function = "VmbChannelCreateGpadlFromMdl";
        match gpadl::from_mdl(&channel_of(function, channel), flags, mdl, offset, length) {
            Ok(gpadl) => {
                put(function, "GpadlHandle", handle, gpadl);
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// Takes a GPADL back.
    irql(== PASSIVE_LEVEL) fn VmbChannelDeleteGpadl(channel: VMBCHANNEL, handle: u32) {
        gpadl::delete(&channel_of("VmbChannelDeleteGpadl", channel), handle);
    }

    /// Closes the channel and waits until it is closed.
    irql(== PASSIVE_LEVEL) fn VmbChannelDisable(channel: VMBCHANNEL) {
        channel_of("VmbChannelDisable", channel).disable();
    }

    /// Takes the offer, or waits for one in the background.
    irql(== PASSIVE_LEVEL) fn VmbChannelEnable(channel: VMBCHANNEL) -> NTSTATUS {
        channel_of("VmbChannelEnable", channel).enable()
    }

    /// The instance of the open channel; before, it may be anything.
    irql(<= DISPATCH_LEVEL) fn VmbChannelGetInterfaceInstance(channel: VMBCHANNEL, instance: LPGUID) {
        let function = "VmbChannelGetInterfaceInstance";
        let channel = channel_of(function, channel);
        let guid = channel.connection().map_or_else(
            || crate::vmbus::guid_from_bytes(&[0xCD; 16]),
            |connection| connection.offer.instance,
        );
        put(function, "InterfaceInstance", instance, guid);
    }

    /// The memory-mapped I/O space that the host asked for.
    irql(<= DISPATCH_LEVEL) fn VmbChannelGetMmioSpace(channel: VMBCHANNEL, address: *mut u64, size: *mut u64) {
        let function = "VmbChannelGetMmioSpace";
        let channel = channel_of(function, channel);
        if !channel.enabled_once.get() {
            violation(format!("{function}: the channel has never opened"));
        }
        let (base, bytes) = channel.connection().map_or((0, 0), |connection| {
            match u64::from(connection.offer.mmio_megabytes) << 20 {
                0 => (0, 0),
                bytes => (connection.offer.mmio_base, bytes),
            }
        });
        put(function, "MmioAddress", address, base);
        put(function, "MmioSize", size, bytes);
    }

    /// The driver's pointer; before it was set, anything.
    irql(<= DISPATCH_LEVEL) fn VmbChannelGetPointer(channel: VMBCHANNEL) -> PVOID {
        std::ptr::with_exposed_provenance_mut(channel_of("VmbChannelGetPointer", channel).pointer.get())
    }

    /// The size of the context of incoming packets, which version 1 has no function to reach.
    irql(== PASSIVE_LEVEL) fn VmbChannelInitSetClientContextSize(channel: VMBCHANNEL, size: u32) -> NTSTATUS {
        configure("VmbChannelInitSetClientContextSize", channel, |settings| settings.context_size = size)
    }

    /// Sets the channel's flags.
    irql(== PASSIVE_LEVEL) fn VmbChannelInitSetFlags(channel: VMBCHANNEL, flags: u32) -> NTSTATUS {
        if flags & !VMBUS_CHANNEL_INIT_FLAGS != 0 {
            return STATUS_INVALID_PARAMETER_2;
        }
        configure("VmbChannelInitSetFlags", channel, |settings| settings.flags = flags)
    }

    /// Names the channel.
    irql(== PASSIVE_LEVEL) fn VmbChannelInitSetFriendlyName(channel: VMBCHANNEL, name: PCUNICODE_STRING) -> NTSTATUS {
        let function = "VmbChannelInitSetFriendlyName";
        if name.is_null() {
            violation(format!("{function}: Name is a null pointer"));
        }
        // SAFETY: not null, and the driver vouches for the string for the time of the call.
        let text = unsafe {
            let name = name.read();
            match name.Length / 2 {
                0 => String::new(),
                length => String::from_utf16_lossy(std::slice::from_raw_parts(name.Buffer, usize::from(length))),
            }
        };
        configure(function, channel, |settings| settings.name = text)
    }

    /// Sets the most external data, in bytes and MDLs.
    irql(== PASSIVE_LEVEL) fn VmbChannelInitSetMaximumExternalData(
        channel: VMBCHANNEL,
        bytes: u32,
        chain: u32,
    ) -> NTSTATUS {
        if bytes == 0 {
            return STATUS_INVALID_PARAMETER_2;
        }
        if chain == 0 {
            return STATUS_INVALID_PARAMETER_3;
        }
        configure("VmbChannelInitSetMaximumExternalData", channel, |settings| {
            settings.external = Some((bytes, chain));
        })
    }

    /// Sets the longest message, in bytes.
    irql(== PASSIVE_LEVEL) fn VmbChannelInitSetMaximumPacketSize(channel: VMBCHANNEL, size: u32) -> NTSTATUS {
        // The ring's descriptor counts in 16 bits.
        if size == 0 || size > 500_000 {
            return STATUS_INVALID_PARAMETER_2;
        }
        configure("VmbChannelInitSetMaximumPacketSize", channel, |settings| settings.packet_size = size)
    }

    /// Sets what is called for incoming packets.
    irql(== PASSIVE_LEVEL) fn VmbChannelInitSetProcessPacketCallbacks(
        channel: VMBCHANNEL,
        process_packet: PFN_VMB_CHANNEL_PROCESS_PACKET,
        processing_complete: PFN_VMB_CHANNEL_PROCESSING_COMPLETE,
    ) -> NTSTATUS {
        let function = "VmbChannelInitSetProcessPacketCallbacks";
        if process_packet.is_none() {
            violation(format!("{function}: ProcessPacketCallback is a null pointer"));
        }
        configure(function, channel, |settings| {
            settings.process_packet = process_packet;
            settings.processing_complete = processing_complete;
        })
    }

    /// Sets what is called when the state changes.
    irql(== PASSIVE_LEVEL) fn VmbChannelInitSetStateChangeCallbacks(
        channel: VMBCHANNEL,
        callbacks: PVMB_CHANNEL_STATE_CHANGE_CALLBACKS,
    ) -> NTSTATUS {
        let function = "VmbChannelInitSetStateChangeCallbacks";
        if callbacks.is_null() {
            violation(format!("{function}: StateChangeCallbacks is a null pointer"));
        }
        // SAFETY: not null, and the driver vouches for the structure for the time of the call.
        let callbacks = unsafe { callbacks.read() };
        if callbacks.Version != 1 || callbacks.Size as usize != size_of::<VMB_CHANNEL_STATE_CHANGE_CALLBACKS>() {
            return STATUS_INVALID_PARAMETER_2;
        }
        configure(function, channel, |settings| settings.callbacks = callbacks)
    }

    /// Completes an incoming packet.
    irql(<= DISPATCH_LEVEL) fn VmbChannelPacketComplete(packet: VMBPACKETCOMPLETION, buffer: PVOID, bytes: u32) {
        incoming::complete(&incoming_of("VmbChannelPacketComplete", packet), buffer, bytes);
    }

    /// Has an incoming packet indicated again at `PASSIVE_LEVEL`.
    irql(<= DISPATCH_LEVEL) fn VmbChannelPacketDeferToPassive(packet: VMBPACKETCOMPLETION) {
        incoming::defer(&incoming_of("VmbChannelPacketDeferToPassive", packet));
    }

    /// Gives an incoming packet up, and with it the channel's queue.
    irql(<= DISPATCH_LEVEL) fn VmbChannelPacketFail(packet: VMBPACKETCOMPLETION) {
        incoming::fail(&incoming_of("VmbChannelPacketFail", packet));
    }

    /// The MDL of an incoming packet's external data.
    irql(<= DISPATCH_LEVEL) fn VmbChannelPacketGetExternalData(
        packet: VMBPACKETCOMPLETION,
        flags: u32,
        mdl: *mut PMDL,
    ) -> NTSTATUS {
        let function = "VmbChannelPacketGetExternalData";
        match incoming::external_data(&incoming_of(function, packet), flags) {
            Ok(first) => {
                put(function, "Mdl", mdl, first);
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    /// Stops the traffic and waits until it has stopped.
    irql(== PASSIVE_LEVEL) fn VmbChannelPause(channel: VMBCHANNEL) {
        channel_of("VmbChannelPause", channel).pause();
    }

    /// Sends a packet and waits for its answer.
    irql(<= DISPATCH_LEVEL) fn VmbChannelSendSynchronousRequest(
        channel: VMBCHANNEL,
        buffer: PVOID,
        length: u32,
        mdl: PMDL,
        flags: u32,
        reply: PVOID,
        reply_length: *mut u32,
        timeout: PLARGE_INTEGER,
    ) -> NTSTATUS {
        let function = "VmbChannelSendSynchronousRequest";
        let channel = channel_of(function, channel);
        // SAFETY: null, or the driver vouches for it for the time of the call; every bit pattern is
        // a number.
        let timeout = unsafe { timeout.as_ref().map(|timeout| timeout.QuadPart) };
        let patience = match timeout {
            None => Patience::ForEver,
            Some(0) => Patience::None,
            Some(time) => Patience::Until(deadline(time)),
        };
        let waits = patience != Patience::None || flags & VMBUS_CHANNEL_FORMAT_FLAG_WAIT_FOR_COMPLETION != 0;
        let irql = kernel().sched.current().irql();
        if waits && irql != crate::export::PASSIVE_LEVEL && (kernel().config.verifier || irql >= DISPATCH_LEVEL) {
            bug_check(
                StopCode::IRQL_NOT_LESS_OR_EQUAL,
                [0, u64::from(irql), 0, 0],
                format!("{function} was called at IRQL {irql}; it waits and needs PASSIVE_LEVEL"),
            );
        }
        // SAFETY: null, or the driver vouches that it may be read and written.
        let capacity = unsafe { reply_length.as_ref().copied() };
        if capacity.is_some_and(|capacity| !capacity.is_multiple_of(8)) {
            return STATUS_INVALID_PARAMETER;
        }
        let (external, chain) = match external(function, mdl, 0, 0, flags) {
            Ok(external) => external,
            Err(status) => return status,
        };
        let message = Message { buffer, length, external, chain, flags };
        let bytes = match outgoing::synchronous(&channel, message, patience) {
            Ok(bytes) => bytes,
            Err(status) => return status,
        };
        let Some(capacity) = capacity else { return STATUS_SUCCESS };
        let fits = bytes.len().min(capacity as usize);
        if fits > 0 {
            if reply.is_null() {
                violation(format!("{function}: CompletionBuffer is a null pointer"));
            }
            // SAFETY: not null, and the driver vouches for its capacity, which is at least so
            // large.
            unsafe { reply.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), fits) };
        }
        put(function, "CompletionBufferSize", reply_length, u32::try_from(fits).unwrap_or(u32::MAX));
        if fits < bytes.len() && !choose(kernel().config.kmcl.truncated_reply_succeeds) {
            return STATUS_BUFFER_OVERFLOW;
        }
        STATUS_SUCCESS
    }

    /// Chooses the IRQL of incoming packets.
    irql(<= DISPATCH_LEVEL) fn VmbChannelSetIncomingProcessingAtPassive(channel: VMBCHANNEL, passive: BOOLEAN) {
        channel_of("VmbChannelSetIncomingProcessingAtPassive", channel).at_passive.set(passive != 0);
    }

    /// Sets the latency of the outgoing monitor, in units of 100 ns.
    irql(<= DISPATCH_LEVEL) fn VmbChannelSetInterruptLatency(
        channel: VMBCHANNEL,
        latency: u16,
        original: *mut u16,
    ) -> NTSTATUS {
        let function = "VmbChannelSetInterruptLatency";
        let channel = channel_of(function, channel);
        if kernel().should_fail() {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        if channel.connection().is_none() {
            return STATUS_INVALID_DEVICE_STATE;
        }
        put(function, "OriginalLatency", original, channel.latency.replace(latency));
        STATUS_SUCCESS
    }

    /// Sets the driver's pointer.
    irql(<= DISPATCH_LEVEL) fn VmbChannelSetPointer(channel: VMBCHANNEL, pointer: PVOID) {
        channel_of("VmbChannelSetPointer", channel).pointer.set(pointer.expose_provenance());
    }

    /// Caps the incoming packets that are not completed.
    irql(<= DISPATCH_LEVEL) fn VmbChannelSetTransactionQuota(channel: VMBCHANNEL, quota: u32) {
        let function = "VmbChannelSetTransactionQuota";
        let channel = channel_of(function, channel);
        if quota == 0 {
            violation(format!("{function}: a quota of 0 stops the channel for ever"));
        }
        channel.quota.set(quota);
    }

    /// The memory of a packet, in bytes.
    irql(<= DISPATCH_LEVEL) fn VmbChannelSizeofPacket(channel: VMBCHANNEL) -> u32 {
        let channel = channel_of("VmbChannelSizeofPacket", channel);
        u32::try_from(outgoing::packet_size(&channel)).unwrap_or(u32::MAX)
    }

    /// Lets the traffic go on.
    irql(== PASSIVE_LEVEL) fn VmbChannelStart(channel: VMBCHANNEL) {
        channel_of("VmbChannelStart", channel).start();
    }

    /// Sets the rings' sizes in pages.
    irql(== PASSIVE_LEVEL) fn VmbClientChannelInitSetRingBufferPageCount(
        channel: VMBCHANNEL,
        incoming: u32,
        outgoing: u32,
    ) -> NTSTATUS {
        if incoming == 0 || outgoing == 0 || incoming > 4000 || outgoing > 4000 {
            return STATUS_INVALID_PARAMETER;
        }
        configure("VmbClientChannelInitSetRingBufferPageCount", channel, |settings| {
            settings.ring_pages = (incoming, outgoing);
        })
    }

    /// Has KMCL find the device.
    irql(== PASSIVE_LEVEL) fn VmbClientChannelInitSetTargetPnp(
        channel: VMBCHANNEL,
        interface_type: LPCGUID,
        instance: LPCGUID,
        failure: PFN_VMB_CHANNEL_PNP_FAILURE,
    ) -> NTSTATUS {
        let function = "VmbClientChannelInitSetTargetPnp";
        // SAFETY: null, or the driver vouches for the GUIDs for the time of the call.
        let (interface_type, instance) = unsafe { (interface_type.as_ref().copied(), instance.as_ref().copied()) };
        let Some(interface_type) = interface_type else {
            violation(format!("{function}: InterfaceType is a null pointer"))
        };
        configure(function, channel, |settings| {
            settings.target = Some(Target { interface_type, instance, failure });
        })
    }

    /// A packet of the channel's lookaside list, or null.
    irql(<= DISPATCH_LEVEL) fn VmbPacketAllocate(channel: VMBCHANNEL) -> VMBPACKET {
        let channel = channel_of("VmbPacketAllocate", channel);
        outgoing::allocate(&channel)
            .map_or(std::ptr::null_mut(), |packet| std::ptr::without_provenance_mut(packet.handle))
    }

    /// Gives a packet back.
    irql(<= DISPATCH_LEVEL) fn VmbPacketFree(packet: VMBPACKET) {
        outgoing::free(&packet_of("VmbPacketFree", packet));
    }

    /// The packet's channel.
    irql(<= DISPATCH_LEVEL) fn VmbPacketGetChannel(packet: VMBPACKET) -> VMBCHANNEL {
        packet_of("VmbPacketGetChannel", packet).channel.as_handle()
    }

    /// The driver's pointer of a packet; before it was set, anything.
    irql(<= DISPATCH_LEVEL) fn VmbPacketGetPointer(packet: VMBPACKET) -> PVOID {
        std::ptr::with_exposed_provenance_mut(packet_of("VmbPacketGetPointer", packet).pointer.get())
    }

    /// Makes a packet of the driver's memory.
    irql(<= DISPATCH_LEVEL) fn VmbPacketInitialize(channel: VMBCHANNEL, packet: VMBPACKET, bytes: u32) -> NTSTATUS {
        outgoing::initialize(&channel_of("VmbPacketInitialize", channel), packet, bytes)
    }

    /// Sends a packet.
    irql(<= DISPATCH_LEVEL) fn VmbPacketSend(
        packet: VMBPACKET,
        buffer: PVOID,
        length: u32,
        mdl: PMDL,
        flags: u32,
    ) -> NTSTATUS {
        let function = "VmbPacketSend";
        let packet = packet_of(function, packet);
        match external(function, mdl, 0, 0, 0) {
            Ok((external, chain)) => {
                outgoing::send(function, &packet, Message { buffer, length, external, chain, flags })
            }
            Err(status) => status,
        }
    }

    /// Sends a packet with a part of what an MDL describes.
    irql(<= DISPATCH_LEVEL) fn VmbPacketSendWithExternalMdl(
        packet: VMBPACKET,
        buffer: PVOID,
        length: u32,
        mdl: PMDL,
        mdl_offset: u32,
        mdl_length: u32,
        flags: u32,
    ) -> NTSTATUS {
        let function = "VmbPacketSendWithExternalMdl";
        let packet = packet_of(function, packet);
        if mdl.is_null() {
            violation(format!("{function}: ExternalDataMdl is a null pointer"));
        }
        match external(function, mdl, mdl_offset, mdl_length, flags) {
            Ok((external, chain)) => {
                outgoing::send(function, &packet, Message { buffer, length, external, chain, flags })
            }
            Err(status) => status,
        }
    }

    /// Sends a packet with whole pages.
    irql(<= DISPATCH_LEVEL) fn VmbPacketSendWithExternalPfns(
        packet: VMBPACKET,
        buffer: PVOID,
        length: u32,
        frames: *mut PFN_NUMBER,
        count: u32,
        flags: u32,
    ) -> NTSTATUS {
        let function = "VmbPacketSendWithExternalPfns";
        let packet = packet_of(function, packet);
        let bytes = u32::try_from(count as usize * PAGE);
        let (Ok(bytes), false, true) = (bytes, frames.is_null(), count > 0) else {
            violation(format!("{function}: {count} page frames at {frames:p}"))
        };
        // SAFETY: not null, and the driver vouches for the array, which is read here and no more.
        let frames = unsafe { std::slice::from_raw_parts(frames, count as usize) }.to_vec();
        let external = vec![PageRange { length: bytes, offset: 0, frames }];
        outgoing::send(function, &packet, Message { buffer, length, external, chain: 1, flags })
    }

    /// Sets what is called when a packet is complete.
    irql(<= DISPATCH_LEVEL) fn VmbPacketSetCompletionRoutine(
        packet: VMBPACKET,
        routine: PFN_VMB_PACKET_COMPLETION_ROUTINE,
    ) {
        outgoing::set_routine(&packet_of("VmbPacketSetCompletionRoutine", packet), routine);
    }

    /// Sets the driver's pointer of a packet.
    irql(<= DISPATCH_LEVEL) fn VmbPacketSetPointer(packet: VMBPACKET, pointer: PVOID) {
        packet_of("VmbPacketSetPointer", packet).pointer.set(pointer.expose_provenance());
    }
}
