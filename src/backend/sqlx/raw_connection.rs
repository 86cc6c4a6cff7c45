//! The implementation of [`RawConnection`], which the session uses.

use async_stream::try_stream;
use futures::StreamExt;
use futures::future::{BoxFuture, ready};
use futures::stream::BoxStream;
use sqlx::{Connection, Either, Executor, SqlStr};
use sqlx_core::transaction::TransactionManager;

use super::answer::{is_notification, is_to_be_repeated};
use super::connection::{SqlxConnection, is_unprepared};
use super::pooled::{Alone, is_removed};
use super::{Ignore, KeptStatement, Native, is_stale_plan, own_sql};
use crate::backend::internal::{TRANSACTION_QUESTION, transaction_of_sqlite};
use crate::backend::{
    Begin, CloseFn, Interrupt, Interruptible, NativeJob, OuterTransaction, QueryResult, RawConnection, Request,
    RowSink, SandboxedConnection,
};
use crate::error::{Error, Result};
use crate::sql::{BulkInsert, Defines};
use crate::value::RawRow;

impl<DB> RawConnection for SqlxConnection<DB>
where
    DB: Native,
    DB::Row: 'static,
    DB::Connection: Send + Sync,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    fn run<'a>(&'a mut self, request: Request<'a>, sink: &'a mut dyn RowSink) -> BoxFuture<'a, Result<QueryResult>> {
        Box::pin(async move {
            self.note_sent(request);
            let armed = self.armed(request.statement);
            let result = if request.statement.is_script() {
                let (sql, statement) = (request.statement.sql(), Some(&**request.statement));
                self.note_control(request.statement);
                match self.run_text(sql.clone(), statement, sink).await {
                    Err(error) if is_to_be_repeated(&error) => Box::pin(self.run_text(sql, statement, sink)).await,
                    result => result,
                }
            } else if let Some(bulk) = BulkInsert::of(request.statement) {
                // Boxed, or the future of every statement would contain this one.
                Box::pin(self.run_bulk(bulk, request, sink)).await
            } else {
                self.run_prepared(request, sink).await
            };
            if let Some(armed) = armed {
                armed.disarm();
                if self.was_interrupted() {
                    Box::pin(self.lower_interrupt()).await?;
                }
            }
            self.note_end(request.statement, result.is_err());
            result
        })
    }

    fn stream<'a>(&'a mut self, request: Request<'a>) -> BoxStream<'a, Result<Box<dyn RawRow>>> {
        if self.keeping.is_pooled() && !request.statement.is_script() {
            return self.stream_pooled(request);
        }
        self.note_control(request.statement);
        let armed = self.armed(request.statement);
        let rows = self.stream_of(request);
        match armed {
            Some(armed) => Box::pin(Interruptible::new(rows, armed)),
            None => rows,
        }
    }

    fn run_script(&mut self, sql: SqlStr) -> BoxFuture<'_, Result<QueryResult>> {
        Box::pin(async move { self.run_text(sql, None, &mut Ignore).await })
    }

    fn with_native(&mut self, job: NativeJob) -> BoxFuture<'_, Result<QueryResult>> {
        Box::pin(async move {
            self.last_key.forget();
            let open_ended = job.is_open_ended();
            let lent = job.defines() == Defines::Nothing;
            let depth = DB::TransactionManager::get_transaction_depth(&self.connection);
            let text = job.text().cloned();
            if let Some(text) = &text {
                self.note_control(text);
            }
            self.follow_definitions(text.as_ref().is_none_or(|text| text.is_starred()))
                .await?;
            let defines = match (&text, DB::KEPT) {
                (Some(text), _) => text.defines(),
                // On SQLite the statements kept by others would show old columns; elsewhere most jobs would cost others
                // their kept statements.
                (None, KeptStatement::Deceives { .. }) => Defines::All,
                (None, _) => job.defines(),
            };
            self.note_definitions(defines);
            let alone = if self.is_separable(&job)? {
                self.begin_alone().await?
            } else {
                Alone::No
            };
            let armed = text.as_ref().and_then(|text| self.armed(text));
            self.indivisible = job.is_indivisible();
            let result = job.run(&mut self.connection).await;
            self.indivisible = false;
            if let Some(armed) = armed {
                armed.disarm();
                if self.was_interrupted() {
                    self.lower_interrupt().await?;
                }
            }
            let result = self.end_alone(alone, result).await;
            self.note_definitions(defines);
            match &text {
                Some(text) => self.path.lost(text.effect().path, depth > 0 || self.controlled),
                // What it did with the session is unknown.
                None => DB::forget(&mut self.answers),
            }
            if result.as_ref().is_err_and(is_stale_plan) {
                self.forget_prepared().await?;
            }
            let result = match result {
                Err(error) if is_notification(&error) => {
                    let harmless = text.is_some_and(|text| text.reads());
                    Err(self.given_up(error, harmless).await)
                }
                result => result,
            };
            if open_ended && !result.as_ref().is_err_and(Error::is_fatal) {
                self.level_out(depth).await?;
                // Outside of a transaction `reset` does this.
                if depth > 0 && lent {
                    self.unlisten().await?;
                }
            }
            result
        })
    }

    fn begin(&mut self, begin: Option<Begin>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            if DB::COUNTS_ANSWERS && self.depth() > 0 {
                return self.savepoint().await;
            }
            let sql = begin.and_then(|begin| begin.into_text("BEGIN"));
            let answer = DB::TransactionManager::begin(&mut self.connection, sql).await;
            answer.map_err(DB::error)
        })
    }

    fn commit(&mut self, first: Option<SqlStr>) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            if self.cut && self.levels() == 1 {
                Box::pin(self.deallocate("")).await?;
            }
            let result = if self.savepoints > 0 {
                self.release(first.as_ref().map_or("", SqlStr::as_str)).await
            } else {
                let committed = DB::TransactionManager::commit(&mut self.connection).await;
                let ended = self.ended(committed).await;
                let refused = |error: &Error| error.sqlstate().is_some() && !error.is_fatal();
                self.has_ended = DB::COMMIT_ENDS && ended.as_ref().is_err_and(refused);
                ended
            };
            let left = self.levels();
            self.level_ended(left);
            result
        })
    }

    fn rollback_to(&mut self, depth: usize) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let result = self.undo(depth).await;
            self.level_ended(depth);
            result
        })
    }

    fn depth(&self) -> usize {
        self.levels()
    }

    fn reset(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            if DB::NOTIFIES && self.levels() == 0 && self.unlisten_outside().await? {
                return Ok(());
            }
            match self.run_script(own_sql(DB::RESET)).await {
                // SQLite reports an error if there was nothing to roll back.
                Err(error) if DB::COUNTS_ANSWERS || error.is_fatal() => Err(error),
                _ => {
                    self.controlled = false;
                    self.level_ended(0);
                    Ok(())
                }
            }
        })
    }

    fn reset_session(&mut self) -> BoxFuture<'_, Result<bool>> {
        match DB::RESET_SESSION {
            // A pooler may run the text in another session, and resets a session itself when its connection is closed.
            Some(text) if !self.keeping.is_pooled() => Box::pin(self.reset_to_start(text)),
            _ => Box::pin(ready(Ok(false))),
        }
    }

    fn transaction_open(&mut self) -> BoxFuture<'_, Result<bool>> {
        Box::pin(async move {
            if DB::COUNTS_ANSWERS {
                return self.probe().await;
            }
            transaction_of_sqlite(self.run_own(own_sql(TRANSACTION_QUESTION)).await)
        })
    }

    fn settle(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.cut |= self.keeping.is_pooled();
            match self.flush().await {
                // The statement itself has failed; the rest of its answer follows.
                Err(error) if DB::COUNTS_ANSWERS && !error.is_fatal() => self.flush().await?,
                flushed => flushed?,
            }
            if DB::COUNTS_ANSWERS {
                Ok(())
            } else {
                self.lower_interrupt().await
            }
        })
    }

    fn interrupt(&self) -> Option<&Interrupt> {
        self.interrupter()
    }

    fn ping(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move { self.connection.ping().await.map_err(DB::error) })
    }

    fn interrupted(&self, between_rows: bool) -> bool {
        !self.indivisible && DB::survives_interruption(between_rows)
    }

    fn close_handle(&self) -> Option<CloseFn> {
        // Abandoning a copy affects no other connection: each has its own copy.
        self.original.as_ref().map(|_| Box::new(|| {}) as CloseFn)
    }

    fn renew(&mut self) -> BoxFuture<'_, Result<()>> {
        match &mut self.original {
            Some(original) => original.renew(&mut self.connection),
            None => Box::pin(ready(Ok(()))),
        }
    }

    fn sandboxed(self: Box<Self>, outer: OuterTransaction) -> Box<dyn RawConnection> {
        SandboxedConnection::new(self, outer)
    }

    fn plain(self: Box<Self>) -> Box<dyn RawConnection> {
        self
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            let closed = self.connection.close().await.map_err(DB::error);
            match self.original {
                Some(original) => original.close().await.and(closed),
                None => closed,
            }
        })
    }
}

impl<DB> SqlxConnection<DB>
where
    DB: Native,
    DB::Row: 'static,
    DB::Connection: Send + Sync,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    /// Returns the rows of a statement as they come.
    pub(super) fn stream_of<'a>(&'a mut self, request: Request<'a>) -> BoxStream<'a, Result<Box<dyn RawRow>>> {
        Box::pin(try_stream! {
            self.last_key.forget();
            self.note_sent(request);
            self.follow_definitions(request.statement.is_starred()).await?;
            let mut repeated = false;
            loop {
                let (mut stale, mut reported, mut notified, mut refused, mut yielded) = (None, None, None, None, false);
                let mut unprepared = false;
                {
                    let mut steps = if request.statement.is_script() {
                        self.connection.fetch_many(request.statement.sql())
                    } else {
                        match self.declare(request).await {
                            Err(error) if is_to_be_repeated(&error) => continue,
                            declared => declared?,
                        }
                        self.steps(request)?
                    };
                    while let Some(step) = steps.next().await {
                        match step.map_err(DB::error) {
                            Ok(Either::Left(done)) => reported = Some(DB::done(&done)),
                            Ok(Either::Right(row)) => {
                                yielded = true;
                                yield Box::new(row) as Box<dyn RawRow>;
                            }
                            Err(error) if is_stale_plan(&error) => stale = Some(error),
                            Err(error) if is_notification(&error) => {
                                notified = Some(error);
                                break;
                            }
                            Err(error) if is_unprepared::<DB>(&error, request) => unprepared = true,
                            Err(error) => {
                                refused = Some(error);
                                break;
                            }
                        }
                    }
                }
                if unprepared {
                    request.statement.note_unprepared();
                    continue;
                }
                if let Some(error) = refused {
                    if self.is_unreadable(&error, request) {
                        continue;
                    }
                    self.sent.ended(false);
                    self.note_refusal(&error, request);
                    self.note_end(request.statement, true);
                    Err(error)?;
                }
                if let Some(error) = notified {
                    let harmless = request.statement.reads() && !yielded;
                    let found = Box::pin(self.given_up(error, harmless)).await;
                    if reported.is_none() {
                        if is_to_be_repeated(&found) {
                            continue;
                        }
                        Err(found)?;
                    }
                }
                let Some(error) = stale else {
                    self.sent.ended(true);
                    self.confirmed(reported).await?;
                    break;
                };
                self.forget_prepared().await?;
                // A plan of the user's own, of `PREPARE`, stays stale.
                if self.levels() > 0 || yielded || repeated {
                    Err(error)?;
                }
                repeated = true;
            }
            self.note_end(request.statement, false);
        })
    }

    /// Returns the same, in a transaction of its own if none is open. Dropped before its end, that is rolled back.
    fn stream_pooled<'a>(&'a mut self, request: Request<'a>) -> BoxStream<'a, Result<Box<dyn RawRow>>> {
        Box::pin(try_stream! {
            let mut alone = self.begin_alone().await?;
            let (mut read, mut repeated, mut yielded) = (Ok(()), false, false);
            loop {
                let mut rows = self.stream_of(request);
                while let Some(row) = rows.next().await {
                    match row {
                        Ok(row) => {
                            yielded = true;
                            yield row;
                        }
                        Err(error) => {
                            read = Err(error);
                            break;
                        }
                    }
                }
                drop(rows);
                let removed = alone == Alone::Yes && read.as_ref().is_err_and(is_removed);
                if !removed || repeated || yielded {
                    break;
                }
                (read, repeated) = (Ok(()), true);
                self.undo(0).await?;
                alone = self.begin_alone().await?;
            }
            self.end_alone(alone, read).await?;
        })
    }
}
