//! The settings of this library, names of databases and values of options, as each driver of another language reads them:
//! they arrive, or they are refused.

use std::io::Write as _;
use std::net::TcpStream;

use ebbtide::{AssertSqlSafe, Config, Database, Error, ErrorKind, Result, SslMode};
use serde_json::json;

use super::connecting::{SSL_REQUEST, first_message, service};
use super::messages::assert_error;
use crate::drivers::Driver;
use crate::support::{Dice, Test, cases};

fn config(t: &Test) -> Config {
    Config::from_url(t.url().as_str()).unwrap()
}

async fn refused(config: Config) -> Error {
    match Database::connect(config.clone()).await {
        Ok(_) => panic!("it connects: {config:?}"),
        Err(error) => error,
    }
}

/// Returns a setting by its setter, by an option of the URL, and by a dictionary.
fn in_each_way(t: &Test, name: &str, value: &str, set: impl Fn(Config) -> Config) -> [Config; 3] {
    let url = super::pool::with(&t.url(), &format!("{name}={value}"));
    let dictionary = json!({"url": t.url(), name: value});
    [
        set(config(t)),
        Config::from_url(url.as_str()).unwrap(),
        Config::from_value(dictionary).unwrap(),
    ]
}

/// Returns whether the server says that the session is encrypted.
async fn is_encrypted(t: &Test, database: &Database) -> bool {
    if t.backend().is_postgres() {
        let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
        return database.fetch_value(sql, ()).await.unwrap();
    }
    let row = database
        .fetch_one("show session status like 'Ssl_cipher'", ())
        .await
        .unwrap();
    !row.get::<String>(1).unwrap().is_empty()
}

/// Returns whether the server of the tests can encrypt, by the driver of this program.
async fn can_encrypt(t: &Test) -> bool {
    let config = Config::from_url(t.side_url().as_str())
        .unwrap()
        .ssl_mode(SslMode::Require);
    Database::connect(config).await.is_ok()
}

/// Names that a URL has to spell, some of them chosen by lot.
fn odd_names(t: &Test) -> Vec<String> {
    let given = ["a+b", "a%41b", "a%2Bb", "a b", "a;b=c", "a&b=c", "a#b", "é", "a'b"].map(str::to_owned);
    let signs: Vec<char> = "+% ;&=#'ée0A".chars().collect();
    let seed = u64::from_str_radix(t.id(), 16).unwrap();
    let mut dice = Dice::new(seed);
    let by_lot = (0..6).map(|_| (0..6).map(|_| signs[dice.roll(signs.len() as u64) as usize]).collect());
    given
        .into_iter()
        .chain(by_lot.collect::<Vec<String>>())
        .map(|name| format!("n{}{name}z", t.id()))
        .collect()
}

cases! {
    #[only(jdbc_postgresql, jdbc_mariadb, dbapi2_psycopg, dbapi2_pg8000, dbapi2_pymysql)]
    async fn b10_encryption_that_is_asked_for_is_had_or_refused(t: Test) {
        let can = can_encrypt(&t).await;
        for config in in_each_way(&t, "ssl_mode", "require", |config| config.ssl_mode(SslMode::Require)) {
            match Database::connect(config).await {
                Ok(database) => assert!(can && is_encrypted(&t, &database).await, "it is not encrypted"),
                Err(error) => assert!(!can && error.kind() == ErrorKind::Connect, "{error:?}"),
            }
        }
        for config in in_each_way(&t, "ssl_mode", "disable", |config| config.ssl_mode(SslMode::Disable)) {
            let database = Database::connect(config).await.unwrap();
            assert!(!is_encrypted(&t, &database).await);
        }
        // The later wins, also over the driver's own words.
        if can && t.driver() != Some(Driver::Pg8000) {
            let url = super::pool::with(&t.url(), "sslmode=disable");
            let database = Database::connect(Config::from_url(url.as_str()).unwrap().ssl_mode(SslMode::Require)).await;
            assert!(is_encrypted(&t, &database.unwrap()).await);
        }
    }

    #[only(jdbc_postgresql, dbapi2_psycopg, dbapi2_pg8000)]
    async fn b10_nothing_is_sent_to_a_server_that_cannot_encrypt(t: Test) {
        let (address, serving) = service(1, |_, mut stream: TcpStream| {
            let asked = first_message(&mut stream) == SSL_REQUEST;
            stream.write_all(b"N").unwrap();
            asked && first_message(&mut stream).is_empty()
        });
        let (host, port) = address.split_once(':').unwrap();
        let config = config(&t).host(host).port(port.parse::<u16>().unwrap()).password("hush-hush");
        let error = refused(config.ssl_mode(SslMode::Require)).await;
        assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
        assert_eq!(serving.join().unwrap(), [true], "it asked for encryption and sent nothing without");
    }

    #[only(jdbc_postgresql, jdbc_mariadb, dbapi2_psycopg, dbapi2_pg8000, dbapi2_pymysql)]
    async fn b10_certificates_are_read_and_checked(t: Test) {
        let missing = t.folder().join("missing.pem");
        let missing = missing.to_str().unwrap();
        for config in in_each_way(&t, "ssl_root_cert", missing, |config| config.ssl_root_cert(missing)) {
            let error = refused(config.ssl_mode(SslMode::VerifyFull)).await;
            assert_error(&error, ErrorKind::Config, &[missing, "sslrootcert"]);
        }
        // The server has another certificate.
        let other = t.folder().join("other.pem");
        std::fs::write(&other, OTHER_AUTHORITY).unwrap();
        for mode in [SslMode::VerifyCa, SslMode::VerifyFull] {
            let error = refused(config(&t).ssl_mode(mode).ssl_root_cert(&other)).await;
            assert_eq!(error.kind(), ErrorKind::Connect, "{error:?}");
        }
    }

    #[only(jdbc_h2, jdbc_hsqldb, jdbc_derby, jdbc_sqlite, dbapi2_sqlite3, dbapi2_apsw, dbapi2_duckdb)]
    async fn b10_where_nothing_can_be_encrypted_it_is_refused(t: Test) {
        for config in in_each_way(&t, "ssl_mode", "require", |config| config.ssl_mode(SslMode::Require)) {
            assert_error(&refused(config).await, ErrorKind::Config, &["`ssl_mode`", "no effect"]);
        }
        Database::connect(config(&t).ssl_mode(SslMode::Prefer)).await.unwrap();
    }

    #[only(jdbc_postgresql, jdbc_mariadb, dbapi2_pymysql, dbapi2_sqlite3)]
    async fn b10_settings_for_which_a_driver_has_no_word_are_refused(t: Test) {
        let (wrong, words): (Config, &[&str]) = match t.driver() {
            Some(Driver::PgJdbc) => (config(&t).socket("/run/postgresql"), &["`socket`", "socketFactory"]),
            Some(Driver::ConnectorJ) => (config(&t).ssl_cert("a.pem"), &["`ssl_cert`", "keyStore"]),
            Some(Driver::PyMysql) => (config(&t).charset("latin1"), &["latin1", "utf8mb4"]),
            _ => (config(&t).vfs("unix-none"), &["`vfs`", "mode=ro"]),
        };
        assert_error(&refused(wrong).await, ErrorKind::Config, words);
    }

    #[only(jdbc, dbapi2)]
    async fn b10_settings_of_the_server_take_effect_or_are_refused(t: Test) -> Result<()> {
        let (name, value, question) = match t.driver() {
            Some(Driver::PgJdbc | Driver::Psycopg | Driver::Pg8000) => ("work_mem", "5MB", "show work_mem"),
            Some(Driver::ConnectorJ | Driver::PyMysql) => ("wait_timeout", "1234", "select cast(@@wait_timeout as char)"),
            Some(Driver::SqliteJdbc | Driver::Sqlite3 | Driver::Apsw) => {
                ("cache_size", "-1234", "select cast(cache_size as text) from pragma_cache_size")
            }
            Some(Driver::H2) => ("LOCK_TIMEOUT", "1234", "select cast(lock_timeout() as varchar)"),
            Some(Driver::DuckDb) => ("threads", "1", "select cast(current_setting('threads') as varchar)"),
            _ => ("anything", "1", ""),
        };
        let url = super::pool::with(&t.url(), &format!("server_settings[{name}]={value}"));
        let dictionary = json!({"url": t.url(), "server_settings": {name: value}});
        for config in [
            config(&t).server_setting(name, value),
            Config::from_url(url.as_str())?,
            Config::from_value(dictionary)?,
        ] {
            if question.is_empty() {
                assert_error(&refused(config).await, ErrorKind::Config, &["server_settings", "`anything`", "after_connect"]);
            } else {
                let database = Database::connect(config).await?;
                assert_eq!(database.fetch_value::<String>(question, ()).await?, value);
                database.disconnect().await?;
            }
        }
        Ok(())
    }

    #[only(jdbc_mariadb, dbapi2_pymysql)]
    async fn b10_the_collation_is_that_of_the_session(t: Test) {
        for config in in_each_way(&t, "collation", "utf8mb4_bin", |config| config.collation("utf8mb4_bin")) {
            let database = Database::connect(config).await.unwrap();
            let found: String = database.fetch_value("select @@collation_connection", ()).await.unwrap();
            assert_eq!(found, "utf8mb4_bin");
        }
    }

    #[only(jdbc_postgresql, dbapi2_psycopg)]
    async fn b10_without_a_cache_nothing_is_prepared_on_the_server(t: Test) {
        for capacity in [0, 100] {
            let database = Database::connect(config(&t).pool_size(1).statement_cache_capacity(capacity)).await.unwrap();
            for number in 0..12_i64 {
                assert_eq!(database.fetch_value::<i64>("select ?", (number,)).await.unwrap(), number);
            }
            let sql = "select count(*) from pg_prepared_statements where statement not like '%set_config%'";
            let prepared: i64 = database.fetch_value(sql, ()).await.unwrap();
            assert_eq!(prepared > 0, capacity > 0, "{prepared} for {capacity}");
        }
    }

    #[only(jdbc_postgresql, jdbc_mariadb, dbapi2_psycopg, dbapi2_pg8000, dbapi2_pymysql)]
    async fn b2_names_of_databases_arrive_as_they_are(t: Test) {
        let dialect_quote = if t.backend().is_postgres() { '"' } else { '`' };
        let current = if t.backend().is_postgres() { "select current_database()" } else { "select database()" };
        let mut wrong = Vec::new();
        for name in odd_names(&t) {
            let quoted = format!("{dialect_quote}{name}{dialect_quote}");
            t.observe_exec(&format!("create database {quoted}")).await;
            let url = config(&t).url().clone().with_database(name.as_str()).expose();
            let found = match Database::connect(url.as_str()).await {
                Ok(database) => {
                    let found = database.fetch_value::<String>(AssertSqlSafe(current), ()).await.unwrap();
                    database.disconnect().await.unwrap();
                    found
                }
                Err(error) => error.to_string(),
            };
            if found != name {
                wrong.push((name.clone(), found));
            }
            t.observe_exec(&format!("drop database {quoted}")).await;
        }
        assert!(wrong.is_empty(), "{wrong:?}");
        if t.driver() == Some(Driver::ConnectorJ) {
            assert_error(&refused(config(&t).database("a?b")).await, ErrorKind::Config, &["`?`", "rename the database"]);
        }
    }

    #[only(jdbc_sqlite, dbapi2_sqlite3, dbapi2_apsw, dbapi2_duckdb)]
    async fn b2_names_of_files_arrive_as_they_are(t: Test) {
        for name in odd_names(&t) {
            let path = t.folder().join(&name);
            let url = config(&t).url().clone().with_database(path.to_str().unwrap()).expose();
            let mut urls = vec![url.clone()];
            if t.driver() == Some(Driver::Sqlite3) {
                // With an option the name is a URI.
                urls.push(super::pool::with(&url, "mode=rwc"));
            }
            for url in urls {
                let database = Database::connect(url.as_str()).await.unwrap_or_else(|error| panic!("{url}: {error}"));
                database.execute("create table if not exists n (id int)", ()).await.unwrap();
                database.disconnect().await.unwrap();
                assert!(path.exists(), "{url}");
            }
        }
    }

    #[only(jdbc_h2, jdbc_postgresql, jdbc_mariadb)]
    async fn b2_values_of_options_arrive_as_they_are(t: Test) {
        for value in odd_names(&t).into_iter().filter(|value| value.is_ascii()) {
            let quoted = format!("'{}'", value.replace('\'', "''"));
            let (option, given, question) = match t.driver() {
                Some(Driver::H2) => ("INIT", format!("SET @A = {quoted}"), "select @A"),
                Some(Driver::PgJdbc) => {
                    let escaped = value.replace(' ', "\\ ");
                    ("options", format!("-c my.value={escaped}"), "select current_setting('my.value')")
                }
                _ => ("sessionVariables", format!("@a={quoted}"), "select @a"),
            };
            let written = config(&t).option(option, &given).unwrap().url().expose();
            let database = Database::connect(written.as_str()).await.unwrap_or_else(|error| panic!("{written}: {error}"));
            assert_eq!(database.fetch_value::<String>(AssertSqlSafe(question), ()).await.unwrap(), value, "{written}");
            database.disconnect().await.unwrap();
        }
    }

    /// The keys of encrypted databases are secrets, in whatever the driver says.
    #[only(jdbc_hsqldb, jdbc_derby, dbapi2_pymysql)]
    async fn u2_no_key_of_an_encrypted_database_is_shown(t: Test) {
        let wrong = match t.driver() {
            Some(Driver::Hsqldb) => {
                let file = t.folder().join("encrypted");
                config(&t).database(format!("file:{};crypt_key=0f1e2d3c4b5a;crypt_type=none", file.display()).as_str())
            }
            Some(Driver::Derby) => {
                let options = "create=true;dataEncryption=true;encryptionAlgorithm=Odd/CBC/NoPadding;encryptionKey=0f1e2d3c4b5a";
                config(&t).database(format!("memory:k{};{options}", t.id()).as_str())
            }
            _ => config(&t).dbapi_driver_args(json!({"user": "nobody_at_all", "ssl_key_password": 192_837_465, "password": 837_465})),
        };
        let shown = format!("{wrong:?} {}", wrong.url());
        let error = refused(wrong).await;
        let shown = format!("{shown} {error} {error:?}");
        for secret in ["0f1e2d3c4b5a", "192837465", "837465"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}

/// A certificate of an authority that has signed nothing.
const OTHER_AUTHORITY: &str = "-----BEGIN CERTIFICATE-----
MIIBeTCCAR+gAwIBAgIUagQOsS7LFIbzZKK0PdMCtPCRLRQwCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGTm9ib2R5MCAXDTI2MTIwMTEwMDI1NFoYDzIxMjYxMTA3MTAw
MjU0WjARMQ8wDQYDVQQDDAZOb2JvZHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAS+N3T7Q6gHBOPXzd/ODwgfOS1mAFosX7ZB7zU6jg4yLeZ0nbygpZPzamON2J1m
0fmQJPNN2/EFjhNQRqy+Ub0Co1MwUTAdBgNVHQ4EFgQUrI73FbrpIWTE3D5eILaD
qzpPPMAwHwYDVR0jBBgwFoAUrI73FbrpIWTE3D5eILaDqzpPPMAwDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEA9ExT5H0lf5ONLpFIOrrJscFJ5sSB
i3bplJg21r+f1pgCIDUKm8m9FRNrl5W7MQFCnPrfY9cW31ag9YXElsO7jGHe
-----END CERTIFICATE-----
";
