//! A row of the driver, whose values are read on demand.

use std::any::Any;
use std::fmt;

use rust_decimal::Decimal;
use tiberius::numeric::Numeric;
use tiberius::{ColumnData, ColumnType, Row};

use super::times;
use crate::backend::OfferedRow;
use crate::error::{Error, ErrorKind, Result};
use crate::value::{RawRow, ValueRef};

/// The amount of money, 2^38, up to which the driver's number of double precision gives each of its four decimal places:
/// from there on 10,000 times the nearest number may lie half-way between two amounts.
const EXACT_MONEY: f64 = 274_877_906_944.0;

/// A row.
pub(super) struct SqlServerRow(pub(super) Row);

impl SqlServerRow {
    fn column_type(&self, index: usize) -> Option<ColumnType> {
        self.0.columns().get(index).map(tiberius::Column::column_type)
    }
}

impl RawRow for SqlServerRow {
    fn len(&self) -> usize {
        self.0.columns().len()
    }

    fn name(&self, index: usize) -> &str {
        self.0.columns().get(index).map_or("", tiberius::Column::name)
    }

    fn type_name(&self, index: usize) -> &str {
        self.column_type(index).map_or("", type_name)
    }

    fn value(&self, index: usize) -> Result<ValueRef<'_>> {
        let unreadable = |why: String| {
            let message = format!("a column of the type {} cannot be read: {why}", self.type_name(index));
            Error::new(ErrorKind::Decode, message)
        };
        let data = self
            .0
            .get_column_data(index)
            .map_err(|error| unreadable(error.to_string()))?;
        let is_money = matches!(self.column_type(index), Some(ColumnType::Money | ColumnType::Money4));
        match data {
            ColumnData::F64(Some(amount)) if is_money => match money(*amount) {
                Some(amount) => Ok(ValueRef::Decimal(amount)),
                None => Err(
                    unreadable("the driver does not read an amount of this size exactly".to_owned())
                        .help("select it as CAST(… AS DECIMAL(19, 4))"),
                ),
            },
            ColumnData::Numeric(Some(number)) => match decimal(*number) {
                Some(number) => Ok(ValueRef::Decimal(number)),
                None => Err(unreadable("it has more digits than Decimal holds (28)".to_owned())
                    .help("select it as CAST(… AS VARCHAR(50))")),
            },
            data => read(data).ok_or_else(|| unreadable("it is out of range for its Rust type".to_owned())),
        }
    }

    fn native(&self) -> &dyn Any {
        &self.0
    }
}

impl fmt::Debug for SqlServerRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlServerRow")
            .field("columns", &self.len())
            .finish_non_exhaustive()
    }
}

/// A row that is offered to a sink.
pub(super) struct SqlServerOffered(pub(super) Option<SqlServerRow>);

impl OfferedRow for SqlServerOffered {
    fn look(&self) -> Option<&dyn RawRow> {
        self.0.as_ref().map(|row| row as &dyn RawRow)
    }

    fn take(&mut self) -> Option<Box<dyn RawRow>> {
        self.0.take().map(|row| Box::new(row) as Box<dyn RawRow>)
    }
}

/// Reads a value; `None` if its Rust type does not have it.
fn read<'r>(data: &'r ColumnData<'static>) -> Option<ValueRef<'r>> {
    Some(match data {
        ColumnData::U8(Some(it)) => ValueRef::I64((*it).into()),
        ColumnData::I16(Some(it)) => ValueRef::I64((*it).into()),
        ColumnData::I32(Some(it)) => ValueRef::I64((*it).into()),
        ColumnData::I64(Some(it)) => ValueRef::I64(*it),
        ColumnData::F32(Some(it)) => ValueRef::F32(*it),
        ColumnData::F64(Some(it)) => ValueRef::F64(*it),
        ColumnData::Bit(Some(it)) => ValueRef::Bool(*it),
        ColumnData::String(Some(it)) => ValueRef::Text(it),
        ColumnData::Xml(Some(it)) => ValueRef::Text((**it).as_ref()),
        ColumnData::Guid(Some(it)) => ValueRef::Uuid(*it),
        ColumnData::Binary(Some(it)) => ValueRef::Bytes(it),
        ColumnData::Numeric(Some(it)) => ValueRef::Decimal(decimal(*it)?),
        ColumnData::Date(Some(it)) => ValueRef::Date(times::read_date(*it)?),
        ColumnData::Time(Some(it)) => ValueRef::Time(times::read_time(*it)?),
        ColumnData::DateTime(Some(it)) => ValueRef::DateTime(times::read_old_date_time(*it)?),
        ColumnData::SmallDateTime(Some(it)) => ValueRef::DateTime(times::read_small_date_time(*it)?),
        ColumnData::DateTime2(Some(it)) => ValueRef::DateTime(times::read_date_time(*it)?),
        ColumnData::DateTimeOffset(Some(it)) => ValueRef::Timestamp(times::read_date_time(it.datetime2())?.and_utc()),
        _ => ValueRef::Null,
    })
}

/// Returns an amount of money, which the driver reads as a number of double precision; `None` if that is not exact.
fn money(amount: f64) -> Option<Decimal> {
    if amount.abs() >= EXACT_MONEY {
        return None;
    }
    Decimal::try_from_i128_with_scale((amount * 10_000.0).round() as i128, 4).ok()
}

/// Returns a number exactly; zeros at its end are left out if it has too many digits.
fn decimal(number: Numeric) -> Option<Decimal> {
    let (mut digits, mut scale) = (number.value(), u32::from(number.scale()));
    loop {
        if let Ok(decimal) = Decimal::try_from_i128_with_scale(digits, scale) {
            return Some(decimal);
        }
        if scale == 0 || digits % 10 != 0 {
            return None;
        }
        (digits, scale) = (digits / 10, scale - 1);
    }
}

fn type_name(column: ColumnType) -> &'static str {
    match column {
        ColumnType::Null => "NULL",
        ColumnType::Bit | ColumnType::Bitn => "BIT",
        ColumnType::Int1 => "TINYINT",
        ColumnType::Int2 => "SMALLINT",
        ColumnType::Int4 | ColumnType::Intn => "INT",
        ColumnType::Int8 => "BIGINT",
        ColumnType::Float4 => "REAL",
        ColumnType::Float8 | ColumnType::Floatn => "FLOAT",
        ColumnType::Money => "MONEY",
        ColumnType::Money4 => "SMALLMONEY",
        ColumnType::Decimaln | ColumnType::Numericn => "DECIMAL",
        ColumnType::Datetime4 => "SMALLDATETIME",
        ColumnType::Datetime | ColumnType::Datetimen => "DATETIME",
        ColumnType::Daten => "DATE",
        ColumnType::Timen => "TIME",
        ColumnType::Datetime2 => "DATETIME2",
        ColumnType::DatetimeOffsetn => "DATETIMEOFFSET",
        ColumnType::Guid => "UNIQUEIDENTIFIER",
        ColumnType::BigVarBin => "VARBINARY",
        ColumnType::BigBinary => "BINARY",
        ColumnType::BigVarChar => "VARCHAR",
        ColumnType::BigChar => "CHAR",
        ColumnType::NVarchar => "NVARCHAR",
        ColumnType::NChar => "NCHAR",
        ColumnType::Xml => "XML",
        ColumnType::Udt => "UDT",
        ColumnType::Text => "TEXT",
        ColumnType::Image => "IMAGE",
        ColumnType::NText => "NTEXT",
        ColumnType::SSVariant => "SQL_VARIANT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(column: ColumnType, value: ColumnData<'static>) -> SqlServerRow {
        SqlServerRow(Row::builder().column("a", column, value).build())
    }

    #[test]
    fn b1_money_is_exact_or_an_error() {
        let read = |amount: f64| {
            let row = row(ColumnType::Money, ColumnData::F64(Some(amount)));
            row.value(0).map(|value| format!("{value:?}"))
        };
        assert_eq!(read(0.1 + 0.2).unwrap(), "Decimal(0.3000)");
        assert_eq!(read(-123_456_789.123_5).unwrap(), "Decimal(-123456789.1235)");
        let error = read(922_337_203_685_477.6).unwrap_err();
        assert!(error.to_string().contains("DECIMAL(19, 4)"), "{error}");
        let float = row(ColumnType::Float8, ColumnData::F64(Some(0.5)));
        assert_eq!(float.value(0).unwrap(), ValueRef::F64(0.5));
    }

    #[test]
    fn b1_every_place_of_money_is_read_up_to_its_limit() {
        // The wire has 10,000 times the amount, which the driver divides.
        let read = |wire: i64| money(wire as f64 / 1e4);
        let limit = (1_i64 << 38) * 10_000;
        for start in [0, 1 << 40, 1 << 50, 1 << 51, limit - 100_000] {
            for wire in (start..limit).take(100_000) {
                assert_eq!(read(wire), Some(Decimal::new(wire, 4)), "{wire}");
                assert_eq!(read(-wire), Some(Decimal::new(-wire, 4)), "-{wire}");
            }
        }
        for wire in [limit, limit + 1, i64::MAX, i64::MIN] {
            assert_eq!(read(wire), None, "{wire}");
        }
    }

    #[test]
    fn b1_numbers_are_exact_or_an_error() {
        let read = |digits, scale| {
            let number = Numeric::new_with_scale(digits, scale);
            row(ColumnType::Numericn, ColumnData::Numeric(Some(number)))
                .value(0)
                .map(|value| format!("{value:?}"))
        };
        assert_eq!(read(12_345, 2).unwrap(), "Decimal(123.45)");
        assert_eq!(
            read(5 * 10_i128.pow(37), 38).unwrap(),
            "Decimal(0.5000000000000000000000000000)"
        );
        assert_eq!(read(10_i128.pow(38) - 1, 0).unwrap_err().kind(), ErrorKind::Decode);
    }
}
