//! The verbs, the same on every handle. Long, because each has its documentation and an example.

/// Defines the verbs once for every type that can run a statement. The type must have
/// `fn addressee(&self) -> Addressee`.
macro_rules! verbs {
    ($type:ty) => {
        impl $type {
            /// Runs a statement and returns the number of affected rows.
            ///
            /// Text built at run time must be wrapped in [`AssertSqlSafe`](crate::AssertSqlSafe). Text without
            /// parameters may contain several statements.
            ///
            /// # Errors
            ///
            /// [`Parameter`](crate::ErrorKind::Parameter) if the parameters do not match the text, and errors of the
            /// server.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
            /// use ebbtide::params;
            /// database.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT)", ()).await?;
            /// let done = database.execute("INSERT INTO note (text) VALUES (:text)", params! { text: "hello" }).await?;
            /// assert_eq!(done.rows_affected, 1);
            /// # Ok(()) }
            /// ```
            #[track_caller]
            pub fn execute(
                &self,
                sql: impl $crate::IntoSql,
                params: impl $crate::IntoParams,
            ) -> $crate::Query<$crate::query::Execute> {
                $crate::Query::new(self.addressee(), sql, params, std::panic::Location::caller())
            }

            /// Runs a statement once for each row of parameters, all or none of them. Returns the total, and the rows
            /// of a `RETURNING` clause.
            ///
            /// An `INSERT … VALUES` with one tuple is sent as few statements with many tuples, on PostgreSQL as one for each
            /// mebibyte of values, with an array for each column.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
            /// # database.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT)", ()).await?;
            /// use ebbtide::params;
            /// let notes = ["one", "two"].map(|text| params! { text });
            /// let done = database.execute_many("INSERT INTO note (text) VALUES (:text)", notes).await?;
            /// assert_eq!(done.rows_affected, 2);
            /// # Ok(()) }
            /// ```
            #[track_caller]
            pub fn execute_many<R>(
                &self,
                sql: impl $crate::IntoSql,
                rows: R,
            ) -> $crate::Query<$crate::query::ExecuteMany>
            where
                R: IntoIterator<Item: $crate::IntoParams>,
            {
                $crate::Query::many(self.addressee(), sql, rows, std::panic::Location::caller())
            }

            /// Fetches all rows. Chain `.decode::<T>()` or `.deserialize::<T>()` to read them into a type.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
            /// let rows = database.fetch_all("SELECT 1 AS id UNION SELECT 2", ()).await?;
            /// assert_eq!(rows[1].get::<i64>("id")?, 2);
            /// let pairs: Vec<(i64, String)> = database.fetch_all("SELECT 1, 'one'", ()).decode().await?;
            /// assert_eq!(pairs, [(1, "one".to_owned())]);
            /// # Ok(()) }
            /// ```
            #[track_caller]
            pub fn fetch_all(
                &self,
                sql: impl $crate::IntoSql,
                params: impl $crate::IntoParams,
            ) -> $crate::Query<$crate::query::All<$crate::query::AsRow>> {
                $crate::Query::new(self.addressee(), sql, params, std::panic::Location::caller())
            }

            /// Fetches the first row.
            ///
            /// # Errors
            ///
            /// [`RowNotFound`](crate::ErrorKind::RowNotFound) if there is none.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
            /// let row = database.fetch_one("SELECT 'hello' AS text", ()).await?;
            /// assert_eq!(row.get::<String>("text")?, "hello");
            /// # Ok(()) }
            /// ```
            #[track_caller]
            pub fn fetch_one(
                &self,
                sql: impl $crate::IntoSql,
                params: impl $crate::IntoParams,
            ) -> $crate::Query<$crate::query::One<$crate::query::AsRow>> {
                $crate::Query::new(self.addressee(), sql, params, std::panic::Location::caller())
            }

            /// Fetches the first row, or `None`.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
            /// assert!(database.fetch_optional("SELECT 1 WHERE 1 = 0", ()).await?.is_none());
            /// # Ok(()) }
            /// ```
            #[track_caller]
            pub fn fetch_optional(
                &self,
                sql: impl $crate::IntoSql,
                params: impl $crate::IntoParams,
            ) -> $crate::Query<$crate::query::Optional<$crate::query::AsRow>> {
                $crate::Query::new(self.addressee(), sql, params, std::panic::Location::caller())
            }

            /// Fetches the first column of the first row.
            ///
            /// # Errors
            ///
            /// [`RowNotFound`](crate::ErrorKind::RowNotFound) if there is no row
            /// ([`fetch_optional`](Self::fetch_optional)`(…).value()` returns `None` instead),
            /// [`Decode`](crate::ErrorKind::Decode) if the value is not a `T`; read a value that may be NULL as
            /// an `Option`.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
            /// let sum: i64 = database.fetch_value("SELECT ? + ?", (40, 2)).await?;
            /// assert_eq!(sum, 42);
            /// # Ok(()) }
            /// ```
            #[track_caller]
            pub fn fetch_value<T: $crate::FromValue + Send + 'static>(
                &self,
                sql: impl $crate::IntoSql,
                params: impl $crate::IntoParams,
            ) -> $crate::Query<$crate::query::One<$crate::query::FirstColumn<T>>> {
                $crate::Query::new(self.addressee(), sql, params, std::panic::Location::caller())
            }

            /// Streams the rows in constant memory; see [`RowStream`](crate::RowStream).
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
            /// use futures::TryStreamExt;
            /// let mut rows = database.iterate("SELECT 1 AS id UNION SELECT 2", ());
            /// let mut sum = 0;
            /// while let Some(row) = rows.try_next().await? {
            ///     sum += row.get::<i64>("id")?;
            /// }
            /// assert_eq!(sum, 3);
            /// # Ok(()) }
            /// ```
            #[track_caller]
            pub fn iterate(&self, sql: impl $crate::IntoSql, params: impl $crate::IntoParams) -> $crate::RowStream {
                $crate::RowStream::new(self.addressee(), sql, params, std::panic::Location::caller())
            }

            /// Streams the rows in batches of `size`; the last batch may be smaller. A `size` of 0 means 1.
            ///
            /// ```
            /// # #[tokio::main(flavor = "current_thread")] async fn main() -> ebbtide::Result<()> {
            /// # let database = ebbtide::Database::connect("sqlite::memory:").await?;
            /// use futures::TryStreamExt;
            /// let batches: Vec<_> = database.batched_iterate("SELECT 1 UNION SELECT 2 UNION SELECT 3", (), 2).try_collect().await?;
            /// assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
            /// # Ok(()) }
            /// ```
            #[track_caller]
            pub fn batched_iterate(
                &self,
                sql: impl $crate::IntoSql,
                params: impl $crate::IntoParams,
                size: usize,
            ) -> $crate::stream::Batches {
                $crate::RowStream::new(self.addressee(), sql, params, std::panic::Location::caller()).batches(size)
            }
        }
    };
}

pub(crate) use verbs;
