//! The driver's connection, and what belongs to it. One thread at a time uses it.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::checkpoint::{self, Checkpoints, SessionCheckpoints, checkpoint};
use super::copy::CopiedDatabase;
use super::errors::error;
use super::gate::is_plain;
use super::known::KnownStatements;
use super::open_options::OpenOptions;
use super::quick_commit::{commits_quickly, may_change_settings};
use super::schema_changes;
use super::session_state::{STEPS, SessionState};
use crate::error::Result;

/// The driver's connection.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent facts")]
pub(super) struct SqliteSession {
    /// The checkpoints of its file, if they are this driver's. They are dropped first: the session is to be the last
    /// that has the file.
    pub(super) checkpoints: Option<SessionCheckpoints>,
    pub(super) connection: Connection,
    pub(super) state: Arc<SessionState>,
    /// Largest number of statements that stay prepared.
    pub(super) capacity: usize,
    pub(super) known: KnownStatements,
    /// Set if the open transaction has changed tables, which others see after its commit.
    has_changed_tables: bool,
    /// Whether a commit is short, by the settings of the session.
    pub(super) commits_quickly: bool,
    /// Set if the write-ahead log has become too long.
    pub(super) is_lagging: bool,
    /// Set as long as the open transaction has done nothing but short statements.
    pub(super) is_light: bool,
    /// Number of short writes in the open transaction.
    pub(super) short_writes: u32,
    /// Time for which it waits for a lock.
    busy_timeout: Duration,
    waits_for_locks: bool,
    in_memory: bool,
    /// Whether other sessions use its cache, and each statement may wait for one of theirs.
    pub(super) shares_cache: bool,
    /// The original of which its database is a copy.
    pub(super) original: Option<CopiedDatabase>,
}

impl SqliteSession {
    /// Opens a connection, for whose commits `checkpoints` are made.
    pub(super) fn open(options: &OpenOptions, checkpoints: Option<&Arc<Checkpoints>>) -> Result<Self> {
        let checkpoints = checkpoints.map(Checkpoints::join);
        Self::new(options.open().map_err(error)?, options, checkpoints)
    }

    fn new(connection: Connection, options: &OpenOptions, checkpoints: Option<SessionCheckpoints>) -> Result<Self> {
        let state = Arc::<SessionState>::default();
        let looked_at = Arc::clone(&state);
        let handler = move || looked_at.is_to_stop();
        connection.progress_handler(STEPS, Some(handler)).map_err(error)?;
        let changed = Arc::clone(&state);
        let hook = move |action, _: &str, table: &str, _| changed.changed(action, table);
        connection.update_hook(Some(hook)).map_err(error)?;
        let abandoned = Arc::clone(&state);
        connection
            .commit_hook(Some(move || abandoned.is_abandoned()))
            .map_err(error)?;
        if checkpoints.is_some() {
            connection.wal_hook(Some(checkpoint::note));
        }
        let mut session = Self {
            connection,
            state,
            capacity: options.statement_cache_capacity,
            known: KnownStatements::default(),
            has_changed_tables: false,
            commits_quickly: false,
            checkpoints,
            is_lagging: false,
            is_light: true,
            short_writes: 0,
            busy_timeout: options.busy_timeout,
            waits_for_locks: true,
            in_memory: options.in_memory,
            shares_cache: options.shares_cache(),
            original: None,
        };
        session.read_settings()?;
        Ok(session)
    }

    /// Opens a connection to a copy of a database.
    pub(super) fn open_copy(original: &OpenOptions, copy: &OpenOptions, read_only: bool) -> Result<Self> {
        // The copy brings its page size, which a setting that writes would fix before; the session is set up after it.
        let mut session = Self::new(copy.open_bare().map_err(error)?, copy, None)?;
        let copied = CopiedDatabase::open(original, copy, read_only, &mut session.connection)?;
        session.original = Some(copied);
        session.read_settings()?;
        Ok(session)
    }

    /// Copies the original again, if the database is a copy that is outdated.
    pub(super) fn renew(&mut self) -> Result<()> {
        match &mut self.original {
            Some(original) => {
                self.known.clear();
                original.renew(&mut self.connection)
            }
            None => Ok(()),
        }
    }

    /// Prepares for work on the connection's thread, which may take long.
    pub(super) fn enter_thread(&mut self) -> Result<()> {
        self.wait_for_locks(true)?;
        if self.is_lagging && self.connection.is_autocommit() {
            // What fails is left to the next one: the log loses nothing.
            let _ = checkpoint(&self.connection);
            self.is_lagging = false;
        }
        Ok(())
    }

    /// Sets whether it waits for locks.
    pub(super) fn wait_for_locks(&mut self, waits: bool) -> Result<()> {
        if self.waits_for_locks != waits {
            let timeout = if waits { self.busy_timeout } else { Duration::ZERO };
            self.connection.busy_timeout(timeout).map_err(error)?;
            self.waits_for_locks = waits;
        }
        Ok(())
    }

    /// Runs text of this library without parameters, whose rows nobody wants.
    pub(super) fn run_own(&self, sql: &str) -> Result<()> {
        self.connection.execute_batch(sql).map_err(error)
    }

    /// Notes that a text ran that is not known to be short, and may have changed the settings.
    pub(super) fn note_long(&mut self, sql: &str) -> Result<()> {
        self.is_light = false;
        if is_plain(sql) {
            return Ok(());
        }
        self.known.clear();
        // The tables of a copy are those of its session alone.
        self.has_changed_tables |= self.original.is_none() && schema_changes::may_change(sql);
        self.note_end_of_changes();
        if may_change_settings(sql) {
            self.read_settings()?;
        }
        Ok(())
    }

    /// Tells other sessions of changed tables, once they are committed.
    pub(super) fn note_end_of_changes(&mut self) {
        if self.has_changed_tables && !self.is_open() {
            self.has_changed_tables = false;
            schema_changes::note();
        }
    }

    /// Forgets what was judged for changed tables that are now as they were.
    pub(super) fn note_undone_changes(&mut self) {
        if self.has_changed_tables {
            self.known.clear();
        }
        self.note_end_of_changes();
    }

    fn read_settings(&mut self) -> Result<()> {
        let hooked = self.checkpoints.is_some();
        self.commits_quickly = commits_quickly(&self.connection, self.in_memory, hooked).map_err(error)?;
        let timeout = self
            .connection
            .query_row("PRAGMA busy_timeout", (), |row| row.get::<_, u32>(0));
        self.busy_timeout = Duration::from_millis(timeout.map_err(error)?.into());
        Ok(())
    }

    /// Closes it, which may take a while: the last connection to a file writes its write-ahead log back.
    pub(super) fn close(self) -> Result<()> {
        drop(self.checkpoints);
        let closed = self.connection.close().map_err(|(_, why)| error(why));
        let original = self.original.map_or(Ok(()), CopiedDatabase::close);
        closed.and(original)
    }
}

#[cfg(test)]
mod tests {
    use super::super::inline::InlineAttempt;
    use super::super::row_arena::RowArena;
    use super::super::run::Outlet;
    use super::*;
    use crate::config::Config;
    use crate::sql::{Dialect, Statement, Template};
    use std::ops::ControlFlow;

    struct NoRows;

    impl Outlet for NoRows {
        fn receive(&mut self, _: RowArena) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
    }

    /// Opens sessions with a file in a folder.
    fn opened<const N: usize>(folder: &tempfile::TempDir) -> [SqliteSession; N] {
        let url = format!("sqlite+rusqlite:///{}/a.db?mode=rwc", folder.path().display());
        let config = Config::from_url(&url).unwrap();
        let options = OpenOptions::of(&config).unwrap();
        let checkpoints = Checkpoints::new(options.for_checkpoints(&config));
        std::array::from_fn(|_| SqliteSession::open(&options, Some(&checkpoints)).unwrap())
    }

    fn statement(sql: &str) -> Arc<Statement> {
        Arc::clone(Template::parse(Dialect::Sqlite, sql).unwrap().statement())
    }

    fn run(session: &mut SqliteSession, sql: &str) {
        session.enter_thread().unwrap();
        session.run(&statement(sql), &[], &mut NoRows).unwrap();
        session.note_commit();
    }

    fn runs_inline(session: &mut SqliteSession, sql: &str) -> bool {
        match session.run_inline(&statement(sql), &[]) {
            InlineAttempt::Done(answer) => answer.map(drop).is_ok(),
            InlineAttempt::OnThread => false,
        }
    }

    #[test]
    fn d1_a_setting_of_the_session_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let [mut session] = opened(&folder);
        assert!(session.commits_quickly);
        run(&mut session, "pragma synchronous = full");
        assert!(!session.commits_quickly);
        run(&mut session, "pragma synchronous = normal");
        assert!(session.commits_quickly);
        run(&mut session, "pragma busy_timeout = 77");
        assert_eq!(session.busy_timeout, Duration::from_millis(77));
        run(&mut session, "/* own */ pragma wal_autocheckpoint = 100");
        assert!(!session.commits_quickly);
    }

    #[test]
    fn d1_nothing_has_the_file_after_its_last_session() {
        let folder = tempfile::tempdir().unwrap();
        let [mut one, other] = opened(&folder);
        run(&mut one, "create table notes (body)");
        run(&mut one, "insert into notes values (zeroblob(8000000))");
        other.close().unwrap();
        one.close().unwrap();
        assert!(!folder.path().join("a.db-wal").exists());
    }

    #[test]
    fn f10_a_copy_has_the_page_size_and_the_settings_of_its_original() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        let made = Connection::open(&file).unwrap();
        made.execute_batch("pragma page_size = 8192; create table notes (n)")
            .unwrap();
        let url = format!("sqlite+rusqlite:///{}", file.display());
        let config = Config::from_url(&url).unwrap().server_setting("user_version", "7");
        let options = OpenOptions::of(&config).unwrap();
        let copy = OpenOptions::of_copy(&config).unwrap();
        let session = SqliteSession::open_copy(&options.for_original(), &copy, false).unwrap();
        let asked = |sql: &str| {
            session
                .connection
                .query_row(sql, (), |row| row.get::<_, i64>(0))
                .unwrap()
        };
        assert_eq!(asked("pragma page_size"), 8_192);
        assert_eq!(asked("pragma user_version"), 7);
    }

    #[test]
    fn d1_a_write_is_judged_again_after_a_change_of_its_tables() {
        let folder = tempfile::tempdir().unwrap();
        let [mut one, mut other] = opened(&folder);
        run(
            &mut one,
            "create table notes (id integer primary key, n integer unique)",
        );
        run(&mut one, "create table log (n)");
        let update = "update notes set n = n + 1 where n = 5";
        let known = |session: &mut SqliteSession, sql| {
            run(session, sql);
            run(session, sql);
            runs_inline(session, sql)
        };
        assert!(known(&mut one, update));
        run(&mut one, "pragma foreign_keys = on");
        assert!(!runs_inline(&mut one, update), "its own pragma");
        assert!(known(&mut one, update));
        let trigger = "create trigger t after update on notes begin delete from log; end";
        run(&mut other, "begin");
        run(&mut other, trigger);
        run(&mut other, "commit");
        assert!(!runs_inline(&mut one, update), "the trigger of another session");
        assert!(!known(&mut one, update), "which repeats");
        run(&mut other, "drop trigger t");
        assert!(known(&mut one, update));
        one.begin("BEGIN").unwrap();
        run(&mut one, "create index by_log on log (n)");
        let other_update = "update notes set n = 1 where id = 1";
        assert!(known(&mut one, other_update));
        one.rollback_to(0).unwrap();
        assert!(!runs_inline(&mut one, other_update), "its tables are as they were");
    }
}
