#[ebbtide_macros::test(fixtures("user"))]
async fn near(database: Database) {}

#[ebbtide_macros::test(migrations = "no/such/folder")]
async fn no_folder(database: Database) {}

fn main() {}
