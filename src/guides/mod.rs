//! The guides of the repository's folder `docs/`.

/// A module for each guide. The links that the guides share come first: the first definition of a link holds, so here they
/// lead to pages of this documentation, and where the files are read as files, to the files.
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
    // Its examples run with the application they are about, `examples/web`.
    #[cfg(not(doctest))]
    testing = "TESTING.md";
    types = "TYPES.md";
    observability = "OBSERVABILITY.md";
    performance = "PERFORMANCE.md";
    promises = "PROMISES.md";
    faults = "FAULTS.md";
    architecture = "ARCHITECTURE.md";
    dependencies = "DEPENDENCIES.md";
}
