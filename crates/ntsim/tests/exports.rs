//! Every function that `wdk-sys-lite` declares for the kernel is defined by the simulator, and
//! nothing else is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The names that follow a marker, one a line.
fn names_after<'a>(text: &'a str, marker: &'a str) -> impl Iterator<Item = String> + 'a {
    text.lines().filter_map(move |line| {
        let (_, rest) = line.split_once(marker)?;
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric())?;
        Some(rest[..end].to_owned())
    })
}

/// The functions that a source file exports by symbol: those in `nt_export!` without `table`.
fn exported(source: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for block in source.split("nt_export! {").skip(1) {
        if block.trim_start().starts_with("table") {
            continue;
        }
        let end = block.find("\n}\n").unwrap_or(block.len());
        let block = &block[..end];
        names.extend(
            names_after(block, ") fn ").filter(|name| block.contains(&format!(") fn {name}("))),
        );
    }
    names
}

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("the sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(fs::read_to_string(&path).expect("a source file"));
        }
    }
}

#[test]
fn every_declared_function_is_defined_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let declarations =
        fs::read_to_string(root.join("../wdk-sys-lite/src/ntddk.rs")).expect("the declarations");
    let declared: BTreeSet<String> = names_after(&declarations, "pub fn ").collect();
    assert!(declared.len() > 50, "{} declarations found", declared.len());
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    let defined: BTreeSet<String> = files
        .iter()
        .filter(|source| !source.contains("macro_rules! nt_export"))
        .flat_map(|source| exported(source))
        .collect();
    let missing: Vec<_> = declared.difference(&defined).collect();
    let extra: Vec<_> = defined.difference(&declared).collect();
    assert!(missing.is_empty(), "declared and not defined: {missing:?}");
    assert!(extra.is_empty(), "defined and not declared: {extra:?}");
}
