//! The files with certificates and keys, which the driver would read without naming them in its errors.

use std::fs;
use std::path::PathBuf;

use crate::config::{Settings, SslMode};
use crate::error::{Error, ErrorKind, Result};

/// The files that a connection with TLS needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct TlsFiles(Vec<TlsFile>);

#[derive(Clone, Debug)]
struct TlsFile {
    option: &'static str,
    path: PathBuf,
    /// The words that begin what is wanted of it.
    holds: &'static str,
    what: &'static str,
}

impl TlsFiles {
    pub(crate) fn of(settings: &Settings) -> Self {
        if settings.ssl_mode == SslMode::Disable {
            return Self::default();
        }
        let files = [
            (
                "sslrootcert",
                &settings.ssl_root_cert,
                "CERTIFICATE-----",
                "certificate",
            ),
            ("sslcert", &settings.ssl_cert, "CERTIFICATE-----", "certificate"),
            ("sslkey", &settings.ssl_key, "PRIVATE KEY-----", "private key"),
        ];
        let files = files.into_iter().filter_map(|(option, path, holds, what)| {
            path.clone().map(|path| TlsFile {
                option,
                path,
                holds,
                what,
            })
        });
        Self(files.collect())
    }

    /// Checks that the files can be read and hold what they should.
    pub(crate) fn check(&self) -> Result<()> {
        self.0.iter().try_for_each(TlsFile::check)
    }
}

impl TlsFile {
    fn check(&self) -> Result<()> {
        let Self {
            option,
            path,
            holds,
            what,
        } = self;
        let path = path.display();
        let help = format!("correct the option `{option}`; the file must hold a {what} in PEM format");
        match fs::read(&self.path) {
            Ok(bytes) if String::from_utf8_lossy(&bytes).contains(holds) => Ok(()),
            Ok(_) => {
                let message = format!("{option}: there is no {what} in the file {path}");
                Err(Error::new(ErrorKind::Config, message).help(help))
            }
            Err(cause) => {
                let message = format!("{option}: cannot read the file {path}: {cause}");
                Err(Error::new(ErrorKind::Config, message).help(help).with_source(cause))
            }
        }
    }
}
