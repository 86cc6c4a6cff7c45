//! Dates, times and points in time.

use chrono::{DateTime, FixedOffset, NaiveDate, Utc};
use ebbtide::AssertSqlSafe;

use super::{clock, day, local, moment, on, survive, table_of};
use crate::backends::Backend;
use crate::drivers::Driver;
use crate::support::{Test, cases};

/// Returns the type of a column of points in time.
fn moments(t: &Test) -> &'static str {
    if t.backend() == Backend::Standard {
        return "timestamp with time zone";
    }
    on(t, "timestamp", "timestamptz", "timestamp(6) null")
}

cases! {
    // Its times have no fractions.
    #[except(jdbc_derby)]
    // Its infinities arrive as Python's first and last day, which are refused.
    #[except(dbapi2_duckdb)]
    // Its driver loses infinity and the years before Christ, so that such values are errors.
    #[except(odbc_postgres)]
    async fn q4_dates_and_times_survive(t: Test) {
        let database = t.database().await;
        let days = [
            "0001-01-01",
            "1582-10-10",
            "1899-12-31",
            "1969-12-31",
            "1970-01-01",
            "2000-02-29",
            "2026-11-21",
            "9999-12-31",
        ];
        let mut days = days.map(day).to_vec();
        if t.driver() == Some(Driver::Hsqldb) {
            // Its calendar goes from the fourth to the fifteenth.
            let table = table_of(&t, &database, "date").await;
            let insert = AssertSqlSafe(format!("insert into {table} (id, v) values (1, ?)"));
            let error = database.execute(insert, (days.remove(1),)).await.unwrap_err();
            assert!(error.message().contains("1582-10-10"), "{error:?}");
        }
        survive(&t, &database, "date", &days).await;
        let clocks = [
            "00:00:00",
            "00:00:00.000001",
            "09:05:00",
            "12:30:00.5",
            "23:59:59",
            "23:59:59.999999",
        ];
        survive(&t, &database, on(&t, "time", "time", "time(6)"), &clocks.map(clock)).await;
        let locals = [
            "0001-01-01T00:00:00",
            "1969-12-31T23:59:59.999999",
            "1970-01-01T00:00:00",
            "2026-03-29T02:30:00",
            "2038-01-19T03:14:08",
            "2026-11-21T10:00:00.000001",
            "9999-12-31T23:59:59.999999",
        ];
        survive(
            &t,
            &database,
            on(&t, "datetime", "timestamp", "datetime(6)"),
            &locals.map(local),
        )
        .await;
    }

    // It has no type for points in time.
    #[except(jdbc_derby)]
    // Its infinities arrive as Python's first and last day, which are refused.
    #[except(dbapi2_duckdb)]
    async fn q4_points_in_time_survive_whatever_the_zone(t: Test) {
        let database = t.database().await;
        // MySQL's TIMESTAMP begins in 1970 and, before version 11.5 of MariaDB, ends in 2038.
        let usual = [
            "1970-01-01T00:00:01Z",
            "2026-03-29T01:30:00.123456Z",
            "2026-10-25T00:30:00Z",
            "2026-10-25T01:30:00Z",
            "2038-01-19T03:14:07.999999Z",
        ];
        let column = moments(&t);
        survive(&t, &database, column, &usual.map(moment)).await;
        if !t.backend().is_mysql() {
            let far = [
                "0001-01-01T00:00:00Z",
                "1969-12-31T23:59:59.999999Z",
                "9999-12-31T23:59:59.999999Z",
            ];
            survive(&t, &database, column, &far.map(moment)).await;
        }
        let offset: DateTime<FixedOffset> = "2026-11-21T12:00:00+02:00".parse().unwrap();
        survive(&t, &database, column, &[offset]).await;
    }

    #[only(postgres)]
    async fn q4_postgres_dates_survive_as_far_as_chrono_goes(t: Test) {
        let database = t.database().await;
        let days = [
            NaiveDate::from_ymd_opt(-4712, 1, 1),
            NaiveDate::from_ymd_opt(-43, 3, 15),
            NaiveDate::from_ymd_opt(0, 1, 1),
            Some(NaiveDate::MAX),
        ];
        survive(&t, &database, "date", &days.map(Option::unwrap)).await;
        let late = NaiveDate::MAX.and_hms_micro_opt(23, 59, 59, 999_999).unwrap();
        let early = NaiveDate::from_ymd_opt(-4711, 1, 1)
            .unwrap()
            .and_hms_micro_opt(0, 0, 0, 1)
            .unwrap();
        survive(&t, &database, "timestamp", &[late, early]).await;
        survive(&t, &database, "timestamptz", &[late.and_utc(), early.and_utc()]).await;
    }

    // H2 rounds instead, and Derby has no points in time.
    #[except(jdbc_h2, jdbc_derby)]
    async fn q4_what_is_finer_than_the_server_counts_is_cut_off(t: Test) {
        let database = t.database().await;
        let (column, fine) = (
            moments(&t),
            moment("2026-11-21T10:00:00.123456789Z"),
        );
        let table = table_of(&t, &database, column).await;
        database
            .execute(
                AssertSqlSafe(format!("insert into {table} (id, v) values (1, ?)")),
                (fine,),
            )
            .await
            .unwrap();
        let read: DateTime<Utc> = database
            .fetch_value(AssertSqlSafe(format!("select v from {table}")), ())
            .await
            .unwrap();
        // SQLite stores text, and with it all digits; the servers store microseconds.
        assert_eq!(
            read,
            if t.backend().is_sqlite() {
                fine
            } else {
                moment("2026-11-21T10:00:00.123456Z")
            }
        );
    }
}
