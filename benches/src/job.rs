//! A job: the operation that a lane repeats, its database, and its number of tasks.

use std::fmt;
use std::str::FromStr;

use crate::Failure;

/// Number of connections of each pool.
pub const CONNECTIONS: usize = 10;

/// Number of rows of the tables of items and records.
pub const ROWS: i64 = 10_000;

/// Number of values in the list of [`Workload::List`]: nearly all that one statement of SQLite can bind.
pub const LIST: i64 = 30_000;

/// One task of so many writes in [`Workload::Beside`], and one operation.
pub const WRITERS: usize = 8;

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// PostgreSQL.
    Postgres,
    /// MariaDB or MySQL.
    MySql,
    /// A SQLite file, with WAL and `synchronous=NORMAL`.
    Sqlite,
}

/// The repeated operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Selects a row of two columns by its primary key.
    Select,
    /// The same on a connection that is held, which excludes the pool.
    Held,
    /// The same into a struct by name, if possible with a named parameter.
    Named,
    /// Begins, inserts a row, and commits.
    Transaction,
    /// Inserts a row outside of transactions.
    Autocommit,
    /// Selects by primary key, while one in [`WRITERS`] tasks and operations begins, inserts and commits.
    Beside,
    /// Fetches all records into tuples, by index.
    Tuples,
    /// Fetches all records into structs, by name.
    Structs,
    /// Fetches all records as rows of the library, without decoding.
    Rows,
    /// Streams each record as many times as there are operations, row by row.
    Stream,
    /// Inserts ten thousand rows.
    Batch,
    /// Inserts a row: in a sandbox, or inside an open transaction.
    Insert,
    /// Counts the rows whose key is in a list.
    List,
}

/// The task of a lane process.
#[derive(Clone, Debug)]
pub struct Job {
    /// Kind of database.
    pub backend: Backend,
    /// Repeated operation.
    pub workload: Workload,
    /// Number of tasks that share the pool.
    pub tasks: usize,
    /// Name of the lane.
    pub lane: String,
}

impl Backend {
    /// Every kind of database.
    pub const ALL: [Self; 3] = [Self::Postgres, Self::MySql, Self::Sqlite];

    /// Returns the name for arguments.
    pub fn word(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MySql => "mysql",
            Self::Sqlite => "sqlite",
        }
    }

    /// Returns the name for titles.
    pub fn title(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::MySql => "MariaDB or MySQL",
            Self::Sqlite => "SQLite file",
        }
    }

    /// Returns the text of [`Workload::Select`], with the server's own placeholder.
    pub fn select(self) -> &'static str {
        match self {
            Self::Postgres => "SELECT id, name FROM item WHERE id = $1",
            Self::MySql | Self::Sqlite => "SELECT id, name FROM item WHERE id = ?",
        }
    }

    /// Returns the text of every insert, with the server's own placeholders.
    pub fn insert(self) -> &'static str {
        match self {
            Self::Postgres => "INSERT INTO entry (label, amount) VALUES ($1, $2)",
            Self::MySql | Self::Sqlite => "INSERT INTO entry (label, amount) VALUES (?, ?)",
        }
    }

    /// Returns the text of [`Workload::Stream`], with the server's own placeholder.
    pub fn stream(self) -> &'static str {
        match self {
            Self::Postgres => {
                "SELECT r.id, r.name, r.price, r.active, r.at FROM record r \
                 CROSS JOIN (SELECT id FROM item WHERE id <= $1) t"
            }
            Self::MySql | Self::Sqlite => {
                "SELECT r.id, r.name, r.price, r.active, r.at FROM record r \
                 CROSS JOIN (SELECT id FROM item WHERE id <= ?) t"
            }
        }
    }

    /// Returns the text that empties the table of inserts.
    pub fn clear(self) -> &'static str {
        match self {
            Self::Postgres | Self::MySql => "TRUNCATE TABLE entry",
            Self::Sqlite => "DELETE FROM entry",
        }
    }
}

/// The text that fetches all records.
pub const RECORDS: &str = "SELECT id, name, price, active, at FROM record";

impl Workload {
    /// Every operation.
    pub const ALL: [Self; 13] = [
        Self::Select,
        Self::Held,
        Self::Named,
        Self::Transaction,
        Self::Autocommit,
        Self::Beside,
        Self::Tuples,
        Self::Structs,
        Self::Rows,
        Self::Stream,
        Self::Batch,
        Self::Insert,
        Self::List,
    ];

    /// Returns the name for arguments.
    pub fn word(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Held => "held",
            Self::Named => "named",
            Self::Transaction => "transaction",
            Self::Autocommit => "autocommit",
            Self::Beside => "beside",
            Self::Tuples => "tuples",
            Self::Structs => "structs",
            Self::Rows => "rows",
            Self::Stream => "stream",
            Self::Batch => "batch",
            Self::Insert => "insert",
            Self::List => "list",
        }
    }

    /// Returns the number of things one operation counts for.
    pub fn things(self) -> i64 {
        match self {
            Self::Select
            | Self::Held
            | Self::Named
            | Self::Transaction
            | Self::Autocommit
            | Self::Beside
            | Self::Insert => 1,
            Self::Tuples | Self::Structs | Self::Rows | Self::Stream | Self::Batch => ROWS,
            Self::List => LIST,
        }
    }
}

impl Job {
    /// Returns the arguments of the process, which [`Job::from_arguments`] reads.
    pub fn arguments(&self) -> [String; 4] {
        [
            self.backend.word().to_owned(),
            self.workload.word().to_owned(),
            self.tasks.to_string(),
            self.lane.clone(),
        ]
    }

    /// Reads the arguments of a lane process.
    pub fn from_arguments(arguments: impl IntoIterator<Item = String>) -> Result<Self, Failure> {
        let arguments: Vec<String> = arguments.into_iter().collect();
        let [backend, workload, tasks, lane] = arguments.as_slice() else {
            return Err("usage: lane BACKEND WORKLOAD TASKS NAME, with the database in EBBTIDE_BENCH_URL".into());
        };
        Ok(Self {
            backend: backend.parse()?,
            workload: workload.parse()?,
            tasks: tasks.parse().map_err(|error| format!("the number of tasks: {error}"))?,
            lane: lane.clone(),
        })
    }

    /// Returns the number of tasks of a lane that holds one connection per task.
    pub fn held(&self) -> usize {
        self.tasks.min(CONNECTIONS)
    }

    /// Returns whether only writers of one file take part, which run one after the other.
    pub fn only_one_writes(&self) -> bool {
        self.backend == Backend::Sqlite && matches!(self.workload, Workload::Transaction | Workload::Autocommit)
    }
}

impl FromStr for Backend {
    type Err = Failure;

    fn from_str(word: &str) -> Result<Self, Failure> {
        let mut all = Self::ALL.into_iter();
        all.find(|backend| backend.word() == word)
            .ok_or_else(|| format!("no backend is called {word}").into())
    }
}

impl FromStr for Workload {
    type Err = Failure;

    fn from_str(word: &str) -> Result<Self, Failure> {
        let mut all = Self::ALL.into_iter();
        all.find(|workload| workload.word() == word)
            .ok_or_else(|| format!("no workload is called {word}").into())
    }
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.arguments().join(" ").fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::{Backend, Job, Workload};

    #[test]
    fn a_job_survives_its_arguments() -> crate::Outcome {
        for backend in Backend::ALL {
            for workload in Workload::ALL {
                let job = Job {
                    backend,
                    workload,
                    tasks: 64,
                    lane: "sqlx".to_owned(),
                };
                let read = Job::from_arguments(job.arguments())?;
                assert_eq!(
                    (read.backend, read.workload, read.tasks, read.lane.as_str()),
                    (backend, workload, 64, "sqlx")
                );
            }
        }
        assert!(Job::from_arguments(["postgres".to_owned()]).is_err());
        Ok(())
    }
}
