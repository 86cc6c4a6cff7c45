//! Types that only PostgreSQL has: arrays, intervals, networks.

use std::net::IpAddr;

use ebbtide::{Array, AssertSqlSafe, ErrorKind, Interval, Value, params};
use ipnetwork::IpNetwork;
use rust_decimal::Decimal;
use serde_json::json;
use uuid::Uuid;

use super::{assert_says, clock, day, decimal, local, moment, refuse, survive, texts};
use crate::support::cases;

cases! {
    #[only(postgres)]
    async fn q4_arrays_of_every_type_survive(t: Test) {
        let database = t.database().await;
        survive(&t, &database, "boolean[]", &[Array(vec![true, false]), Array(vec![])]).await;
        survive(
            &t,
            &database,
            "smallint[]",
            &[Array(vec![i16::MIN, i16::MAX]), Array(vec![])],
        )
        .await;
        survive(
            &t,
            &database,
            "integer[]",
            &[Array(vec![i32::MIN, i32::MAX]), Array(vec![])],
        )
        .await;
        survive(
            &t,
            &database,
            "bigint[]",
            &[Array(vec![i64::MIN, 0, i64::MAX]), Array(vec![])],
        )
        .await;
        survive(
            &t,
            &database,
            "bigint[]",
            &[Array(vec![Some(1_i64), None]), Array(vec![None, None]), Array(vec![])],
        )
        .await;
        survive(&t, &database, "real[]", &[Array(vec![0.1_f32, f32::MAX])]).await;
        survive(
            &t,
            &database,
            "double precision[]",
            &[Array(vec![0.1, f64::MIN, f64::INFINITY])],
        )
        .await;
        survive(
            &t,
            &database,
            "numeric[]",
            &[Array(vec![Decimal::MAX, decimal("0.10")])],
        )
        .await;
        survive(&t, &database, "numeric[]", &[Array(vec![0_u64, u64::MAX])]).await;
        survive(
            &t,
            &database,
            "text[]",
            &[
                Array(texts()),
                Array(vec![
                    "{}".to_owned(),
                    "a,b".to_owned(),
                    "NULL".to_owned(),
                    String::new(),
                ]),
            ],
        )
        .await;
        survive(
            &t,
            &database,
            "varchar(20)[]",
            &[Array(vec!["a b".to_owned()]), Array(vec![])],
        )
        .await;
        survive(&t, &database, "text[]", &[Array(vec![Some("NULL".to_owned()), None])]).await;
        survive(
            &t,
            &database,
            "bytea[]",
            &[Array(vec![vec![], vec![0, 255], b"\"{},\\".to_vec()])],
        )
        .await;
        survive(
            &t,
            &database,
            "date[]",
            &[Array(vec![day("0001-01-01"), day("9999-12-31")])],
        )
        .await;
        survive(&t, &database, "time[]", &[Array(vec![clock("23:59:59.999999")])]).await;
        survive(
            &t,
            &database,
            "timestamp[]",
            &[Array(vec![local("2026-11-21T10:00:00.000001")])],
        )
        .await;
        survive(
            &t,
            &database,
            "timestamptz[]",
            &[Array(vec![moment("2026-11-21T10:00:00.000001Z")])],
        )
        .await;
        survive(&t, &database, "uuid[]", &[Array(vec![Uuid::nil(), Uuid::max()])]).await;
        survive(
            &t,
            &database,
            "jsonb[]",
            &[Array(vec![json!({ "a": "b,{}\"" }), json!(null)])],
        )
        .await;
        survive(
            &t,
            &database,
            "inet[]",
            &[Array(vec!["10.0.0.1".parse::<IpNetwork>().unwrap()])],
        )
        .await;
        survive(
            &t,
            &database,
            "interval[]",
            &[Array(vec![Interval {
                months: 14,
                days: -3,
                microseconds: 1,
            }])],
        )
        .await;
        // Arrays of two and three dimensions.
        survive(
            &t,
            &database,
            "integer[]",
            &[Array(vec![Array(vec![1, 2, 3]), Array(vec![4, 5, 6])])],
        )
        .await;
        survive(
            &t,
            &database,
            "text[]",
            &[Array(vec![Array(vec![
                Array(vec!["a".to_owned()]),
                Array(vec!["{".to_owned()]),
            ])])],
        )
        .await;
    }

    #[only(postgres)]
    async fn q4_arrays_stand_for_lists(t: Test) {
        let database = t.database().await;
        let sql = "select n from generate_series(1::int8, 100000) n where n = any(:ids) order by n";
        let ids: Vec<i64> = (1..=90_000).collect();
        let read: Vec<i64> = database
            .fetch_all(sql, params! { ids: Array(ids.clone()) })
            .value()
            .await
            .unwrap();
        assert_eq!(read, ids);
        let read: Vec<i64> = database
            .fetch_all(sql, params! { ids: Array(Vec::<i64>::new()) })
            .value()
            .await
            .unwrap();
        assert_eq!(read, [] as [i64; 0]);
        // An array and a Vec read the same column.
        let both: Vec<i32> = database.fetch_value("select array[1, 2]", ()).await.unwrap();
        assert_eq!(both, [1, 2]);
        let uneven = Array(vec![Array(vec![1]), Array(vec![1, 2])]);
        let error = database.fetch_value::<Value>("select $1", (uneven,)).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["parameter 1", "different lengths"]);
        let mixed = Array(vec![Value::from(1), Value::from("a")]);
        let error = database.fetch_value::<Value>("select $1", (mixed,)).await.unwrap_err();
        assert_says(&error, ErrorKind::Parameter, &["parameter 1", "different types"]);
        let error = database
            .fetch_value::<Vec<i64>>("select array[1, null] as odd_one", ())
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["`odd_one`", "member 2", "NULL", "Option"]);
    }

    #[only(postgres)]
    async fn q4_intervals_and_networks_survive(t: Test) {
        let database = t.database().await;
        let interval = |months, days, microseconds| Interval {
            months,
            days,
            microseconds,
        };
        let values = [
            interval(0, 0, 0),
            interval(14, -3, 14_706_789_000),
            interval(-1, 1, -1),
            interval(i32::MAX, 0, 0),
            interval(i32::MIN, i32::MIN, 0),
            interval(0, i32::MAX, i64::MAX),
            interval(0, 0, i64::MIN + 1),
        ];
        survive(&t, &database, "interval", &values).await;
        let day: Interval = database
            .fetch_value(
                "select :d + interval '1 day'",
                params! { d: std::time::Duration::from_micros(5) },
            )
            .await
            .unwrap();
        assert_eq!(day, interval(0, 1, 5));
        let networks = [
            "10.0.0.1",
            "10.0.0.1/8",
            "0.0.0.0/0",
            "255.255.255.255/32",
            "::1",
            "2001:db8::/32",
            "::/0",
            "::ffff:1.2.3.4",
        ];
        survive(
            &t,
            &database,
            "inet",
            &networks.map(|text| text.parse::<IpNetwork>().unwrap()),
        )
        .await;
        let addresses = ["127.0.0.1", "::1"].map(|text| text.parse::<IpAddr>().unwrap());
        survive(&t, &database, "inet", &addresses).await;
        survive(
            &t,
            &database,
            "cidr",
            &["10.0.0.0/8", "2001:db8::/32"].map(|text| text.parse::<IpNetwork>().unwrap()),
        )
        .await;
        let error = database
            .fetch_value::<IpAddr>("select '10.0.0.0/8'::cidr as odd_one", ())
            .await
            .unwrap_err();
        assert_says(&error, ErrorKind::Decode, &["`odd_one`", "IpAddr", "network"]);
    }

    #[only(postgres)]
    async fn q4_further_types_of_postgres_are_read(t: Test) {
        let database = t.database().await;
        let domain = format!("grade_{}", t.id());
        let create =
            format!("drop domain if exists {domain}; create domain {domain} as integer check (value between 1 and 6)");
        database.execute(AssertSqlSafe(create), ()).await.unwrap();
        let sql = format!(
            r#"select 7::oid as a, 'name'::name as b, 'x'::"char" as c, 'ab'::char(4) as d, 3::{domain} as e, '08:00:2b:01:02:03'::macaddr as f,
               '<a/>'::xml as g, 'happy' as h, array[3::{domain}] as i, '1 2'::int2vector as j"#
        );
        let row = database.fetch_one(AssertSqlSafe(sql), ()).await.unwrap();
        assert_eq!(row.get::<u32>("a").unwrap(), 7);
        assert_eq!(row.get::<String>("b").unwrap(), "name");
        assert_eq!(row.get::<char>("c").unwrap(), 'x');
        assert_eq!(row.get::<String>("d").unwrap(), "ab  ");
        assert_eq!(row.get::<i32>("e").unwrap(), 3);
        assert_eq!(row.get::<String>("f").unwrap(), "08:00:2b:01:02:03");
        assert_eq!(row.get::<String>("g").unwrap(), "<a/>");
        assert_eq!(row.get::<String>("h").unwrap(), "happy");
        assert_eq!(row.get::<Vec<i64>>("i").unwrap(), [3]);
        assert_eq!(row.get::<Vec<i16>>("j").unwrap(), [1, 2]);
        refuse::<Value>(&database, "'(1,2)'::point", &["POINT", "::text"]).await;
        refuse::<Value>(&database, "1::money", &["::text"]).await;
        refuse::<Value>(&database, "int4range(1, 2)", &["::text"]).await;
        database
            .execute(AssertSqlSafe(format!("drop domain {domain}")), ())
            .await
            .unwrap();
    }

    // They have arrays and intervals too.
    #[except(postgres, jdbc_h2, jdbc_hsqldb, jdbc_derby)]
    // DuckDB has arrays too.
    #[except(dbapi2_duckdb)]
    async fn q4_what_only_postgres_has_is_refused_by_name(t: Test) {
        let database = t.database().await;
        for (value, word) in [
            (Value::from(Array(vec![1, 2])), "array"),
            (Value::from(Interval::default()), "interval"),
            (Value::from("10.0.0.1".parse::<IpNetwork>().unwrap()), "network address"),
        ] {
            let error = database
                .fetch_value::<Value>("select ?, ?", [Value::from(1), value])
                .await
                .unwrap_err();
            assert_says(&error, ErrorKind::Unsupported, &["parameter 2", word]);
        }
    }
}
