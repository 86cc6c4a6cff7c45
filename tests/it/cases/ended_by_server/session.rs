//! X4, T6: on MySQL the effect of a commit depends on session settings, which the library sets.

use ebbtide::{Config, Database, ErrorKind, Result};

use super::Environment;
use crate::cases::messages::assert_error;
use crate::cases::tasks::{add, config, kept, notes_with};
use crate::support::{MariaReplication, SideConnection, Test, cases};

/// Checks that other sessions see the rows written now, in and outside of a transaction.
async fn writes_stay(t: &Test, database: &Database, what: &str) {
    database
        .execute(add(t, "alone"), ())
        .await
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(kept(t, database).await, "alone", "{what}");
    let transaction = database
        .transaction()
        .await
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    transaction
        .execute(add(t, "together"), ())
        .await
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(kept(t, database).await, "alone", "{what}: it is not committed yet");
    transaction
        .commit()
        .await
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    drop(transaction);
    assert_eq!(kept(t, database).await, "alone,together", "{what}");
    database
        .execute(t.sql("delete from {notes}"), ())
        .await
        .expect("it is empty again");
    assert_eq!(kept(t, database).await, "", "{what}");
}

cases! {
    /// The server's defaults do not apply to the library's sessions.
    #[only(mysql)]
    #[cluster]
    #[limit(120)]
    async fn x4_a_server_without_autocommit_commits_all_the_same_found_w2(_t: Test) -> Result<()> {
        let servers = MariaReplication::start().await;
        let mut side = SideConnection::connect(&servers.primary()).await.unwrap();
        side.execute("create table notes (body varchar(50)) engine = innodb").await.unwrap();
        side.execute("set global autocommit = 0, global completion_type = 'CHAIN'").await.unwrap();
        for settings in ["", "?wait_timeout=600"] {
            let database = Database::connect(Config::from_url(format!("{}{settings}", servers.primary()))?.pool_size(1_u32)).await?;
            database.execute("insert into notes values ('alone')", ()).await?;
            let transaction = database.transaction().await?;
            transaction.execute("insert into notes values ('together')", ()).await?;
            transaction.commit().await?;
            drop(transaction);
            database.execute("insert into notes values ('after')", ()).await?;
            assert_eq!(side.number("select count(*) from notes").await.unwrap(), 3, "{settings}");
            let sandbox = database.sandbox().await?;
            sandbox.execute("insert into notes values ('undone')", ()).await?;
            sandbox.disconnect().await?;
            assert_eq!(side.number("select count(*) from notes").await.unwrap(), 3, "{settings}");
            database.execute("delete from notes", ()).await?;
            assert_eq!(side.number("select count(*) from notes").await.unwrap(), 0, "{settings}");
            database.disconnect().await?;
        }
        side.close().await.unwrap();
        Ok(())
    }

    #[only(mysql)]
    async fn x4_a_text_that_switches_autocommit_off_is_refused_found_w2(t: Test) -> Result<()> {
        let parent = notes_with(&t, config(&t).pool_size(1_u32)).await;
        for environment in Environment::ALL {
            let database = environment.open(&t, &t.url()).await;
            for sql in [
                "set autocommit = 0", "set session autocommit = off", "set @@autocommit = 0", "set @a = 1, @@session.autocommit = 0",
                "set statement autocommit = 0 for insert into {notes} (body) values ('lost')", "set completion_type = 1",
                "insert into {notes} (body) values ('lost'); set autocommit = 0", "set session completion_type = 'RELEASE'",
            ] {
                let text = || t.sql(sql);
                let connection = database.connection();
                let mut answers = vec![database.execute(text(), ()).await, connection.execute(text(), ()).await];
                drop(connection);
                let transaction = database.transaction().await?;
                answers.push(transaction.execute(text(), ()).await);
                transaction.rollback().await?;
                for answer in answers {
                    let error = answer.expect_err(sql);
                    assert_error(&error, ErrorKind::Refused, &["it was not sent", file!()]);
                    assert!(error.to_string().contains("transaction()"), "{error}");
                }
                #[cfg(feature = "sqlx-interop")]
                {
                    let bridged = sqlx::raw_sql(text()).execute(database.sqlx::<sqlx::MySql>()?).await;
                    assert_eq!(bridged.map_err(|error| ebbtide::Error::from(error).kind()).err(), Some(ErrorKind::Refused), "{sql}");
                }
            }
            database.execute("set @autocommit = 0", ()).await?;
            database.disconnect().await?;
        }
        parent.execute("set autocommit = 1, completion_type = 'NO_CHAIN'", ()).await?;
        writes_stay(&t, &parent, "refused").await;
        Ok(())
    }

    /// Settings that no text shows are reset before the next user comes.
    #[only(mysql)]
    async fn x4_what_a_procedure_leaves_of_the_session_hurts_nobody_found_w2(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).pool_size(1_u32)).await;
        let bodies = [
            "set autocommit = 0", "set session completion_type = 1", "set session completion_type = 2",
            "start transaction; insert into {notes} (body) values ('left open')",
            "set autocommit = 0, completion_type = 1; insert into {notes} (body) values ('left open')",
        ];
        for (number, body) in bodies.into_iter().enumerate() {
            t.observe_exec(&format!("create procedure {{leaves_{number}}}() begin {body}; end")).await;
            let call = || t.sql(&format!("call {{leaves_{number}}}()"));
            database.execute(call(), ()).await?;
            writes_stay(&t, &database, &format!("`{body}` by itself")).await;
            let transaction = database.transaction().await?;
            // A procedure that begins a transaction commits this one, and the library notices it.
            let _ = transaction.execute(call(), ()).await;
            let _ = transaction.rollback().await;
            drop(transaction);
            database.execute(t.sql("delete from {notes}"), ()).await?;
            writes_stay(&t, &database, &format!("`{body}` in a transaction")).await;
            t.observe_exec(&format!("drop procedure {{leaves_{number}}}")).await;
        }
        Ok(())
    }

    #[only(mysql)]
    async fn x4_what_a_lent_connection_leaves_of_the_session_hurts_nobody_found_w2(t: Test) -> Result<()> {
        let database = notes_with(&t, config(&t).pool_size(1_u32)).await;
        for sql in ["set autocommit = 0", "set completion_type = 1", "set autocommit = 0; insert into {notes} (body) values ('left open')"] {
            #[cfg(feature = "sqlx-interop")]
            for inside in [false, true] {
                let text = t.sql(sql);
                let outer = if inside { Some(database.transaction().await?) } else { None };
                let lent = database.with_sqlx(|raw: &mut sqlx::MySqlConnection| Box::pin(sqlx::raw_sql(text).execute(raw))).await;
                lent?;
                if let Some(outer) = outer {
                    outer.rollback().await?;
                }
                writes_stay(&t, &database, &format!("`{sql}`, in a transaction: {inside}")).await;
            }
        }
        Ok(())
    }
}
