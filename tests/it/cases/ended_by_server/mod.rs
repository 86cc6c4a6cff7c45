//! What the library believes of a transaction after an error, and what the server says: whatever was sent when it ended,
//! nothing is written outside of it afterwards.

mod boundaries;
mod causes;
mod session;
mod statements;

use std::fmt::Display;

use ebbtide::{Config, Database, Error, Result, Transaction};

use crate::cases::tasks::{add, config, count, kept};
use crate::support::{Case, Test};

/// The cases of all these files.
pub(crate) fn cases() -> Vec<Case> {
    [
        boundaries::cases(),
        causes::cases(),
        session::cases(),
        statements::cases(),
    ]
    .concat()
}

/// In what the transactions of the application run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    Plain,
    ForceRollback,
    Sandbox,
}

impl Ground {
    pub(super) const ALL: [Self; 3] = [Self::Plain, Self::ForceRollback, Self::Sandbox];

    pub(super) fn is_sandbox(self) -> bool {
        self != Self::Plain
    }

    /// A database of this sort with one connection.
    pub(super) async fn open(self, t: &Test, url: &str) -> Database {
        let config = Config::from_url(url).expect("the URL").pool_size(1_u32);
        match self {
            Self::Plain => Database::connect(config).await.expect("the database"),
            Self::ForceRollback => Database::connect(config.force_rollback(true))
                .await
                .expect("the database"),
            Self::Sandbox => {
                let parent = Database::connect(config).await.expect("the database");
                parent
                    .sandbox()
                    .await
                    .unwrap_or_else(|error| panic!("{}: {error}", t.name()))
            }
        }
    }
}

/// How a transaction is ended after the failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Commit,
    Rollback,
    Drop,
}

impl End {
    pub(super) const ALL: [Self; 3] = [Self::Commit, Self::Rollback, Self::Drop];
}

/// After a failure in a transaction in which the note "before" was written: if the library says that it is open, the note
/// is there, and what is written now shares its fate; if not, nothing is written through any handle. At the end the server
/// has what the library says that it has.
pub(super) async fn agree(
    t: &Test,
    (ground, database): (Ground, &Database),
    outer: Transaction,
    end: End,
    what: impl Display,
) {
    let open = outer.is_open();
    let seen = outer.fetch_value::<i64>(count(t), ()).await;
    let later = [
        outer.execute(add(t, "guard"), ()).await,
        database.execute(add(t, "database"), ()).await,
    ];
    if !open {
        assert!(later.iter().all(Result::is_err), "{what}: it has ended, and {later:?}");
    } else if !t.backend().is_postgres() {
        assert_eq!(seen.ok(), Some(1), "{what}: what was written before is there");
        assert!(later.iter().all(Result::is_ok), "{what}: it is open, and {later:?}");
    }
    let whole = open && later.iter().all(Result::is_ok);
    let ended: Result<(), Error> = match end {
        End::Commit => outer.commit().await,
        End::Rollback => outer.rollback().await,
        End::Drop => Ok(()),
    };
    drop(outer);
    let sandboxed = ground.is_sandbox();
    let committed = end == End::Commit && ended.is_ok();
    assert!(!committed || whole, "{what}: it was committed, and {later:?}");
    let expected = if committed && !sandboxed {
        "before,database,guard"
    } else {
        ""
    };
    assert_eq!(kept(t, database).await, expected, "{what}, {end:?}: {ended:?}");
    // What comes next is not in the remains of that.
    let next = database.execute(add(t, "next"), ()).await;
    if sandboxed {
        assert!(open || next.is_err(), "{what}: a broken sandbox goes on");
        database.disconnect().await.expect("it ends");
        assert_eq!(kept_aside(t).await, "", "{what}: something left the sandbox");
    } else {
        next.unwrap_or_else(|error| panic!("{what}: the pool is spoiled: {error}"));
        database
            .execute(t.sql("delete from {notes}"), ())
            .await
            .expect("it is empty again");
    }
}

/// The notes that are committed, seen by somebody else.
async fn kept_aside(t: &Test) -> String {
    if !t.can_observe() {
        return String::new();
    }
    let database = Database::connect(config(t)).await.expect("the database");
    kept(t, &database).await
}
