//! Time limits that run out while an answer is on its way.

use std::time::Duration;

use ebbtide::{ErrorKind, Result, params};

use super::ways::Behind;
use crate::cases::messages::told;
use crate::cases::tasks::{in_use, notes, soon, until};
use crate::support::{cases, until as until_so};

/// Runs out while the server is silent.
const SHORT: Duration = Duration::from_millis(300);

cases! {
    /// Of a statement that was sent and not answered in time nobody knows, unless it certainly only reads.
    #[only(postgres, mysql)]
    async fn x12_a_time_limit_that_runs_out_after_the_statement_was_sent_is_unknown_found_a1(t: Test) -> Result<()> {
        notes(&t).await;
        let on = Behind::new(&t, "pool_size=1").await;
        let insert = || t.sql("insert into {notes} (body) values (:body)");
        let many = || t.sql("insert into {notes} (body) select :body");
        on.database.execute(insert(), params! { body: "warm" }).await?;
        on.database.execute_many(many(), [params! { body: "a" }, params! { body: "b" }]).await?;

        on.proxy.hold_answers_from(1);
        let error = on.database.execute(insert(), params! { body: "sent" }).timeout(SHORT).await.unwrap_err();
        told(&error, ErrorKind::OutcomeUnknown, &["took longer", file!()]);
        until_so(async || t.observe("select count(*) from {notes} where body = 'sent'").await == 1).await;
        on.proxy.resume();

        // BEGIN, two rows, COMMIT.
        for (request, kind) in [(4, ErrorKind::OutcomeUnknown), (3, ErrorKind::Timeout)] {
            let rows = [params! { body: format!("e{request}") }, params! { body: format!("f{request}") }];
            on.database.execute_many(many(), rows).await?;
            on.proxy.hold_answers_from(request);
            let rows = [params! { body: format!("c{request}") }, params! { body: format!("d{request}") }];
            let error = on.database.execute_many(many(), rows).timeout(SHORT).await.unwrap_err();
            told(&error, kind, &["took longer", file!()]);
            assert_eq!(on.proxy.requests(), request);
            on.proxy.resume();
            let kept = i64::from(kind == ErrorKind::OutcomeUnknown);
            let sql = format!("select count(*) from {{notes}} where body = 'c{request}'");
            until_so(async || t.observe(&sql).await == kept).await;
        }

        on.proxy.hold_answers();
        let read = on.database.fetch_value::<i64>(t.sql("select count(*) from {notes}"), ()).timeout(SHORT).await;
        told(&read.unwrap_err(), ErrorKind::Timeout, &["nothing of it was committed"]);
        on.proxy.resume();
        until("nothing is in use", || in_use(&on.database) == 0).await;
        assert_eq!(soon("the next", on.database.fetch_value::<i64>("select 42", ())).await?, 42);
        Ok(())
    }
}
