//! The properties of `fuzz/` that are about the frames of sidecars; see [`crate::fuzzing`].

use std::sync::Arc;

use super::batch::{BatchFrame, Columns};
use super::codec;
use super::frame::{AnswerFrame, BatchOrder, Column, Failure, Frame, Origin, Pairs, kind};
use super::row::BatchRow;
use crate::sql::DIALECTS;
use crate::value::RawRow as _;

/// The names of the types of columns for rows, because few texts are one.
const TYPES: [&str; 12] = [
    "",
    "int4",
    "_int4",
    "numeric",
    "timestamptz",
    "bytea",
    "interval",
    "INT UNSIGNED",
    "DECIMAL",
    "DATETIME",
    "BIT(8)",
    "mood",
];

/// Bytes are a frame or an error, which says what is wrong. A frame that was read is written as one that is read as the
/// same. Its rows can be read value by value, on each dialect, whatever the columns are.
pub fn sidecar_frames(bytes: &[u8]) {
    check(bytes);
}

fn check(bytes: &[u8]) {
    let frame = match codec::frame(bytes) {
        Ok(frame) => frame,
        Err(wrong) => {
            assert!(!wrong.to_string().is_empty());
            return;
        }
    };
    let again = codec::frame(&written(&frame));
    assert_eq!(again.as_ref(), Ok(&frame));
    let AnswerFrame::Rows(order, payload) = frame.answer else {
        return;
    };
    let width = usize::from(payload.get(4).copied().unwrap_or_default() % 4);
    for dialect in DIALECTS {
        let columns = (0..width).map(|index| Column {
            name: "C".to_owned(),
            type_name: TYPES[(payload.len() + index) % TYPES.len()].to_owned(),
            is_boolean: index == 1,
        });
        let columns = Arc::new(Columns::new(dialect, columns.collect(), true));
        let Ok(batch) = BatchFrame::read(&columns, order, payload.clone()) else {
            return;
        };
        let batch = Arc::new(batch);
        for row in 0..batch.rows().min(100) {
            let row = BatchRow::new(&batch, row);
            for index in 0..row.len() {
                match row.any_value(index) {
                    Ok(value) => drop(format!("{value:?} {}", row.type_name(index))),
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
            }
        }
    }
}

/// Writes a frame.
fn written(frame: &Frame) -> Vec<u8> {
    let mut out = frame.channel.to_be_bytes().to_vec();
    out.extend(frame.request.to_be_bytes());
    match &frame.answer {
        AnswerFrame::Welcome { version, pairs: all } => {
            out.push(kind::WELCOME);
            out.extend(version.to_be_bytes());
            pairs(&mut out, all);
        }
        AnswerFrame::Opened(all) => {
            out.push(kind::OPENED);
            pairs(&mut out, all);
        }
        AnswerFrame::Columns(columns) => {
            out.push(kind::COLUMNS);
            out.extend((columns.len() as u16).to_be_bytes());
            for column in columns {
                text(&mut out, &column.name);
                text(&mut out, &column.type_name);
                out.push(u8::from(column.is_boolean) << 1);
            }
        }
        AnswerFrame::Rows(order, payload) => {
            out.push(match order {
                BatchOrder::Rows => kind::ROWS,
                BatchOrder::Columns => kind::BLOCK,
            });
            out.extend(payload);
        }
        AnswerFrame::Done { rows, key } => {
            out.push(kind::DONE);
            out.extend(rows.map_or(-1, |rows| rows as i64).to_be_bytes());
            out.push(u8::from(key.is_some()));
            out.extend(key.iter().flat_map(|key| key.to_be_bytes()));
        }
        AnswerFrame::Failed(failure) => {
            out.push(kind::FAILED);
            failed(&mut out, failure);
        }
    }
    out
}

fn failed(out: &mut Vec<u8>, failure: &Failure) {
    out.push(match failure.origin {
        Origin::Driver => 0,
        Origin::Sidecar => 1,
        Origin::Skipped => 2,
        Origin::Foreign => 3,
    });
    out.push(failure.closed.into());
    text(out, &failure.class);
    text(out, &failure.sqlstate);
    out.extend(failure.code.to_be_bytes());
    text(out, &failure.message);
    out.extend((failure.causes.len() as u16).to_be_bytes());
    for cause in &failure.causes {
        text(out, cause);
    }
    pairs(out, &failure.details);
}

fn pairs(out: &mut Vec<u8>, Pairs(pairs): &Pairs) {
    out.extend((pairs.len() as u16).to_be_bytes());
    for (name, value) in pairs {
        text(out, name);
        text(out, value);
    }
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u32).to_be_bytes());
    out.extend(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::encode;
    use super::*;
    use crate::sql::Dialect;
    use crate::value::{Interval, NullType, Row, Value};

    fn all_pairs() -> impl Strategy<Value = Pairs> {
        vec((any::<String>(), any::<String>()), 0..4).prop_map(Pairs)
    }

    fn answers() -> impl Strategy<Value = AnswerFrame> {
        let column = (any::<String>(), any::<String>(), any::<bool>());
        let column = column.prop_map(|(name, type_name, is_boolean)| Column {
            name,
            type_name,
            is_boolean,
        });
        let origin = prop::sample::select(vec![Origin::Driver, Origin::Sidecar, Origin::Skipped, Origin::Foreign]);
        let texts = (
            any::<String>(),
            any::<String>(),
            any::<String>(),
            vec(any::<String>(), 0..3),
        );
        let failure = (origin, any::<bool>(), texts, any::<i64>(), all_pairs());
        let failure = failure.prop_map(
            |(origin, closed, (class, sqlstate, message, causes), code, details)| Failure {
                origin,
                closed,
                class,
                sqlstate,
                code,
                message,
                causes,
                details,
            },
        );
        prop_oneof![
            (any::<u16>(), all_pairs()).prop_map(|(version, pairs)| AnswerFrame::Welcome { version, pairs }),
            all_pairs().prop_map(AnswerFrame::Opened),
            vec(column, 0..4).prop_map(AnswerFrame::Columns),
            (
                prop::sample::select(vec![BatchOrder::Rows, BatchOrder::Columns]),
                vec(any::<u8>(), 0..40)
            )
                .prop_map(|(order, payload)| AnswerFrame::Rows(order, payload)),
            (prop::option::of(0..=i64::MAX as u64), any::<Option<i64>>())
                .prop_map(|(rows, key)| AnswerFrame::Done { rows, key }),
            failure.prop_map(|failure| AnswerFrame::Failed(Box::new(failure))),
        ]
    }

    fn values() -> impl Strategy<Value = Value> {
        let day = (-200_000..200_000_i32).prop_filter_map("a date", chrono::NaiveDate::from_num_days_from_ce_opt);
        let time = (0..86_400_u32, 0..1_000_000_000_u32).prop_filter_map("a time", |(seconds, nanos)| {
            chrono::NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanos)
        });
        let moment = (day.clone(), time.clone()).prop_map(|(day, time)| day.and_time(time));
        let scalar = prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::I64),
            any::<u64>().prop_map(Value::U64),
            any::<f32>().prop_map(Value::F32),
            any::<f64>().prop_map(Value::F64),
            (any::<i64>(), 0..28_u32)
                .prop_map(|(digits, scale)| Value::Decimal(rust_decimal::Decimal::new(digits, scale))),
            any::<String>().prop_map(Value::Text),
            vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
            day.prop_map(Value::Date),
            time.prop_map(Value::Time),
            moment.clone().prop_map(Value::DateTime),
            moment.prop_map(|moment| Value::Timestamp(moment.and_utc())),
            any::<u128>().prop_map(|bits| Value::Uuid(uuid::Uuid::from_u128(bits))),
            any::<(i32, i32, i64)>().prop_map(|(months, days, microseconds)| Value::Interval(Interval {
                months,
                days,
                microseconds
            })),
            any::<u32>().prop_map(|bits| Value::Inet(std::net::IpAddr::from(bits.to_be_bytes()).into())),
        ];
        scalar.prop_recursive(3, 16, 4, |inner| vec(inner, 0..4).prop_map(Value::Array))
    }

    proptest! {
        #[test]
        fn b6_any_bytes_are_a_frame_or_an_error(kind in prop_oneof![128..137_u8, any::<u8>()], payload in vec(any::<u8>(), 0..80)) {
            let bytes = [&[0, 0, 0, 1, 0, 0, 0, 1, kind], &*payload].concat();
            sidecar_frames(&bytes);
            sidecar_frames(&payload);
        }

        #[test]
        fn b6_every_frame_is_read_as_it_was_written(answer in answers(), channel in any::<u32>(), request in any::<u32>()) {
            let frame = Frame { channel, request, answer };
            let bytes = written(&frame);
            let read = codec::frame(&bytes);
            prop_assert_eq!(read.as_ref(), Ok(&frame));
            sidecar_frames(&bytes);
            for end in 0..bytes.len() {
                sidecar_frames(&bytes[..end]);
            }
        }

        #[test]
        fn b6_every_value_is_read_as_it_was_written(values in vec(values(), 1..5)) {
            let mut payload = 1_u32.to_be_bytes().to_vec();
            for value in &values {
                // For PostgreSQL fractions of a second are cut to microseconds.
                encode::value(Dialect::Generic, value, 1, &mut payload).unwrap();
            }
            let columns = values.iter().map(|_| Column {
                name: "a".to_owned(),
                type_name: String::new(),
                is_boolean: false,
            });
            let columns = Arc::new(Columns::new(Dialect::Postgres, columns.collect(), false));
            let batch = Arc::new(BatchFrame::read(&columns, BatchOrder::Rows, payload).unwrap());
            let read = Row::new(Box::new(BatchRow::new(&batch, 0))).values().unwrap();
            for (read, value) in read.iter().zip(&values) {
                // NaN is not equal to itself; its form is.
                prop_assert_eq!(format!("{read:?}"), format!("{value:?}"));
            }
        }
    }

    /// A column of a `BLOCK` with a byte for each row, and what is read from it.
    fn nullable(form: u8, there: &[bool], values: &[u8]) -> Vec<u8> {
        let there: Vec<u8> = there.iter().map(|there| u8::from(*there)).collect();
        [&[form | 0x80][..], &there, values].concat()
    }

    proptest! {
        #[test]
        fn b6_every_column_of_a_block_is_read_as_it_was_written(
            rows in vec((any::<Option<i64>>(), any::<Option<String>>(), values(), any::<f64>(), any::<String>()), 0..40),
        ) {
            let mut payload = (rows.len() as u32).to_be_bytes().to_vec();
            let there: Vec<_> = rows.iter().map(|row| row.0.is_some()).collect();
            let numbers: Vec<_> = rows.iter().flat_map(|row| row.0.unwrap_or(9).to_be_bytes()).collect();
            payload.extend(nullable(2, &there, &numbers));
            let there: Vec<_> = rows.iter().map(|row| row.1.is_some()).collect();
            payload.extend(nullable(7, &there, &long(rows.iter().map(|row| row.1.as_deref().unwrap_or("?")))));
            payload.push(127);
            for row in &rows {
                encode::value(Dialect::Generic, &row.2, 1, &mut payload).unwrap();
            }
            payload.push(5);
            payload.extend(rows.iter().flat_map(|row| row.3.to_be_bytes()));
            payload.push(15);
            payload.extend(long(rows.iter().map(|row| row.4.as_str())));
            let column = Column { name: "a".to_owned(), type_name: "text".to_owned(), is_boolean: false };
            let columns = Arc::new(Columns::new(Dialect::Postgres, vec![column; 5], false));
            let batch = Arc::new(BatchFrame::read(&columns, BatchOrder::Columns, payload.clone()).unwrap());
            prop_assert_eq!(batch.rows() as usize, rows.len());
            for (number, (integer, text, value, double, other)) in rows.into_iter().enumerate() {
                let read = Row::new(Box::new(BatchRow::new(&batch, number as u32))).values().unwrap();
                let integer = integer.map_or(Value::Null, Value::I64);
                let text = text.map_or(Value::Null, Value::Text);
                let written = [integer, text, value, Value::F64(double), Value::Text(other)];
                prop_assert_eq!(format!("{:?}", read), format!("{written:?}"));
            }
            for end in 0..payload.len() {
                prop_assert!(BatchFrame::read(&columns, BatchOrder::Columns, payload[..end].to_vec()).is_err());
            }
        }
    }

    /// Returns the ends of texts, and the texts.
    fn long<'t>(texts: impl Iterator<Item = &'t str> + Clone) -> Vec<u8> {
        let ends = texts.clone().scan(0, |end, text| {
            *end += text.len() as u32;
            Some(end.to_be_bytes())
        });
        let mut out: Vec<u8> = ends.flatten().collect();
        texts.for_each(|text| out.extend(text.as_bytes()));
        out
    }

    #[test]
    fn b6_a_block_that_is_wrong_is_refused() {
        let columns = Arc::new(Columns::new(Dialect::Generic, vec![named("a")], false));
        let read = |payload: &[u8]| BatchFrame::read(&columns, BatchOrder::Columns, payload.to_vec());
        let two = |rest: &[u8]| [&[0, 0, 0, 2][..], rest].concat();
        for (payload, why) in [
            (two(&[7, 0, 0, 0, 2, 0, 0, 0, 1, b'a', b'b']), "before it begins"),
            (two(&[0, 0, 0]), "0 is no form"),
            (two(&[18, 0, 0, 0, 0]), "18 is no form"),
            (two(&[1, 1, 1, 1]), "too many"),
            (vec![0xFF, 0xFF, 0xFF, 0xFF, 2, 0, 0, 0, 0, 0, 0, 0, 0], "cut off"),
        ] {
            let error = read(&payload).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    fn named(name: &str) -> Column {
        Column {
            name: name.to_owned(),
            type_name: String::new(),
            is_boolean: false,
        }
    }

    #[test]
    fn b2_a_date_and_time_in_ten_bytes_is_read_and_one_that_is_none_fails_alone() {
        let columns = Arc::new(Columns::new(Dialect::Generic, vec![named("a"), named("b")], false));
        let mut payload = 1_u32.to_be_bytes().to_vec();
        payload.extend([22, 7, 234, 12, 1, 3, 4, 5, 1, 226, 64]);
        payload.extend([22, 7, 234, 13, 1, 3, 4, 5, 1, 226, 64]);
        let batch = Arc::new(BatchFrame::read(&columns, BatchOrder::Rows, payload).unwrap());
        let row = Row::new(Box::new(BatchRow::new(&batch, 0)));
        let moment: chrono::NaiveDateTime = row.get("a").unwrap();
        assert_eq!(moment.to_string(), "2026-12-01 03:04:05.123456");
        let error = row.get::<chrono::NaiveDateTime>("b").unwrap_err().to_string();
        assert!(error.contains("no such day"), "{error}");
    }

    #[test]
    fn b6_nulls_have_the_tag_of_their_type() {
        let mut out = Vec::new();
        for value in [Value::Null, Value::NullOf(NullType::I64), Value::NullOf(NullType::Inet)] {
            encode::value(Dialect::Postgres, &value, 1, &mut out).unwrap();
        }
        assert_eq!(out, [0, 0, 0, 2, 0, 17]);
    }

    #[test]
    fn b2_a_bad_cell_fails_alone() {
        let columns = ["A", "b"].map(|name| Column {
            name: name.to_owned(),
            type_name: "DECIMAL".to_owned(),
            is_boolean: false,
        });
        let columns = Arc::new(Columns::new(Dialect::Postgres, columns.into(), true));
        let mut payload = 1_u32.to_be_bytes().to_vec();
        payload.extend([19, 0, 0, 0, 4]);
        payload.extend(b"lost");
        payload.extend([2, 0, 0, 0, 0, 0, 0, 0, 7]);
        let row = Row::new(Box::new(BatchRow::new(
            &Arc::new(BatchFrame::read(&columns, BatchOrder::Rows, payload).unwrap()),
            0,
        )));
        let error = row.get::<i64>("a").unwrap_err().to_string();
        assert!(error.contains("`a` (DECIMAL)") && error.contains("lost"), "{error}");
        assert_eq!(row.get::<i64>("b").unwrap(), 7);
    }
}
