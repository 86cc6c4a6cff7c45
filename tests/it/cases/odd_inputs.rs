//! Statements and values that other programs have trouble with.

use ebbtide::{AssertSqlSafe, ErrorKind, Result, params};
use futures::TryStreamExt as _;

use super::sandbox::seen;
use super::tasks::{add, config, notes_with, soon};
use crate::support::cases;

cases! {
    /// COPY has a protocol of its own, in which a connection could hang.
    #[only(postgres)]
    async fn q8_copy_as_a_statement_is_refused_before_it_is_sent(t: Test) -> Result<()> {
        let plain = notes_with(&t, config(&t).pool_size(1)).await;
        for database in [plain.clone(), plain.sandbox().await?] {
            for sql in [
                "copy {notes} (body) from stdin", "COPY {notes} TO STDOUT (FORMAT csv)", "copy (select 1) to stdout",
                "select 1; copy {notes} (body) from stdin",
            ] {
                let error = soon(sql, database.execute(t.sql(sql), ())).await.expect_err("it is refused");
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{sql}: {error:?}");
                soon(sql, database.iterate(t.sql(sql), ()).try_next()).await.expect_err("it is refused");
                let transaction = database.transaction().await?;
                soon(sql, transaction.fetch_all(t.sql(sql), ())).await.expect_err("it is refused");
                transaction.execute(add(&t, "inside"), ()).await?;
                transaction.commit().await?;
                drop(transaction);
                assert_eq!(seen(&t, &database).await, "inside", "{sql}");
                database.execute(t.sql("delete from {notes}"), ()).await?;
            }
        }
        Ok(())
    }

    /// A NUL in a text must not hide the text after it.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    async fn q2_a_nul_in_a_text_never_cuts_it_short(t: Test) -> Result<()> {
        let plain = notes_with(&t, config(&t).pool_size(1)).await;
        plain.execute(add(&t, "a"), ()).await?;
        for database in [plain.clone(), plain.sandbox().await?] {
            for sql in [
                "delete from {notes} \0 where body = 'b'",
                "delete from {notes}\0where body = 'b'",
                "delete from {notes};\0 select 1",
                "delete from {notes} -- \0\n where body = 'b'",
                "delete from {notes} where body = 'a' or '\0' = 'x'",
            ] {
                for (number, sql) in [t.words(sql), t.words(&format!("{sql} and :name = :name"))].into_iter().enumerate() {
                    let given = if number == 0 { params! {} } else { params! { name: "x" } };
                    let done = soon("a text with a NUL", database.execute(AssertSqlSafe(sql.clone()), given)).await;
                    assert_eq!(seen(&t, &database).await, "a", "{sql:?}: {done:?}");
                    let error = done.expect_err("it is refused");
                    assert!(error.to_string().contains("NUL"), "{sql:?}: {error}");
                }
            }
            let error = database.fetch_value::<i64>("select 1\0", ()).await.expect_err("it is refused");
            assert!(error.to_string().contains("NUL"), "{error}");
        }
        Ok(())
    }

    /// Whatever the size, the next statement is answered.
    // DuckDB has no savepoints.
    #[except(dbapi2_duckdb)]
    // sqlite-jdbc takes a text of a million bytes at most.
    // The parser of H2 overflows its stack, and texts of Derby have 32 kB.
    #[except(jdbc_sqlite, jdbc_h2, jdbc_derby)]
    async fn q8_inputs_beyond_all_measure_spoil_nothing(t: Test) -> Result<()> {
        let plain = notes_with(&t, config(&t).pool_size(1)).await;
        let length = if t.backend().is_mysql() { "select char_length(:text)" } else { "select length(:text)" };
        let length = if t.backend().is_postgres() { "select length(:text)::bigint" } else { length };
        for database in [plain.clone(), plain.sandbox().await?] {
            // A megabyte of text, in a literal, in white space and in a list.
            let literal = AssertSqlSafe(format!("select '{}'", "x".repeat(1 << 20)));
            assert_eq!(soon("a literal", database.fetch_value::<String>(literal, ())).await?.len(), 1 << 20);
            let blank = AssertSqlSafe(format!("select {} 7", " ".repeat(1 << 20)));
            assert_eq!(soon("blanks", database.fetch_value::<i64>(blank, ())).await?, 7);
            let list = AssertSqlSafe(format!("select count(*) from {} where body in ({}'x')", t.table("notes"), "'y', ".repeat(200_000)));
            assert_eq!(soon("a list", database.fetch_value::<i64>(list, ())).await?, 0);
            let sum = soon("a value", database.fetch_value::<i64>(length, params! { text: "x".repeat(1 << 20) })).await?;
            assert_eq!(sum, 1 << 20);
            // Nested more deeply than a parser accepts.
            let deep = AssertSqlSafe(format!("select {}1{}", "(".repeat(2_000), ")".repeat(2_000)));
            match soon("parentheses", database.fetch_value::<i64>(deep, ())).await {
                Ok(one) => assert_eq!(one, 1),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
            let many: Vec<i64> = (0..65_536).collect();
            let sql = AssertSqlSafe(format!("select count(*) from {} where id in (:ids)", t.table("notes")));
            if let Err(error) = soon("a list", database.fetch_value::<i64>(sql, params! { ids: many })).await {
                assert_eq!(error.kind(), ErrorKind::Parameter, "{error:?}");
            }
            for given in [params! {}, params! { a: 1, b: 2 }] {
                let error = database.fetch_value::<i64>("select :a", given).await.expect_err("one is wanted");
                assert_eq!(error.kind(), ErrorKind::Parameter, "{error:?}");
            }
            assert_eq!(soon("the last", database.fetch_value::<i64>("select 42", ())).await?, 42);
        }
        // More than MySQL accepts in one packet.
        let done = soon("a value", plain.fetch_value::<i64>(length, params! { text: "x".repeat(20 << 20) })).await;
        match done {
            Ok(found) => assert_eq!(found, 20 << 20),
            // The server reports this and closes the connection; which of the two is noticed first depends on timing.
            Err(error) => {
                assert!(t.backend().is_mysql(), "{error:?}");
                assert!(matches!(error.kind(), ErrorKind::ConnectionLost | ErrorKind::Database), "{error:?}");
            }
        }
        assert_eq!(soon("the next", plain.fetch_value::<i64>("select 42", ())).await?, 42);
        Ok(())
    }
}
