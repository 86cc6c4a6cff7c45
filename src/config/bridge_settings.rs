//! The settings of drivers outside of the program.

use std::path::PathBuf;

use super::db_api_pool::DbApiPool;

/// The settings of JDBC drivers and of modules of DB-API 2: [`Settings::bridge`](crate::Settings::bridge).
///
/// ```
/// use ebbtide::Config;
///
/// let config = Config::from_url("jdbc+h2://mem:test?classpath=h2.jar")?.jdbc_driver("org.h2.Driver");
/// assert_eq!(config.settings().bridge.classpath, ["h2.jar"]);
/// assert_eq!(config.settings().bridge.jdbc_driver.as_deref(), Some("org.h2.Driver"));
/// # Ok::<(), ebbtide::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BridgeSettings {
    /// JDBC: jars and folders of the class path, in addition to those of other databases of the program. Each option
    /// `classpath` of a URL, each entry of a list in a dictionary, and each call of the setter adds one.
    pub classpath: Vec<String>,
    /// JDBC: the class of the driver. Default `None`: the one of the jars that takes the URL.
    pub jdbc_driver: Option<String>,
    /// JDBC: properties for the driver: a JSON object.
    pub jdbc_driver_args: Option<serde_json::Value>,
    /// JDBC: what stands after `jdbc:` in the driver's URLs, if the scheme does not say it (`jdbc+h2`).
    pub jdbc_dsn_driver: Option<String>,
    /// JDBC: the program that runs Java. Default `None`: `java`, of `JAVA_HOME` or in the path.
    pub java: Option<PathBuf>,
    /// DB-API 2: the module, as Python imports it: `package.module`, or `package.module:attribute`.
    pub dbapi_path: Option<String>,
    /// DB-API 2: arguments of `connect`: a JSON object for keywords, an array for positions.
    pub dbapi_driver_args: Option<serde_json::Value>,
    /// DB-API 2: the scheme of the address that the module is given, if the scheme does not say it.
    pub dbapi_dsn_driver: Option<String>,
    /// DB-API 2: the processes in which the module runs. Default [`DbApiPool::Thread`].
    pub dbapi_pool: DbApiPool,
    /// DB-API 2: the Python interpreter, such as that of a virtual environment. Default `None`: `python3` in the path.
    pub python: Option<PathBuf>,
}
