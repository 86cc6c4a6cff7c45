//! A row of a batch, read on demand.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use chrono::{NaiveDate, NaiveDateTime};

use super::batch::BatchFrame;
use super::cell::Cell;
use super::codec::Reader;
use super::encode::tag;
use super::frame::{Column, Malformed};
use super::server_text::{TextForm, bytes_of_mysql};
use super::unreadable::unreadable;
use crate::backend::OfferedRow;
use crate::backend::postgres::{decimal, text as reading};
use crate::error::Result;
use crate::sql::Dialect;
use crate::value::{Interval, RawRow, Value, ValueRef};

/// A row: a batch, which all of its rows share, and a number.
#[derive(Clone)]
pub(super) struct BatchRow {
    batch: Arc<BatchFrame>,
    row: u32,
}

impl BatchRow {
    pub(super) fn new(batch: &Arc<BatchFrame>, row: u32) -> Self {
        Self {
            batch: Arc::clone(batch),
            row,
        }
    }

    fn column(&self, index: usize) -> Option<&Column> {
        self.batch.columns.list.get(index)
    }
}

impl RawRow for BatchRow {
    fn len(&self) -> usize {
        self.batch.columns.list.len()
    }

    fn name(&self, index: usize) -> &str {
        self.column(index).map_or("", |column| &column.name)
    }

    fn type_name(&self, index: usize) -> &str {
        match self.batch.columns.type_name(index) {
            // A column that is none of a table has the type of its value.
            "" => self.batch.cell(self.row, index).map_or("", |cell| class(cell.tag)),
            name => name,
        }
    }

    fn value(&self, index: usize) -> Result<ValueRef<'_>> {
        let columns = &*self.batch.columns;
        let (name, form) = match columns.list.get(index).zip(columns.forms.get(index)) {
            Some((column, form)) => (column.type_name.as_str(), form),
            None => ("", &TextForm::Plain),
        };
        let cell = self.batch.cell(self.row, index).map_err(|why| unreadable(name, &why))?;
        read(columns.dialect, name, form, cell)
    }

    fn is_boolean(&self, index: usize) -> bool {
        self.column(index).is_some_and(|column| column.is_boolean)
    }

    fn native(&self) -> &dyn Any {
        self
    }
}

impl fmt::Debug for BatchRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchRow")
            .field("row", &self.row)
            .finish_non_exhaustive()
    }
}

/// A row that is offered to a sink.
pub(super) struct OfferedBatchRow(pub(super) Option<BatchRow>);

impl OfferedRow for OfferedBatchRow {
    fn look(&self) -> Option<&dyn RawRow> {
        self.0.as_ref().map(|row| row as &dyn RawRow)
    }

    fn take(&mut self) -> Option<Box<dyn RawRow>> {
        self.0.take().map(|row| Box::new(row) as Box<dyn RawRow>)
    }
}

/// Returns the name of the type of a value without a column of a table.
fn class(tag: u8) -> &'static str {
    match tag {
        tag::NULL => "NULL",
        tag::BOOL => "BOOLEAN",
        tag::I64 | tag::U64 => "INTEGER",
        tag::F32 | tag::F64 => "REAL",
        tag::DECIMAL => "DECIMAL",
        tag::BYTES => "BLOB",
        tag::DATE => "DATE",
        tag::TIME => "TIME",
        tag::DATETIME | tag::CALENDAR | tag::TIMESTAMP => "TIMESTAMP",
        tag::UUID => "UUID",
        tag::JSON => "JSON",
        tag::INTERVAL => "INTERVAL",
        tag::ARRAY => "ARRAY",
        _ => "TEXT",
    }
}

/// Reads a value of a column whose type has a name.
fn read<'r>(dialect: Dialect, type_name: &str, form: &TextForm, cell: Cell<'r>) -> Result<ValueRef<'r>> {
    let broken = |why: Malformed| unreadable(type_name, &why);
    let mut reader = Reader::new("a value", cell.body);
    Ok(match cell.tag {
        tag::NULL => ValueRef::Null,
        tag::BOOL => ValueRef::Bool(reader.u8().map_err(broken)? != 0),
        tag::I64 => ValueRef::I64(reader.i64().map_err(broken)?),
        tag::U64 => ValueRef::U64(reader.u64().map_err(broken)?),
        tag::F32 => ValueRef::F32(reader.f32().map_err(broken)?),
        tag::F64 => ValueRef::F64(reader.f64().map_err(broken)?),
        tag::BYTES => match dialect {
            Dialect::MySql => bytes_of_mysql(type_name, cell.body),
            _ => ValueRef::Bytes(cell.body),
        },
        tag::CALENDAR => {
            let moment = calendar(&mut reader).map_err(broken)?;
            ValueRef::DateTime(moment.ok_or_else(|| unreadable(type_name, &"there is no such day or time"))?)
        }
        tag::INTERVAL => ValueRef::Owned(Value::Interval(Interval {
            months: reader.i32().map_err(broken)?,
            days: reader.i32().map_err(broken)?,
            microseconds: reader.i64().map_err(broken)?,
        })),
        tag::ARRAY => {
            let count = reader.u32().map_err(broken)?;
            let form = TextForm::of(dialect, "");
            let mut member = || {
                let cell = Cell::read(&mut reader).map_err(broken)?;
                read(dialect, "", &form, cell).and_then(Value::of_member)
            };
            ValueRef::Owned(Value::Array((0..count).map(|_| member()).collect::<Result<_>>()?))
        }
        tag => {
            let text = reader.text().map_err(broken)?;
            if tag == tag::UNREADABLE {
                return Err(unreadable(type_name, &text));
            }
            return of_text(type_name, form, tag, text);
        }
    })
}

/// Reads a date and time in ten bytes.
fn calendar(reader: &mut Reader<'_>) -> Result<Option<NaiveDateTime>, Malformed> {
    let (year, month, day) = (reader.u16()?, reader.u8()?, reader.u8()?);
    let (hour, minute) = (reader.u8()?, reader.u8()?);
    // The last three bytes are microseconds.
    let rest = reader.u32()?;
    let date = NaiveDate::from_ymd_opt(year.into(), month.into(), day.into());
    Ok(date.and_then(|date| date.and_hms_micro_opt(hour.into(), minute.into(), rest >> 24, rest & 0xFF_FFFF)))
}

/// Reads a value that travels as text.
fn of_text<'r>(type_name: &str, form: &TextForm, tag: u8, text: &'r str) -> Result<ValueRef<'r>> {
    let value = match tag {
        tag::TEXT => Some(ValueRef::Text(text)),
        tag::JSON => Some(ValueRef::Json(text)),
        tag::UNTYPED => return form.read(type_name, text),
        tag::DECIMAL => {
            let why = "it is NaN or infinite, or has more digits than Decimal holds (28)";
            let value = decimal(text).map(ValueRef::Decimal);
            return value.ok_or_else(|| unreadable(type_name, &why));
        }
        tag::DATE => reading::date(text).map(ValueRef::Date),
        tag::TIME => reading::time(text).map(ValueRef::Time),
        tag::DATETIME => reading::date_time(text).map(ValueRef::DateTime),
        tag::TIMESTAMP => reading::timestamp(text).map(ValueRef::Timestamp),
        tag::UUID => text.parse().ok().map(ValueRef::Uuid),
        tag::INET => text.parse().ok().map(|it| ValueRef::Owned(Value::Inet(it))),
        other => return Err(unreadable(type_name, &format!("its tag {other} is unknown"))),
    };
    value.ok_or_else(|| unreadable(type_name, &format!("{text:?} is out of range for its Rust type")))
}
