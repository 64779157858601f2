//! A safe library over the VMBus Kernel Mode Client Library (KMCL), for drivers of Hyper-V guests.
//!
//! A driver of a synthetic device gets KMCL's functions as a table from the bus driver
//! ([`interface`]), allocates and configures a channel, and enables it ([`channel`]); from then on
//! KMCL calls the driver's [`Handler`](channel::Handler), and the driver sends ([`packet`]) and
//! receives ([`incoming`]). What crashes a kernel in C is not expressible here: a packet leaked,
//! freed twice or touched while it is sent, a channel cleaned up while it is enabled, a wait at
//! `DISPATCH_LEVEL`, an incoming packet never completed.
//!
//! There is no global allocator, nothing panics, and every failure is a value.
//!
//! [`guide`] says how a driver is written, and has a whole one.
//!
//! # The life of a channel
//!
//! ```text
//!   driver                              KMCL                         handler
//!   ------                              ----                         -------
//!   Interface::query
//!   interface.channel(parent, handler)
//!   config.maximum_packet_size(...)
//!   config.enable(irql) --------------> takes the offer or waits
//!   channel.wait_ready(limit, irql)       (a driver that needs its channel to start, see `readiness`)
//!                                       host opens ----------------> opened         create GPADLs, keep a Sender
//!                                       ---------------------------> started        sends are queued from here
//!                                       receives ------------------> post_started   replies may be awaited
//!   sender.transaction(context)
//!     .send(Mode::Transact) ----------> ring -> host -> reply -----> completed      the packet is back: resend or drop
//!                                       host sends ----------------> process_packet complete, detach, defer or fail
//!   channel.disable(irql) ------------> (or the host closes) ------> suspended      sends fail from here
//!                                       waits for received packets-> closed         GPADLs are given back
//!   drop                                cleanup, dereference
//! ```
//!
//! # What IRQL, which thread
//!
//! [`irql`] has witnesses: values that prove at which level their holder runs. Callbacks get one; a
//! driver's own trampolines make one. A function that takes a witness runs at the level of that
//! witness; one that takes none may be called at `DISPATCH_LEVEL` and below, unless it says
//! otherwise. The same holds for dropping a value.
//!
//! # The table
//!
//! | member | used by | IRQL, at most | state and ownership |
//! |---|---|---|---|
//! | `VmbChannelAllocate` | [`Interface::channel`](crate::interface::Interface::channel) | PASSIVE | the channel is the library's until its cleanup |
//! | `VmbChannelCleanup` | [drop of `ChannelConfig`, `ClosedChannel`, Channel](crate::channel::Channel) | PASSIVE | disabled, every packet back |
//! | `VmbChannelCreateGpadlFromBuffer` | [`Sender::create_gpadl`](crate::packet::Sender::create_gpadl) | PASSIVE | opened to closed; the buffer is the GPADL's |
//! | `VmbChannelCreateGpadlFromMdl` | [`Sender::create_gpadl_from_mdl`](crate::packet::Sender::create_gpadl_from_mdl) | PASSIVE | as above, with its MDL |
//! | `VmbChannelDeleteGpadl` | [`Gpadl::delete`, and the closed callback](crate::gpadl::Gpadl::delete) | PASSIVE | once; waits for the host's mapping |
//! | `VmbChannelDisable` | [`Channel::disable`](crate::channel::Channel::disable) | PASSIVE, not in callbacks | enabled; waits for received packets |
//! | `VmbChannelEnable` | [`ChannelConfig::enable`, `ClosedChannel::enable`](crate::channel::ChannelConfig::enable) | PASSIVE | disabled |
//! | `VmbChannelGetInterfaceInstance` | [`Channel::instance`](crate::channel::Channel::instance) | DISPATCH | enabled |
//! | `VmbChannelGetMmioSpace` | [`Context::mmio_space`](crate::channel::Context::mmio_space) | PASSIVE | from opened |
//! | `VmbChannelGetPointer` | [every callback](crate::channel::Handler) | any | what the channel shares, in its place |
//! | `VmbChannelInitSetClientContextSize` | [`ChannelConfig::client_context_size`](crate::channel::ChannelConfig::client_context_size) | PASSIVE | configuration |
//! | `VmbChannelInitSetFlags` | [`ChannelConfig::pipe`](crate::channel::ChannelConfig::pipe) | PASSIVE | configuration |
//! | `VmbChannelInitSetFriendlyName` | [`ChannelConfig::friendly_name`](crate::channel::ChannelConfig::friendly_name) | PASSIVE | configuration; the text is static |
//! | `VmbChannelInitSetMaximumExternalData` | [`ChannelConfig::maximum_external_data`](crate::channel::ChannelConfig::maximum_external_data) | PASSIVE | configuration |
//! | `VmbChannelInitSetMaximumPacketSize` | [`ChannelConfig::maximum_packet_size`](crate::channel::ChannelConfig::maximum_packet_size) | PASSIVE | configuration |
//! | `VmbChannelInitSetProcessPacketCallbacks` | [`Interface::channel`](crate::interface::Interface::channel) | PASSIVE | always registered |
//! | `VmbChannelInitSetStateChangeCallbacks` | [`Interface::channel`](crate::interface::Interface::channel) | PASSIVE | always registered |
//! | `VmbChannelPacketComplete` | [`Incoming::complete`, `PendingIncoming::complete`](crate::incoming::Incoming::complete) | DISPATCH | consumes the packet |
//! | `VmbChannelPacketDeferToPassive` | [`Incoming::defer_to_passive`](crate::incoming::Incoming::defer_to_passive) | DISPATCH | in the callback; consumes the indication |
//! | `VmbChannelPacketFail` | [`Incoming::fail`](crate::incoming::Incoming::fail) | DISPATCH | consumes the packet; the queue stops |
//! | `VmbChannelPacketGetExternalData` | [`Incoming::external_data`](crate::incoming::Incoming::external_data) | DISPATCH | in the callback; the MDL is KMCL's until completion |
//! | `VmbChannelPause` | [`Channel::pause`, `ChannelConfig::start_paused`](crate::channel::Channel::pause) | PASSIVE, not in callbacks | waits for received packets |
//! | `VmbChannelSendSynchronousRequest` | [`Sender::sync_request`, `Sender::sync_request_with`](crate::packet::Sender::sync_request) | PASSIVE, where replies may be awaited | started |
//! | `VmbChannelSetIncomingProcessingAtPassive` | [`ChannelConfig::incoming_at_passive`](crate::channel::ChannelConfig::incoming_at_passive) | PASSIVE | configuration |
//! | `VmbChannelSetInterruptLatency` | [`Context::set_interrupt_latency`](crate::channel::Context::set_interrupt_latency) | PASSIVE | opened to closed, in callbacks |
//! | `VmbChannelSetPointer` | [`Interface::channel`](crate::interface::Interface::channel) | PASSIVE | before enable |
//! | `VmbChannelSetTransactionQuota` | [`ChannelConfig::transaction_quota`, `Channel::transaction_quota`](crate::channel::Channel::transaction_quota) | DISPATCH | not 0 |
//! | `VmbChannelSizeofPacket` | [`Sender::transaction_in_place`](crate::packet::Sender::transaction_in_place) | DISPATCH | after the configuration |
//! | `VmbChannelStart` | [`Channel::start`](crate::channel::Channel::start) | PASSIVE, not in callbacks | paused |
//! | `VmbClientChannelInitSetRingBufferPageCount` | [`ChannelConfig::ring_pages`](crate::channel::ChannelConfig::ring_pages) | PASSIVE | configuration |
//! | `VmbClientChannelInitSetTargetPnp` | [`ChannelConfig::target_pnp`](crate::channel::ChannelConfig::target_pnp) | PASSIVE | configuration; the GUIDs are kept |
//! | `VmbPacketAllocate` | [`Sender::packet`, `Sender::transaction`, `Sender::transaction_with`](crate::packet::Sender::transaction) | DISPATCH | the packet is the caller's |
//! | `VmbPacketFree` | [drop of Packet, `OwnedPacket`](crate::packet::OwnedPacket) | DISPATCH | not in flight |
//! | `VmbPacketGetChannel` | [the completion routine, to check in debug builds](crate::packet::Completed) | DISPATCH | in flight |
//! | `VmbPacketGetPointer` | [the completion routine](crate::packet::Completed) | DISPATCH | the packet's node |
//! | `VmbPacketInitialize` | [`Sender::transaction_in_place`](crate::packet::Sender::transaction_in_place) | DISPATCH | memory of the library's |
//! | `VmbPacketSend` | [`OwnedPacket::send`, `Packet::send_static`, `Packet::send_copied`](crate::packet::OwnedPacket::send) | DISPATCH | started; consumes the packet |
//! | `VmbPacketSendWithExternalMdl` | [`OwnedPacket::send` with `Transaction::external`](crate::packet::Transaction::external) | DISPATCH | as above; the context keeps the MDL |
//! | `VmbPacketSendWithExternalPfns` | [`OwnedPacket::send_with_pfns` (unsafe: a wrong frame exposes any memory)](crate::packet::OwnedPacket::send_with_pfns) | DISPATCH | as above |
//! | `VmbPacketSetCompletionRoutine` | [`Sender::transaction`](crate::packet::Sender::transaction) | DISPATCH | before the first send |
//! | `VmbPacketSetPointer` | [`Sender::transaction`](crate::packet::Sender::transaction) | DISPATCH | before the first send |
//!
//! Versions 2 to 5 of the table are in no public text beyond the names of their members; they are
//! not declared here. What the documentation leaves open, and what was chosen, is in [`readings`].
#![no_std]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

#[cfg(windows)]
extern crate wdk_sys;
#[cfg(not(windows))]
extern crate wdk_sys_lite as wdk_sys;

pub mod channel;
mod claim;
mod debugger;
pub mod gpadl;
pub mod guide;
pub mod host;
pub mod incoming;
pub mod interface;
pub mod irql;
pub mod lookaside;
pub mod mdl;
pub mod packet;
pub mod pool;
pub mod readiness;
pub mod readings;
mod request;
mod stage;
pub mod status;
pub mod sync;

/// Atomics: `core`'s, on Windows.
///
/// Elsewhere a simulated kernel can let another processor go on before each operation. Drivers that
/// use these in the place of `core`'s are searched there too.
pub mod atomic {
    #[cfg(windows)]
    pub use core::sync::atomic::*;
    #[cfg(not(windows))]
    pub use wdk_sys::atomic::*;
}

/// The readme's example is compiled with the tests of documentation.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
