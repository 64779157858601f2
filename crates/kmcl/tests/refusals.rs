//! Programs that the types refuse, each with the compiler's message, beside one that they accept.

#[test]
fn mistakes_do_not_compile() {
    let cases = trybuild::TestCases::new();
    // A program that compiles has all of them built and not only checked: some refusals are found when code is generated.
    cases.pass("tests/accepted/handler.rs");
    cases.compile_fail("tests/refused/*.rs");
}
