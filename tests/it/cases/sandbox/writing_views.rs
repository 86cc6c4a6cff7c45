//! Statements that look like reads, and write through a view, a function or an operator of the database's users.

use ebbtide::{AssertSqlSafe, Database, Result};

use crate::cases::replicas::replicated;
use crate::cases::tasks::notes_with;
use crate::support::{Proxy, Test, cases};

/// Returns the definitions of everything that writes to `{log}` when it is read.
fn definitions(t: &Test) -> Vec<String> {
    let (schema, log) = (format!("code_{}", t.id()), t.table("log"));
    let body = |n: i32| format!("insert into public.{log} values ({n}) returning n");
    vec![
        format!("create schema {schema}"),
        format!(
            "create function {schema}.noisy() returns bigint language sql volatile as '{}'",
            body(1)
        ),
        format!(
            "create function {schema}.calm() returns bigint language sql stable as 'select count(*) from public.{log}'"
        ),
        format!("create view {schema}.writing as select {schema}.noisy() as n"),
        format!("create view {schema}.nested as select n from {schema}.writing where n > 0"),
        format!("create view {schema}.reading as select count(*) as n, upper(max(n)::text) as t from public.{log}"),
        format!(
            "create function {schema}.round(n text) returns bigint language sql volatile as '{}'",
            body(2)
        ),
        format!(
            "create function {schema}.same(a bigint, b text) returns boolean language sql volatile as 'insert into public.{log} values (3); select true'"
        ),
        format!("create operator {schema}.=== (leftarg = bigint, rightarg = text, function = {schema}.same)"),
    ]
}

/// Returns the reads that write one row each, under the search path of [`path`].
const WRITING: [&str; 6] = [
    "select n from writing",
    "select * from \"writing\" where n = 1",
    "with w as (select n from nested) select n from w",
    "select count(*) from nested join (values (1)) as v(n) on true",
    "select round('1'::text)",
    "select 1 where 1::bigint === 'x'::text",
];

async fn define(t: &Test, database: &Database) -> Result<()> {
    database.execute(t.sql("create table {log} (n bigint)"), ()).await?;
    for definition in definitions(t) {
        database.execute(AssertSqlSafe(definition), ()).await?;
    }
    Ok(())
}

async fn path(t: &Test, database: &Database) -> Result<()> {
    let sql = format!("set search_path = code_{0}, public, pg_catalog", t.id());
    database.execute(AssertSqlSafe(sql), ()).await.map(drop)
}

/// Runs each read and then a statement that fails, and asserts that the read's row stays.
async fn stays(t: &Test, sandbox: &Database, texts: &[&'static str]) -> Result<()> {
    let count = async || {
        sandbox
            .fetch_value::<i64>(t.sql("select count(*) from {log}"), ())
            .await
    };
    for text in texts {
        let before = count().await?;
        sandbox.fetch_all(*text, ()).await?;
        sandbox.execute("select 1 / 0", ()).await.unwrap_err();
        assert_eq!(count().await?, before + 1, "{text}");
    }
    Ok(())
}

cases! {
    #[only(postgres)]
    async fn f8_what_a_read_writes_through_a_view_stays_found_w9(t: Test) -> Result<()> {
        let database = t.database().await;
        define(&t, &database).await?;
        let sandbox = database.sandbox().await?;
        path(&t, &sandbox).await?;
        let kept = stays(&t, &sandbox, &WRITING).await;
        sandbox.disconnect().await?;
        database.execute(AssertSqlSafe(format!("drop schema code_{} cascade", t.id())), ()).await?;
        kept
    }

    /// Also if the view was created in the sandbox itself, or outside of it meanwhile.
    #[only(postgres)]
    async fn f8_definitions_of_the_program_are_counted_found_w9(t: Test) -> Result<()> {
        let database = t.database().await;
        let sandbox = database.sandbox().await?;
        assert_eq!(sandbox.fetch_value::<i64>("select 1::bigint", ()).await?, 1);
        define(&t, &sandbox).await?;
        path(&t, &sandbox).await?;
        stays(&t, &sandbox, &WRITING).await?;
        sandbox.disconnect().await?;

        let sandbox = database.sandbox().await?;
        assert_eq!(sandbox.fetch_value::<i64>("select 1::bigint", ()).await?, 1);
        define(&t, &database).await?;
        path(&t, &sandbox).await?;
        let kept = stays(&t, &sandbox, &WRITING).await;
        sandbox.disconnect().await?;
        database.execute(AssertSqlSafe(format!("drop schema code_{} cascade", t.id())), ()).await?;
        kept
    }

    /// Reads of tables, of views that only read and of the server's own functions cost nothing more.
    #[only(postgres)]
    async fn budget_a_sure_read_in_a_sandbox_costs_no_round_trip_more_found_w9(t: Test) -> Result<()> {
        let proxy = Proxy::start(&t.url());
        let database = Database::connect(proxy.url()).await?;
        define(&t, &database).await?;
        let sandbox = database.sandbox().await?;
        path(&t, &sandbox).await?;
        let mut counted = Vec::new();
        for text in ["select count(*) from {log}", "select n, upper(t) from reading", "select round(n::numeric, 1) from {log}"] {
            for _ in 0..2 {
                sandbox.fetch_all(t.sql(text), ()).await?;
            }
            proxy.reset();
            for _ in 0..3 {
                sandbox.fetch_all(t.sql(text), ()).await?;
            }
            counted.push((text, proxy.round_trips()));
        }
        sandbox.disconnect().await?;
        database.execute(AssertSqlSafe(format!("drop schema code_{} cascade", t.id())), ()).await?;
        for (text, round_trips) in counted {
            // A function of the user with the name of a harmless one makes its calls doubtful.
            let expected = if text.contains("round") { 3..=6 } else { 3..=3 };
            assert!(expected.contains(&round_trips), "{text}: {round_trips}");
        }
        Ok(())
    }

    /// The session of a replica only answers reads: what writes is refused there, and runs on the primary.
    #[only(postgres, mysql)]
    async fn r6_a_read_that_writes_through_a_view_runs_on_the_primary_found_w9(t: Test) -> Result<()> {
        let (database, stand_in) = replicated(&t, |config| config).await;
        let replica = Database::connect(stand_in.url()).await?;
        let (view, function) = (t.table("counting"), format!("counted_{}", t.id()));
        for each in [&database, &replica] {
            let create = if t.backend().is_postgres() {
                t.words(&format!("create function {function}() returns bigint language sql volatile as 'insert into {{things}} values (9) returning n'"))
            } else {
                t.words(&format!("create function {function}() returns bigint modifies sql data begin insert into {{things}} values (9); return 9; end"))
            };
            each.execute(AssertSqlSafe(create), ()).await?;
            each.execute(AssertSqlSafe(format!("create view {view} as select {function}() as n")), ()).await?;
        }
        let another = database.clone();
        let read = AssertSqlSafe(format!("select n from {view}"));
        // Another caller, whose reads go to the replica.
        let n = tokio::spawn(async move { another.fetch_value::<i64>(read, ()).await }).await.expect("no panic");
        let written = t.sql("select count(*) from {things} where n = 9");
        let on_replica = replica.fetch_value::<i64>(written, ()).await?;
        let written = t.sql("select count(*) from {things} where n = 9");
        let on_primary = database.primary().fetch_value::<i64>(written, ()).await?;
        for each in [&database, &replica] {
            each.execute(AssertSqlSafe(format!("drop view {view}")), ()).await?;
            each.execute(AssertSqlSafe(format!("drop function {function}")), ()).await?;
        }
        replica.disconnect().await?;
        assert_eq!((n?, on_replica, on_primary), (9, 0, 1));
        Ok(())
    }

    /// SQLite and MySQL undo a failed statement alone, so nothing else depends on what counts as a read.
    #[only(sqlite, mysql)]
    async fn f8_a_failed_statement_undoes_nothing_else_found_w9(t: Test) -> Result<()> {
        let database = notes_with(&t, crate::cases::tasks::config(&t)).await;
        let sandbox = database.sandbox().await?;
        sandbox.execute(t.sql("insert into {notes} (body) values ('a')"), ()).await?;
        assert!(sandbox.execute(t.sql("insert into {notes} (body) values ('a')"), ()).await.is_err());
        assert_eq!(sandbox.fetch_value::<i64>(t.sql("select count(*) from {notes}"), ()).await?, 1);
        Ok(())
    }
}
