//! Many seeds.

use crate::program::{code, stderr, stdout, vmbsim};

#[test]
fn exploring_finds_nothing_in_the_driver() {
    let result = vmbsim([
        "explore", "--seeds", "100", "--seed", "1000", "--jobs", "100000",
    ]);
    let text = stdout(&result);
    assert_eq!(code(&result), 0, "{text}");
    assert!(text.contains("100 seeds from 1000"), "{text}");
    assert_eq!(
        stderr(&result).lines().count(),
        1,
        "one line says what runs"
    );
}
