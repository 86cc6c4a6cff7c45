//! What the driver manager has not found, as a newcomer needs to know it.

use crate::failure::Failure;
use crate::odbc::{Diagnostic, Environment};
use crate::product::Product;

/// Returns the failure of a connection. Where the driver manager itself has not found something, it names what was looked
/// for beside what there is.
pub(crate) fn not_opened(driver: &str, source: &str, records: Vec<Diagnostic>) -> Failure {
    let of_manager =
        |record: &Diagnostic| record.state.starts_with("IM00") || record.message.contains("Can't open lib");
    if !records.iter().any(of_manager) {
        return Product::named(driver).explained(records.into());
    }
    let said: Vec<_> = records
        .iter()
        .map(|record| format!("[{}] {}", record.state, record.message))
        .collect();
    let (drivers, sources) = Environment::new().map_or_else(
        |_| (Vec::new(), Vec::new()),
        |manager| (manager.drivers(), manager.data_sources()),
    );
    let has = |names: &[String], wanted: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
    let installed = format!("the drivers that are installed are {}", list(&drivers));
    let (message, hint) = if has(&drivers, driver) || driver.contains('/') {
        (
            format!(
                "the library of the ODBC driver `{driver}` cannot be loaded: {}",
                said.join("; ")
            ),
            "install the driver again, or correct its entry `Driver` in odbcinst.ini (`odbcinst -j` tells where that is)",
        )
    } else if !driver.is_empty() {
        (
            format!("no ODBC driver is called `{driver}`; {installed}"),
            "install the driver (on Debian odbc-postgresql, odbc-mariadb, libsqliteodbc or tdsodbc), or use a name from \
             odbcinst.ini (`odbcinst -q -d`)",
        )
    } else if has(&sources, source) {
        (
            format!(
                "the driver of the ODBC data source `{source}` cannot be loaded: {}",
                said.join("; ")
            ),
            "correct the entry `Driver` of the data source in odbc.ini (`odbcinst -j` tells where that is)",
        )
    } else {
        (
            format!(
                "no ODBC data source is called `{source}`; the data sources are {}, and {installed}",
                list(&sources)
            ),
            "use a name from odbc.ini (`odbcinst -q -s`), or give the driver: `odbc:///?driver=PostgreSQL+Unicode&server=…`",
        )
    };
    let mut failure = Failure::own("odbc-setup", message).detail("hint", hint);
    failure.causes = said;
    failure
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
