//! An advisory lock on PostgreSQL, and the indexes that a failed migration leaves behind.

use std::any::Any;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, Connection, PgConnection, Postgres, Row, SqlSafeStr};
use tokio::time::sleep;

use super::native;
use crate::backend::{Parts, SqlxDatabase};
use crate::error::Result;

/// The duration of an advisory lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AdvisoryScope {
    Session,
    Transaction,
}

/// The time before the lock is tried again; it doubles up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// Waits for the lock of the database that the connection uses, the same lock as sqlx's own. It is tried again and again:
/// a session that waits inside of a statement has a snapshot, for whose end `CREATE INDEX CONCURRENTLY` waits.
pub(super) async fn take(connection: &mut (dyn Any + Send), scope: AdvisoryScope) -> Result<()> {
    let connection = native::<Postgres>(connection)?;
    let id = id(connection).await?;
    let sql = match scope {
        AdvisoryScope::Session => "SELECT pg_catalog.pg_try_advisory_lock($1)",
        AdvisoryScope::Transaction => "SELECT pg_catalog.pg_try_advisory_xact_lock($1)",
    };
    let (mut pause, most) = PAUSES;
    loop {
        let row = ask(connection, sql, Some(id)).await?;
        if row.is_some_and(|row| row.try_get(0).unwrap_or(false)) {
            return Ok(());
        }
        sleep(pause).await;
        pause = most.min(pause * 2);
    }
}

/// Releases the lock. That of a transaction ends with it.
pub(super) async fn release(connection: &mut (dyn Any + Send), scope: AdvisoryScope) -> Result<()> {
    if scope == AdvisoryScope::Transaction {
        return Ok(());
    }
    let connection = native::<Postgres>(connection)?;
    let id = id(connection).await?;
    ask(connection, "SELECT pg_catalog.pg_advisory_unlock($1)", Some(id))
        .await
        .map(drop)
}

/// Closes what the driver has prepared under names.
pub(super) async fn close_statements(connection: &mut (dyn Any + Send)) -> Result<()> {
    let connection = native::<Postgres>(connection)?;
    connection.clear_cached_statements().await.map_err(Postgres::explain)
}

/// Returns the indexes that no query uses because their creation has failed, if there are any.
pub(super) async fn invalid_indexes(connection: &mut (dyn Any + Send)) -> Result<Option<String>> {
    let connection = native::<Postgres>(connection)?;
    let row = ask(connection, INVALID, None).await?;
    match row {
        Some(row) => row.try_get(0).map_err(Postgres::explain),
        None => Ok(None),
    }
}

/// Those that are being created are invalid, too.
const INVALID: &str = "SELECT pg_catalog.string_agg(indexrelid::pg_catalog.regclass::text, ', ') FROM pg_catalog.pg_index i \
    WHERE NOT indisvalid AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p \
    WHERE p.index_relid = i.indexrelid)";

/// Returns the number of the lock: one for each database, since these locks belong to it.
async fn id(connection: &mut PgConnection) -> Result<i64> {
    let row = ask(connection, "SELECT pg_catalog.current_database()::text", None).await?;
    let database: String = match row {
        Some(row) => row.try_get(0).map_err(Postgres::explain)?,
        None => String::new(),
    };
    Ok(id_for(&database))
}

/// Returns the number that sqlx takes, so that programs with and without this library exclude each other.
fn id_for(database: &str) -> i64 {
    const DICE: i64 = 0x3d32_ad9e;
    DICE * i64::from(crc32(database.as_bytes()))
}

/// Returns the checksum of ISO 3309 (CRC-32).
fn crc32(bytes: &[u8]) -> u32 {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let step = |sum: u32, _| {
        let carried = if sum & 1 == 1 { POLYNOMIAL } else { 0 };
        sum >> 1 ^ carried
    };
    !bytes
        .iter()
        .fold(!0, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step))
}

async fn ask(connection: &mut PgConnection, sql: &'static str, id: Option<i64>) -> Result<Option<PgRow>> {
    let mut arguments = PgArguments::default();
    if let Some(id) = id {
        let added = arguments.add(id);
        added.map_err(|why| Postgres::explain(sqlx::Error::Encode(why)))?;
    }
    let parts = Parts::<Postgres> {
        sql: sql.into_sql_str(),
        arguments: Some(arguments),
        persistent: false,
    };
    Postgres::fetch_optional(connection, parts)
        .await
        .map_err(Postgres::explain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q9_the_number_of_the_lock_is_that_of_sqlx_found_v6() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
        assert_eq!(id_for("shop"), 0x3d32_ad9e * i64::from(crc32(b"shop")));
    }
}
