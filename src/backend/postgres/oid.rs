//! The numbers of PostgreSQL's own types. They are fixed for all servers: `src/include/catalog/pg_type.dat` of
//! PostgreSQL lists them.

/// No declared type: the server infers it.
pub(super) const UNDECLARED: u32 = 0;

pub(super) const BOOL: u32 = 16;
pub(super) const BYTEA: u32 = 17;
pub(super) const CHAR: u32 = 18;
pub(super) const NAME: u32 = 19;
pub(super) const INT8: u32 = 20;
pub(super) const INT2: u32 = 21;
pub(super) const INT2VECTOR: u32 = 22;
pub(super) const INT4: u32 = 23;
pub(super) const TEXT: u32 = 25;
pub(super) const OID: u32 = 26;
pub(super) const XID: u32 = 28;
pub(super) const CID: u32 = 29;
pub(super) const OIDVECTOR: u32 = 30;
pub(super) const JSON: u32 = 114;
pub(super) const XML: u32 = 142;
pub(super) const CIDR: u32 = 650;
pub(super) const FLOAT4: u32 = 700;
pub(super) const FLOAT8: u32 = 701;
pub(super) const UNKNOWN: u32 = 705;
pub(super) const MACADDR8: u32 = 774;
pub(super) const MACADDR: u32 = 829;
pub(super) const INET: u32 = 869;
pub(super) const TEXT_ARRAY: u32 = 1009;
pub(super) const BPCHAR: u32 = 1042;
pub(super) const VARCHAR: u32 = 1043;
pub(super) const DATE: u32 = 1082;
pub(super) const TIME: u32 = 1083;
pub(super) const TIMESTAMP: u32 = 1114;
pub(super) const TIMESTAMPTZ: u32 = 1184;
pub(super) const INTERVAL: u32 = 1186;
pub(super) const NUMERIC: u32 = 1700;
pub(super) const VOID: u32 = 2278;
pub(super) const UUID: u32 = 2950;
pub(super) const JSONB: u32 = 3802;
pub(super) const XID8: u32 = 5069;

/// The first number of types that users create.
pub(super) const FIRST_OF_USERS: u32 = 16_384;

/// The types whose arrays are supported, each with the type of its arrays and its name in SQL.
const ARRAYS: [(u32, u32, &str); 27] = [
    (BOOL, 1000, "bool"),
    (BYTEA, 1001, "bytea"),
    (CHAR, 1002, "\"char\""),
    (NAME, 1003, "name"),
    (INT2, 1005, "int2"),
    (INT4, 1007, "int4"),
    (TEXT, TEXT_ARRAY, "text"),
    (INT8, 1016, "int8"),
    (FLOAT4, 1021, "float4"),
    (FLOAT8, 1022, "float8"),
    (OID, 1028, "oid"),
    (BPCHAR, 1014, "bpchar"),
    (VARCHAR, 1015, "varchar"),
    (MACADDR, 1040, "macaddr"),
    (MACADDR8, 775, "macaddr8"),
    (INET, 1041, "inet"),
    (CIDR, 651, "cidr"),
    (DATE, 1182, "date"),
    (TIME, 1183, "time"),
    (TIMESTAMP, 1115, "timestamp"),
    (TIMESTAMPTZ, 1185, "timestamptz"),
    (INTERVAL, 1187, "interval"),
    (NUMERIC, 1231, "numeric"),
    (UUID, 2951, "uuid"),
    (JSON, 199, "json"),
    (JSONB, 3807, "jsonb"),
    (XML, 143, "xml"),
];

/// The names of the types that are read without knowing more than their number, as sqlx shows them.
#[cfg(feature = "tokio-postgres")]
const NAMES: [(u32, &str, &str); 34] = [
    (BOOL, "BOOL", "BOOL[]"),
    (BYTEA, "BYTEA", "BYTEA[]"),
    (CHAR, "\"CHAR\"", "\"CHAR\"[]"),
    (NAME, "NAME", "NAME[]"),
    (INT8, "INT8", "INT8[]"),
    (INT2, "INT2", "INT2[]"),
    (INT4, "INT4", "INT4[]"),
    (TEXT, "TEXT", "TEXT[]"),
    (OID, "OID", "OID[]"),
    (XID, "xid", "xid[]"),
    (CID, "cid", "cid[]"),
    (JSON, "JSON", "JSON[]"),
    (XML, "xml", "xml[]"),
    (CIDR, "CIDR", "CIDR[]"),
    (FLOAT4, "FLOAT4", "FLOAT4[]"),
    (FLOAT8, "FLOAT8", "FLOAT8[]"),
    (UNKNOWN, "UNKNOWN", "UNKNOWN[]"),
    (MACADDR8, "MACADDR8", "MACADDR8[]"),
    (MACADDR, "MACADDR", "MACADDR[]"),
    (INET, "INET", "INET[]"),
    (BPCHAR, "CHAR", "CHAR[]"),
    (VARCHAR, "VARCHAR", "VARCHAR[]"),
    (DATE, "DATE", "DATE[]"),
    (TIME, "TIME", "TIME[]"),
    (TIMESTAMP, "TIMESTAMP", "TIMESTAMP[]"),
    (TIMESTAMPTZ, "TIMESTAMPTZ", "TIMESTAMPTZ[]"),
    (INTERVAL, "INTERVAL", "INTERVAL[]"),
    (NUMERIC, "NUMERIC", "NUMERIC[]"),
    (VOID, "VOID", "VOID[]"),
    (UUID, "UUID", "UUID[]"),
    (JSONB, "JSONB", "JSONB[]"),
    (XID8, "xid8", "xid8[]"),
    (INT2VECTOR, "int2vector", "int2vector[]"),
    (OIDVECTOR, "oidvector", "oidvector[]"),
];

/// Returns the name of a type that is read without knowing more than its number; `None` of another one.
#[cfg(feature = "tokio-postgres")]
pub(in crate::backend) fn name(oid: u32) -> Option<&'static str> {
    let find = |oid: u32| NAMES.iter().find(|(of, ..)| *of == oid);
    if let Some((_, name, _)) = find(oid) {
        return Some(name);
    }
    find(element_of(oid)?).map(|(.., array)| *array)
}

/// Returns the type of arrays of `element`.
pub(super) fn array_of(element: u32) -> Option<u32> {
    ARRAYS
        .iter()
        .find(|(of, ..)| *of == element)
        .map(|(_, array, _)| *array)
}

/// Returns the type of the members of `array`.
pub(super) fn element_of(array: u32) -> Option<u32> {
    match array {
        INT2VECTOR => Some(INT2),
        OIDVECTOR => Some(OID),
        _ => ARRAYS.iter().find(|(_, it, _)| *it == array).map(|(of, ..)| *of),
    }
}

/// Returns the name of a type, if its arrays are supported.
pub(super) fn name_of(element: u32) -> Option<&'static str> {
    ARRAYS.iter().find(|(of, ..)| *of == element).map(|(.., name)| *name)
}

/// Returns whether a name is that of a type of the server itself.
#[cfg(any(feature = "jdbc", feature = "dbapi2", feature = "odbc"))]
pub(in crate::backend) fn is_known(name: &str) -> bool {
    let element = name.strip_prefix('_').or_else(|| name.strip_suffix("[]"));
    named(element.unwrap_or(name)) != UNKNOWN
}

/// Returns the type with a name, in the server's words or in those of the standard; `UNKNOWN` for one that is not among
/// them.
#[cfg_attr(
    not(any(test, feature = "jdbc", feature = "dbapi2", feature = "odbc")),
    allow(dead_code, reason = "sqlx knows the numbers")
)]
pub(in crate::backend) fn named(name: &str) -> u32 {
    if let Some(element) = name.strip_prefix('_').or_else(|| name.strip_suffix("[]")) {
        return array_of(named(element)).unwrap_or(TEXT_ARRAY);
    }
    match name {
        "bool" | "boolean" => BOOL,
        "bytea" => BYTEA,
        "char" => CHAR,
        "name" => NAME,
        "int8" | "bigint" | "bigserial" | "serial8" => INT8,
        "int2" | "smallint" | "smallserial" | "serial2" => INT2,
        "int2vector" => INT2VECTOR,
        "int4" | "integer" | "int" | "serial" | "serial4" => INT4,
        "text" => TEXT,
        "oid" => OID,
        "xid" => XID,
        "cid" => CID,
        "oidvector" => OIDVECTOR,
        "json" => JSON,
        "xml" => XML,
        "cidr" => CIDR,
        "float4" | "real" => FLOAT4,
        "float8" | "double precision" => FLOAT8,
        "macaddr8" => MACADDR8,
        "macaddr" => MACADDR,
        "inet" => INET,
        "bpchar" | "character" => BPCHAR,
        "varchar" | "character varying" => VARCHAR,
        "date" => DATE,
        "time" | "time without time zone" => TIME,
        "timestamp" | "timestamp without time zone" => TIMESTAMP,
        "timestamptz" | "timestamp with time zone" => TIMESTAMPTZ,
        "interval" => INTERVAL,
        "numeric" | "decimal" => NUMERIC,
        "void" => VOID,
        "uuid" => UUID,
        "jsonb" => JSONB,
        "xid8" => XID8,
        _ => UNKNOWN,
    }
}

/// Returns whether a type is sent as its text in the binary format, too.
pub(super) fn is_text(oid: u32) -> bool {
    matches!(oid, TEXT | VARCHAR | BPCHAR | NAME | UNKNOWN | XML)
}
