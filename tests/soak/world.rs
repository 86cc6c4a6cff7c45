//! The data that all operations share.

use std::time::Duration;

use ebbtide::{Config, Database, DatabaseUrl, Params, params};

use crate::arena::Arena;
use crate::backends::Backend;
use crate::ledger::Ledger;
use crate::weather::Weather;

/// The number of connections of the pool: few, so that many operations wait.
const SIZE: u32 = 5;

/// Adds a row to the ledger.
pub(crate) const INSERT: &str = "insert into ledger (id, part) values (:id, :part)";
/// The same insert as a statement that is never merged with others.
pub(crate) const INSERT_EACH: &str = "insert into ledger (id, part) select :id, :part";
/// The number of rows that [`ROWS`] yields.
pub(crate) const LAST: i64 = 300;
/// The numbers from 1 on, each with the requested number.
pub(crate) const ROWS: &str =
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < 300) select i, :id as id from n";
/// Counts the rows of a record.
pub(crate) const COUNT: &str = "select count(*) from ledger where id = :id";

/// Returns the parameters of [`INSERT`].
pub(crate) fn row(id: i64, part: i64) -> Params {
    params! { id, part }
}

/// The database, and the record of the work done in it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) config: Config,
    pub(crate) backend: Backend,
    /// `true` if an INSERT can return what it has inserted.
    pub(crate) returning: bool,
    pub(crate) ledger: Ledger,
    /// What makes operations fail that are not at fault; `None` in fair weather.
    pub(crate) weather: Option<Weather>,
}

impl World {
    pub(crate) async fn new(backend: Backend, arena: &Arena, weather: Option<Weather>) -> ebbtide::Result<Self> {
        let way = weather.as_ref().map_or_else(|| arena.url().to_owned(), Weather::url);
        let driver = DatabaseUrl::parse(arena.url())?.driver().map(str::to_owned);
        let config = Config::from_url(DatabaseUrl::parse(&way)?.with_driver(driver.as_deref()))?
            .pool_size(SIZE)
            .max_overflow(1_u32)
            .pool_timeout(Duration::from_secs(20))
            .lease_timeout(Duration::from_secs(20));
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
            weather,
        })
    }

    /// Returns whether code of sqlx can use its connections.
    pub(crate) fn takes_sqlx(&self) -> bool {
        !matches!(self.config.url().driver(), Some("rusqlite" | "tokio-postgres"))
    }

    /// Records a fault if an answer is not the requested one.
    pub(crate) fn same(&self, what: &str, got: i64, asked: i64) {
        if got != asked {
            self.ledger.fault(format!("{what}: asked for {asked} and got {got}"));
        }
    }
}
