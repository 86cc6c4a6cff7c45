//! The paths of sockets.

use std::path::PathBuf;

use crate::sql::Dialect;

/// Returns the socket, and the port in its name. PostgreSQL's socket is given as a directory, or as the file in it.
pub(crate) fn read_socket(dialect: Dialect, path: &str) -> (PathBuf, Option<u16>) {
    if dialect == Dialect::Postgres
        && let Some((directory, port)) = path.rsplit_once("/.s.PGSQL.")
        && let Ok(port) = port.parse()
    {
        return (PathBuf::from(directory), Some(port));
    }
    (PathBuf::from(path), None)
}
