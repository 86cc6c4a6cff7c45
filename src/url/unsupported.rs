//! Databases and drivers of other libraries that are not supported here.

use crate::sql::Dialect;

/// The schemes of databases and drivers that are not supported: the name for messages, and whether it is planned.
const SCHEMES: [(&str, &str, bool); 12] = [
    ("odbc", "drivers of ODBC", true),
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
const SETTINGS: [(&str, &str); 1] = [("odbc", "drivers of ODBC")];

/// The databases that are supported, for help.
const SUPPORTED: &str = "the supported databases are PostgreSQL (`postgres://…` or `postgresql://…`), \
                                    MySQL and MariaDB (`mysql://…` or `mariadb://…`), SQLite (`sqlite://…`), \
                                    SQL Server (`mssql://…`), and those with a driver for Java (`jdbc+…`) or Python (`dbapi2://…`)";

/// Returns advice about a scheme that is known and not supported. `within` is the dialect of the scheme or driver after
/// it, with its own scheme.
pub(super) fn unsupported_scheme(name: &str, within: Option<(Dialect, &str)>) -> Option<String> {
    let (_, shown, planned) = SCHEMES.iter().find(|(known, ..)| *known == name)?;
    let of_drivers = shown.starts_with("drivers");
    let verb = if of_drivers { "are" } else { "is" };
    let yet = if *planned { " yet" } else { "" };
    let native = within
        .filter(|_| of_drivers)
        .map_or_else(String::new, |(dialect, scheme)| {
            format!("; {dialect} is supported without them: `{scheme}://…`")
        });
    let bridged = if *planned {
        String::new()
    } else {
        format!("; its drivers for Java and Python are: `jdbc+{name}://…`, `dbapi2://…`")
    };
    Some(format!(
        "use one of those: {shown} {verb} not supported{yet}{native}{bridged}"
    ))
}

/// Returns advice about a setting of a database or driver that is not supported.
pub(crate) fn unsupported_setting(name: &str) -> Option<String> {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    let (_, shown) = SETTINGS.iter().find(|(begin, _)| name.starts_with(begin))?;
    let verb = if shown.starts_with("drivers") { "are" } else { "is" };
    Some(format!(
        "it is a setting for {shown}, which {verb} not supported yet; {SUPPORTED}"
    ))
}
