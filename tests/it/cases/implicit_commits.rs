//! The statements that MySQL and MariaDB commit implicitly, tried one by one on the server at hand. What the library
//! refuses in a transaction must be what the server commits.

use ebbtide::{Database, ErrorKind, Result};

use crate::support::{SideConnection, Test, cases};

/// Statements that leave nothing behind, or what a later one removes. Those that a server does not know are ignored
/// there. Names in braces are tables of the test.
const STATEMENTS: &[&str] = &[
    // Definitions.
    "create table {made} (n int)",
    "create table if not exists {made} (n int)",
    "rename table {made} to {moved}",
    "alter table {other} add column n int",
    "truncate table {other}",
    "create index added on {other} (id)",
    "drop index added on {other}",
    "create view {view} as select 1",
    "alter view {view} as select 2",
    "check view {view}",
    "drop view if exists {view}",
    "create sequence {counter}",
    "alter sequence {counter} restart 4",
    "drop sequence if exists {counter}",
    "create trigger {fires} before insert on {other} for each row set @a = 1",
    "drop trigger if exists {fires}",
    "create procedure {called}() select 1",
    "drop procedure if exists {called}",
    "create function {called}() returns int deterministic return 1",
    "drop function if exists {called}",
    "create event {due} on schedule every 1 day disable do select 1",
    "drop event if exists {due}",
    "drop server if exists {away}",
    "drop library if exists {away}",
    "drop spatial reference system if exists 2147000001",
    "drop table if exists {made}, {moved}",
    "set statement max_statement_time = 1 for create table {made} (n int)",
    "set statement max_statement_time = 1 for select 1",
    // What belongs to the session.
    "create temporary table {scratch} (n int)",
    "create or replace temporary table {scratch} (n int)",
    "drop temporary table if exists {scratch}",
    "create temporary sequence {scratch}",
    "create or replace temporary sequence {scratch}",
    "create temporary sequence if not exists {scratch}",
    "drop temporary sequence if exists {scratch}",
    "prepare statement_a from 'select 1'",
    "execute statement_a",
    "drop prepare statement_a",
    "prepare statement_a from 'select 1'",
    "deallocate prepare statement_a",
    "set @password = 1",
    "set @a = 1, @password = 2",
    "set @autocommit = 0",
    "set names utf8mb4",
    "set role none",
    "set session sql_mode = @@sql_mode",
    "handler {other} open as opened",
    "handler opened close",
    "do 1",
    "begin not atomic select 1; end",
    // Users, who do not exist.
    "set password for 'nobody'@'nowhere' = ''",
    "set @a = 1, password for 'nobody'@'nowhere' = ''",
    "set default role none for 'nobody'@'nowhere'",
    "set default role none to 'nobody'@'nowhere'",
    "grant select on {other} to 'nobody'@'nowhere'",
    "revoke select on {other} from 'nobody'@'nowhere'",
    "drop user if exists 'nobody'@'nowhere'",
    "rename user 'nobody'@'nowhere' to 'nobody'@'elsewhere'",
    "alter user 'nobody'@'nowhere' account unlock",
    // Locks and maintenance.
    "lock tables {other} write",
    "lock table {other} read",
    "unlock tables",
    "lock instance for backup",
    "unlock instance",
    "flush status",
    "flush local status",
    "flush tables {other}",
    "analyze table {other}",
    "analyze local table {other}",
    "check table {other}",
    "checksum table {other}",
    "optimize table {other}",
    "repair table {kept}",
    "cache index {kept} in default",
    "load index into cache {kept}",
    "backup lock {other}; backup unlock",
    "backup unlock",
    "reset query cache",
    "reset persist no_such_variable",
    "reset persist if exists max_connections",
    // Replicas of channels that do not exist, and files that do not.
    "reset replica for channel 'no such channel'",
    "start replica for channel 'no such channel'",
    "stop replica for channel 'no such channel'",
    "change replication filter replicate_do_db = () for channel 'no such channel'",
    "import table from '/no such file.sdi'",
    "clone local data directory = 'no such directory'",
    "install plugin no_such_plugin soname 'no_such_plugin.so'",
    "uninstall plugin no_such_plugin",
    "install component 'file://no_such_component'",
    "uninstall component 'file://no_such_component'",
    // Comments with a version.
    "/*! create table if not exists {made} (n int) */",
    "/*!40101 create table if not exists {made} (n int) */",
    "/*!50699 create table if not exists {made} (n int) */",
    "/*!50700 create table if not exists {made} (n int) */",
    "/*!80000 create table if not exists {made} (n int) */",
    "/*!99999 create table if not exists {made} (n int) */",
    "/*!080000 create table if not exists {made} (n int) */",
    "/*!100100 create table if not exists {made} (n int) */",
    "/*!110200 create table if not exists {made} (n int) */",
    "/*!999999 create table if not exists {made} (n int) */",
    "/*!999999 a /* b */ create table if not exists {made} (n int) */",
    "/*M! create table if not exists {made} (n int) */",
    "/*M!100100 create table if not exists {made} (n int) */",
    "/*M!999999 create table if not exists {made} (n int) */",
    "drop table if exists {made}",
];

/// The numbers of errors of statements that the server does not know.
const UNKNOWN: [u16; 2] = [1064, 1193];

/// Returns whether a statement commits the transaction that it is in; `None` if the server does not know it.
async fn commits(t: &Test, side: &mut SideConnection, sql: &str) -> Option<bool> {
    side.execute(&t.words("delete from {rows}; start transaction; insert into {rows} values (1)"))
        .await
        .expect("a transaction");
    let tried = side.execute(&t.words(sql)).await;
    let unknown = tried.err().is_some_and(|error| {
        let answer = error.as_database_error();
        let answer = answer.and_then(|answer| answer.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>());
        answer.is_some_and(|answer| UNKNOWN.contains(&answer.number()))
    });
    side.execute("rollback; unlock tables").await.expect("its end");
    let rows = side
        .number(&t.words("select count(*) from {rows}"))
        .await
        .expect("a count");
    (!unknown).then_some(rows > 0)
}

/// Returns whether the library refuses a statement in a transaction because the server would commit it. If it does not,
/// the transaction must be whole.
async fn refuses(t: &Test, database: &Database, sql: &str) -> bool {
    let transaction = database.transaction().await.expect("it begins");
    transaction
        .execute(t.sql("insert into {rows} values (2)"), ())
        .await
        .expect("a row");
    let answer = transaction.execute(t.sql(sql), ()).await;
    let refused = answer.is_err_and(|error| {
        assert_ne!(error.kind(), ErrorKind::TransactionAborted, "{sql}: {error}");
        error.kind() == ErrorKind::Refused && error.message().contains("implicitly")
    });
    transaction
        .rollback()
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    refused
}

cases! {
    #[only(mysql)]
    async fn f7_exactly_what_this_server_commits_implicitly_is_refused_found_e9(t: Test) -> Result<()> {
        let mut side = t.observer().await;
        // Whatever a statement leaves locked, the next one fails rather than wait.
        side.execute("set session lock_wait_timeout = 5").await?;
        for sql in [
            "create table {rows} (n int) engine = InnoDB",
            "create table {other} (id int primary key) engine = InnoDB",
            "create table {kept} (id int primary key) engine = MyISAM",
        ] {
            side.execute(&t.words(sql)).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        let database = t.database().await;
        let (mut wrong, mut known) = (Vec::new(), 0);
        for sql in STATEMENTS {
            let Some(committed) = commits(&t, &mut side, sql).await else {
                continue;
            };
            known += 1;
            side.execute(&t.words("delete from {rows}")).await?;
            if refuses(&t, &database, sql).await != committed {
                wrong.push(format!("{sql}: the server {}", if committed { "commits" } else { "commits nothing" }));
            }
            assert_eq!(side.number(&t.words("select count(*) from {rows}")).await?, 0, "{sql}");
        }
        side.execute(&t.words("drop table if exists {made}, {moved}")).await?;
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(known > 70, "{known} statements are known here");
        Ok(())
    }
}
