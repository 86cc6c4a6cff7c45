//! Connecting.

use std::rc::Rc;

use crate::failure::Failure;
use crate::missing::not_opened;
use crate::odbc::{Connection, Environment, InfoType};
use crate::product::Product;
use crate::session::Session;

/// Opens a connection by the pairs of `OPEN`.
pub(crate) fn open(pairs: &[(String, String)]) -> Result<Session, Failure> {
    let get = |wanted: &str| {
        let found = pairs.iter().find(|(name, _)| name == wanted);
        found.map_or("", |(_, value)| value.as_str())
    };
    let driver = get("driver");
    // The text of one that takes bytes would be translated by the locale.
    let encoding = Product::named(driver).encoding();
    let mut connection = Connection::open(Environment::new()?, get("connection"), encoding)
        .map_err(|records| not_opened(driver, get("dsn"), records))?;
    let file = connection.info(InfoType::DriverName);
    let product = Product::of_driver(&file);
    connection.speak(product.encoding());
    if file.to_ascii_lowercase().contains("psqlodbca") {
        return Err(Failure::own(
            "odbc-setup",
            "the driver is the one of psqlODBC that knows one alphabet only, and loses the letters of others",
        )
        .detail("hint", "give `PostgreSQL Unicode` for the driver"));
    }
    Session::new(Rc::new(connection), get("connection"), product, file)
}
