//! Where KMCL's documentation contradicts itself or is silent: what was chosen, and why it is safe
//! under every reading.
//!
//! # Contradictions
//!
//! | | about | chosen |
//! |---|---|---|
//! | C1 | setters, and which state they need | called only between allocation and the first enable; a status is reported |
//! | C2 | which function a channel's pointer is set by | `VmbChannelSetPointer`, before enable |
//! | C3 | MMIO address: virtual or physical | [`Context::mmio_space`](crate::channel::Context::mmio_space) gives a number, never a pointer |
//! | C4 | the name of the read-only flag of GPADLs | the kit's header decides; 1 elsewhere, which is what the older header says |
//! | C5 | the bus driver's file name | not needed: the interface is asked for by GUID |
//! | C6 | misprints of the interface's page | the order of the members is the kit's header's, asserted at compile time |
//! | C7 | whether the state callback struct's initialiser registers | it does not; the setter is called |
//! | C8 | the size of a packet's own memory | `VmbChannelSizeofPacket`, and the status of the initialisation is checked |
//! | C9 | the last page frame of a PFN send | the array's own length is passed |
//! | C10 | names in `VmbChannelSaveContinue` | a server's function, not in this table |
//! | C11 | whether a pause waits for outgoing packets | neither is relied on |
//! | C12 | whether Suspend is a server's event | handled at the client; nothing about outstanding packets is assumed |
//! | C13 | sends between Suspend and Closed, and after | refused by the library from Suspend until Started |
//! | C14 | what Opened returns | an `NTSTATUS`; success codes of a handler's error are made `STATUS_UNSUCCESSFUL` |
//! | C15 | when `ProcessingComplete` comes | a hint only, nothing depends on it |
//! | C16 | one completion for each indication, or for each packet | each packet; none after a deferral, a pending fetch or a failure: [`Disposition`](crate::incoming::Disposition) |
//! | C17 | whether a paused channel starts when it opens | nothing is concluded from Started but that sends may be queued |
//! | C18 | whether packets come before `PostStarted` | assumed: the handler is ready before enable |
//! | C19 | GUIDs by value or by pointer | a server's function, not in this table |
//! | C20 | which Windows has which function | the table of version 1 is checked to be complete |
//! | C21 | which invalid-parameter status | every failure is reported as it came |
//! | C22 | the name of the external data flag | bit 0 is tested |
//! | C23 | who may wait for a synchronous request | the client only, in places that [`MayAwaitReply`](crate::irql::MayAwaitReply) proves |
//! | C24 | a new GUID or a new number for a new version | asked by size and version together |
//! | C25 | whether external data needs a completion | always asked for |
//! | C26 | NULL pointers in a query: a status or a bug check | none is passed |
//! | C27 | who calls a lookaside list's allocate routine, and with what | the entry goes to the caller; the list's own routines are called |
//! | C28 | the IRQL of lists with paged entries | entries are nonpaged |
//! | C29 | success codes of a restore | a server's function, not in this table |
//! | C30 | length 0 of an MDL: all of it, or invalid | cannot be said: [`External`](crate::mdl::External) is not empty, and a size of 0 is refused before KMCL sees it |
//! | C31 | a query that is answered with less than was asked for | size, version and each function are checked, in a table zeroed before |
//!
//! # Silences
//!
//! | | about | chosen |
//! |---|---|---|
//! | S1 | the IRQL of almost every function | what waits is called at `PASSIVE_LEVEL`, all else at `DISPATCH_LEVEL` or below |
//! | S2 | who owns a packet whose send failed, and whether its completion routine runs | one atomic claim decides, so that either behaviour leaves one owner; with KMCL's own routine the contract of `VmbPacketAllocate` holds: a packet that was not sent is the client's to free |
//! | S3 | how long buffers are read | a message stays in its node until the packet is back; payload and reply are used during their callback only, and not once their packet is completed, freed or sent again |
//! | S4 | completion statuses, and packets in flight at a close | any status is delivered; the channel is cleaned up when every packet is back and every call of the completion routine has returned |
//! | S5 | control calls in callbacks | the witnesses of callbacks do not allow them |
//! | S6 | whether callbacks overlap | assumed: a handler is `Sync` |
//! | S7 | values of flags, GUIDs and versions | the kit's on Windows |
//! | S8 | what is copied and what is borrowed | name, callbacks and GUIDs stay until after the cleanup |
//! | S9 | which callbacks may be NULL | none is |
//! | S10 | limits of the rings | KMCL's status is reported |
//! | S11 | completion after `VmbChannelPacketFail` | none |
//! | S12 | GPADLs over a close, and who keeps their pages | all are deleted in `closed`; their memory is the library's until that has returned |
//! | S13 | defaults | nothing relies on one that matters; pointers are set before they are read |
//! | S14 | the interface's release: against cleanup, and at which IRQL | after the cleanup, at `PASSIVE_LEVEL` |
//! | S15 | versions 2 to 5 | not declared; [`Interface`](crate::interface::Interface) says how a newer table is asked for |
//! | S16 | the alignment of a packet's own memory | a pool block of its own: 16 bytes, or a page |
//! | S17 | MMIO space where there is none | whatever KMCL reports, as numbers |
//! | S18 | the status for a version that is not supported | any failure falls back to version 1 |
//! | S19 | lookaside entries out at the deletion, the least size of an entry | entries are counted and borrow their list; at least 16 bytes |
//! | S20 | a reply that comes after a synchronous request was cancelled | the call has returned, and with it the buffers' loan: as for every call that waits, nothing is written later |
//! | S21 | how long the host uses external data of a synchronous request that was cancelled, or ended by a close | the channel keeps the memory until it has been disabled |
