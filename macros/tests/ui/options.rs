#[ebbtide_macros::test(migration = "migrations")]
async fn near(database: Database) {}

#[ebbtide_macros::test(colour = "red")]
async fn far(database: Database) {}

#[ebbtide_macros::test(strategy = "clon")]
async fn strategy(database: Database) {}

#[ebbtide_macros::test(flavor = "threads")]
async fn flavor(database: Database) {}

#[ebbtide_macros::test(worker_threads = 2)]
async fn threads(database: Database) {}

#[ebbtide_macros::test(flavor = "multi_thread", worker_threads = 0)]
async fn no_threads(database: Database) {}

#[ebbtide_macros::test(url = "sqlite::memory:", config = config())]
async fn two_databases(database: Database) {}

#[ebbtide_macros::test(migrations = "ui", migrator = MIGRATOR)]
async fn two_migrations(database: Database) {}

#[ebbtide_macros::test(url = "sqlite::memory:", url = "sqlite::memory:")]
async fn twice(database: Database) {}

#[ebbtide_macros::test(url)]
async fn no_value(database: Database) {}

#[ebbtide_macros::test(migrations = FOLDER)]
async fn at_run_time(database: Database) {}

#[ebbtide_macros::test(fixtures = "users")]
async fn no_list(database: Database) {}

#[ebbtide_macros::test(fixtures(users))]
async fn no_string(database: Database) {}

fn main() {}
