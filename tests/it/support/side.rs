//! A plain driver connection, separate from the library, which shows the committed rows.

use sqlx::mysql::MySqlConnection;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _, Decode, Error, Executor, IntoArguments, Row as _, Type};

/// A connection of the driver, used without this library.
#[derive(Debug)]
pub(crate) enum SideConnection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
    Mysql(MySqlConnection),
}

impl SideConnection {
    /// Connects by the scheme of the URL.
    pub(crate) async fn connect(url: &str) -> Result<Self, Error> {
        match url.split([':', '+']).next().unwrap_or_default() {
            "postgres" | "postgresql" => Ok(Self::Postgres(PgConnection::connect(url).await?)),
            "mysql" | "mariadb" => Ok(Self::Mysql(MySqlConnection::connect(url).await?)),
            // sqlx knows no other driver.
            "sqlite" => Ok(Self::Sqlite(
                SqliteConnection::connect(&url.replacen("+rusqlite:", ":", 1)).await?,
            )),
            scheme => Err(Error::Configuration(
                format!("the tests know no scheme `{scheme}`").into(),
            )),
        }
    }

    /// Runs one or several statements.
    pub(crate) async fn execute(&mut self, sql: &str) -> Result<(), Error> {
        let sql = AssertSqlSafe(sql);
        match self {
            Self::Sqlite(connection) => sqlx::raw_sql(sql).execute(connection).await.map(drop),
            Self::Postgres(connection) => sqlx::raw_sql(sql).execute(connection).await.map(drop),
            Self::Mysql(connection) => sqlx::raw_sql(sql).execute(connection).await.map(drop),
        }
    }

    /// Returns the integer in the first column of the first row.
    pub(crate) async fn number(&mut self, sql: &str) -> Result<i64, Error> {
        self.first(sql).await
    }

    /// Returns the integers in the first column.
    pub(crate) async fn numbers(&mut self, sql: &str) -> Result<Vec<i64>, Error> {
        self.column(sql).await
    }

    /// Returns the text in the first column of the first row.
    pub(crate) async fn text(&mut self, sql: &str) -> Result<String, Error> {
        self.first(sql).await
    }

    async fn first<T>(&mut self, sql: &str) -> Result<T, Error>
    where
        T: for<'r> Decode<'r, sqlx::Sqlite> + Type<sqlx::Sqlite>,
        T: for<'r> Decode<'r, sqlx::Postgres> + Type<sqlx::Postgres>,
        T: for<'r> Decode<'r, sqlx::MySql> + Type<sqlx::MySql>,
    {
        self.column(sql).await?.into_iter().next().ok_or(Error::RowNotFound)
    }

    async fn column<T>(&mut self, sql: &str) -> Result<Vec<T>, Error>
    where
        T: for<'r> Decode<'r, sqlx::Sqlite> + Type<sqlx::Sqlite>,
        T: for<'r> Decode<'r, sqlx::Postgres> + Type<sqlx::Postgres>,
        T: for<'r> Decode<'r, sqlx::MySql> + Type<sqlx::MySql>,
    {
        match self {
            Self::Sqlite(connection) => column_of::<sqlx::Sqlite, _, T>(connection, sql).await,
            Self::Postgres(connection) => column_of::<sqlx::Postgres, _, T>(connection, sql).await,
            Self::Mysql(connection) => column_of::<sqlx::MySql, _, T>(connection, sql).await,
        }
    }

    /// Closes the connection in an orderly way.
    pub(crate) async fn close(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
            Self::Mysql(connection) => connection.close().await,
        }
    }
}

async fn column_of<'c, DB, E, T>(connection: E, sql: &str) -> Result<Vec<T>, Error>
where
    DB: sqlx::Database,
    E: Executor<'c, Database = DB>,
    DB::Arguments: IntoArguments<DB>,
    T: for<'r> Decode<'r, DB> + Type<DB>,
    usize: sqlx::ColumnIndex<DB::Row>,
{
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}
