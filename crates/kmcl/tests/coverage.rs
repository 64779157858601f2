//! Every function of the table has its place in the library, and in its documentation.

use std::path::Path;

fn sources() -> String {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut text = String::new();
    for entry in std::fs::read_dir(source).unwrap() {
        text.push_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    text
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

#[test]
fn every_member_of_the_table_has_a_user_in_the_library() {
    let code: String = sources()
        .lines()
        .filter(|line| !is_comment(line))
        .collect::<Vec<_>>()
        .join("\n");
    let unused: Vec<_> = kmcl_sys::committed::MEMBERS
        .iter()
        .filter(|member| !code.contains(*member))
        .collect();
    assert!(unused.is_empty(), "no code uses {unused:?}");
}

#[test]
fn every_member_of_the_table_has_a_row_in_the_documentation() {
    let documentation: String = sources()
        .lines()
        .filter(|line| line.starts_with("//! |"))
        .collect();
    let missing: Vec<_> = kmcl_sys::committed::MEMBERS
        .iter()
        .filter(|member| !documentation.contains(&format!("`{member}`")))
        .collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
}

#[test]
fn every_contradiction_and_silence_has_a_line_in_the_documentation() {
    let documentation = sources();
    for number in 1..=31 {
        assert!(
            documentation.contains(&format!("//! | C{number} |")),
            "no line for C{number}"
        );
    }
    for number in 1..=21 {
        assert!(
            documentation.contains(&format!("//! | S{number} |")),
            "no line for silence {number}"
        );
    }
}
