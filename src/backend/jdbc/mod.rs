//! Databases with a JDBC driver.

mod address;
mod words;

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::Connector;
use super::sidecar::{
    self, Limits, SessionText, Sharing, SidecarKind, Target, check_charset, check_transport, secrets_of,
};
use super::sqlite::DatabaseFile;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::sql::Dialect;
use crate::url::{ForeignDriver, product_of_subprotocol, secret_values, secrets_in, without_secrets};
use address::Address;

/// The options of the virtual machine: of those tried, it starts first and takes the least memory with these. What it prints
/// itself must not go to the pipe of the answers. Derby would write a file into the working directory.
const OPTIONS: [&str; 7] = [
    "-XX:+IgnoreUnrecognizedVMOptions",
    "-XX:+DisplayVMOutputToStderr",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-Xms8m",
    "-Xshare:auto",
    "-Dderby.stream.error.field=java.lang.System.err",
];

/// Returns the connector for the database of a configuration.
pub(super) fn connector(config: &Config) -> Result<Arc<dyn Connector>> {
    target(config).map(sidecar::connector)
}

fn target(config: &Config) -> Result<Target> {
    let settings = config.settings();
    let Some(subprotocol) = config.subprotocol() else {
        let message = format!("{} does not say which JDBC driver it is for", config.url());
        return Err(Error::new(ErrorKind::Config, message)
            .help("write the part after `jdbc:` of the driver's URLs into the scheme, as in `jdbc+h2://mem:test`, or set `jdbc_dsn_driver`"));
    };
    if settings
        .bridge
        .jdbc_driver
        .as_ref()
        .is_some_and(|class| class.trim().is_empty())
    {
        return Err(Error::new(ErrorKind::Config, "`jdbc_driver` is empty")
            .help("name the class of a driver, or leave the option out: then the jars are asked for their drivers"));
    }
    let driver = config.foreign_driver().unwrap_or(ForeignDriver::OtherJdbc);
    check_transport(config, driver)?;
    let words = words::of(config, driver)?;
    let arguments = settings.bridge.jdbc_driver_args.iter().filter_map(Value::as_object);
    let names = arguments.flat_map(Map::keys).map(String::as_str);
    // Drivers differ in whether the URL or a property is stronger.
    let taken: Vec<&str> = words.iter().map(|(name, _)| *name).chain(names).collect();
    let Address { url, others } = address::of(config, subprotocol, &taken)?;
    let properties = properties(config, words, &others);
    check_properties(config, &properties)?;
    let values = properties
        .iter()
        .flat_map(|(name, value)| secret_values(name, &value.as_str().into()));
    let given = settings
        .bridge
        .jdbc_driver_args
        .iter()
        .flat_map(|given| secret_values("", given));
    let secrets = secrets_of(config, secrets_in(&url).into_iter().chain(values).chain(given));
    let session = SessionText::of(config)?;
    let place = without_secrets(&url);
    let mut open = vec![("url".to_owned(), url)];
    open.extend(
        settings
            .bridge
            .classpath
            .iter()
            .map(|jar| ("jar".to_owned(), jar.clone())),
    );
    open.extend(
        settings
            .bridge
            .jdbc_driver
            .iter()
            .map(|class| ("driver".to_owned(), class.clone())),
    );
    open.extend(
        properties
            .into_iter()
            .map(|(name, value)| ("property".to_owned(), format!("{name}={value}"))),
    );
    Ok(Target {
        kind: SidecarKind::Jdbc,
        dialect: config.dialect(),
        product: product_of_subprotocol(Some(subprotocol)),
        command: std::iter::once(java(settings.bridge.java.clone()))
            .chain(OPTIONS.map(OsString::from))
            .collect(),
        open,
        secrets,
        session,
        file: DatabaseFile::of(config),
        place,
        shared: Sharing::Program,
        limits: Limits::default(),
    })
}

/// Returns the program that runs Java.
fn java(given: Option<PathBuf>) -> OsString {
    let home = || {
        let home = env::var_os("JAVA_HOME").filter(|home| !home.is_empty())?;
        let program = PathBuf::from(home)
            .join("bin")
            .join(format!("java{}", env::consts::EXE_SUFFIX));
        program.is_file().then_some(program)
    };
    given
        .or_else(home)
        .map_or_else(|| "java".into(), PathBuf::into_os_string)
}

/// Returns the properties for the driver: what the settings are in its own words, options of the URL, and the arguments that
/// the user gives, each of which takes the place of those before it.
fn properties(config: &Config, words: Vec<(&'static str, String)>, options: &[(&str, &str)]) -> Vec<(String, String)> {
    let (url, settings) = (config.url(), config.settings());
    let mut properties: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: String| {
        properties.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        properties.push((name.to_owned(), value));
    };
    if let Some(user) = url.username() {
        set("user", user.to_owned());
    }
    if let Some(password) = url.password() {
        set("password", password.to_owned());
    }
    for (name, value) in options {
        set(name, (*value).to_owned());
    }
    for (name, value) in words {
        set(name, value);
    }
    if let Some(Value::Object(given)) = &settings.bridge.jdbc_driver_args {
        for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
            set(name, value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        }
    }
    properties
}

/// Refuses names that cannot be sent, and words that contradict how a session is set up.
fn check_properties(config: &Config, properties: &[(String, String)]) -> Result<()> {
    let error = |message: String| Error::new(ErrorKind::Config, message);
    for (name, value) in properties {
        if name.contains('=') {
            return Err(error(format!(
                "{name:?} is not the name of a property of a JDBC driver"
            )));
        }
        if config.dialect() != Dialect::MySql {
            continue;
        }
        if name.eq_ignore_ascii_case("characterEncoding") && !value.eq_ignore_ascii_case("utf-8") {
            check_charset(Some(value))?;
        }
        if name.eq_ignore_ascii_case("connectionCollation") {
            let message = "the session is set up after the driver has connected, which undoes `connectionCollation`";
            return Err(error(message.to_owned()).help("give `collation` as a setting of `Config`"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Product;

    fn made(url: &str) -> Target {
        target(&Config::from_url(url).unwrap()).unwrap()
    }

    fn open<'a>(target: &'a Target, wanted: &str) -> Vec<&'a str> {
        let found = target.open.iter().filter(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str()).collect()
    }

    #[test]
    fn b2_an_option_that_is_given_twice_is_refused() {
        for (url, given) in [
            ("jdbc:sqlserver://h;encrypt=false", "Encrypt"),
            ("jdbc:sqlserver://h:1433;databaseName=d;encrypt=false", "encrypt"),
            ("jdbc:h2:mem:x;MODE=MySQL", "mode"),
        ] {
            let config = Config::from_url(url)
                .unwrap()
                .jdbc_driver_args(serde_json::json!({ given: "true" }));
            let error = target(&config).unwrap_err().to_string();
            assert!(error.contains(&format!("`{given}` is given twice")), "{url}: {error}");
        }
        let config = Config::from_url("jdbc:h2:mem:mode;DB_CLOSE_DELAY=-1").unwrap();
        target(&config.jdbc_driver_args(serde_json::json!({ "mode": "MySQL" }))).unwrap();
    }

    #[test]
    fn b2_a_url_becomes_the_drivers() {
        for (url, jdbc) in [
            (
                "jdbc+sqlite://testsuite.sqlite3?pool_size=2",
                "jdbc:sqlite:testsuite.sqlite3",
            ),
            (
                "jdbc+sqlite:///data/a.db?journal_mode=WAL&x=a%26b",
                "jdbc:sqlite:/data/a.db?journal_mode=WAL",
            ),
            (
                "jdbc+h2://mem:test;DB_CLOSE_DELAY=-1",
                "jdbc:h2:mem:test;DB_CLOSE_DELAY=-1",
            ),
            (
                "jdbc:h2:mem:test?MODE=MySQL&lazy=true&IFEXISTS=TRUE",
                "jdbc:h2:mem:test;MODE=MySQL;IFEXISTS=TRUE",
            ),
            ("jdbc+hsqldb://mem:x", "jdbc:hsqldb:mem:x"),
            ("jdbc+derby://memory:x;create=true", "jdbc:derby:memory:x;create=true"),
            ("jdbc+h2://tcp://localhost/~/x", "jdbc:h2:tcp://localhost/~/x"),
            (
                "jdbc+postgresql://u:p@h/d?sslmode=require",
                "jdbc:postgresql://h/d?sslmode=require",
            ),
            ("jdbc:postgresql:shop", "jdbc:postgresql://localhost/shop"),
            ("jdbc+mariadb://u:p@[::1]:3307/d", "jdbc:mariadb://[::1]:3307/d"),
            (
                "jdbc+sqlserver://u:p@h:1433/d?encrypt=false",
                "jdbc:sqlserver://h:1433;databaseName=d;encrypt=false",
            ),
            ("jdbc:sqlserver://h;databaseName=d", "jdbc:sqlserver://h;databaseName=d"),
            ("jdbc+db2://u:p@h:50000/d?a=1&b=2", "jdbc:db2://h:50000/d:a=1;b=2;"),
            ("jdbc:oracle:thin:@h:1521:x", "jdbc:oracle:thin:@h:1521:x"),
            ("jdbc+exotic://u@h:1/d", "jdbc:exotic://h:1/d"),
            (
                "jdbc:db2://h:50000/SAMPLE:sslConnection=true;",
                "jdbc:db2://h:50000/SAMPLE:sslConnection=true;",
            ),
            ("jdbc:firebirdsql://h//data/x.fdb", "jdbc:firebirdsql://h//data/x.fdb"),
        ] {
            assert_eq!(open(&made(url), "url"), [jdbc], "{url}");
        }
    }

    #[test]
    fn b2_user_password_jars_and_class_stand_beside_the_url() {
        let made = made(
            "jdbc+postgresql://u:hunter2@h/d?classpath=a.jar&classpath=b%3Ac.jar&jdbc_driver=org.postgresql.Driver&application_name=till",
        );
        assert_eq!((made.dialect, made.product), (Dialect::Postgres, None));
        assert_eq!(open(&made, "jar"), ["a.jar", "b:c.jar"]);
        assert_eq!(open(&made, "driver"), ["org.postgresql.Driver"]);
        assert_eq!(
            open(&made, "property"),
            ["user=u", "password=hunter2", "ApplicationName=till"]
        );
        assert_eq!(made.secrets, ["hunter2"]);
        assert!(!made.place.contains("hunter2") && !format!("{made:?}").contains("hunter2"));
        let config = Config::from_url("jdbc+h2://mem:x;PASSWORD=hunter3?user=sa").unwrap();
        let config = config
            .java("/opt/java")
            .jdbc_driver_args(serde_json::json!({"user": "root", "n": 1, "trust_token": "hunter4", "none": null}));
        let made = target(&config).unwrap();
        assert_eq!(open(&made, "property"), ["n=1", "trust_token=hunter4", "user=root"]);
        assert_eq!(
            (made.command[0].to_str(), made.product),
            (Some("/opt/java"), Some(Product::H2))
        );
        assert_eq!(made.place, "jdbc:h2:mem:x;PASSWORD=***");
        assert_eq!(made.secrets, ["hunter3", "hunter4"]);
    }

    #[test]
    fn b2_what_a_url_cannot_hold_travels_beside_it() {
        let odd = made("jdbc+postgresql://h/a%2Bb%20c%25?options=-c%20x%3D1&currentSchema=s&x=a%26b");
        assert_eq!(open(&odd, "url"), ["jdbc:postgresql://h/a%2Bb%20c%25?currentSchema=s"]);
        assert_eq!(open(&odd, "property"), ["options=-c x=1", "x=a&b"]);
        let odd = made("jdbc+mariadb://h/a%2Bb%20c%25?sessionVariables=@a='b;c'");
        assert_eq!(open(&odd, "url"), ["jdbc:mariadb://h/a+b c%"]);
        assert_eq!(open(&odd, "property"), ["sessionVariables=@a='b;c'"]);
        for url in ["jdbc+mariadb://h/a%3Fb", "jdbc+sqlite://a%3Fb.db?cache_size=1"] {
            let error = target(&Config::from_url(url).unwrap()).unwrap_err().to_string();
            assert!(error.contains("has a `?`") && error.contains("help"), "{error}");
        }
    }

    #[test]
    fn b10_settings_are_written_in_the_words_of_the_driver() {
        let made = made("jdbc+postgresql://h/d?sslmode=disable&ssl_mode=require&statement_cache_capacity=0");
        assert_eq!(open(&made, "url"), ["jdbc:postgresql://h/d"]);
        assert_eq!(open(&made, "property"), ["sslmode=require", "prepareThreshold=0"]);
        for (mode, words) in [
            ("trust", ["true", "true", "false"]),
            ("verify-ca", ["true", "false", "true"]),
            ("verify-full", ["true", "false", "false"]),
            ("disable", ["false", "false", "false"]),
        ] {
            let made = self::made(&format!(
                "jdbc+mariadb://h/d?sslMode={mode}&useSSL={}",
                mode != "disable"
            ));
            let names = ["useSsl", "trustServerCertificate", "disableSslHostnameVerification"];
            let expected: Vec<String> = names
                .iter()
                .zip(words)
                .map(|(name, word)| format!("{name}={word}"))
                .collect();
            assert_eq!(
                (open(&made, "property"), open(&made, "url")),
                (
                    expected.iter().map(String::as_str).collect(),
                    vec!["jdbc:mariadb://h/d"]
                )
            );
        }
        // MySQL's URLs have two drivers, with other words.
        let config = Config::from_url("jdbc+mysql://h/d?sslMode=REQUIRED").unwrap();
        assert_eq!(
            open(&target(&config).unwrap(), "url"),
            ["jdbc:mysql://h/d?sslMode=REQUIRED"]
        );
        let error = target(&config.clone().ssl_mode(crate::SslMode::Require))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("`ssl_mode`") && error.contains("jdbc_driver_args"),
            "{error}"
        );
        let config = config
            .ssl_mode(crate::SslMode::Require)
            .jdbc_driver("org.mariadb.jdbc.Driver");
        assert!(open(&target(&config).unwrap(), "property").contains(&"useSsl=true"));
    }

    #[test]
    fn b10_a_mode_switches_off_no_check_that_the_drivers_words_ask_for() {
        for (url, expected) in [
            (
                "jdbc+mariadb://h/d?serverSslCert=a.pem&trustServerCertificate=false&sslMode=require",
                vec!["trustServerCertificate=false", "disableSslHostnameVerification=false"],
            ),
            (
                "jdbc+mariadb://h/d?serverSslCert=a.pem&sslMode=require",
                vec!["trustServerCertificate=false", "disableSslHostnameVerification=true"],
            ),
            (
                "jdbc+postgresql://h/d?sslmode=verify-full&ssl_mode=require",
                vec!["sslmode=verify-full"],
            ),
            (
                "jdbc+postgresql://h/d?ssl=true&ssl_mode=require",
                vec!["sslmode=verify-full"],
            ),
            (
                "jdbc+postgresql://h/d?sslrootcert=a.pem&ssl_mode=require",
                vec!["sslmode=verify-ca"],
            ),
        ] {
            let made = made(url);
            for word in expected {
                assert!(open(&made, "property").contains(&word), "{url}: {:?}", made.open);
            }
        }
        for (url, words) in [
            (
                "jdbc+mariadb://h/d?useSsl=true&sslMode=disable",
                "options of the driver ask for encryption",
            ),
            (
                "jdbc+postgresql://h/d?ssl_root_cert=Cargo.toml",
                "may be without encryption",
            ),
            ("jdbc+postgresql://h/d?ssl_mode=require&ssl_key=a.pem", "`ssl_cert`"),
            (
                "jdbc+sqlserver://h/d?ssl_mode=verify-full",
                "`ssl_mode` has no effect on this driver",
            ),
        ] {
            let error = target(&Config::from_url(url).unwrap()).unwrap_err().to_string();
            assert!(error.contains(words), "{url}: {error}");
        }
    }

    #[test]
    fn b2_an_argument_takes_the_place_of_an_option_in_the_url() {
        let config = Config::from_url("jdbc+postgresql://h/d?sslmode=disable&currentSchema=s").unwrap();
        let made = target(&config.jdbc_driver_args(serde_json::json!({"sslMode": "verify-full"}))).unwrap();
        assert_eq!(open(&made, "url"), ["jdbc:postgresql://h/d?currentSchema=s"]);
        assert_eq!(open(&made, "property"), ["sslMode=verify-full"]);
    }

    #[test]
    fn b10_properties_that_a_session_would_undo_are_refused() {
        let config = Config::from_url("jdbc+mariadb://h/d").unwrap();
        for (given, words) in [
            (serde_json::json!({"characterEncoding": "latin1"}), "`latin1`"),
            (serde_json::json!({"connectionCollation": "utf8mb4_bin"}), "`collation`"),
            (serde_json::json!({"a=b": "c"}), "\"a=b\""),
        ] {
            let error = target(&config.clone().jdbc_driver_args(given)).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(target(&config.jdbc_driver_args(serde_json::json!({"characterEncoding": "UTF-8"}))).is_ok());
    }

    #[test]
    fn u2_keys_and_nested_secrets_are_no_part_of_messages() {
        let config = Config::from_url("jdbc+hsqldb://file:x;crypt_key=hunter2?hexkey=hunter3").unwrap();
        let config =
            config.jdbc_driver_args(serde_json::json!({"pool": {"key": 1234}, "trustStorePassword": "hunter4"}));
        let made = target(&config).unwrap();
        assert_eq!(made.secrets, ["1234", "hunter2", "hunter3", "hunter4"]);
        let shown = format!("{config:?} {} {}", config.url(), made.place);
        assert!(!shown.contains("hunter") && !shown.contains("1234"), "{shown}");
    }

    #[test]
    fn b9_an_empty_class_of_a_driver_is_refused() {
        let config = Config::from_url("jdbc:h2:mem:x?jdbc_driver=").unwrap();
        let error = target(&config).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(
            error.message().contains("jdbc_driver") && error.advice().is_some(),
            "{error}"
        );
    }

    #[test]
    fn b9_a_url_without_a_driver_names_the_way_out() {
        let error = target(&Config::from_url("jdbc://u:hunter2@h/d").unwrap()).unwrap_err();
        let told = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(
            told.contains("jdbc_dsn_driver") && told.contains("jdbc+h2://") && !told.contains("hunter2"),
            "{told}"
        );
    }
}
