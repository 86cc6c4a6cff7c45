//! A fourth server, which only these tests know: it speaks T-SQL, and its connector brings its own rules. What the
//! modules right of `backend` do with it follows from the rules alone.

use std::panic::Location;
use std::sync::Arc;

use sqlx::SqlStr;

use super::{begin, engine, here, polled, run};
use crate::backend::ServerRules;
use crate::backend::fake::{FakeConnector, ScriptedStep};
use crate::backend::rules::{
    Administration, BeginOptions, CommitCheck, GenericRules, LevelTexts, Mode, NamedSessions, ProbeTexts, ReadOnly,
    SchemaRules, ServerAnswer, StatementSavepointTexts, StatementSavepoints, TransactionRules, level_words,
    unsupported,
};
use crate::backend::sqlx::own_sql;
use crate::config::IsolationLevel;
use crate::error::{Error, ErrorKind, Result};
use crate::session::engine::Engine;
use crate::session::level::Finish;
use crate::session::replicas::Reads;
use crate::session::sandbox::SandboxPlan;
use crate::session::scope::chain::Chain;
use crate::session::scope::guard::Guard;
use crate::session::statement::run::Target;
use crate::sql::Dialect;

#[derive(Debug)]
struct TransactSql;

impl ServerRules for TransactSql {
    fn name(&self) -> &'static str {
        "the fourth server"
    }

    fn transactions(&self) -> &'static TransactionRules {
        &TRANSACTIONS
    }

    fn levels(&self) -> &'static LevelTexts {
        &LEVELS
    }

    fn begin(&self, options: BeginOptions) -> Result<Option<SqlStr>> {
        options.refuse_exclusive(self.name(), "lock the rows instead")?;
        if options.read_only {
            return Err(unsupported(self.name(), "read-only transactions", "leave it out"));
        }
        let Some(level) = options.isolation else {
            return Ok(None);
        };
        let level = match level {
            IsolationLevel::Snapshot => "SNAPSHOT",
            level => level_words(level, self.name())?,
        };
        Ok(Some(own_sql(format!(
            "SET TRANSACTION ISOLATION LEVEL {level}; BEGIN TRAN"
        ))))
    }

    fn leaves_open(&self, error: &Error, _plain: bool) -> bool {
        !error.ends_transaction()
    }

    fn named_sessions(&self) -> Option<&'static NamedSessions> {
        Some(&NAMED_SESSIONS)
    }

    fn error_kind(&self, answer: ServerAnswer<'_>) -> ErrorKind {
        GENERIC.error_kind(answer)
    }

    fn schema(&self) -> &'static SchemaRules {
        GENERIC.schema()
    }

    fn administration(&self) -> &'static dyn Administration {
        GENERIC.administration()
    }
}

static TRANSACTIONS: TransactionRules = TransactionRules {
    begin: "BEGIN TRAN",
    default_isolation: IsolationLevel::ReadCommitted,
    one_writer: false,
    aborted: None,
    savepoints: true,
    statements_may_end: true,
    code_may_commit: true,
    finishes_dropped_calls: false,
    settings_outlive_rollback: true,
    savepoint_outside: Some("628"),
    read_only: ReadOnly::AtBegin,
    statement_savepoints: StatementSavepoints::Always,
    // A savepoint is not released. One with the same name takes its place.
    statement_savepoint: StatementSavepointTexts {
        set: "SAVE TRAN ebbtide_statement",
        renew: "SAVE TRAN ebbtide_statement",
        back: "ROLLBACK TRAN ebbtide_statement",
    },
    probe: ProbeTexts {
        set: "SAVE TRAN ebbtide_marker",
        ask: "IF XACT_STATE() <> 1 THROW 50000, 'ended', 1",
        release: "IF XACT_STATE() <> 1 THROW 50000, 'ended', 1",
    },
    commit_check: CommitCheck::Nothing,
    at_commit: None,
};

static NAMED_SESSIONS: NamedSessions = NamedSessions {
    lift_limits: "SET LOCK_TIMEOUT -1",
    name: |label| {
        format!(
            "EXEC sp_set_session_context 'name', {}",
            Dialect::Sqlite.quote_text(label)
        )
    },
    blockers: "SELECT session_id, '', 'blocking', '0', '' FROM sys.dm_exec_requests WHERE blocking_session_id <> 0",
};

static LEVELS: LevelTexts = LevelTexts {
    commit: "COMMIT TRAN",
    rollback: "ROLLBACK TRAN",
    savepoint: |level| format!("SAVE TRAN ebbtide_{level}"),
    release: |_| String::new(),
    back: |level| format!("ROLLBACK TRAN ebbtide_{level}"),
};

/// A fifth server, of which nothing is known but its name.
static GENERIC: GenericRules = GenericRules::new("the fifth server");

fn fifth() -> FakeConnector {
    FakeConnector {
        own_rules: Some(&GENERIC),
        ..FakeConnector::default()
    }
}

fn fourth() -> FakeConnector {
    FakeConnector {
        own_rules: Some(&TransactSql),
        ..FakeConnector::default()
    }
}

/// Returns the texts that the server has run.
fn sent(connector: &FakeConnector) -> Vec<String> {
    let server = connector.server.lock();
    server.log.iter().map(|(_, _, text)| text.clone()).collect()
}

async fn end(guard: Guard, how: Finish) {
    guard.finish(how, Location::caller(), None).await.unwrap();
}

async fn begin_with(engine: &Arc<Engine>, options: BeginOptions) -> Result<Guard> {
    let chain = Chain::current();
    let target = Target::Database(Arc::clone(engine), Reads::Primary);
    let level = target.begin(options, false, chain.innermost(), &chain, here()).await?;
    Ok(Guard::new(level))
}

#[tokio::test]
async fn x2_another_server_begins_and_ends_transactions_in_its_own_words() {
    let connector = fourth();
    let target = Target::Database(engine(&connector, false), Reads::Primary);
    let outer = begin(&target).await.unwrap();
    run(&target, "insert into t values (1)").await.unwrap();
    let inner = begin(&target).await.unwrap();
    run(&target, "insert into t values (2)").await.unwrap();
    end(inner, Finish::Rollback).await;
    let inner = begin(&target).await.unwrap();
    end(inner, Finish::Commit).await;
    end(outer, Finish::Commit).await;
    let expected = [
        "BEGIN TRAN",
        "insert into t values (1)",
        "SAVE TRAN ebbtide_1",
        "insert into t values (2)",
        "ROLLBACK TRAN ebbtide_1",
        "SAVE TRAN ebbtide_1",
        "COMMIT TRAN",
    ];
    assert_eq!(sent(&connector), expected);
}

#[tokio::test]
async fn x7_another_server_has_its_own_levels_and_names_itself_in_refusals() {
    let connector = fourth();
    let engine = engine(&connector, false);
    let snapshot = BeginOptions {
        isolation: Some(IsolationLevel::Snapshot),
        ..BeginOptions::default()
    };
    end(begin_with(&engine, snapshot).await.unwrap(), Finish::Rollback).await;
    let read_only = BeginOptions {
        read_only: true,
        ..BeginOptions::default()
    };
    let error = begin_with(&engine, read_only).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.message().starts_with("the fourth server does not support"),
        "{error}"
    );
    let expected = ["SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN", "ROLLBACK TRAN"];
    assert_eq!(sent(&connector), expected);
}

#[tokio::test]
async fn f5_a_sandbox_on_another_server_keeps_and_undoes_statements_in_its_words() {
    let connector = fourth();
    let engine = engine(&connector, true);
    let target = Target::Database(Arc::clone(&engine), Reads::Primary);
    run(&target, "insert into t values (1)").await.unwrap();
    connector.gate("run", ScriptedStep::Error);
    let failed = run(&target, "insert into t values (2)").await.unwrap_err();
    assert_eq!(failed.sqlstate(), Some("XX000"));
    let transaction = begin(&target).await.unwrap();
    run(&target, "insert into t values (3)").await.unwrap();
    end(transaction, Finish::Commit).await;
    engine.end_sandbox(false).await;
    let expected = [
        "BEGIN TRAN; SET LOCK_TIMEOUT -1; SAVE TRAN ebbtide_statement",
        "insert into t values (1)",
        "SAVE TRAN ebbtide_statement",
        // The second one has failed, so the server has not run it.
        "ROLLBACK TRAN ebbtide_statement",
        "SAVE TRAN ebbtide_1",
        "insert into t values (3)",
        "ROLLBACK TRAN",
    ];
    assert_eq!(sent(&connector), expected);
}

#[tokio::test]
async fn f5_a_statement_of_a_sandbox_that_was_dropped_is_kept_before_the_next_one_runs() {
    let (first, second) = ("insert into t values (1)", "insert into t values (2)");
    for times in 0.. {
        let connector = FakeConnector {
            survives: true,
            ..fourth()
        };
        let engine = engine(&connector, true);
        let target = Target::Database(Arc::clone(&engine), Reads::Primary);
        run(&target, "select 1").await.unwrap();
        let done = polled(run(&target, first), times).is_some();
        run(&target, second).await.unwrap();
        let sent = sent(&connector);
        let at = |text: &str| sent.iter().position(|sent| sent == text);
        let between = at(first).map(|first| &sent[first..at(second).unwrap()]);
        assert!(
            between.is_none_or(|between| between.iter().any(|text| text == "SAVE TRAN ebbtide_statement")),
            "dropped after {times} polls: {sent:?}"
        );
        engine.end_sandbox(false).await;
        if done {
            assert!(times > 2, "it was dropped at several points");
            break;
        }
    }
}

#[tokio::test]
async fn f7_a_sandbox_whose_savepoint_is_lost_takes_nothing_any_more() {
    let connector = fourth();
    let engine = engine(&connector, true);
    let target = Target::Database(Arc::clone(&engine), Reads::Primary);
    run(&target, "insert into t values (1)").await.unwrap();
    connector.gate("script", ScriptedStep::Error);
    for sql in ["insert into t values (2)", "select 1"] {
        let lost = run(&target, sql).await.unwrap_err();
        assert_eq!(lost.kind(), ErrorKind::SandboxBroken, "{sql}");
        assert!(
            lost.message()
                .contains("the savepoint of its statements was lost: scripted"),
            "{lost}"
        );
    }
    assert_eq!(begin(&target).await.err().unwrap().kind(), ErrorKind::SandboxBroken);
    assert!(!sent(&connector).iter().any(|text| text.ends_with("(2)")));
    engine.end_sandbox(false).await;
}

#[tokio::test]
async fn f1_a_connection_that_was_in_a_sandbox_commits_again() {
    let connector = fourth();
    let engine = engine(&connector, true);
    let target = Target::Database(Arc::clone(&engine), Reads::Primary);
    run(&target, "insert into t values (1)").await.unwrap();
    engine.end_sandbox(false).await;
    let mut lease = engine.pool.acquire(here()).await.unwrap();
    let raw = lease.raw().unwrap();
    raw.begin(None).await.unwrap();
    raw.commit(None).await.unwrap();
    let sent = sent(&connector);
    assert_eq!(sent[sent.len() - 3..], ["ROLLBACK TRAN", "BEGIN TRAN", "COMMIT TRAN"]);
    assert_eq!(connector.open(), 1, "it is the same connection");
}

#[tokio::test]
async fn f6_a_sandbox_on_another_server_names_its_session() {
    let connector = fourth();
    let plan = SandboxPlan {
        name: Some("till".to_owned()),
        ..SandboxPlan::default()
    };
    let engine = super::planned(&connector, Some(plan));
    let target = Target::Database(Arc::clone(&engine), Reads::Primary);
    run(&target, "select 1").await.unwrap();
    engine.end_sandbox(false).await;
    let begun = &sent(&connector)[0];
    assert!(
        begun.starts_with("BEGIN TRAN; EXEC sp_set_session_context 'name', 'till#"),
        "{begun}"
    );
    assert!(begun.ends_with("; SAVE TRAN ebbtide_statement"), "{begun}");
}

#[tokio::test]
async fn f7_a_savepoint_as_text_outside_of_a_transaction_has_the_code_of_the_server() {
    let connector = fourth();
    let engine = engine(&connector, true);
    let target = Target::Connection(engine.connection(here()));
    let refused = run(&target, "savepoint a").await.unwrap_err();
    assert_eq!((refused.kind(), refused.sqlstate()), (ErrorKind::Refused, Some("628")));
    assert!(refused.message().starts_with("the fourth server supports"), "{refused}");
}

#[tokio::test]
async fn x2_a_server_that_nobody_has_described_is_used_in_standard_sql() {
    let connector = fifth();
    let engine = engine(&connector, false);
    let options = BeginOptions {
        isolation: Some(IsolationLevel::ReadCommitted),
        read_only: true,
        ..BeginOptions::default()
    };
    end(begin_with(&engine, options).await.unwrap(), Finish::Rollback).await;
    let target = Target::Database(Arc::clone(&engine), Reads::Primary);
    let outer = begin(&target).await.unwrap();
    let inner = begin(&target).await.unwrap();
    end(inner, Finish::Rollback).await;
    let inner = begin(&target).await.unwrap();
    end(inner, Finish::Commit).await;
    end(outer, Finish::Commit).await;
    let expected = [
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; START TRANSACTION READ ONLY",
        "ROLLBACK",
        "START TRANSACTION",
        "SAVEPOINT ebbtide_1",
        "ROLLBACK TO SAVEPOINT ebbtide_1",
        "SAVEPOINT ebbtide_1",
        "RELEASE SAVEPOINT ebbtide_1",
        "COMMIT",
    ];
    assert_eq!(sent(&connector), expected);
    let exclusive = BeginOptions {
        mode: Some(Mode::Exclusive),
        ..BeginOptions::default()
    };
    let error = begin_with(&engine, exclusive).await.err().unwrap();
    assert!(
        error.message().starts_with("the fifth server does not support"),
        "{error}"
    );
}

#[tokio::test]
async fn f5_a_sandbox_on_a_server_that_nobody_has_described_keeps_and_undoes_statements() {
    let connector = fifth();
    let engine = engine(&connector, true);
    let target = Target::Database(Arc::clone(&engine), Reads::Primary);
    run(&target, "insert into t values (1)").await.unwrap();
    connector.gate("run", ScriptedStep::Error);
    run(&target, "insert into t values (2)").await.unwrap_err();
    engine.end_sandbox(false).await;
    let expected = [
        "START TRANSACTION; SAVEPOINT ebbtide_statement",
        "insert into t values (1)",
        "RELEASE SAVEPOINT ebbtide_statement; SAVEPOINT ebbtide_statement",
        "ROLLBACK TO SAVEPOINT ebbtide_statement",
        "ROLLBACK",
    ];
    assert_eq!(sent(&connector), expected);
}

#[test]
fn x10_a_server_that_nobody_has_described_has_the_errors_of_the_standard() {
    let kind = |code| {
        GENERIC.error_kind(ServerAnswer {
            code,
            number: None,
            message: "",
        })
    };
    for (code, expected) in [
        ("40001", ErrorKind::Serialization),
        ("23505", ErrorKind::Constraint),
        ("42000", ErrorKind::Syntax),
        ("08006", ErrorKind::ConnectionLost),
        ("25006", ErrorKind::ReadOnly),
        ("HY000", ErrorKind::Database),
        ("", ErrorKind::Database),
    ] {
        assert_eq!(kind(code), expected, "{code}");
    }
}
