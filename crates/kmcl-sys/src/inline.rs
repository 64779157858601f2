//! What the header defines as inline functions, which bindgen does not see: written in Rust over
//! whichever declarations are in use.
#![allow(non_snake_case, reason = "the names are the DDI's")]

use crate::VMB_CHANNEL_STATE_CHANGE_CALLBACKS;

/// The version of [`VMB_CHANNEL_STATE_CHANGE_CALLBACKS`] that the initialiser writes. The header
/// has no name for it.
const STATE_CHANGE_CALLBACKS_VERSION: u32 = 1;

/// The structure's size as its own `Size` field says it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "48 bytes; the layout is asserted"
)]
const STATE_CHANGE_CALLBACKS_SIZE: u32 = size_of::<VMB_CHANNEL_STATE_CHANGE_CALLBACKS>() as u32;

/// Clears `Callbacks` and writes its version and size. Every callback left out afterwards stays
/// absent.
///
/// May be called at any IRQL.
pub const fn VMB_CHANNEL_STATE_CHANGE_CALLBACKS_INIT(
    Callbacks: &mut VMB_CHANNEL_STATE_CHANGE_CALLBACKS,
) {
    *Callbacks = VMB_CHANNEL_STATE_CHANGE_CALLBACKS {
        Version: STATE_CHANGE_CALLBACKS_VERSION,
        Size: STATE_CHANGE_CALLBACKS_SIZE,
        EvtChannelOpened: None,
        EvtChannelClosed: None,
        EvtChannelSuspend: None,
        EvtChannelStarted: None,
        EvtChannelPostStarted: None,
    };
}
