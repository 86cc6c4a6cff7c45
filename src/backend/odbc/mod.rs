//! Databases with a driver of ODBC.

mod connection_string;
mod keywords;

use std::sync::Arc;

use super::Connector;
use super::sidecar::{self, Limits, SessionText, Sharing, SidecarKind, Target, check_transport, secrets_of};
use super::sqlite::DatabaseFile;
use crate::config::Config;
use crate::error::Result;
use crate::url::{ForeignDriver, is_secret, product_of_subprotocol};
use connection_string::{shown, written};

/// Returns the connector for the database of a configuration.
pub(super) fn connector(config: &Config) -> Result<Arc<dyn Connector>> {
    target(config).map(sidecar::connector)
}

fn target(config: &Config) -> Result<Target> {
    check_transport(config, ForeignDriver::Odbc)?;
    let keywords = keywords::of(config)?;
    let get = |wanted: &str| {
        let found = keywords.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map_or_else(String::new, |(_, value)| value.clone())
    };
    let secrets = keywords.iter().filter(|(name, _)| is_secret(name));
    Ok(Target {
        kind: SidecarKind::Odbc,
        dialect: config.dialect(),
        product: product_of_subprotocol(config.product_name()),
        command: Vec::new(),
        open: [
            ("connection", written(&keywords)),
            ("driver", get("driver")),
            ("dsn", get("dsn")),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into(),
        secrets: secrets_of(config, secrets.map(|(_, value)| value.clone())),
        session: SessionText::of(config)?,
        file: DatabaseFile::of(config),
        place: shown(&keywords),
        shared: Sharing::Connection,
        limits: Limits::default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::sql::Dialect;

    fn made(url: &str) -> Target {
        target(&Config::from_url(url).unwrap()).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn b4_a_url_becomes_a_connection_string() {
        for (url, dialect, text) in [
            ("odbc://shop", Dialect::Generic, "DSN=shop"),
            ("odbc://ada:s%3Dcr@shop", Dialect::Generic, "DSN=shop;UID=ada;PWD=s=cr"),
            ("odbc:///?dsn=My%20Shop&Foo=1", Dialect::Generic, "DSN=My Shop;foo=1"),
            (
                "odbc:DRIVER={Exotic; it's};Server=h;UID=u;PWD={a}}b;c}",
                Dialect::Generic,
                "Driver={Exotic; it's};Server=h;UID=u;PWD={a}}b;c}",
            ),
            (
                "odbc:Driver=FreeTDS;Server=h;Timeout=7",
                Dialect::Generic,
                "Driver=FreeTDS;Server=h;timeout=7",
            ),
            (
                "odbc+sqlite:///data/a.db",
                Dialect::Sqlite,
                "Driver=SQLite3;Database=/data/a.db;StepAPI=0;JDConv=0",
            ),
            (
                "odbc:///?driver=SQLite3&database=/data/a.db&StepAPI=0&busy_timeout=1s",
                Dialect::Sqlite,
                "Driver=SQLite3;Database=/data/a.db;stepapi=0;JDConv=0",
            ),
        ] {
            let made = made(url);
            assert_eq!((made.dialect, made.open[0].1.as_str()), (dialect, text), "{url}");
        }
        for url in [
            "odbc+postgresql://u:p@h:5433/d?sslmode=require",
            "odbc:///?driver=PostgreSQL+Unicode&server=h&port=5433&database=d&uid=u&pwd=p&SSLmode=require",
            "odbc:Driver={PostgreSQL Unicode};Servername=h;Port=5433;Database=d;UID=u;PWD=p;SSLMODE=require",
        ] {
            let made = made(url);
            assert_eq!(made.dialect, Dialect::Postgres, "{url}");
            let text = &made.open[0].1;
            let start = "Driver=PostgreSQL Unicode;Servername=h;Port=5433;Database=d;UID=u;PWD=p;sslmode=require;";
            assert!(text.starts_with(start) && text.contains(";Protocol=7.4-0"), "{text}");
        }
        let maria = made("odbc+mariadb://u@h/d?option=1");
        assert_eq!(maria.dialect, Dialect::MySql);
        let text = &maria.open[0].1;
        assert!(
            text.contains("Driver=MariaDB Unicode;Server=h;Database=d;UID=u;option=3;charset=utf8mb4"),
            "{text}"
        );
    }

    #[test]
    fn b9_no_password_is_shown_whatever_its_keyword_looks_like() {
        for url in [
            "odbc:Driver={Exotic};PWD={hunter2;x}",
            "odbc:///?driver=Exotic&PWD=hunter2",
            "odbc://ada:hunter2@shop",
            "odbc:DSN=shop;Password=hunter2",
        ] {
            let made = made(url);
            let config = Config::from_url(url).unwrap();
            let told = format!("{} {made:?} {} {config:?}", made.place, config.url());
            assert!(!told.contains("hunter2"), "{told}");
            assert!(made.secrets.iter().any(|secret| secret.contains("hunter2")), "{url}");
            assert!(made.open[0].1.contains("hunter2"), "{url}");
        }
    }

    #[test]
    fn b10_a_setting_without_a_keyword_is_refused() {
        use crate::config::SslMode;

        for mode in [SslMode::Disable, SslMode::Require, SslMode::VerifyFull] {
            let config = Config::from_url("odbc+postgresql://h/d").unwrap().ssl_mode(mode);
            let error = target(&config).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            let told = error.to_string();
            assert!(told.contains("`ssl_mode`") && told.contains("`SSLmode`"), "{told}");
        }
        made("odbc+postgresql://h/d?sslmode=require");
    }

    #[test]
    fn b9_a_wrong_keyword_is_named_with_the_nearest_one() {
        let error = |url: &str| target(&Config::from_url(url).unwrap()).unwrap_err();
        let wrong = error("odbc+postgresql://h/d?sslmoed=require");
        assert_eq!(wrong.kind(), ErrorKind::Config);
        assert!(
            wrong.to_string().contains("`sslmoed`") && wrong.to_string().contains("`SSLmode`"),
            "{wrong}"
        );
        let wrong = error("odbc+mariadb://h/d?charset=latin1");
        assert!(wrong.to_string().contains("utf8mb4"), "{wrong}");
        let wrong = error("odbc:Driver=SQLite3;Database=a.db;Timeout=1000");
        assert!(wrong.to_string().contains("`busy_timeout`"), "{wrong}");
        let none = error("odbc://");
        assert!(none.to_string().contains("odbc://NAME"), "{none}");
    }
}
