//! The guides of the repository's folder `docs/`.

/// Defines a module for each guide. The links that the guides share come first, because the first definition of a link
/// applies. So here they lead to pages of this documentation; where the files are read as files, they lead to files.
macro_rules! guides {
    ($($(#[$when:meta])* $name:ident = $file:literal;)*) => {$(
        $(#[$when])*
        #[allow(clippy::doc_markdown, reason = "tables quote what programs print")]
        #[doc = include_str!("links.md")]
        #[doc = include_str!(concat!("../../docs/", $file))]
        pub mod $name {}
    )*};
}

guides! {
    transactions = "TRANSACTIONS.md";
    queries = "QUERIES.md";
    databasez = "DATABASEZ.md";
    dialects = "DIALECTS.md";
    // The examples of these two are tests of `examples/web`, because they use axum or that application.
    #[cfg(not(doctest))]
    lifecycle = "LIFECYCLE.md";
    #[cfg(not(doctest))]
    testing = "TESTING.md";
    types = "TYPES.md";
    observability = "OBSERVABILITY.md";
    performance = "PERFORMANCE.md";
    pgbouncer = "PGBOUNCER.md";
    backends = "BACKENDS.md";
    mssql = "MSSQL.md";
    jdbc = "JDBC.md";
    dbapi = "DBAPI.md";
    odbc = "ODBC.md";
    sidecars = "SIDECARS.md";
    promises = "PROMISES.md";
    faults = "FAULTS.md";
    architecture = "ARCHITECTURE.md";
    dependencies = "DEPENDENCIES.md";
}
