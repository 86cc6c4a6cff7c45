//! The owner of a connection: tasks, sharing, streams with other statements, and several futures in one task.

mod binding;
mod displaced;
mod guards;
mod moved;
mod runs;
mod sharing;
mod streams;

use std::cell::RefCell;
use std::fmt::Display;
use std::time::Duration;

use ebbtide::{AssertSqlSafe, Config, Database, Error, ErrorKind, Result, RowStream, Transaction};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::time::{sleep, timeout};

use crate::drivers::Driver;
use crate::support::Case;
use crate::support::Test;

/// Returns the cases of all these files.
pub(crate) fn cases() -> Vec<Case> {
    [
        binding::cases(),
        sharing::cases(),
        streams::cases(),
        runs::cases(),
        guards::cases(),
        moved::cases(),
        displaced::cases(),
    ]
    .concat()
}

/// Returns the settings of the test's database.
pub(super) fn config(t: &Test) -> Config {
    Config::from_url(t.url().as_str()).expect("the URL of the test")
}

/// Returns a database that has the table `notes`.
pub(super) async fn notes(t: &Test) -> Database {
    notes_with(t, config(t)).await
}

/// Does the same with settings.
pub(super) async fn notes_with(t: &Test, config: Config) -> Database {
    let database = Database::connect(config).await.expect("the database");
    let create = t.words("create table {notes} (id {id}, body {key} not null unique)");
    if t.driver() == Some(Driver::Derby) {
        create_on_derby(t, &database, &create).await;
    } else {
        database.execute(AssertSqlSafe(create), ()).await.expect("the table");
    }
    database
}

/// Creates the table and takes its first key. Derby refuses that, as one in each hundred, with `LockTimeout` while another
/// connection prepares an insert; the others of the hundred are then in store.
async fn create_on_derby(t: &Test, database: &Database, create: &str) {
    let from_zero = create.replace("identity", "identity (start with 0)");
    let steps = [
        from_zero,
        t.words("insert into {notes} (body) values ('0')"),
        t.words("delete from {notes}"),
    ];
    for step in steps {
        database.execute(AssertSqlSafe(step), ()).await.expect("the table");
    }
}

/// Returns the statement that adds a note.
pub(super) fn add(t: &Test, body: impl Display) -> AssertSqlSafe<String> {
    t.sql(&format!("insert into {{notes}} (body) values ('{body}')"))
}

/// Returns the query that counts the notes.
pub(super) fn count(t: &Test) -> AssertSqlSafe<String> {
    t.sql("select count(*) from {notes}")
}

/// Returns the query that lists the notes: `a,b`.
pub(super) fn list(t: &Test) -> AssertSqlSafe<String> {
    AssertSqlSafe(list_of(t, "notes"))
}

pub(super) fn list_of(t: &Test, table: &str) -> String {
    let driver = t.driver();
    t.words(&if t.backend().is_postgres() || driver == Some(Driver::DuckDb) {
        format!("select coalesce(string_agg(body, ',' order by body), '') from {{{table}}}")
    } else if driver == Some(Driver::Derby) {
        // It has no aggregate of texts.
        let place = |place| format!("coalesce(max(case when place = {place} then ',' || body end), '')");
        let places: Vec<_> = (1..=40).map(place).collect();
        format!(
            "select substr({} || ' ', 2, case when max(place) is null then 0 else length({}) - 1 end) from \
             (select row_number() over () as place, body from (select body from {{{table}}} order by body) as sorted) as placed",
            places.join(" || "),
            places.join(" || ")
        )
    } else if driver == Some(Driver::H2) {
        format!("select coalesce(listagg(body, ',') within group (order by body), '') from {{{table}}}")
    } else if t.backend().is_mysql() || driver == Some(Driver::Hsqldb) {
        format!("select coalesce(group_concat(body order by body separator ','), '') from {{{table}}}")
    } else {
        format!("select coalesce(group_concat(body, ','), '') from (select body from {{{table}}} order by body)")
    })
}

/// Returns the notes that are committed, seen over a separate connection: `a,b`.
pub(super) async fn kept(t: &Test, database: &Database) -> String {
    kept_in(t, database, "notes").await
}

/// Does the same for another table.
pub(super) async fn kept_in(t: &Test, database: &Database, table: &str) -> String {
    let sql = list_of(t, table);
    if t.can_observe() {
        let mut observer = t.observer().await;
        let text = observer.text(&sql).await.expect("the list of notes");
        observer.close().await.expect("the observer leaves");
        text
    } else {
        let database = database.clone();
        // Any number of them, where `list_of` has places for some.
        let derby =
            (t.driver() == Some(Driver::Derby)).then(|| t.sql(&format!("select body from {{{table}}} order by body")));
        in_task(async move {
            match derby {
                Some(rows) => Ok(database.fetch_all(rows, ()).value::<String>().await?.join(",")),
                None => database.fetch_value(AssertSqlSafe(sql), ()).await,
            }
        })
        .await
        .expect("the list of notes")
    }
}

/// Returns the number of connections in use.
pub(super) fn in_use(database: &Database) -> usize {
    database.status().expect("it is connected").in_use
}

/// Runs a future in a separate task.
pub(super) async fn in_task<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    tokio::spawn(future).await.expect("the task did not panic")
}

/// Waits, with a limit, until a condition holds that another task brings about.
pub(super) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..4000 {
        if done() {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("this did not happen: {what}");
}

/// Fails instead of hanging.
pub(super) async fn soon<T>(what: &str, future: impl IntoFuture<Output = T>) -> T {
    match timeout(Duration::from_secs(20), future.into_future()).await {
        Ok(result) => result,
        Err(_) => panic!("{what} hangs"),
    }
}

/// Lets the other futures of this task, and the server, have many turns.
pub(super) async fn let_others_run() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    sleep(Duration::from_millis(5)).await;
}

/// Returns the kind of error that a result holds.
pub(super) fn kind<T>(result: &Result<T>) -> Option<ErrorKind> {
    result.as_ref().err().map(Error::kind)
}

/// Returns the line below the caller's.
#[track_caller]
pub(super) fn line_below() -> String {
    let here = std::panic::Location::caller();
    format!("{}:{}", here.file(), here.line() + 1)
}

/// Asserts that an error refuses concurrent use and names places of the caller's file, on that many different lines.
#[track_caller]
pub(super) fn refused<T>(result: Result<T>, places: usize) {
    let error = match result {
        Ok(_) => panic!("it was not refused"),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::ConcurrentUse, "{error}");
    let mut lines: Vec<_> = error
        .message()
        .split(std::panic::Location::caller().file())
        .skip(1)
        .map(|rest| rest.split(':').nth(1))
        .collect();
    lines.dedup();
    assert!(lines.len() >= places, "{places} places are named: {error}");
}

/// Returns the query of the numbers from 1 to `last`, one in a row. It reads no table.
pub(super) fn numbers(t: &Test, last: u32) -> AssertSqlSafe<String> {
    AssertSqlSafe(match t.driver() {
        // It has no recursive queries.
        Some(Driver::Derby) => {
            let digits = last.to_string().len();
            let values: Vec<_> = (0..digits)
                .map(|at| format!("(values 0, 1, 2, 3, 4, 5, 6, 7, 8, 9) d{at} (d)"))
                .collect();
            let sum: Vec<_> = (0..digits)
                .map(|at| format!("{} * d{at}.d", 10_u32.pow(at as u32)))
                .collect();
            format!(
                "select i from (select 1 + {} as i from {}) as n where i <= {last} order by i",
                sum.join(" + "),
                values.join(", ")
            )
        }
        // Its recursion ends with an error after 265 rounds.
        Some(Driver::Hsqldb) => format!("select i from unnest(sequence_array(1, {last}, 1)) as n (i)"),
        _ => {
            format!("with recursive n(i) as (select 1 union all select i + 1 from n where i < {last}) select i from n")
        }
    })
}

pub(super) async fn next_number(rows: &mut RowStream) -> Option<i64> {
    rows.try_next()
        .await
        .expect("the stream goes on")
        .map(|row| row.get::<i64>(0).expect("a number"))
}

pub(super) async fn rest(rows: RowStream) -> Vec<i64> {
    rows.map(|row| row.expect("the stream goes on").get::<i64>(0).expect("a number"))
        .collect()
        .await
}

/// Runs the closure form once and writes its steps into a log, with many turns for its siblings in between.
pub(super) async fn logged(
    t: &Test,
    database: &Database,
    log: &RefCell<Vec<String>>,
    name: &str,
    keep: bool,
) -> Result<()> {
    database
        .transaction()
        .run(async |transaction: Transaction| {
            log.borrow_mut().push(format!("{name} begins"));
            transaction.execute(add(t, format!("{name}1")), ()).await?;
            let_others_run().await;
            database.execute(add(t, format!("{name}2")), ()).await?;
            let_others_run().await;
            log.borrow_mut().push(format!("{name} ends"));
            if keep { Ok(()) } else { Err(undo()) }
        })
        .await
}

/// Returns an error to end a closure with.
pub(super) fn undo() -> Error {
    Config::from_url("undo://nothing").expect_err("there is no such scheme")
}

pub(super) fn is_undo(result: &Result<()>) -> bool {
    kind(result) == Some(undo().kind())
}
