//! What is wrong with a test is told when it is compiled, at the place where it is wrong.

#[test]
fn mistakes_are_told_at_their_place() {
    // Each file is compiled by itself; what it should say is in the file of the same name.
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
