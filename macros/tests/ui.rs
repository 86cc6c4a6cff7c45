//! Errors in a test are reported at compile time, at their place in the source.

#[test]
fn mistakes_are_reported_at_their_place() {
    // Each file is compiled separately; its expected output is in the file of the same name.
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
