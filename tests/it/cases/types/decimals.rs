//! Decimals where they are computed and compared, and where SQLite keeps them as numbers.

use ebbtide::{AssertSqlSafe, ErrorKind, Result, params};
use rust_decimal::Decimal;

use super::{assert_says, decimal, on, survive, table_of};
use crate::support::{Dice, cases};

cases! {
    // A parameter beside a whole number is a whole number to them.
    #[except(jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    async fn q4_a_decimal_is_compared_as_a_number_found_w6(t: Test) -> Result<()> {
        let database = t.database().await;
        let table = table_of(&t, &database, on(&t, "decimal(10, 2)", "numeric(10, 2)", "decimal(10, 2)")).await;
        let insert = AssertSqlSafe(format!("insert into {table} (id, v) values (:id, :v)"));
        let prices = ["90.01", "399.50", "10.00"].map(decimal);
        database.execute_many(insert, (1..).zip(prices).map(|(id, v)| params! { id, v })).await?;
        let count = async |condition: &str, p: &str| {
            let sql = AssertSqlSafe(format!("select count(*) from {table} where {condition}"));
            database.fetch_value::<i64>(sql, params! { p: decimal(p) }).await
        };
        let sum = format!("(select sum(v) from {table})");
        for (condition, p, found) in [
            (format!("{sum} < :p"), "1", 0),
            (format!("{sum} < :p"), "499.52", 3),
            (format!("round({sum}, 2) = :p"), "499.51", 3),
            ("abs(v - :p) < 0.001".to_owned(), "90.01", 1),
            ("abs(v - 90.01) < :p".to_owned(), "0.001", 1),
            ("v = :p".to_owned(), "90.01", 1),
            ("v = :p".to_owned(), "10", 1),
            ("v + 0 = :p".to_owned(), "10.00", 1),
            ("v * 2 = :p".to_owned(), "180.02", 1),
            ("coalesce(v, 0) > :p".to_owned(), "9.99", 3),
            ("case when id > 0 then v end <= :p".to_owned(), "90.01", 2),
            ("v between :p and 400".to_owned(), "90.01", 2),
            ("v in (:p, 5)".to_owned(), "399.5", 1),
            (":p / 4 = 2.5".to_owned(), "10.00", 3),
        ] {
            assert_eq!(count(&condition, p).await?, found, "{condition} with {p}");
        }
        let sql = AssertSqlSafe(format!("select count(*) from {table} where v + 0 in (:list)"));
        assert_eq!(database.fetch_value::<i64>(sql, params! { list: prices.to_vec() }).await?, 3);
        let sql = AssertSqlSafe(format!("select max(v) from {table} having max(v) > :p"));
        assert_eq!(database.fetch_value::<Decimal>(sql, params! { p: decimal("399.49") }).await?, decimal("399.5"));
        Ok(())
    }

    // Its decimal numbers have 31 digits.
    #[except(jdbc_derby)]
    // A decimal of DuckDB has 38 digits at most.
    #[except(dbapi2_duckdb)]
    // Its driver writes fifteen digits of a real.
    #[except(odbc_sqlite)]
    async fn q4_a_decimal_of_fifteen_digits_survives_in_every_column_of_numbers_found_w6(t: Test) -> Result<()> {
        let database = t.database().await;
        let values = [
            "0", "1", "-0.1", "1.50", "0.00", "90.01", "-499.51", "1234567890.12345", "0.00010001", "-0.00001",
            "99999999999", "0.000012345678901",
        ]
        .map(decimal);
        let columns: &[&str] = match t.backend().family() {
            "sqlite" => &["decimal(10, 2)", "numeric", "real", "double", "text", "", "integer", "blob"],
            "postgres" => &["numeric"],
            _ => &["decimal(40, 20)"],
        };
        for column in columns {
            survive(&t, &database, column, &values).await;
        }
        if t.backend().is_sqlite() {
            let whole = [i64::MIN, i64::MAX, 1 << 60].map(Decimal::from);
            survive(&t, &database, "decimal(20, 0)", &whole).await;
            survive(&t, &database, "numeric", &[decimal("100000000000000000000"), decimal("-7000000000000000000000000000")]).await;
            database.execute("create table strict_prices (id integer primary key, v real, w any) strict", ()).await?;
            let insert = "insert into strict_prices (v, w) values (?, ?)";
            database.execute(insert, (decimal("2.50"), decimal("0.1"))).await?;
            let row = database.fetch_one("select v, w from strict_prices", ()).await?;
            assert_eq!((row.get::<Decimal>("v")?, row.get::<Decimal>("w")?), (decimal("2.5"), decimal("0.1")));
            assert_eq!(row.deserialize::<(Decimal, Option<Decimal>)>()?, (decimal("2.5"), Some(decimal("0.1"))));
        }
        Ok(())
    }

    /// What SQLite would round is refused with the way out: all digits are kept as text.
    #[only(sqlite)]
    async fn q4_a_decimal_that_sqlite_would_round_is_refused_found_w6(t: Test) -> Result<()> {
        let database = t.database().await;
        let long = [
            Decimal::MAX, Decimal::MIN, decimal("1.000000000000000001"), decimal("12345678901234567890.5"),
            decimal("0.1234567890123456"), Decimal::from(u64::MAX),
        ];
        for value in long {
            let error = database.fetch_value::<i64>("select 1 where 2 < ?", (value,)).await.unwrap_err();
            assert_says(&error, ErrorKind::Parameter, &["parameter 1", "more than 15 digits", "to_string()", "TEXT"]);
        }
        let table = table_of(&t, &database, "text").await;
        let insert = || AssertSqlSafe(format!("insert into {table} (id, v) values (:id, :v)"));
        for (id, value) in (1..).zip(long) {
            database.execute(insert(), params! { id, v: value.to_string() }).await?;
        }
        let read: Vec<Decimal> = database.fetch_all(AssertSqlSafe(format!("select v from {table} order by id")), ()).value().await?;
        assert_eq!(read, long);
        Ok(())
    }

    /// The number that is bound is the one that SQLite itself makes of the same digits.
    #[only(sqlite_memory)]
    async fn q4_sqlite_reads_the_same_number_in_the_digits_found_w6(t: Test) -> Result<()> {
        let database = t.database().await;
        let mut dice = Dice::new(6);
        for _ in 0..2_000 {
            let digits = dice.roll(1_000_000) * 1_000_000_000 + dice.roll(1_000_000_000);
            let scale = u32::try_from(dice.roll(21)).expect("a small number");
            let value = Decimal::from_i128_with_scale(digits.into(), scale);
            let sql = "select cast(:text as numeric) = :value";
            let same: bool = database.fetch_value(sql, params! { text: value.to_string(), value }).await?;
            assert!(same, "{value}");
        }
        Ok(())
    }
}
