#[ebbtide_macros::test]
struct Note;

#[ebbtide_macros::test]
#[test]
async fn twice_a_test() {}

#[ebbtide_macros::test]
async unsafe fn dangerous() {}

fn main() {}
