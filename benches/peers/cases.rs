//! The cases and their contenders.

use ebbtide_bench::job::{Backend, Job, Workload};

/// One comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) backend: Backend,
    pub(crate) workload: Workload,
    pub(crate) tasks: usize,
    /// `true` if it uses the proxy that adds distance.
    pub(crate) far: bool,
}

/// The addition to the name of a lane that runs twice, so that its difference from itself shows the noise.
const AGAIN: &str = " again";

/// The reference lane.
pub(crate) const FIRST: &str = "sqlx";

/// This library.
pub(crate) const OURS: &str = "ebbtide";

/// This library, with its driver over tokio-postgres.
pub(crate) const BY_TOKIO_POSTGRES: &str = "ebbtide+tokio-postgres";

/// This library, with its driver over rusqlite.
pub(crate) const BY_RUSQLITE: &str = "ebbtide+rusqlite";

impl Case {
    /// Returns every case of a backend.
    pub(crate) fn all(backend: Backend) -> Vec<Self> {
        use Workload::{
            Autocommit, Batch, Beside, Held, Insert, List, Named, Rows, Select, Stream, Structs, Transaction, Tuples,
        };

        let case = |workload, tasks, far| Self {
            backend,
            workload,
            tasks,
            far,
        };
        let mut cases = Vec::new();
        for workload in [Select, Transaction, Autocommit] {
            cases.extend([1, 8, 64].map(|tasks| case(workload, tasks, false)));
        }
        if backend == Backend::Sqlite {
            cases.extend([8, 64].map(|tasks| case(Beside, tasks, false)));
        }
        cases.extend([Held, Named, Insert, Tuples, Structs, Rows, Batch].map(|workload| case(workload, 1, false)));
        if backend == Backend::Sqlite {
            cases.push(case(List, 1, false));
        } else {
            cases.extend(
                [(Select, 1), (Select, 64), (Transaction, 1), (Insert, 1), (Batch, 1)]
                    .map(|(workload, tasks)| case(workload, tasks, true)),
            );
        }
        cases.push(case(Stream, 1, false));
        cases
    }

    /// Returns the name for the command line.
    pub(crate) fn name(&self) -> String {
        let far = if self.far { "-far" } else { "" };
        format!("{}-{}-{}{far}", self.backend.word(), self.workload.word(), self.tasks)
    }

    pub(crate) fn title(&self) -> String {
        let what = match self.workload {
            Workload::Select => "select by primary key",
            Workload::Held => "select by primary key on a connection that is held",
            Workload::Named => "select by primary key into a struct, by name",
            Workload::Transaction => "begin, insert, commit",
            Workload::Autocommit => "an insert outside of transactions",
            Workload::Beside => "select by primary key, one of eight operations begin, insert, commit",
            Workload::Tuples => "10,000 rows of five columns into tuples, by index",
            Workload::Structs => "10,000 rows of five columns into structs, by name",
            Workload::Rows => "10,000 rows of five columns as they are",
            Workload::Stream => "a stream of 1,000,000 rows",
            Workload::Batch => "inserting 10,000 rows",
            Workload::Insert => "an insert in a sandbox, beside one in an open transaction",
            Workload::List => "`IN` of 30,000 values",
        };
        let tasks = match self.tasks {
            1 => String::new(),
            tasks => format!(", {tasks} tasks on 10 connections"),
        };
        let far = if self.far { ", from far away" } else { "" };
        format!("{}: {what}{tasks}{far}", self.backend.title())
    }

    /// Returns the unit of times and counts.
    pub(crate) fn unit(&self) -> &'static str {
        match self.workload {
            Workload::List => "µs a value",
            workload if workload.things() == 1 => "µs",
            _ => "µs a row",
        }
    }

    /// Returns the names of the contenders.
    pub(crate) fn contenders(&self) -> Vec<&'static str> {
        use Workload::{Autocommit, Batch, Beside, List, Rows, Select, Stream, Transaction, Tuples};

        let mut names = vec![FIRST];
        let select = matches!(self.workload, Select | Transaction | Autocommit | Beside | Tuples);
        let read = select || matches!(self.workload, Rows | Stream);
        names.extend(select.then_some("sqlx::Pool"));
        match self.backend {
            Backend::Postgres => {
                names.extend((read || self.workload == Batch).then_some("deadpool-postgres"));
                names.extend(select.then_some("diesel-async"));
            }
            Backend::MySql => {
                names.extend(read.then_some("mysql_async"));
                names.extend(select.then_some("diesel-async"));
            }
            Backend::Sqlite => {
                let rusqlite = select || matches!(self.workload, Batch | List | Stream);
                names.extend(rusqlite.then_some("rusqlite"));
                names.extend((select || self.workload == Batch).then_some("tokio-rusqlite"));
            }
        }
        names.push(OURS);
        names.extend((self.backend == Backend::Postgres).then_some(BY_TOKIO_POSTGRES));
        names.extend((self.backend == Backend::Sqlite).then_some(BY_RUSQLITE));
        names
    }

    /// Returns whether the noise is measured here. A stream is about memory.
    pub(crate) fn repeats(&self) -> bool {
        self.workload != Workload::Stream
    }

    /// Returns whether anything is counted here: only if nothing is random.
    pub(crate) fn counts(&self) -> bool {
        self.tasks == 1 && !self.far && self.workload != Workload::Stream
    }

    pub(crate) fn job(&self, lane: &str) -> Job {
        Job {
            backend: self.backend,
            workload: self.workload,
            tasks: self.tasks,
            lane: lane.to_owned(),
        }
    }
}

/// Returns the second name of a contender.
pub(crate) fn again(name: &str) -> String {
    format!("{name}{AGAIN}")
}

/// Returns whether this is the second name of a contender.
pub(crate) fn is_again(name: &str) -> bool {
    name.ends_with(AGAIN)
}
