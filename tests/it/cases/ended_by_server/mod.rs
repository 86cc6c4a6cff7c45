//! The library's view of a transaction after an error, compared with the server's. Whatever was sent when the
//! transaction ended, nothing is written outside of it afterwards.

mod boundaries;
mod causes;
mod galera;
mod session;
mod sqlite;
mod statements;

use std::fmt::Display;

use ebbtide::{Config, Database, Error, Result, Transaction};

use crate::cases::tasks::{add, count, kept, list_of};
use crate::support::{Case, SideConnection, Test};

/// Returns the cases of all these files.
pub(crate) fn cases() -> Vec<Case> {
    [
        boundaries::cases(),
        causes::cases(),
        galera::cases(),
        session::cases(),
        sqlite::cases(),
        statements::cases(),
    ]
    .concat()
}

/// The kind of database in which the transactions of the application run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cases) enum Environment {
    Plain,
    ForceRollback,
    Sandbox,
}

impl Environment {
    pub(in crate::cases) const ALL: [Self; 3] = [Self::Plain, Self::ForceRollback, Self::Sandbox];

    pub(in crate::cases) fn is_sandbox(self) -> bool {
        self != Self::Plain
    }

    /// A database of this sort with one connection.
    pub(in crate::cases) async fn open(self, t: &Test, url: &str) -> Database {
        Stage::new(t, url).database(self).await
    }
}

/// The way in which a transaction is ended after the failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Commit,
    Rollback,
    Drop,
}

impl End {
    pub(super) const ALL: [Self; 3] = [Self::Commit, Self::Rollback, Self::Drop];
}

/// The place where the cells of a matrix run one after the other: on one pool as long as they commit for good, else
/// each in a sandbox of its own. A separate connection observes.
pub(super) struct Stage<'t> {
    t: &'t Test,
    url: String,
    plain: Option<Database>,
    side: Option<SideConnection>,
}

impl<'t> Stage<'t> {
    /// The notes are there already. Nothing is opened before it is used.
    pub(super) fn new(t: &'t Test, url: &str) -> Self {
        Self {
            t,
            url: url.to_owned(),
            plain: None,
            side: None,
        }
    }

    /// Creates a stage on a database that is already open, and that no other connection can observe.
    pub(super) fn on(t: &'t Test, database: &Database) -> Self {
        Self {
            plain: Some(database.clone()),
            ..Self::new(t, "")
        }
    }

    /// The database of the next cell, on one connection.
    pub(super) async fn database(&mut self, environment: Environment) -> Database {
        match environment {
            Environment::Plain => self.plain().await,
            Environment::ForceRollback => self.connect(self.config().force_rollback(true)).await,
            Environment::Sandbox => {
                let opened = self.plain().await.sandbox().await;
                opened.unwrap_or_else(|error| panic!("{}: {error}", self.t.name()))
            }
        }
    }

    fn config(&self) -> Config {
        Config::from_url(self.url.as_str()).expect("the URL").pool_size(1_u32)
    }

    async fn plain(&mut self) -> Database {
        if self.plain.is_none() {
            self.plain = Some(self.connect(self.config()).await);
        }
        self.plain.clone().expect("it is open")
    }

    async fn connect(&self, config: Config) -> Database {
        let connected = Database::connect(config).await;
        connected.unwrap_or_else(|error| panic!("{} cannot connect: {error:?}", self.t.name()))
    }

    /// The notes that are committed.
    async fn kept(&mut self, database: &Database) -> String {
        if !self.t.can_observe() {
            return kept(self.t, database).await;
        }
        if self.side.is_none() {
            self.side = Some(self.t.observer().await);
        }
        let side = self.side.as_mut().expect("it is open");
        side.text(&list_of(self.t, "notes")).await.expect("the list of notes")
    }

    /// After a failure in a transaction in which the note "before" was written: if the library says that it is open, the note
    /// is there, and what is written now shares its fate; if not, nothing is written through any handle. At the end the server
    /// has what the library says that it has.
    pub(super) async fn agree(
        &mut self,
        (environment, database): (Environment, &Database),
        outer: Transaction,
        end: End,
        what: impl Display,
    ) {
        let t = self.t;
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
        let committed = end == End::Commit && ended.is_ok();
        assert!(!committed || whole, "{what}: it was committed, and {later:?}");
        let expected = if committed && !environment.is_sandbox() {
            "before,database,guard"
        } else {
            ""
        };
        assert_eq!(self.kept(database).await, expected, "{what}, {end:?}: {ended:?}");
        self.goes_on((environment, database), open, expected, what).await;
    }

    /// Checks that the next statements do not run in the remains of the transaction that has ended.
    async fn goes_on(
        &mut self,
        (environment, database): (Environment, &Database),
        open: bool,
        before: &str,
        what: impl Display,
    ) {
        let next = database.execute(add(self.t, "next"), ()).await;
        if environment.is_sandbox() {
            assert!(open || next.is_err(), "{what}: a broken sandbox goes on");
            database.disconnect().await.expect("it ends");
            let left = if self.t.can_observe() {
                self.kept(database).await
            } else {
                String::new()
            };
            assert_eq!(left, "", "{what}: something left the sandbox");
            return;
        }
        next.unwrap_or_else(|error| panic!("{what}: the pool is spoiled: {error}"));
        let expected = if before.is_empty() {
            "next".to_owned()
        } else {
            format!("{before},next")
        };
        assert_eq!(
            self.kept(database).await,
            expected,
            "{what}: what comes next is committed"
        );
        let swept = database.execute(self.t.sql("delete from {notes}"), ()).await;
        swept.expect("it is empty again");
    }
}
