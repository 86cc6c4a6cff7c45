//! Databases of other libraries that are not supported here.

/// The schemes of databases that are not supported, with the name for messages.
const SCHEMES: [(&str, &str); 11] = [
    ("oracle", "Oracle"),
    ("oracledb", "Oracle"),
    ("db2", "Db2"),
    ("ibmdb2", "Db2"),
    ("firebird", "Firebird"),
    ("duckdb", "DuckDB"),
    ("clickhouse", "ClickHouse"),
    ("snowflake", "Snowflake"),
    ("libsql", "libSQL"),
    ("mongodb", "MongoDB"),
    ("h2", "H2"),
];

/// Returns advice about a scheme that is known and not supported.
pub(super) fn unsupported_scheme(name: &str) -> Option<String> {
    let (_, shown) = SCHEMES.iter().find(|(known, _)| *known == name)?;
    Some(format!(
        "use one of those: {shown} is not supported; its drivers for Java, Python and ODBC are: `jdbc+{name}://…`, `dbapi2://…`, \
         `odbc:///?driver=…`"
    ))
}
