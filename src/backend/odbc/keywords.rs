//! The keywords of ODBC's drivers.

use crate::config::Config;
use crate::error::{Error, ErrorKind, Result, nearest};

/// The bit of MariaDB's `OPTION` with which the rows that a statement finds are counted, and not those that it changes.
const FOUND_ROWS: u64 = 2;

/// A driver whose keywords are known.
struct KnownDriver {
    /// Its name in the packages of Debian.
    name: &'static str,
    /// The keyword for the host.
    host: &'static str,
    /// The keywords that it takes beside those of every driver.
    keywords: &'static [&'static str],
    /// What this library depends on.
    needed: &'static [(&'static str, &'static str)],
}

const POSTGRES: KnownDriver = KnownDriver {
    name: "PostgreSQL Unicode",
    host: "Servername",
    keywords: &[
        "SSLmode",
        "ReadOnly",
        "Protocol",
        "FakeOidIndex",
        "ShowOidColumn",
        "RowVersioning",
        "ShowSystemTables",
        "ConnSettings",
        "Fetch",
        "UnknownSizes",
        "MaxVarcharSize",
        "MaxLongVarcharSize",
        "Debug",
        "CommLog",
        "UseDeclareFetch",
        "TextAsLongVarchar",
        "UnknownsAsLongVarchar",
        "BoolsAsChar",
        "Parse",
        "ExtraSysTablePrefixes",
        "LFConversion",
        "UpdatableCursors",
        "TrueIsMinus1",
        "BI",
        "ByteaAsLongVarBinary",
        "UseServerSidePrepare",
        "LowerCaseIdentifier",
        "GssAuthUseGSS",
        "XaOpt",
        "KeepaliveTime",
        "KeepaliveInterval",
        "OptionalErrors",
        "FetchRefcursors",
        "pqopt",
        "BatchSize",
        "IgnoreTimeout",
        "CX",
        "Locale",
    ],
    // Otherwise the driver rolls back after an error by itself, changes line ends, or makes large objects of bytes.
    needed: &[
        ("Protocol", "7.4-0"),
        ("LFConversion", "0"),
        ("TrueIsMinus1", "0"),
        ("ByteaAsLongVarBinary", "1"),
        ("UpdatableCursors", "0"),
        ("UseServerSidePrepare", "1"),
    ],
};

const MARIADB: KnownDriver = KnownDriver {
    name: "MariaDB Unicode",
    host: "Server",
    keywords: &[
        "Option",
        "Charset",
        "Socket",
        "InitStmt",
        "ConnectionTimeout",
        "Reconnect",
        "No_Prompt",
        "NamedPipe",
        "Plugin_Dir",
        "SSLkey",
        "SSLcert",
        "SSLca",
        "SSLcapath",
        "SSLcipher",
        "SSLverify",
        "SSLcrl",
        "SSLcrlpath",
        "SSLFP",
        "SSLFPlist",
        "ForceTLS",
        "TLSversion",
        "TLSkeyPwd",
        "TLSpeerFP",
        "TLSpeerFPlist",
        "ServerKey",
        "SaveFile",
        "UseMyCnf",
        "ForwardOnly",
        "TimeStr",
        "Auto_Reconnect",
        "Interactive",
        "MultiStatements",
    ],
    needed: &[("charset", "utf8mb4")],
};

const SQLITE: KnownDriver = KnownDriver {
    name: "SQLite3",
    host: "Server",
    keywords: &[
        "StepAPI",
        "SyncPragma",
        "JournalMode",
        "NoTXN",
        "ShortNames",
        "LongNames",
        "NoCreat",
        "NoWCHAR",
        "FKSupport",
        "OEMCP",
        "BigInt",
        "JDConv",
        "TraceFile",
        "LoadExt",
        "Attach",
        "ILike",
    ],
    // Otherwise the driver names no types of what is computed, or makes dates of numbers.
    needed: &[("StepAPI", "0"), ("JDConv", "0")],
};

const FREETDS: KnownDriver = KnownDriver {
    name: "FreeTDS",
    host: "Server",
    keywords: &[
        "TDS_Version",
        "ClientCharset",
        "Encryption",
        "Language",
        "Address",
        "App",
        "WSID",
        "Trusted_Connection",
        "TextSize",
        "Timeout",
        "ServerSPN",
        "AttachDbFilename",
        "ApplicationIntent",
        "PacketSize",
        "DumpFile",
        "MARS_Connection",
        "Realm",
        "REALM",
        "HostnameInCertificate",
    ],
    needed: &[],
};

/// Returns the keywords for the driver of a configuration, in the order of the connection string.
pub(super) fn of(config: &Config) -> Result<Vec<(String, String)>> {
    let url = config.url();
    let known = known(config);
    let options: Vec<_> = config.driver_options().collect();
    let given = |wanted: &str| options.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
    let source = given("dsn").map(|(_, value)| (*value).to_owned());
    let driver = match (given("driver"), &source, known) {
        (Some((_, name)), ..) => Some((*name).to_owned()),
        (None, None, Some(known)) => Some(known.name.to_owned()),
        _ => None,
    };
    if driver.is_none() && source.is_none() {
        return Err(Error::new(
            ErrorKind::Config,
            "the URL names neither a driver nor a data source of ODBC",
        )
        .help(
            "write `odbc://NAME` for a data source, or give the driver: `odbc:///?driver=PostgreSQL+Unicode&server=…`",
        ));
    }
    let parts = [
        ("DSN", source),
        ("Driver", driver),
        (
            known.map_or("Server", |known| known.host),
            url.host().map(str::to_owned),
        ),
        ("Port", url.port().map(|port| port.to_string())),
        ("Database", url.database().map(str::to_owned)),
        ("UID", url.username().map(str::to_owned)),
        ("PWD", url.password().map(str::to_owned)),
    ];
    let mut keywords: Vec<(String, String)> = parts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    for (name, value) in &options {
        if ["dsn", "driver"].contains(name) {
            continue;
        }
        let value = match known {
            Some(known) => checked(known, name, value)?,
            None => (*value).to_owned(),
        };
        keywords.push(((*name).to_owned(), value));
    }
    if let Some(known) = known {
        let is_given = |name: &str| options.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        if known.name == MARIADB.name && !is_given("option") {
            keywords.push(("Option".to_owned(), FOUND_ROWS.to_string()));
        }
        let missing = known.needed.iter().filter(|(name, _)| !is_given(name));
        keywords.extend(missing.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    }
    Ok(keywords)
}

fn known(config: &Config) -> Option<&'static KnownDriver> {
    match config.subprotocol()? {
        "postgresql" | "postgres" | "pgsql" => Some(&POSTGRES),
        "mariadb" | "mysql" => Some(&MARIADB),
        "sqlite" | "sqlite3" => Some(&SQLITE),
        "sqlserver" => Some(&FREETDS),
        _ => None,
    }
}

/// Returns the value of a keyword as the driver gets it. Drivers ignore keywords that they do not know.
fn checked(known: &KnownDriver, name: &str, value: &str) -> Result<String> {
    if known.name == SQLITE.name && name.eq_ignore_ascii_case("timeout") {
        return Err(Error::new(
            ErrorKind::Config,
            format!("`{name}` of the ODBC driver `{}` would be overwritten", known.name),
        )
        .help("give `busy_timeout`, which counts seconds: `busy_timeout=1500ms`"));
    }
    // Those of psqlODBC are short ones, too: `A0` to `DZ`.
    let short = known.name == POSTGRES.name && name.len() == 2 && name.starts_with(['a', 'b', 'c', 'd']);
    if !short && !known.keywords.iter().any(|keyword| keyword.eq_ignore_ascii_case(name)) {
        let message = format!("the ODBC driver `{}` has no keyword `{name}`", known.name);
        return Err(
            Error::new(ErrorKind::Config, message).help(match nearest(name, known.keywords.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it knows {}", known.keywords.join(", ")),
            }),
        );
    }
    let needed = known
        .needed
        .iter()
        .find(|(keyword, _)| keyword.eq_ignore_ascii_case(name));
    if let Some((keyword, needed)) = needed.filter(|(_, needed)| !needed.eq_ignore_ascii_case(value)) {
        let message = format!("`{keyword}={value}` would change what values and errors mean");
        return Err(Error::new(ErrorKind::Config, message).help(format!("leave it out; it is `{needed}`")));
    }
    if known.name == MARIADB.name && name.eq_ignore_ascii_case("option") {
        let bits: u64 = value.parse().map_err(|_| {
            Error::new(ErrorKind::Config, format!("`option={value}` is not a number"))
                .help("add the numbers of the flags")
        })?;
        return Ok((bits | FOUND_ROWS).to_string());
    }
    Ok(value.to_owned())
}
