//! Statements that the server cannot prepare, and sessions in which `BEGIN` is no transaction.

use ebbtide::{AssertSqlSafe, Database, IsolationLevel, Result, params};
use futures::TryStreamExt as _;

use crate::support::cases;

cases! {
    #[only(mysql)]
    async fn q1_the_warnings_of_the_statement_before_are_read_found_e8(t: Test) -> Result<()> {
        let database = t.database().await;
        let connection = database.connection();
        for _ in 0..2 {
            connection.fetch_value::<i64>("select cast(:text as signed)", params! { text: "1x" }).await?;
            let rows = connection.fetch_all("show warnings", ()).await?;
            assert_eq!(rows.len(), 1, "{rows:?}");
            assert_eq!(rows[0].get::<i64>(1)?, 1292, "a number with a letter");
            connection.fetch_value::<i64>("select cast(:text as signed)", params! { text: "1x" }).await?;
            let one = connection.fetch_one("show warnings", ()).await?;
            assert_eq!(one.get::<i64>("Code")?, 1292);
            connection.fetch_value::<i64>("select cast(:text as signed)", params! { text: "1x" }).await?;
            assert_eq!(connection.fetch_value::<i64>("show count(*) warnings", ()).await?, 1);
        }
        Ok(())
    }

    #[only(mysql)]
    async fn q1_what_the_server_does_not_prepare_is_sent_as_it_is_found_e8(t: Test) -> Result<()> {
        let database = t.database().await;
        database.execute(t.sql("create table {notes} (id {int} primary key)"), ()).await?;
        let sql = "explain for connection 18446744073709551615";
        let refused = |error: ebbtide::Error| {
            assert!(!error.message().contains("prepared statement protocol"), "{error}");
            assert!(error.message().contains("Unknown thread id"), "{error}");
        };
        let transaction = database.transaction().await?;
        transaction.execute(t.sql("insert into {notes} values (1)"), ()).await?;
        for _ in 0..2 {
            refused(transaction.fetch_all(sql, ()).await.unwrap_err());
            refused(transaction.fetch_optional(sql, ()).await.unwrap_err());
            refused(transaction.iterate(sql, ()).try_next().await.unwrap_err());
        }
        transaction.commit().await?;
        assert_eq!(t.observe("select count(*) from {notes}").await, 1, "the transaction is unharmed");
        refused(database.iterate(sql, ()).try_next().await.unwrap_err());
        Ok(())
    }

    #[only(mysql)]
    async fn q1_a_statement_that_is_not_prepared_takes_no_parameters_and_says_so_found_e8(t: Test) -> Result<()> {
        let database = t.database().await;
        let error = database.fetch_all("show warnings limit :n", params! { n: 1 }).await;
        if t.backend().is_mysql_itself() {
            let error = error.unwrap_err().to_string();
            assert!(error.contains("takes no parameters") && error.contains("QUOTE(:value)"), "{error}");
        }
        assert_eq!(database.fetch_value::<i64>("select 1", ()).await?, 1);
        Ok(())
    }

    /// In the mode `ORACLE` of MariaDB `BEGIN` begins a block.
    #[only(mysql)]
    async fn x1_transactions_begin_where_begin_is_no_transaction_found_e8(t: Test) -> Result<()> {
        let mode = if t.backend().is_mysql_itself() { "ANSI" } else { "ORACLE" };
        let database = Database::connect(format!("{}?sql_mode={mode}", t.url())).await?;
        let insert = |id: i64| t.words(&format!("insert into {{notes}} values ({id})"));
        database.execute(t.sql("create table {notes} (id {int} primary key)"), ()).await?;
        let transaction = database.transaction().await?;
        transaction.execute(AssertSqlSafe(insert(1)), ()).await?;
        let inner = transaction.transaction().await?;
        inner.execute(AssertSqlSafe(insert(2)), ()).await?;
        inner.rollback().await?;
        transaction.commit().await?;
        let level = IsolationLevel::Serializable;
        let transaction = database.transaction().isolation(level).read_only().await?;
        assert_eq!(transaction.fetch_value::<i64>(t.sql("select count(*) from {notes}"), ()).await?, 1);
        transaction.rollback().await?;
        let sandbox = database.sandbox().await?;
        sandbox.execute(AssertSqlSafe(insert(3)), ()).await?;
        let inside = sandbox.transaction().await?;
        inside.execute(AssertSqlSafe(insert(4)), ()).await?;
        inside.commit().await?;
        assert_eq!(sandbox.fetch_value::<i64>(t.sql("select count(*) from {notes}"), ()).await?, 3);
        sandbox.disconnect().await?;
        assert_eq!(t.observe("select count(*) from {notes}").await, 1);
        Ok(())
    }
}
