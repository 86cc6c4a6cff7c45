//! What all operations share.

use std::time::Duration;

use ebbtide::{Config, Database, Params, params};

use crate::backends::Backend;
use crate::ground::Ground;
use crate::ledger::Ledger;

/// The connections of the pool: few, so that many wait.
const SIZE: u32 = 5;

/// Adds a row to the ledger.
pub(crate) const INSERT: &str = "insert into ledger (id, part) values (:id, :part)";
/// The same as no statement that is made one with others.
pub(crate) const INSERT_EACH: &str = "insert into ledger (id, part) select :id, :part";
/// How many rows [`ROWS`] yields.
pub(crate) const LAST: i64 = 300;
/// Numbers from 1 on, each with the number that was asked for.
pub(crate) const ROWS: &str =
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 300) select i, :id as id from n";
/// How many rows of a record there are.
pub(crate) const COUNT: &str = "select count(*) from ledger where id = :id";

/// The parameters of [`INSERT`].
pub(crate) fn row(id: i64, part: i64) -> Params {
    params! { id, part }
}

/// The database, and what is known about what was done in it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) config: Config,
    pub(crate) backend: Backend,
    /// Whether an INSERT can return what it has inserted.
    pub(crate) returning: bool,
    pub(crate) ledger: Ledger,
}

impl World {
    pub(crate) async fn new(backend: Backend, ground: &Ground) -> ebbtide::Result<Self> {
        let config = Config::from_url(ground.url())?
            .pool_size(SIZE)
            .max_overflow(1_u32)
            .pool_timeout(Duration::from_secs(20))
            .lease_timeout(Duration::from_secs(20));
        let config = if backend.is_sqlite() {
            // In memory a writer and another task's open stream can wait for each other that long (A10 of docs/FAULTS.md).
            config.busy_timeout(Duration::from_millis(500))
        } else {
            config
        };
        let database = Database::connect(&config).await?;
        let create = "create table ledger (id bigint not null, part bigint not null)";
        database.execute(create, ()).await?;
        database.execute("create index ledger_id on ledger (id)", ()).await?;
        let returning = match backend {
            Backend::Mysql => database
                .fetch_value::<String>("select version()", ())
                .await?
                .contains("MariaDB"),
            _ => true,
        };
        Ok(Self {
            database,
            config,
            backend,
            returning,
            ledger: Ledger::default(),
        })
    }

    /// Notes a fault where an answer is not the one that was asked for.
    pub(crate) fn same(&self, what: &str, got: i64, asked: i64) {
        if got != asked {
            self.ledger.fault(format!("{what}: asked for {asked} and got {got}"));
        }
    }
}
