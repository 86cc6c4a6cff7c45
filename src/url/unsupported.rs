//! Databases and drivers of other libraries that are not supported here.

/// The schemes of databases and drivers that are not supported: the name for messages, and whether it is planned.
const SCHEMES: [(&str, &str, bool); 14] = [
    ("mssql", "SQL Server", true),
    ("sqlserver", "SQL Server", true),
    ("azuresql", "SQL Server", true),
    ("oracle", "Oracle", false),
    ("oracledb", "Oracle", false),
    ("db2", "Db2", false),
    ("ibmdb2", "Db2", false),
    ("firebird", "Firebird", false),
    ("duckdb", "DuckDB", false),
    ("clickhouse", "ClickHouse", false),
    ("snowflake", "Snowflake", false),
    ("libsql", "libSQL", false),
    ("mongodb", "MongoDB", false),
    ("h2", "H2", false),
];

/// The beginnings of settings that belong to one of these schemes, with its name for messages.
const SETTINGS: [(&str, &str); 2] = [("odbc", "SQL Server"), ("trustservercertificate", "SQL Server")];

/// The databases that are supported, for help.
const SUPPORTED: &str = "the supported databases are PostgreSQL (`postgres://…` or `postgresql://…`), \
                                    MySQL and MariaDB (`mysql://…` or `mariadb://…`), SQLite (`sqlite://…`), \
                                    and those with a driver for Java (`jdbc+…`), Python (`dbapi2://…`) or ODBC (`odbc://…`)";

/// Returns advice about a scheme that is known and not supported.
pub(super) fn unsupported_scheme(name: &str) -> Option<String> {
    let (_, shown, planned) = SCHEMES.iter().find(|(known, ..)| *known == name)?;
    let yet = if *planned { " yet" } else { "" };
    let bridged = if *planned {
        String::new()
    } else {
        format!("; its drivers for Java and Python are: `jdbc+{name}://…`, `dbapi2://…`")
    };
    Some(format!("use one of those: {shown} is not supported{yet}{bridged}"))
}

/// Returns advice about a setting of a database or driver that is not supported.
pub(crate) fn unsupported_setting(name: &str) -> Option<String> {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    let (_, shown) = SETTINGS.iter().find(|(begin, _)| name.starts_with(begin))?;
    Some(format!(
        "it is a setting for {shown}, which is not supported yet; {SUPPORTED}"
    ))
}
