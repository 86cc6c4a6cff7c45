//! Q5: static and asserted text, scripts.

use ebbtide::{AssertSqlSafe, ErrorKind};

use super::{assert_says, ids, with_rows};
use crate::support::cases;

cases! {
    // Derby has no SELECT without FROM.
    #[except(jdbc_derby)]
    async fn q5_text_is_static_or_asserted(t: Test) {
        let database = with_rows(&t, 2).await;
        let text: &'static str = "select 1";
        assert_eq!(database.fetch_value::<i64>(text, ()).await.unwrap(), 1);
        let made = format!("select {} + ?", 40);
        assert_eq!(
            database
                .fetch_value::<i64>(AssertSqlSafe(made.as_str()), (2,))
                .await
                .unwrap(),
            42
        );
        assert_eq!(
            database.fetch_value::<i64>(AssertSqlSafe(made), (2,)).await.unwrap(),
            42
        );
    }

    // Derby has no SELECT without FROM.
    #[except(jdbc_derby)]
    async fn q5_a_script_without_parameters_runs_as_a_whole(t: Test) {
        let database = with_rows(&t, 4).await;
        let script = t.sql(
            "update {notes} set n = 1 where id <= 2; -- a ; in a comment
             insert into {notes} (id, body) values (9, 'a ; in a text');
             delete from {notes} where id = 3",
        );
        assert_eq!(database.execute(script, ()).await.unwrap().rows_affected, 4);
        assert_eq!(
            ids(&database, t.sql("select id from {notes} order by id"), ()).await,
            [1, 2, 4, 9]
        );
        // A mistake in a script is an error, and the connection stays usable.
        let connection = database.connection();
        let broken = t.sql("select 1; select nonsense from {notes}; select 2");
        assert_eq!(
            connection.execute(broken, ()).await.unwrap_err().kind(),
            ErrorKind::UndefinedObject
        );
        assert_eq!(connection.fetch_value::<i64>("select 3", ()).await.unwrap(), 3);
    }

    async fn q5_text_with_a_nul_is_refused_before_it_is_sent(t: Test) {
        let database = with_rows(&t, 2).await;
        let connection = database.connection();
        for text in ["select 1\0", "select 1 \0; delete from {notes}", "select '\0'", "\0"] {
            for _ in 0..2 {
                let error = connection.execute(t.sql(text), ()).await.unwrap_err();
                assert_says(&error, ErrorKind::Syntax, &["NUL"]);
            }
            assert_eq!(
                connection
                    .fetch_value::<i64>(t.sql("select count(*) from {notes}"), ())
                    .await
                    .unwrap(),
                2
            );
        }
    }

    // Derby has no SELECT without FROM.
    #[except(jdbc_derby)]
    async fn q5_text_that_is_empty_or_only_a_comment_breaks_nothing(t: Test) {
        let database = with_rows(&t, 2).await;
        let connection = database.connection();
        for text in ["", "  ", ";", "-- nothing", "/* nothing */", ";;"] {
            // Servers treat this differently.
            if let Ok(done) = connection.execute(text, ()).await {
                assert_eq!(done.rows_affected, 0);
            }
            assert_eq!(
                connection.fetch_value::<i64>("select 7", ()).await.unwrap(),
                7,
                "after {text:?}"
            );
        }
    }
}
