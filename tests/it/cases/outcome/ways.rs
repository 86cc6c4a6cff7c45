//! All the ways to write a note and commit it.

use std::sync::atomic::{AtomicUsize, Ordering};

use ebbtide::{AssertSqlSafe, Config, Connections, Database, Result, params};
use futures::TryStreamExt as _;
use futures::future::BoxFuture;

use crate::support::{Proxy, Test};

/// A database behind a proxy, and a registry of it.
pub(super) struct Behind {
    pub(super) proxy: Proxy,
    pub(super) database: Database,
    connections: Connections,
    /// Number of times that a closure has run.
    pub(super) runs: AtomicUsize,
    insert: String,
    returning: String,
    selecting: String,
}

impl Behind {
    pub(super) async fn new(t: &Test, options: &str) -> Self {
        let proxy = Proxy::start(&t.url());
        let url = crate::cases::pool::with(&proxy.url(), options);
        Self {
            database: Database::connect(url.as_str()).await.unwrap(),
            connections: Connections::init(Config::from_url(url.as_str()).unwrap()).unwrap(),
            runs: AtomicUsize::new(0),
            insert: t.words("insert into {notes} (body) values (:body)"),
            returning: t.words("insert into {notes} (body) values (:body) returning id"),
            selecting: t.words("insert into {notes} (body) select :body"),
            proxy,
        }
    }

    fn insert(&self) -> AssertSqlSafe<String> {
        AssertSqlSafe(self.insert.clone())
    }

    fn returning(&self) -> AssertSqlSafe<String> {
        AssertSqlSafe(self.returning.clone())
    }

    /// Returns the statement as text alone.
    fn text(&self, body: &str) -> AssertSqlSafe<String> {
        AssertSqlSafe(self.insert.replace(":body", &format!("'{body}'")))
    }
}

/// A way to write a note.
#[derive(Clone, Copy)]
pub(super) struct Way {
    pub(super) name: &'static str,
    /// `true` if its last request is a COMMIT.
    pub(super) commits: bool,
    /// `true` if it is run again when nothing was committed.
    pub(super) retries: bool,
    /// `true` if one more request follows, which cleans the connection for its next user.
    pub(super) cleans: bool,
    pub(super) write: for<'w> fn(&'w Behind, &'w str) -> BoxFuture<'w, Result<()>>,
}

macro_rules! ways {
    ($($kind:ident $name:literal |$behind:ident, $body:ident| $write:expr;)*) => {
        [$(Way {
            name: $name,
            commits: matches!(stringify!($kind).as_bytes(), b"commit" | b"retry"),
            retries: matches!(stringify!($kind).as_bytes(), b"retry"),
            cleans: matches!(stringify!($kind).as_bytes(), b"lent"),
            write: |$behind, $body| Box::pin(async move { $write }),
        }),*]
    };
}

pub(super) const WAYS: [Way; 12] = ways! {
    commit "a guard" |on, body| {
        let transaction = on.database.transaction().await?;
        transaction.execute(on.insert(), params! { body }).await?;
        transaction.commit().await
    };
    commit "a guard on a connection" |on, body| {
        let connection = on.database.connection();
        let transaction = connection.transaction().await?;
        connection.execute(on.insert(), params! { body }).await?;
        transaction.commit().await
    };
    commit "a closure" |on, body| {
        let write = async |_| on.database.execute(on.insert(), params! { body }).await;
        on.database.transaction().run(write).await.map(drop)
    };
    retry "a closure with retry" |on, body| {
        let write = async |_| {
            on.runs.fetch_add(1, Ordering::SeqCst);
            on.database.execute(on.insert(), params! { body }).await
        };
        on.database.transaction().retry().run(write).await.map(drop)
    };
    commit "in_transaction" |on, body| {
        let transaction = on.connections.in_transaction(None).await?;
        transaction.execute(on.insert(), params! { body }).await?;
        transaction.commit().await
    };
    commit "in_transaction with a closure" |on, body| {
        let write = async |transaction: ebbtide::Transaction| transaction.execute(on.insert(), params! { body }).await;
        on.connections.in_transaction(None).run(write).await.map(drop)
    };
    commit "atomic" |on, body| {
        let database = on.connections.get("default").await?;
        let write = async || database.execute(on.insert(), params! { body }).await;
        on.connections.atomic(None).run(write).await.map(drop)
    };
    commit "execute_many, in a transaction of its own" |on, body| {
        let rows = [params! { body }, params! { body: format!("{body}, again") }];
        on.database.execute_many(AssertSqlSafe(on.selecting.clone()), rows).await.map(drop)
    };
    statement "execute" |on, body| {
        on.database.execute(on.insert(), params! { body }).await.map(drop)
    };
    statement "execute on a connection" |on, body| {
        on.database.connection().execute(on.insert(), params! { body }).await.map(drop)
    };
    statement "execute_many, in one statement" |on, body| {
        on.database.execute_many(on.insert(), [params! { body }]).await.map(drop)
    };
    statement "a script" |on, body| {
        let text = on.text(body).0;
        on.database.execute(AssertSqlSafe(format!("{text}; select 1")), ()).await.map(drop)
    };
};

/// The ways that read what they write.
pub(super) const RETURNING: [Way; 2] = ways! {
    statement "fetch_one" |on, body| on.database.fetch_one(on.returning(), params! { body }).await.map(drop);
    statement "a stream" |on, body| {
        on.database.iterate(on.returning(), params! { body }).try_collect::<Vec<_>>().await.map(drop)
    };
};

#[cfg(feature = "sqlx-interop")]
pub(super) mod bridged {
    use futures::FutureExt as _;
    use sqlx::Executor as _;

    use super::*;

    macro_rules! bridged {
        ($family:ident, $db:ty) => {
            pub(in super::super) const fn $family() -> [Way; 4] {
                ways! {
                    commit "a transaction of the bridge" |on, body| {
                        let mut transaction = on.database.sqlx::<$db>()?.begin().await?;
                        sqlx::query(on.text(body)).persistent(false).execute(&mut *transaction).await?;
                        Ok(transaction.commit().await?)
                    };
                    statement "the bridge" |on, body| {
                        let view = on.database.sqlx::<$db>()?;
                        sqlx::raw_sql(on.text(body)).execute(&view).await?;
                        Ok(())
                    };
                    statement "a stream of the bridge" |on, body| {
                        let view = on.database.sqlx::<$db>()?;
                        view.fetch_many(sqlx::raw_sql(on.text(body))).try_collect::<Vec<_>>().await?;
                        Ok(())
                    };
                    lent "with_sqlx" |on, body| {
                        let text = on.text(body);
                        let write = on.database.with_sqlx(move |connection: &mut <$db as sqlx::Database>::Connection| {
                            async move { sqlx::raw_sql(text).execute(connection).await.map(drop) }.boxed()
                        });
                        write.await
                    };
                }
            }
        };
    }

    #[cfg(feature = "postgres")]
    bridged!(postgres, sqlx::Postgres);
    #[cfg(feature = "mysql")]
    bridged!(mysql, sqlx::MySql);
}

/// Returns the ways on the backend of a test.
pub(super) fn all(t: &Test) -> Vec<Way> {
    let mut all = WAYS.to_vec();
    if t.backend().no_returning().is_none() {
        all.extend(RETURNING);
    }
    #[cfg(feature = "sqlx-interop")]
    match t.backend().family() {
        #[cfg(feature = "postgres")]
        "postgres" => all.extend(bridged::postgres()),
        #[cfg(feature = "mysql")]
        "mysql" => all.extend(bridged::mysql()),
        _ => {}
    }
    all
}
