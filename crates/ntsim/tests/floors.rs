//! The floors of the simulated kernel: a file knows its own floor and those below.
//!
//! ```text
//!   face       lib, machine
//!   vmbus      the bus, its host, KMCL
//!   framework  wdf
//!   executive  io, pnp, driver
//!   kernel     ke, mm
//!   core       the scheduler, exports, bug checks, stacks, traces
//! ```
//!
//! References that still run upward are listed in `EXCEPTIONS`. The list only becomes shorter: a
//! reference that is not in it fails the test, and so does an entry that nothing needs.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The floors, the lowest first, with the modules of each.
const FLOORS: [(&str, &[&str]); 6] = [
    (
        "core",
        &[
            "bugcheck",
            "export",
            "kernel",
            "sched",
            "stacks",
            "tally",
            "trace",
            "trace_events",
            "trap",
        ],
    ),
    ("kernel", &["ke", "mm"]),
    ("executive", &["driver", "io", "pnp"]),
    ("framework", &["wdf"]),
    ("vmbus", &["vmbus"]),
    ("face", &["lib", "machine"]),
];

/// Macros that the crate exports; they belong to `export`.
const MACROS: [&str; 3] = ["call_driver", "irql_rule", "nt_export"];

/// A file, and the module of a higher floor that it names.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("driver.rs", "machine"),
    ("driver.rs", "wdf"),
    ("export.rs", "driver"),
    ("export.rs", "wdf"),
    ("io/file.rs", "wdf"),
    ("io/mod.rs", "wdf"),
    ("io/process.rs", "machine"),
    ("io/process.rs", "wdf"),
    ("ke/mod.rs", "driver"),
    ("ke/mod.rs", "machine"),
    ("kernel.rs", "driver"),
    ("kernel.rs", "io"),
    ("kernel.rs", "ke"),
    ("kernel.rs", "machine"),
    ("kernel.rs", "mm"),
    ("kernel.rs", "pnp"),
    ("kernel.rs", "vmbus"),
    ("kernel.rs", "wdf"),
    ("mm/mod.rs", "machine"),
    ("pnp.rs", "machine"),
    ("pnp.rs", "wdf"),
    ("sched.rs", "machine"),
    ("stacks.rs", "mm"),
    ("tally.rs", "machine"),
    ("trap.rs", "mm"),
    ("vmbus/mod.rs", "machine"),
];

fn floor(module: &str) -> usize {
    FLOORS
        .iter()
        .position(|(_, modules)| modules.contains(&module))
        .unwrap_or_else(|| panic!("the module {module} has no floor"))
}

fn sources(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// How deep in the crate a file's module lies: `lib.rs` 0, `ke/mod.rs` 1, `ke/event.rs` 2.
fn depth(file: &Path) -> usize {
    let parts = file.components().count();
    match file.file_stem().and_then(|stem| stem.to_str()) {
        Some("lib") => 0,
        Some("mod") => parts - 1,
        _ => parts,
    }
}

/// The top modules of the crate that a file's tokens name, in macros too.
fn named(tokens: TokenStream, depth: usize, into: &mut BTreeSet<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is = |at: usize, text: &str| {
        tokens.get(at).is_some_and(|token| match token {
            TokenTree::Ident(ident) => ident == text,
            TokenTree::Punct(punct) => text.starts_with(punct.as_char()) && text.len() == 1,
            TokenTree::Group(_) | TokenTree::Literal(_) => false,
        })
    };
    let is_separator = |at: usize| is(at, ":") && is(at + 1, ":");
    let mut at = 0;
    while at < tokens.len() {
        if let TokenTree::Group(group) = &tokens[at] {
            // A module inside the file lies one deeper.
            let is_module = at >= 2 && is(at - 2, "mod");
            named(group.stream(), depth + usize::from(is_module), into);
        }
        let mut next = at;
        let mut up = 0;
        while is(next, "super") && is_separator(next + 1) {
            up += 1;
            next += 3;
        }
        let from_root = if is(at, "crate") && is_separator(at + 1) {
            next = at + 3;
            true
        } else {
            up > 0 && up == depth
        };
        if from_root {
            match tokens.get(next) {
                Some(TokenTree::Ident(ident)) => {
                    into.insert(ident.to_string());
                }
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    let mut first = true;
                    for token in group.stream() {
                        match token {
                            TokenTree::Ident(ident) if first => {
                                into.insert(ident.to_string());
                                first = false;
                            }
                            TokenTree::Punct(punct) if punct.as_char() == ',' => first = true,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        at = next.max(at + 1);
    }
}

/// Every reference of a file's to a module of a higher floor.
fn upward() -> BTreeSet<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let modules: BTreeSet<&str> = FLOORS
        .iter()
        .flat_map(|(_, modules)| modules.iter().copied())
        .collect();
    let mut found = BTreeSet::new();
    for path in files {
        let file = path.strip_prefix(&root).expect("below the root");
        let top = file
            .iter()
            .next()
            .and_then(|first| first.to_str())
            .map_or("", |first| first.trim_end_matches(".rs"));
        let text = std::fs::read_to_string(&path).expect("a source");
        let tokens = text.parse::<TokenStream>().expect("tokens");
        let mut names = BTreeSet::new();
        named(tokens, depth(file), &mut names);
        for name in names {
            let module = match name.as_str() {
                // Macros are the root's, wherever they are written.
                macros if MACROS.contains(&macros) => "export",
                module if modules.contains(module) => module,
                // An item that the root gives out again.
                _ => "lib",
            };
            if floor(module) > floor(top) {
                found.insert((file.display().to_string(), module.to_owned()));
            }
        }
    }
    found
}

#[test]
fn no_file_names_a_higher_floor_but_for_the_listed() {
    let listed: BTreeSet<(String, String)> = EXCEPTIONS
        .iter()
        .map(|(file, module)| ((*file).to_owned(), (*module).to_owned()))
        .collect();
    let found = upward();
    let new: Vec<_> = found.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(new.is_empty(), "references that run upward: {new:#?}");
    assert!(gone.is_empty(), "no longer needed in EXCEPTIONS: {gone:#?}");
}

#[test]
fn references_are_found_in_lists_macros_and_from_below() {
    let names = |text: &str, depth| {
        let mut names = BTreeSet::new();
        named(text.parse().expect("tokens"), depth, &mut names);
        names.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(
        names(
            "use crate::{ke::Event, io}; fn f() { m!(crate::wdf::x()) }",
            1
        ),
        ["io", "ke", "wdf"]
    );
    assert_eq!(names("use super::super::pnp; use super::own;", 2), ["pnp"]);
    assert_eq!(
        names("mod tests { use super::super::pnp; use super::own; }", 1),
        ["pnp"]
    );
    assert_eq!(names("use super::pnp::{Pdo, State};", 1), ["pnp"]);
    // Not the crate's own, and not code.
    assert_eq!(names("use std::io; // crate::wdf\n", 1), [""; 0]);
}
