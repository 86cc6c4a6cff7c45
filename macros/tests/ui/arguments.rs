#[ebbtide_macros::test]
async fn by_reference(database: &Database) {}

#[ebbtide_macros::test]
async fn two(database: Database, number: i32) {}

#[ebbtide_macros::test]
async fn generic<D>(database: D) {}

#[ebbtide_macros::test]
async fn any(database: impl Clone) {}

struct Suite;

impl Suite {
    #[ebbtide_macros::test]
    async fn method(&self) {}
}

#[ebbtide_macros::test]
async fn lifetime<'a>(database: Database) {}

#[ebbtide_macros::test(strategy = "clone")]
async fn without_a_database() {}

fn main() {}
