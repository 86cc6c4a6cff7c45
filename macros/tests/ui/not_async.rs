#[ebbtide_macros::test]
fn creates_a_note(database: Database) {}

fn main() {}
