//! The settings in the words of a driver.

use std::path::PathBuf;

use crate::backend::sidecar::encryption;
use crate::config::{Config, SslMode};
use crate::error::Result;
use crate::url::ForeignDriver;

/// Returns the properties that the settings stand for.
pub(super) fn of(config: &Config, driver: ForeignDriver) -> Result<Vec<(&'static str, String)>> {
    let settings = config.settings();
    let file = |path: &Option<PathBuf>| path.as_ref().map(|path| path.to_string_lossy().into_owned());
    let mode = encryption(config, driver)?;
    let words = match driver {
        ForeignDriver::PgJdbc => {
            let never_prepares = settings.statement_cache_capacity == 0;
            vec![
                ("sslmode", mode.map(|mode| mode.as_str().to_owned())),
                ("sslrootcert", file(&settings.ssl_root_cert)),
                ("sslcert", file(&settings.ssl_cert)),
                ("sslkey", file(&settings.ssl_key)),
                ("ApplicationName", settings.application_name.clone()),
                ("prepareThreshold", never_prepares.then(|| "0".to_owned())),
            ]
        }
        ForeignDriver::ConnectorJ => {
            let flag = |on: fn(SslMode) -> bool| mode.map(|mode| on(mode).to_string());
            vec![
                ("useSsl", flag(|mode| mode != SslMode::Disable)),
                ("trustServerCertificate", flag(|mode| mode == SslMode::Require)),
                ("disableSslHostnameVerification", flag(|mode| mode == SslMode::VerifyCa)),
                ("serverSslCert", file(&settings.ssl_root_cert)),
                ("localSocket", file(&settings.socket)),
            ]
        }
        _ => Vec::new(),
    };
    let given = words.into_iter().filter_map(|(name, value)| Some((name, value?)));
    Ok(given.collect())
}
