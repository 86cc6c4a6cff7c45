//! The parameters that SQLite receives: bare placeholders wherever that means the same.

use ebbtide::{ErrorKind, Result, params};

use crate::cases::tasks::{add, notes};
use crate::drivers::{Bridge, Driver};
use crate::support::cases;

cases! {
    // APSW and DuckDB take 32,766 values, and a parameter that is used twice is bound twice.
    #[except(dbapi2_apsw, dbapi2_duckdb)]
    // It is above the number of values that this library sends to databases without a dialect of their own.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    async fn q2_a_list_of_many_members_is_found_found_a4(t: Test) -> Result<()> {
        let database = notes(&t).await;
        for body in ["a", "b", "c"] {
            database.execute(add(&t, body), ()).await?;
        }
        let ids: Vec<i64> = (2..30_002).collect();
        let sql = t.sql("select count(*) from {notes} where id in (:ids)");
        assert_eq!(database.fetch_value::<i64>(sql, params! { ids: ids.clone() }).await?, 2);
        // A parameter that is used twice is bound twice on MySQL and SQLite, unless that is too much.
        let twice = "select count(*) from {notes} where id in (:ids) and id in (:ids) and body <> :body";
        for length in [3, 10_000, 20_000] {
            let ids = ids[..length].to_vec();
            if length == 20_000 && t.driver().is_some_and(|driver| driver.bridge() == Bridge::Odbc) {
                // They take 32,767 values, and one that is used twice is two parameters.
                let error = database.fetch_value::<i64>(t.sql(twice), params! { body: "c", ids }).await.unwrap_err();
                assert!(error.message().contains("40001 values"), "{error}");
                continue;
            }
            if length == 20_000 && matches!(t.driver(), Some(Driver::PgJdbc | Driver::Pg8000)) {
                // Their placeholders have no numbers, so a value used twice is two parameters.
                let error = database.fetch_value::<i64>(t.sql(twice), params! { body: "c", ids }).await.unwrap_err();
                assert!(error.message().contains("65,535"), "{error}");
                continue;
            }
            assert_eq!(database.fetch_value::<i64>(t.sql(twice), params! { body: "c", ids }).await?, 1, "{length}");
        }
        Ok(())
    }

    // They must know the type of a parameter that stands alone.
    #[except(jdbc_hsqldb, jdbc_derby)]
    async fn q2_values_used_once_and_several_times_each_come_to_their_places(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let sql = t.sql(
            "select {notes}.id from {notes} where body = :first and :second = :second and body <> :third and :second <> :fourth and id in (:ids) and body <> :third",
        );
        database.execute(t.sql("insert into {notes} (id, body) values (7, 'one')"), ()).await?;
        let given = params! { ids: vec![5_i64, 6, 7], fourth: "four", third: "three", second: "two", first: "one" };
        assert_eq!(database.fetch_value::<i64>(sql, given).await?, 7);
        Ok(())
    }

    /// The terms of ORDER BY have to be expressions of the result, so the same value has to be the same parameter.
    #[only(sqlite)]
    async fn q2_a_value_used_twice_is_one_expression(t: Test) -> Result<()> {
        let database = notes(&t).await;
        database.execute(t.sql("insert into {notes} (id, body) values (1, 'a'), (2, 'b')"), ()).await?;
        let sql = t.sql("select id + :n from {notes} where body <> :body union select id + :n from {notes} where id in (:ids) order by id + :n desc");
        let ids: Vec<i64> = (2..200).collect();
        let found: Vec<i64> = database.fetch_all(sql, params! { n: 10_i64, body: "b", ids }).value::<i64>().await?;
        assert_eq!(found, [12, 11]);
        Ok(())
    }

    #[only(sqlite)]
    async fn q6_a_name_used_twice_in_each_of_many_rows(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let rows = (1..=1000_i64).map(|n| params! { body: format!("n{n}"), id: n });
        let sql = t.sql("insert into {notes} (id, body) values (:id, :body || :id)");
        assert_eq!(database.execute_many(sql, rows).await?.rows_affected, 1000);
        let right = t.sql("select count(*) from {notes} where body = 'n' || id || id");
        assert_eq!(database.fetch_value::<i64>(right, ()).await?, 1000);
        Ok(())
    }

    /// A text with a placeholder that nothing would bind is an error, and the transaction goes on.
    async fn q2_a_placeholder_of_another_kind_costs_its_statement_alone_found_e4(t: Test) -> Result<()> {
        let database = notes(&t).await;
        let transaction = database.transaction().await?;
        transaction.execute(t.sql("insert into {notes} (id, body) values (1, 'a')"), ()).await?;
        let alone = [
            "$name", "$1a", "$0", "$00", "$70000", "$99999999999", "?99999999999", "?0", ":1", "\\:name", "#1", "$",
        ];
        let mut texts: Vec<_> = alone.iter().map(|wrong| format!("select {wrong} as x from {{notes}}")).collect();
        // It names a variable on MySQL and H2.
        if !t.backend().is_mysql() && t.driver() != Some(Driver::H2) {
            texts.push("select @name as x".to_owned());
        }
        if t.backend().is_sqlite() {
            texts.extend(["insert into {notes} (body) values ($b); select 1", "insert into {notes} (body) values (@b); select 1"].map(str::to_owned));
        }
        for text in texts {
            let probe = if t.backend().is_postgres() { Some(transaction.transaction().await?) } else { None };
            let plain = match &probe {
                Some(probe) => probe.execute(t.sql(&text), ()).await,
                None => transaction.execute(t.sql(&text), ()).await,
            };
            // `#` begins a comment on MySQL.
            let error = plain.expect_err(&text);
            assert_ne!(error.kind(), ErrorKind::ConnectionLost, "{text}: {error:?}");
            if let Some(probe) = probe {
                probe.rollback().await?;
            }
            if t.backend().is_sqlite() && !text.contains(['?', '#']) && text != "select $ as x from {notes}" {
                assert_eq!(error.kind(), ErrorKind::Parameter, "{text}: {error:?}");
            }
        }
        let with_values = transaction.execute(t.sql("update {notes} set body = $b where id = :id"), params! { id: 1 }).await;
        assert!(with_values.is_err());
        if t.backend().is_sqlite() {
            let error = with_values.unwrap_err();
            assert!(error.to_string().contains("$b") && error.to_string().contains("`:name`"), "{error}");
            transaction.commit().await?;
            assert_eq!(t.committed(&database, "select count(*) from {notes}").await, 1);
        } else {
            transaction.rollback().await?;
        }
        Ok(())
    }
}
