//! What is particular about the driver over tokio-postgres.

use ebbtide::{Config, Database, ErrorKind, Result, params};

use crate::cases::tasks::{add, kept, notes};
use crate::support::{Proxy, cases};

async fn narrow(url: &str) -> Result<Database> {
    Database::connect(Config::from_url(url)?.pool_size(1).max_overflow(0)).await
}

cases! {
    #[only(tokio_postgres)]
    async fn d1_a_user_may_remove_what_the_driver_has_prepared(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let second = narrow(&t.url()).await?;
        let connection = second.connection();
        for _ in 0..2 {
            let transaction = connection.transaction().await?;
            transaction.execute(t.sql("insert into {notes} (body) values (:body)"), params! { body: "kept" }).await.ok();
            transaction.rollback().await?;
        }
        connection.execute("deallocate all", ()).await?;
        let transaction = connection.transaction().await?;
        let insert = || t.sql("insert into {notes} (body) values (:body)");
        let error = transaction.execute(insert(), params! { body: "lost" }).await.expect_err("it is not prepared any more");
        assert_eq!(error.sqlstate(), Some("26000"), "{error:?}");
        transaction.rollback().await?;
        connection.execute("deallocate all", ()).await?;
        connection.execute(insert(), params! { body: "again" }).await?;
        drop((transaction, connection));
        assert_eq!(kept(&t, &database).await, "again");
        second.execute(add(&t, "later"), ()).await?;
        assert_eq!(kept(&t, &database).await, "again,later");
        Ok(())
    }

    /// Each time the rows have the columns of the cursor that is open.
    #[only(tokio_postgres)]
    async fn d1_rows_of_a_cursor_have_its_own_columns(t: Test) -> Result<()> {
        let second = narrow(&t.url()).await?;
        for (query, number) in [("select 7::int8 as a", 7_i64), ("select 'x' as b, 9::int4 as a", 9)] {
            let transaction = second.transaction().await?;
            let declare = ebbtide::AssertSqlSafe(format!("declare c cursor for {query}"));
            transaction.execute(declare, ()).await?;
            let row = transaction.fetch_one("fetch c", ()).await?;
            assert_eq!(row.get::<i64>("a")?, number);
            transaction.rollback().await?;
        }
        Ok(())
    }

    /// Somebody else replaces the procedure by one with another result.
    #[only(tokio_postgres)]
    async fn d1_results_of_a_procedure_have_their_own_columns(t: Test) -> Result<()> {
        let second = narrow(&t.url()).await?;
        let name = format!("p_{}", t.id());
        let call = || ebbtide::AssertSqlSafe(format!("call {name}(:n, null)"));
        let replace = async |result: &str| {
            t.observe_exec(&format!("drop procedure if exists {name}")).await;
            let body = format!("select (n + 1)::{result}");
            t.observe_exec(&format!("create procedure {name}(n int8, inout a {result}) language sql as '{body}'")).await;
        };
        for _ in 0..2 {
            replace("int8").await;
            assert_eq!(second.fetch_one(call(), params! { n: 6_i64 }).await?.get::<i64>("a")?, 7);
            replace("text").await;
            assert_eq!(second.fetch_one(call(), params! { n: 7_i64 }).await?.get::<String>("a")?, "8");
        }
        t.observe_exec(&format!("drop procedure {name}")).await;
        Ok(())
    }

    #[only(tokio_postgres)]
    async fn d1_another_encoding_of_text_ends_the_connection(t: Test) -> Result<()> {
        let second = narrow(&t.url()).await?;
        let error = second.execute("set client_encoding to 'LATIN1'", ()).await.expect_err("text would be wrong");
        // The connection ends with it, and what else the statement did is not known.
        assert!(error.outcome_unknown() && error.to_string().contains("was set to LATIN1"), "{error:?}");
        assert_eq!(second.fetch_value::<String>("select 'ä'", ()).await?, "ä");
        Ok(())
    }

    #[only(tokio_postgres)]
    async fn d1_a_transaction_in_which_nothing_runs_sends_nothing(t: Test) -> Result<()> {
        let proxy = Proxy::start(&t.url());
        let second = narrow(&proxy.url()).await?;
        second.fetch_value::<i64>("select 1::bigint", ()).await?;
        proxy.reset();
        let outer = second.transaction().await?;
        outer.transaction().await?.commit().await?;
        drop(outer.transaction().await?);
        outer.commit().await?;
        drop(second.transaction().await?);
        assert_eq!(proxy.round_trips(), 0);
        assert_eq!(second.fetch_value::<i64>("select 1::bigint", ()).await?, 1);
        Ok(())
    }

    #[only(tokio_postgres)]
    async fn d1_code_of_sqlx_is_told_which_driver_it_needs(t: Test) -> Result<()> {
        let second = narrow(&t.url()).await?;
        let lent = second.with_sqlx(|_: &mut sqlx::PgConnection| Box::pin(async { Ok(()) })).await;
        let error = lent.expect_err("it is no connection of sqlx");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("postgresql+sqlx://"), "{error}");
        let again = second.transaction().await?;
        assert_eq!(again.fetch_value::<i64>("select 1::bigint", ()).await?, 1);
        again.commit().await
    }

    #[only(tokio_postgres)]
    async fn d1_copy_names_the_driver_that_has_it(t: Test) -> Result<()> {
        let second = narrow(&t.url()).await?;
        let error = second.copy_out("copy (select 1) to stdout").await.expect_err("it has none");
        assert!(error.kind() == ErrorKind::Unsupported && error.to_string().contains("`postgres://…`"), "{error:?}");
        Ok(())
    }

    #[only(tokio_postgres)]
    async fn d1_an_unknown_driver_names_those_there_are(t: Test) {
        let url = t.url().replace("+tokio-postgres://", "+tokio://");
        let error = Database::connect(url).await.expect_err("there is none");
        assert_eq!(error.kind(), ErrorKind::Url);
        assert!(error.to_string().contains("`sqlx` and `tokio-postgres`"), "{error}");
    }
}
