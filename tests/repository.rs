//! What holds for the repository as a whole: each package stands alone and describes itself, and
//! prose keeps to its width.
#![cfg(not(windows))]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Runs Cargo in the workspace and gives back what it printed.
fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("Cargo runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

/// The workspace's packages, as `cargo metadata` describes them.
fn packages() -> Vec<Value> {
    let metadata = cargo(&["metadata", "--format-version=1", "--no-deps", "--offline"]);
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages").clone();
    assert_eq!(
        packages.len(),
        fs::read_dir("crates").expect("the members").count() + 1
    );
    packages
}

fn name(package: &Value) -> &str {
    package["name"].as_str().expect("a name")
}

/// The directory of a package.
fn directory(package: &Value) -> &Path {
    let manifest = package["manifest_path"].as_str().expect("a path");
    Path::new(manifest).parent().expect("a directory")
}

/// The files that a package is made of, relative to its directory.
fn shipped(package: &Value) -> BTreeSet<PathBuf> {
    cargo(&[
        "package",
        "--list",
        "--allow-dirty",
        "--offline",
        "-p",
        name(package),
    ])
    .lines()
    .map(PathBuf::from)
    .collect()
}

/// What `include_str!`, `include_bytes!` and `#[path]` name in a source file.
fn named_files(source: &str) -> impl Iterator<Item = &str> {
    ["include_str!(", "include_bytes!(", "#[path = "]
        .into_iter()
        .flat_map(move |start| source.split(start).skip(1))
        .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
}

/// `a/b/../c` is `a/c`; none if it leads out of the directory.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                if !normal.pop() {
                    return None;
                }
            }
            part => normal.push(part),
        }
    }
    Some(normal)
}

#[test]
fn no_source_file_reads_what_its_package_does_not_ship() {
    for package in packages() {
        let files = shipped(&package);
        let sources = files
            .iter()
            .filter(|file| file.extension().is_some_and(|extension| extension == "rs"));
        for file in sources {
            let source = fs::read_to_string(directory(&package).join(file)).expect("a source file");
            for named in named_files(&source) {
                let target = normal(&file.parent().expect("a directory").join(named));
                assert!(
                    target.is_some_and(|target| files.contains(&target)),
                    "{}: {} needs {named}",
                    name(&package),
                    file.display()
                );
            }
        }
    }
}

#[test]
fn every_package_ships_its_licences_and_its_readme_and_no_junk() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for package in packages() {
        let files = shipped(&package);
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            assert!(
                files.contains(Path::new(licence)),
                "{}: {licence}",
                name(&package)
            );
            assert_eq!(
                fs::read(directory(&package).join(licence)).expect("a licence"),
                fs::read(root.join(licence)).expect("a licence"),
                "{}: {licence} is not the repository's",
                name(&package)
            );
        }
        assert!(files.contains(Path::new("README.md")), "{}", name(&package));
        for file in &files {
            let first = file.iter().next().expect("a name").to_str().expect("text");
            let junk = first.starts_with('.') && first != ".cargo_vcs_info.json"
                || ["crates", "target", "mutants.out"].contains(&first);
            assert!(!junk, "{} ships {}", name(&package), file.display());
        }
    }
}

#[test]
fn every_manifest_says_what_the_registry_asks_for() {
    for package in packages() {
        let name = name(&package);
        for key in [
            "description",
            "documentation",
            "license",
            "readme",
            "repository",
        ] {
            assert!(package[key].is_string(), "{name} has no {key}");
        }
        let words = |key: &str| -> Vec<String> {
            let words = package[key].as_array().expect("a list").iter();
            words
                .map(|word| word.as_str().expect("text").to_owned())
                .collect()
        };
        let keywords = words("keywords");
        assert!((1..=5).contains(&keywords.len()), "{name}: {keywords:?}");
        for keyword in keywords {
            let fits = keyword.len() <= 20
                && keyword.starts_with(|first: char| first.is_ascii_alphanumeric())
                && keyword
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "_-+".contains(c));
            assert!(fits, "{name}: the registry refuses the keyword {keyword}");
        }
        assert!((1..=5).contains(&words("categories").len()), "{name}");
        for dependency in package["dependencies"].as_array().expect("a list") {
            assert_ne!(
                dependency["req"], "*",
                "{name}: {} needs a version",
                dependency["name"]
            );
        }
    }
}

/// The Markdown files below a directory.
fn pages(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name == "target" || name.as_encoded_bytes().starts_with(b"."));
        if path.is_dir() && !hidden {
            pages(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

#[test]
fn no_line_of_prose_is_wider_than_100_columns() {
    let mut found = Vec::new();
    pages(Path::new(env!("CARGO_MANIFEST_DIR")), &mut found);
    assert!(found.len() > 10, "{found:?}");
    for page in found {
        let text = fs::read_to_string(&page).expect("a page");
        let mut in_code = false;
        for (number, line) in text.lines().enumerate() {
            in_code ^= line.trim_start().starts_with("```");
            // A table's row cannot be broken.
            let prose = !in_code && !line.starts_with('|');
            assert!(
                !prose || line.chars().count() <= 100,
                "{}:{}: {line}",
                page.display(),
                number + 1
            );
        }
    }
}
