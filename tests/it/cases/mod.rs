//! The cases. Each file here holds one `cases! { … }` block. Each file is named twice below, and a test asserts that
//! none is forgotten. A folder names its own files, and the compiler reports if the cases of one are not used.

#[cfg(all(feature = "sqlx-interop", feature = "derive"))]
mod any;
#[cfg(feature = "sqlx-interop")]
mod bridge;
mod bridges;
mod budget;
mod callbacks;
mod callbacks_cut_off;
mod cancellation;
mod capabilities;
mod changed_tables;
mod closing;
mod connecting;
mod copying;
#[cfg(feature = "metrics")]
mod counting;
mod driver_faults;
#[cfg(all(feature = "jdbc", feature = "dbapi2"))]
mod driver_settings;
mod echo;
mod ended_by_server;
mod failure;
mod force_rollback;
mod hooks;
mod implicit_commits;
mod isolation;
#[cfg(feature = "sqlx-interop")]
mod lent_connection;
mod lexing;
mod lifecycle;
mod limits;
mod listening;
mod locked;
mod messages;
#[cfg(feature = "sqlx-interop")]
mod migrations;
mod notifications;
mod odbc_errors;
mod odbc_values;
mod odd_inputs;
#[cfg(feature = "sqlx-interop")]
mod one_program;
mod outcome;
mod outer_transaction;
mod own_texts;
mod pool;
mod pool_cancelled;
mod pooler;
mod queries;
#[cfg(feature = "sqlx-interop")]
mod quiet;
mod read_your_writes;
mod refusals;
mod registry;
mod regressions;
mod replica_trouble;
mod replicas;
mod replication;
mod retry;
mod robustness;
mod runtimes;
#[cfg(feature = "sqlx-interop")]
mod rusqlite;
mod sandbox;
mod sandbox_conflicts;
mod schema;
#[cfg(feature = "sea-query")]
mod sea;
#[cfg(feature = "sqlx-interop")]
mod sessions;
mod shared_sandbox;
mod shutdown;
#[cfg(all(feature = "jdbc", feature = "dbapi2"))]
mod sidecar_errors;
#[cfg(all(feature = "jdbc", feature = "dbapi2"))]
mod sidecar_killed;
mod slow;
#[cfg(feature = "schema")]
mod sql_server;
#[cfg(feature = "sqlx-interop")]
mod sqlx_migrations;
mod stalls;
mod statement_log;
mod streams;
mod tasks;
mod test_database;
#[cfg(all(feature = "tokio-postgres", feature = "sqlx-interop"))]
mod tokio_postgres;
#[cfg(feature = "derive")]
mod transactional;
mod transactions;
mod transactions_side_by_side;
mod two_databases;
mod types;
mod virtual_commit;
mod virtual_isolation;
mod waiting;
mod watching;
mod without_runtime;
mod writers;

use std::fs;
use std::path::Path;

use libtest_mimic::Failed;

use crate::support::Case;

/// The name of a file, and its cases.
type File = (&'static str, fn() -> Vec<Case>);

const LISTED: &[File] = &[
    ("two_databases", two_databases::cases),
    ("changed_tables", changed_tables::cases),
    ("robustness", robustness::cases),
    ("odbc_errors", odbc_errors::cases),
    ("odbc_values", odbc_values::cases),
    ("odd_inputs", odd_inputs::cases),
    #[cfg(feature = "sqlx-interop")]
    ("one_program", one_program::cases),
    #[cfg(all(feature = "sqlx-interop", feature = "derive"))]
    ("any", any::cases),
    #[cfg(feature = "sqlx-interop")]
    ("bridge", bridge::cases),
    #[cfg(feature = "sqlx-interop")]
    ("sqlx_migrations", sqlx_migrations::cases),
    #[cfg(feature = "sqlx-interop")]
    ("lent_connection", lent_connection::cases),
    ("bridges", bridges::cases),
    #[cfg(feature = "schema")]
    ("sql_server", sql_server::cases),
    ("budget", budget::cases),
    #[cfg(feature = "metrics")]
    ("counting", counting::cases),
    ("driver_faults", driver_faults::cases),
    #[cfg(all(feature = "jdbc", feature = "dbapi2"))]
    ("driver_settings", driver_settings::cases),
    ("echo", echo::cases),
    ("failure", failure::cases),
    ("locked", locked::cases),
    ("messages", messages::cases),
    ("notifications", notifications::cases),
    #[cfg(feature = "sqlx-interop")]
    ("migrations", migrations::cases),
    ("outcome", outcome::cases),
    ("own_texts", own_texts::cases),
    ("pool", pool::cases),
    ("pool_cancelled", pool_cancelled::cases),
    ("pooler", pooler::cases),
    ("runtimes", runtimes::cases),
    #[cfg(feature = "sqlx-interop")]
    ("rusqlite", rusqlite::cases),
    ("closing", closing::cases),
    ("connecting", connecting::cases),
    ("hooks", hooks::cases),
    ("implicit_commits", implicit_commits::cases),
    ("lexing", lexing::cases),
    ("lifecycle", lifecycle::cases),
    ("limits", limits::cases),
    ("copying", copying::cases),
    ("listening", listening::cases),
    ("queries", queries::cases),
    ("refusals", refusals::cases),
    ("registry", registry::cases),
    ("replica_trouble", replica_trouble::cases),
    ("replicas", replicas::cases),
    ("read_your_writes", read_your_writes::cases),
    ("replication", replication::cases),
    ("retry", retry::cases),
    ("regressions", regressions::cases),
    ("callbacks_cut_off", callbacks_cut_off::cases),
    ("schema", schema::cases),
    #[cfg(feature = "sea-query")]
    ("sea", sea::cases),
    ("types", types::cases),
    ("streams", streams::cases),
    ("tasks", tasks::cases),
    ("test_database", test_database::cases),
    #[cfg(all(feature = "tokio-postgres", feature = "sqlx-interop"))]
    ("tokio_postgres", tokio_postgres::cases),
    #[cfg(feature = "derive")]
    ("transactional", transactional::cases),
    ("transactions", transactions::cases),
    ("transactions_side_by_side", transactions_side_by_side::cases),
    ("cancellation", cancellation::cases),
    ("capabilities", capabilities::cases),
    ("force_rollback", force_rollback::cases),
    ("sandbox", sandbox::cases),
    ("callbacks", callbacks::cases),
    ("ended_by_server", ended_by_server::cases),
    ("outer_transaction", outer_transaction::cases),
    #[cfg(feature = "sqlx-interop")]
    ("quiet", quiet::cases),
    ("sandbox_conflicts", sandbox_conflicts::cases),
    ("isolation", isolation::cases),
    ("without_runtime", without_runtime::cases),
    ("stalls", stalls::cases),
    ("statement_log", statement_log::cases),
    ("virtual_commit", virtual_commit::cases),
    ("virtual_isolation", virtual_isolation::cases),
    #[cfg(feature = "sqlx-interop")]
    ("sessions", sessions::cases),
    ("shared_sandbox", shared_sandbox::cases),
    ("shutdown", shutdown::cases),
    #[cfg(all(feature = "jdbc", feature = "dbapi2"))]
    ("sidecar_errors", sidecar_errors::cases),
    #[cfg(all(feature = "jdbc", feature = "dbapi2"))]
    ("sidecar_killed", sidecar_killed::cases),
    ("slow", slow::cases),
    ("waiting", waiting::cases),
    ("watching", watching::cases),
    ("writers", writers::cases),
];

/// Returns every case of every file.
pub(crate) fn all() -> Vec<Case> {
    LISTED.iter().flat_map(|(_, cases)| cases()).collect()
}

pub(crate) fn every_file_is_listed() -> Result<(), Failed> {
    let folder = Path::new(file!()).parent().ok_or("this file is in no folder")?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        // By the text, because some files need a feature.
        let entry = format!("(\"{name}\", {name}::cases)");
        if name != "mod" && !include_str!("mod.rs").contains(&entry) {
            return Err(format!("tests/it/cases/{name} is not in the list of tests/it/cases/mod.rs").into());
        }
    }
    Ok(())
}
