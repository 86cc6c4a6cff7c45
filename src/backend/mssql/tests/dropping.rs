//! A database is dropped, or it stays as it was.

use std::time::Duration;

use futures::TryStreamExt;
use futures::future::{BoxFuture, ready};
use tokio::sync::Mutex;

use super::peer::{Peer, Script, Step, done, error, null, rows};
use crate::backend::mssql::{SqlServerRules, connector};
use crate::backend::rules::{Admin, AdminSession};
use crate::backend::{RawConnection, Request, ServerRules};
use crate::config::Config;
use crate::error::{ErrorKind, Result};
use crate::sql::{Dialect, Template};
use crate::value::{Params, Row};

/// A session of one connection.
struct PeerSession(Mutex<Box<dyn RawConnection>>);

impl AdminSession for PeerSession {
    fn run(&self, sql: String, _params: Params) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { super::run(&mut **self.0.lock().await, &sql).await.map(drop) })
    }

    fn rows(&self, sql: &'static str, params: Params) -> BoxFuture<'_, Result<Vec<Row>>> {
        Box::pin(async move {
            let bound = Template::parse(Dialect::SqlServer, sql)?.bind(params)?;
            let request = Request {
                statement: &bound.statement,
                values: &bound.values,
            };
            let mut raw = self.0.lock().await;
            raw.stream(request).map_ok(Row::new).try_collect().await
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }

    #[cfg(feature = "macros")]
    fn close_now(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
}

/// Drops a database of a server that answers so; returns what it heard after it was asked for the database.
async fn dropped(steps: Vec<(&'static str, Step)>) -> (Result<bool>, Vec<String>) {
    let peer = Peer::start(Script {
        steps,
        ..Script::default()
    })
    .await;
    let url = format!("mssql://sa:hunter2@127.0.0.1:{}/shop?ssl_mode=disable", peer.port);
    let admin = Admin {
        config: Config::from_url(&url).unwrap(),
        beside: None,
        limit: Duration::from_mins(1),
        open: |config| {
            Box::pin(async move {
                let raw = connector(&config)?.connect().await?;
                Ok(Box::new(PeerSession(Mutex::new(raw))) as Box<dyn AdminSession>)
            })
        },
    };
    let result = SqlServerRules.administration().drop(&admin).await;
    (result, peer.heard().split_off(2))
}

fn has() -> (&'static str, Step) {
    ("SELECT DB_ID", Step::Answer(rows(&[&[5]])))
}

fn has_not() -> (&'static str, Step) {
    ("SELECT DB_ID", Step::Answer(null()))
}

fn not_dropped(number: u32) -> (&'static str, Step) {
    (
        "DROP",
        Step::Answer(error(number, 16, "Cannot drop the database 'shop'.")),
    )
}

const ALONE: &str = "ALTER DATABASE [shop] SET SINGLE_USER WITH ROLLBACK IMMEDIATE";
const TOGETHER: &str = "ALTER DATABASE [shop] SET MULTI_USER";
const DROP: &str = "DROP DATABASE [shop]";
const HAS: &str = "SELECT DB_ID(@P1)";

#[tokio::test]
async fn k2_a_database_that_is_there_is_dropped() {
    let (result, heard) = dropped(vec![has(), ("DROP", Step::Answer(done(0, 0)))]).await;
    assert!(result.unwrap());
    assert_eq!(heard, [ALONE, DROP]);
    let (result, heard) = dropped(vec![has_not()]).await;
    assert!(!result.unwrap() && heard.is_empty(), "{heard:?}");
}

#[tokio::test]
async fn k2_a_database_that_another_has_dropped_is_gone() {
    for number in [3701, 3702, 911] {
        let (result, heard) = dropped(vec![has(), has_not(), not_dropped(number)]).await;
        assert!(!result.unwrap(), "{number}");
        assert_eq!(heard, [ALONE, DROP, HAS]);
    }
}

#[tokio::test]
async fn k2_a_database_that_cannot_be_dropped_is_open_to_all_again() {
    for (number, kind) in [(3701, ErrorKind::UndefinedObject), (3702, ErrorKind::Database)] {
        let (result, heard) = dropped(vec![has(), not_dropped(number)]).await;
        let error = result.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(
            error.to_string().contains("right to drop it"),
            number == 3701,
            "{error}"
        );
        assert_eq!(heard, [ALONE, DROP, HAS, TOGETHER]);
    }
    let refused = ("ALTER", Step::Answer(error(5011, 14, "User does not have permission.")));
    let (result, heard) = dropped(vec![has(), refused, not_dropped(3702)]).await;
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Database);
    assert_eq!(heard, [ALONE, DROP, HAS]);
}
