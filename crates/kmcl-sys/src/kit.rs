//! The declarations that the build script generated from the kit's `vmbuskernelmodeclientlibapi.h`,
//! and the assertion that they agree with the committed ones.
#![allow(
    non_snake_case,
    non_camel_case_types,
    non_upper_case_globals,
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::undocumented_unsafe_blocks,
    reason = "generated; the names are the DDI's and their documentation is Microsoft's"
)]

use wdk_sys::*;

include!(concat!(env!("OUT_DIR"), "/vmbuskernelmodeclientlibapi.rs"));

const _: () = {
    use core::mem::offset_of;

    use crate::committed;

    assert!(
        size_of::<KMCL_CLIENT_INTERFACE_V1>() == size_of::<committed::KMCL_CLIENT_INTERFACE_V1>(),
        "the kit's KMCL_CLIENT_INTERFACE_V1 has another size"
    );
    committed::assert_same_members!(KMCL_CLIENT_INTERFACE_V1);
    assert!(
        KMCL_CLIENT_INTERFACE_VERSION_V1 == committed::KMCL_CLIENT_INTERFACE_VERSION_V1,
        "the kit's KMCL_CLIENT_INTERFACE_VERSION_V1 is another"
    );

    /// Asserts that each field of the state-change callbacks lies where the committed declaration
    /// has it.
    macro_rules! assert_same_callbacks {
        ($($field:ident)*) => {
            $(assert!(
                offset_of!(VMB_CHANNEL_STATE_CHANGE_CALLBACKS, $field)
                    == offset_of!(committed::VMB_CHANNEL_STATE_CHANGE_CALLBACKS, $field),
                concat!("the kit has ", stringify!($field), " at another offset")
            );)*
        };
    }
    assert!(
        size_of::<VMB_CHANNEL_STATE_CHANGE_CALLBACKS>()
            == size_of::<committed::VMB_CHANNEL_STATE_CHANGE_CALLBACKS>(),
        "the kit's VMB_CHANNEL_STATE_CHANGE_CALLBACKS has another size"
    );
    assert_same_callbacks!(Version Size EvtChannelOpened EvtChannelClosed EvtChannelSuspend EvtChannelStarted
        EvtChannelPostStarted);
};
