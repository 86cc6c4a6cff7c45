//! COPY through sqlx.
//!
//! sqlx does not count the answer to a COPY, so a connection dropped in the middle of one is closed. After some errors it
//! leaves the end of the answer unread; [`read_end`] reads it.

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use sqlx::Connection as _;
use sqlx::SqlSafeStr as _;
use sqlx::postgres::PgConnection;
use tokio::sync::{mpsc, oneshot};

use super::errors::error;
use crate::backend::{CopyData, CopyPiece, CopyRequest, NativeJob, Pulse, QueryResult};
use crate::error::{Error, ErrorKind, Result};

/// The reason that the server is given when the user has dropped the COPY.
const DROPPED: &str = "it was dropped before its end";

/// The code of a COPY that its client has ended.
const CANCELED: &str = "57014";

/// A text without a statement.
const NOTHING: &str = "-- the end of a COPY";

/// Returns the job of a COPY.
pub(super) fn job(request: CopyRequest) -> NativeJob {
    let pulse = Pulse::default();
    let beating = pulse.clone();
    let job = NativeJob::statement(move |connection| {
        let CopyRequest { sql, begun, data } = request;
        Box::pin(async move {
            if begun.is_closed() {
                // Nobody waits for it any more, and the server has not seen it.
                return Ok(QueryResult::default());
            }
            let connection = connection.downcast_mut::<PgConnection>().ok_or_else(|| {
                Error::new(ErrorKind::Unsupported, "the connection is not one of PostgreSQL")
                    .help("this is a bug in ebbtide; please report it")
            })?;
            match data {
                CopyData::In(pieces) => copy_in(connection, sql.as_str(), begun, pieces, &pulse).await,
                CopyData::Out(chunks) => copy_out(connection, sql.as_str(), begun, chunks, &pulse).await,
            }
        })
    });
    job.indivisible().with_pulse(beating)
}

async fn copy_in(
    connection: &mut PgConnection,
    sql: &str,
    begun: oneshot::Sender<()>,
    mut pieces: mpsc::Receiver<CopyPiece>,
    pulse: &Pulse,
) -> Result<QueryResult> {
    let mut copy = connection.copy_in_raw(sql).await.map_err(judged)?;
    let _ = begun.send(());
    let reason = loop {
        pulse.beat();
        let piece = pieces.recv().await;
        pulse.beat();
        match piece {
            Some(CopyPiece::Data(data)) => {
                copy.send(data).await.map_err(judged)?;
            }
            Some(CopyPiece::Finish) => {
                let rows_affected = copy.finish().await.map_err(judged)?;
                return Ok(QueryResult {
                    rows_affected,
                    last_insert_id: None,
                });
            }
            Some(CopyPiece::Abort(reason)) => break reason,
            None => break DROPPED.to_owned(),
        }
    };
    match copy.abort(reason).await {
        Ok(()) => {
            Err(Error::new(ErrorKind::Database, "the COPY was aborted, so nothing was written").with_code(CANCELED))
        }
        Err(refused) => {
            // The server had refused the data before.
            read_end(connection, &refused).await?;
            Err(judged(refused))
        }
    }
}

async fn copy_out(
    connection: &mut PgConnection,
    sql: &str,
    begun: oneshot::Sender<()>,
    chunks: mpsc::Sender<Bytes>,
    pulse: &Pulse,
) -> Result<QueryResult> {
    let refused = match connection.copy_out_raw(sql).await {
        Ok(data) => {
            let _ = begun.send(());
            return hand_over(data, chunks, pulse).await;
        }
        Err(refused) => refused,
    };
    read_end(connection, &refused).await?;
    Err(judged(refused))
}

/// Passes the data on to its reader. What comes after the reader is gone is read all the same, because the next answer
/// comes after it.
async fn hand_over(
    mut data: BoxStream<'_, sqlx::Result<Bytes>>,
    chunks: mpsc::Sender<Bytes>,
    pulse: &Pulse,
) -> Result<QueryResult> {
    let mut wanted = true;
    while let Some(chunk) = data.next().await {
        let chunk = chunk.map_err(judged)?;
        pulse.beat();
        wanted = wanted && chunks.send(chunk).await.is_ok();
        pulse.beat();
    }
    Ok(QueryResult::default())
}

/// Converts an error. If it is not the server's, it is unknown what of the answer is still to come.
fn judged(why: sqlx::Error) -> Error {
    let is_answer = matches!(why, sqlx::Error::Database(_));
    let error = error(why);
    if is_answer { error } else { error.fatal() }
}

/// Reads the message that ends an answer with an error, if the driver has left it. The driver takes it for the beginning
/// of the next answer, which then fails; what follows is counted.
async fn read_end(connection: &mut PgConnection, refused: &sqlx::Error) -> Result<()> {
    if !matches!(refused, sqlx::Error::Database(_)) {
        return Ok(());
    }
    let nothing = sqlx::query(NOTHING.into_sql_str()).persistent(false);
    match nothing.execute(&mut *connection).await {
        Err(sqlx::Error::Protocol(_)) => connection.flush().await.map_err(judged),
        Err(other) => Err(error(other).fatal()),
        Ok(_) => Err(Error::new(
            ErrorKind::Driver,
            "an answer of the server was expected, and another one came",
        )
        .fatal()),
    }
}
