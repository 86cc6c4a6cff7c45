//! The kinds of the errors of MySQL and MariaDB, by their number.

use crate::error::{ConstraintKind, ErrorKind};

/// Number of the error of a session that was ended for being idle.
pub(super) const INACTIVE: u16 = 4031;

/// Returns the kind of an error. SQLSTATE is coarser here: most errors share `HY000`.
pub(super) fn kind(number: u16, state: &str, message: &str) -> ErrorKind {
    if constraint_kind(number, state).is_some() {
        return ErrorKind::Constraint;
    }
    match number {
        1045 | 1698 | 1251 | 1130 | 1820 | 1862 | 1873 | 3118 | 3955 | 6126 | 6127 => ErrorKind::Authentication,
        // MariaDB; on MySQL these numbers have another meaning.
        4150 | 4151 if message.contains("locked") || message.contains("blocked") => ErrorKind::Authentication,
        1049 => ErrorKind::DatabaseNotFound,
        1040 | 1041 | 1042 | 1043 | 1129 | 1135 | 1203 | 1226 | 3032 | 3159 | 3168 | 4081 | 4082 | 6400 => {
            ErrorKind::Connect
        }
        // Those above 2000 are client libraries' own.
        1053 | 1077 | 1079 | 1080 | 1152 | 1158..=1161 | 1184 | 1927 | 2006 | 2013 | 2055 | 3169 | INACTIVE => {
            ErrorKind::ConnectionLost
        }
        1064 | 1065 | 1149 => ErrorKind::Syntax,
        1396 if message.starts_with("Operation CREATE") => ErrorKind::DuplicateObject,
        1396 => ErrorKind::UndefinedObject,
        1213 | 1614 | 3058 | 3132 => ErrorKind::Deadlock,
        // A row changed after the snapshot was taken (MariaDB with innodb_snapshot_isolation), the definition of a table
        // did, or another member of a group changed the same rows.
        1020 | 1412 | 3101 => ErrorKind::Serialization,
        1205 | 1689 | 3133 | 3572 => ErrorKind::LockTimeout,
        1036 | 1223 | 1792 | 1836 | 1874 | 3989 => ErrorKind::ReadOnly,
        1290 if message.contains("read-only") => ErrorKind::ReadOnly,
        1613 | 1969 | 3024 => ErrorKind::Timeout,
        1112 | 1148 | 1178 | 1214 | 1235 | 1289 | 1726 | 1845 | 1846 | 3106 | 3110 | 3161 | 3167 | 3658 | 3948
        | 3999 => ErrorKind::Unsupported,
        1390 => ErrorKind::Parameter,
        _ if is_missing(number, message) => ErrorKind::UndefinedObject,
        _ if is_there(number, message) => ErrorKind::DuplicateObject,
        _ if is_forbidden(number) => ErrorKind::Permission,
        _ => ErrorKind::Database,
    }
}

/// Returns whether something that the statement names is missing.
fn is_missing(number: u16, message: &str) -> bool {
    match number {
        // Tables, columns, keys, partitions, databases; routines, triggers, events, variables, statements, windows;
        // character sets, collations, engines, time zones, locales, users, roles, reference systems.
        1146 | 1051 | 1054 | 1072 | 1082 | 1091 | 1109 | 1141 | 1147 | 1176 | 1177 | 1431 | 1477 | 1008 | 1507
        | 1735 | 1824 | 1932 | 3503 | 3568 | 3734 | 3820 | 3821 | 3940 | 1106 | 1122 | 1128 | 1193 | 1243 | 1305
        | 1360 | 1403 | 1539 | 3579 | 3615 | 1115 | 1133 | 1273 | 1286 | 1298 | 1449 | 1649 | 1974 | 1976 | 3162
        | 3523 | 3548 => true,
        // MariaDB's sequences, views, types; on MySQL these numbers have another meaning.
        4091 | 4092 | 4161 => message.starts_with("Unknown"),
        _ => false,
    }
}

/// Returns whether something of that name is there, or is named twice.
fn is_there(number: u16, message: &str) -> bool {
    match number {
        1050 | 1060 | 1061 | 1007 | 1066 | 1068 | 1086 | 1110 | 1125 | 1304 | 1359 | 1476 | 1517 | 1537 | 1813
        | 1826 | 1973 | 1975 | 3163 | 3591 | 3822 => true,
        // MariaDB; on MySQL this number has another meaning.
        4004 => message.starts_with("Duplicate"),
        _ => false,
    }
}

/// Returns whether the user lacks a privilege, or the server's own options forbid it to all users.
fn is_forbidden(number: u16) -> bool {
    matches!(
        number,
        1044 | 1142
            | 1143
            | 1227
            | 1370
            | 1095
            | 1132
            | 1211
            | 1290
            | 1410
            | 1419
            | 1961
            | 1962
            | 1979
            | 3202
            | 3530
            | 3552..=3557 | 3566 | 3620 | 3630 | 3879 | 3914 | 6038 | 6427 | 6444
    )
}

/// Returns the kind of the constraint that was violated, if one was.
pub(super) fn constraint_kind(number: u16, state: &str) -> Option<ConstraintKind> {
    Some(match number {
        1062 | 1586 | 1022 | 1169 | 1557 | 1761 | 1762 | 1859 => ConstraintKind::Unique,
        1451 | 1452 | 1216 | 1217 => ConstraintKind::ForeignKey,
        1048 | 1263 | 1364 | 1423 | 3673 => ConstraintKind::NotNull,
        // Also WITH CHECK OPTION of a view, and a value for which there is no partition.
        1369 | 1526 | 1748 | 3819 => ConstraintKind::Check,
        // MariaDB; the number has another meaning on MySQL.
        4025 if state == "23000" => ConstraintKind::Check,
        _ => return None,
    })
}
