//! An open connection: its statements and transactions.

use std::rc::Rc;

use crate::answers::{Answer, Done};
use crate::canceller::{Canceller, Kill};
use crate::columns::Column;
use crate::desk::{Address, Desk};
use crate::failure::Failure;
use crate::frames::{Begin, Run};
use crate::odbc::{Connection, InfoType, Statement};
use crate::parameters::bound;
use crate::product::Product;
use crate::refused::refuse;

/// Number of bytes after which rows are sent.
const LOT: usize = 64 * 1024;
/// The key of the row that was inserted last.
const LAST_KEY: &str = "SELECT last_insert_rowid()";
/// The number of a session of MariaDB and MySQL.
const SESSION: &str = "SELECT CONNECTION_ID()";

/// An open connection.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Rc<Connection>,
    product: Product,
    /// The file of the driver.
    driver: String,
    /// Set if a statement is ended over another connection.
    kill: Option<Kill>,
    /// The level of transactions, if the one under way has another.
    usual: Option<u32>,
}

impl Session {
    /// `text` is the connection string.
    pub(crate) fn new(
        connection: Rc<Connection>,
        text: &str,
        product: Product,
        driver: String,
    ) -> Result<Self, Failure> {
        let mut session = Self {
            connection,
            product,
            driver,
            kill: None,
            usual: None,
        };
        if product == Product::MySql {
            let id = session.number(SESSION)?;
            session.kill = id.map(|id| Kill::new(text, product.encoding(), id));
        }
        Ok(session)
    }

    fn canceller(&self, statement: &Statement) -> Canceller {
        match &self.kill {
            Some(kill) => Canceller::Server(kill.clone()),
            None => Canceller::Driver(statement.cancel_handle()),
        }
    }

    pub(crate) fn product(&self) -> Product {
        self.product
    }

    /// Returns what the driver says of itself and of its server.
    pub(crate) fn opened(&self) -> Vec<(&'static str, String)> {
        let info = |kind| self.connection.info(kind);
        let number = |kind| self.connection.number(kind).unwrap_or_default();
        let mut pairs = vec![
            ("product", info(InfoType::DbmsName)),
            ("version", info(InfoType::DbmsVer)),
            ("driver", self.driver.clone()),
            ("driver-version", info(InfoType::DriverVer)),
            ("cancel", u8::from(self.connection.can_cancel()).to_string()),
            ("quote", info(InfoType::IdentifierQuoteChar)),
        ];
        // The low half: some drivers leave the other one as it was.
        let capable = number(InfoType::TransactionCapable) & 0xffff;
        let transactions = match capable {
            0 => "none",
            _ if self.product.begins_by_text() => "text",
            _ => "api",
        };
        let definitions = match capable {
            2 => "transactional",
            4 => "ignored",
            1 => "refused",
            _ => "commits",
        };
        let folding = match number(InfoType::IdentifierCase) & 0xffff {
            1 => "upper",
            2 => "lower",
            _ => "none",
        };
        pairs.extend([
            ("transactions", transactions.to_owned()),
            ("ddl", definitions.to_owned()),
            ("folding", folding.to_owned()),
            ("isolation", levels(number(InfoType::DefaultTxnIsolation))),
            ("levels", levels(number(InfoType::TransactionIsolationProtocol))),
        ]);
        pairs
    }

    /// Runs a statement, and answers with its rows.
    pub(crate) fn run(&mut self, desk: &Desk, address: Address, run: &Run) -> Result<Done, Failure> {
        refuse(self.product, run)?;
        let asks_key = run.key && self.product == Product::Sqlite;
        let before = if asks_key { self.number(LAST_KEY)? } else { None };
        let mut statement = self.connection.statement()?;
        let running = desk.run(self.canceller(&statement));
        let ran = if run.parameters.is_empty() {
            statement.execute_text(&run.sql)?
        } else {
            let parameters = run.parameters.iter().map(|value| bound(self.product, value));
            let parameters = parameters.collect::<Result<_, _>>()?;
            statement.prepare(&run.sql)?;
            statement.execute(parameters)?
        };
        let mut done = Done::default();
        if !ran {
            done.rows = Some(0);
            return Ok(done);
        }
        loop {
            match statement.width()? {
                0 => done.rows = done.rows.max(statement.changed()),
                width => self.rows(desk, address, run.rows, &mut statement, width)?,
            }
            if !statement.next_result()? {
                break;
            }
        }
        drop(running);
        drop(statement);
        if asks_key && done.rows == Some(1) {
            // A key that did not change may be that of an older row.
            done.key = self.number(LAST_KEY)?.filter(|key| Some(*key) != before);
        }
        Ok(done)
    }

    fn rows(
        &self,
        desk: &Desk,
        address: Address,
        wanted: bool,
        statement: &mut Statement,
        width: u16,
    ) -> Result<(), Failure> {
        let Address { channel, number } = address;
        let mut columns = Vec::with_capacity(width.into());
        for place in 1..=width {
            columns.push(Column::new(self.product, place, statement.describe(place)?));
        }
        if wanted {
            desk.answer(Answer::columns(channel, number, columns.iter().map(Column::shown)));
        }
        let (mut values, mut count) = (Vec::new(), 0);
        let send = |values: &mut Vec<u8>, count: &mut u32| {
            if !desk.take_credit(number) {
                return Err(Failure::cancelled());
            }
            desk.answer(Answer::rows(channel, number, *count, values));
            values.clear();
            *count = 0;
            Ok(())
        };
        while statement.fetch()? {
            if desk.is_cancelled(number) {
                return Err(Failure::cancelled());
            }
            if !wanted {
                continue;
            }
            for column in &columns {
                column.read(statement, &mut values)?;
            }
            count += 1;
            if values.len() >= LOT {
                send(&mut values, &mut count)?;
            }
        }
        if count > 0 {
            send(&mut values, &mut count)?;
        }
        Ok(())
    }

    /// Begins a transaction.
    pub(crate) fn begin(&mut self, desk: &Desk, begin: &Begin) -> Result<Done, Failure> {
        if !self.product.begins_by_text() {
            self.begin_by_interface(begin)?;
        }
        for text in [&begin.text, &begin.first] {
            if !text.is_empty() {
                self.text(desk, text)?;
            }
        }
        Ok(Done::default())
    }

    fn begin_by_interface(&mut self, begin: &Begin) -> Result<(), Failure> {
        if begin.read_only {
            return Err(Failure::own(
                "unsupported",
                "drivers of ODBC take `read only` for a hint",
            ));
        }
        if let Some(level) = level(begin.isolation) {
            self.usual = self.connection.number(InfoType::DefaultTxnIsolation);
            self.connection.set_isolation(level)?;
        }
        Ok(self.connection.set_autocommit(false)?)
    }

    /// Ends a transaction.
    pub(crate) fn end(&mut self, desk: &Desk, commit: bool) -> Result<Done, Failure> {
        if self.product.begins_by_text() {
            self.text(desk, if commit { "COMMIT" } else { "ROLLBACK" })?;
        } else {
            self.connection.end_transaction(commit)?;
            self.connection.set_autocommit(true)?;
            // The level was one for this transaction.
            if let Some(usual) = self.usual.take() {
                self.connection.set_isolation(usual)?;
            }
        }
        Ok(Done::default())
    }

    /// Asks the server whether it is there.
    pub(crate) fn ping(&mut self, desk: &Desk) -> Result<Done, Failure> {
        match self.text(desk, "SELECT 1") {
            // Not every database has a SELECT without FROM; this error is an answer, too.
            Err(failure) if self.product != Product::Other || failure.closed => Err(failure),
            _ => Ok(Done::default()),
        }
    }

    /// Runs a text of this library, whose rows are of no interest.
    fn text(&self, desk: &Desk, text: &str) -> Result<(), Failure> {
        let mut statement = self.connection.statement()?;
        let _running = desk.run(self.canceller(&statement));
        Ok(statement.execute_text(text).map(drop)?)
    }

    /// Returns the one number that a text of this library asks for.
    fn number(&self, text: &str) -> Result<Option<i64>, Failure> {
        let mut statement = self.connection.statement()?;
        statement.execute_text(text)?;
        if !statement.fetch()? {
            return Ok(None);
        }
        let text = statement.text(1)?;
        Ok(text.and_then(Result::ok).and_then(|text| text.parse().ok()))
    }
}

/// The levels by their numbers in the protocol, and as ODBC writes them.
const LEVELS: [(u8, u32); 4] = [(1, 1), (2, 2), (3, 4), (4, 8)];

/// Returns a level as ODBC writes it.
fn level(number: u8) -> Option<u32> {
    LEVELS.iter().find(|(known, _)| *known == number).map(|(_, bit)| *bit)
}

/// Returns the numbers of the levels that ODBC writes as bits.
fn levels(bits: u32) -> String {
    let numbers = LEVELS
        .iter()
        .filter(|(_, bit)| bits & bit != 0)
        .map(|(number, _)| number.to_string());
    numbers.collect::<Vec<_>>().join(",")
}
