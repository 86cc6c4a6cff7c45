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

#[ebbtide_macros::test("sqlite::memory:")]
async fn no_name(database: Database) {}

#[ebbtide_macros::test(strategy = "sandbox")]
async fn sandbox(database: Database) {}

#[ebbtide_macros::test(clone)]
async fn no_strategy(database: Database) {}

#[ebbtide_macros::test(multi_thread)]
async fn no_flavor(database: Database) {}

#[ebbtide_macros::test(url = )]
async fn empty_value(database: Database) {}

#[ebbtide_macros::test(strategy = , flavor = "multi_thread")]
async fn empty_value_before_another(database: Database) {}

#[ebbtide_macros::test(url: "sqlite::memory:")]
async fn colon(database: Database) {}

#[ebbtide_macros::test(url = 5)]
async fn number(database: Database) {}

#[ebbtide_macros::test(strategy = rollback)]
async fn no_quotes(database: Database) {}

#[ebbtide_macros::test(flavor = 2)]
async fn number_of_a_flavor(database: Database) {}

#[ebbtide_macros::test(flavor = "multi_thread", worker_threads = "2")]
async fn text_for_a_number(database: Database) {}

#[ebbtide_macros::test(url = "sqlite::memory:" strategy = "clone")]
async fn no_comma(database: Database) {}

#[ebbtide_macros::test(, url = "sqlite::memory:")]
async fn comma(database: Database) {}

#[ebbtide_macros::test(migrations("migrations"))]
async fn parentheses(database: Database) {}

#[ebbtide_macros::test(crate = 5)]
async fn no_path(database: Database) {}

fn main() {}
