//! The committed declarations against the documentation's prototypes, by text: a parameter too
//! many, two of them swapped, or a member out of its place changes nothing that a compiler sees
//! until a kernel crashes.
#![cfg(not(windows))]

use kmcl_sys::{
    KMCL_CLIENT_INTERFACE_TYPE, KMCL_CLIENT_INTERFACE_V1, MEMBER_COUNT,
    VMB_CHANNEL_STATE_CHANGE_CALLBACKS, VMB_CHANNEL_STATE_CHANGE_CALLBACKS_INIT, VMBCHANNEL,
    committed::{MEMBER_OFFSETS, MEMBERS},
};
use wdk_sys_lite::{GUID, INTERFACE, NTSTATUS};

/// What whoever links a program without a kit defines: here, the test.
#[unsafe(export_name = "KMCL_CLIENT_INTERFACE_TYPE")]
static INTERFACE_TYPE: GUID = GUID {
    Data1: 0x0bad_cafe,
    Data2: 0x1234,
    Data3: 0x5678,
    Data4: [1, 2, 3, 4, 5, 6, 7, 8],
};

const PROTOTYPES: &str = include_str!("data/prototypes.txt");
const SOURCE: &str = include_str!("../src/committed.rs");

/// The prototypes of the documentation whose name begins with `prefix`, in their order.
fn documented(prefix: &str) -> Vec<String> {
    let name = |line: &str| {
        line.split(['(', ' '])
            .nth(1)
            .map(str::to_owned)
            .unwrap_or_default()
    };
    PROTOTYPES
        .lines()
        .filter(|line| !line.starts_with('#') && name(line).starts_with(prefix))
        .map(str::to_owned)
        .collect()
}

/// Rust's spelling of a type in C's.
fn c_type(rust: &str) -> String {
    match rust {
        "*mut u16" => "PUINT16 ".to_owned(),
        "*mut u32" => "PUINT32 ".to_owned(),
        "*mut PFN_NUMBER" => "PPFN_NUMBER ".to_owned(),
        _ => match rust.strip_prefix("*mut ") {
            Some(pointee) => format!("{}*", c_type(pointee)),
            None => match rust.strip_prefix('u') {
                Some(bits) => format!("UINT{bits} "),
                None => format!("{rust} "),
            },
        },
    }
}

/// The C prototype of a function whose parameters and result are written `(name: type, ...) ->
/// type`.
fn c_prototype(name: &str, signature: &str) -> String {
    let (parameters, result) = signature
        .split_once(')')
        .expect("a parenthesis closes the parameters");
    let parameters: Vec<_> = parameters
        .trim_start_matches('(')
        .split(',')
        .map(str::trim)
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| {
            let (name, rust) = parameter
                .split_once(": ")
                .expect("each parameter has a name and a type");
            format!("{}{name}", c_type(rust))
        })
        .collect();
    let result = result
        .trim()
        .strip_prefix("-> ")
        .map_or_else(|| "VOID ".to_owned(), c_type);
    format!("{result}{name}({});", parameters.join(", "))
}

/// The source without comments and with single spaces.
fn plain(source: &str) -> String {
    let lines = source
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"));
    lines
        .collect::<Vec<_>>()
        .join(" ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace("( ", "(")
}

/// `VmbPacketSend` as `VMB_PACKET_SEND`.
fn upper_snake(member: &str) -> String {
    let mut upper = String::new();
    for character in member.chars() {
        if character.is_uppercase() && !upper.is_empty() {
            upper.push('_');
        }
        upper.push(character.to_ascii_uppercase());
    }
    upper
}

/// The members as the source declares them: name, function type, pointer type, signature.
fn declared() -> Vec<[String; 4]> {
    let source = plain(SOURCE);
    let (_, table) = source
        .split_once("client_interface! { Vmb")
        .expect("the table is declared by the macro");
    let (table, _) = table.split_once('}').expect("the table ends");
    format!("Vmb{table}")
        .split(';')
        .filter(|member| !member.trim().is_empty())
        .map(|member| {
            let (names, signature) = member
                .split_once("= fn")
                .expect("each member has a signature");
            let (name, types) = names.split_once(':').expect("each member has a name");
            let (function, pointer) = types.split_once(',').expect("each member has two types");
            [name, function, pointer, signature].map(|part| part.trim().to_owned())
        })
        .collect()
}

#[test]
fn every_function_has_the_documented_prototype_in_the_documented_place() {
    let declared: Vec<_> = declared()
        .iter()
        .map(|[name, _, _, signature]| c_prototype(name, signature))
        .collect();
    assert_eq!(declared, documented("Vmb"));
    assert_eq!(declared.len(), MEMBER_COUNT);
}

#[test]
fn every_type_is_named_after_its_function() {
    for ([name, function, pointer, _], member) in declared().iter().zip(MEMBERS) {
        assert_eq!(name, member);
        assert_eq!(*function, format!("FN_{}", upper_snake(name)));
        assert_eq!(*pointer, format!("PFN_{}", upper_snake(name)));
    }
}

#[test]
fn every_callback_has_the_documented_prototype() {
    let source = plain(SOURCE);
    let declared: Vec<_> = source
        .split("pub type EVT_")
        .skip(1)
        .map(|declaration| {
            let (name, signature) = declaration
                .split_once(" = Option<")
                .expect("a callback may be absent");
            let (_, signature) = signature
                .split_once("extern \"C\" fn")
                .expect("a callback is a C function");
            let (signature, _) = signature.split_once(">;").expect("the declaration ends");
            c_prototype(
                &format!("EVT_{name}"),
                signature.trim_end_matches([',', ' ']),
            )
        })
        .collect();
    assert_eq!(declared, documented("EVT_"));
}

#[test]
fn a_wrong_declaration_is_noticed() {
    let wrong = c_prototype("VmbPacketFree", "(Packet: VMBPACKET)");
    assert!(!documented("Vmb").contains(&wrong));
    let right = c_prototype("VmbPacketFree", "(VmbPacket: VMBPACKET)");
    assert!(documented("Vmb").contains(&right));
}

#[test]
fn the_table_is_the_interface_header_and_a_pointer_for_each_function() {
    assert_eq!(size_of::<KMCL_CLIENT_INTERFACE_V1>(), 360);
    for (slot, offset) in MEMBER_OFFSETS.into_iter().enumerate() {
        assert_eq!(
            offset,
            size_of::<INTERFACE>() + slot * size_of::<usize>(),
            "{}",
            MEMBERS[slot]
        );
    }
}

#[test]
fn init_clears_the_callbacks_and_writes_version_and_size() {
    unsafe extern "C" fn opened(_channel: VMBCHANNEL) -> NTSTATUS {
        0
    }
    unsafe extern "C" fn closed(_channel: VMBCHANNEL) {}
    let mut callbacks = VMB_CHANNEL_STATE_CHANGE_CALLBACKS {
        Version: 7,
        Size: 7,
        EvtChannelOpened: Some(opened),
        EvtChannelClosed: Some(closed),
        EvtChannelSuspend: Some(closed),
        EvtChannelStarted: Some(closed),
        EvtChannelPostStarted: Some(closed),
    };
    VMB_CHANNEL_STATE_CHANGE_CALLBACKS_INIT(&mut callbacks);
    assert_eq!((callbacks.Version, callbacks.Size), (1, 48));
    assert!(callbacks.EvtChannelOpened.is_none());
    assert!(callbacks.EvtChannelClosed.is_none());
    assert!(callbacks.EvtChannelSuspend.is_none());
    assert!(callbacks.EvtChannelStarted.is_none());
    assert!(callbacks.EvtChannelPostStarted.is_none());
}

#[test]
fn the_interface_type_is_the_one_that_the_program_defines() {
    // SAFETY: this program defines the symbol, as an immutable `GUID`.
    let interface_type = unsafe { KMCL_CLIENT_INTERFACE_TYPE };
    assert_eq!(interface_type.Data1, INTERFACE_TYPE.Data1);
    assert_eq!(interface_type.Data4, INTERFACE_TYPE.Data4);
}
