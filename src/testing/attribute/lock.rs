//! Locks between processes: one creates or empties a database while the others wait.

use sha2::{Digest, Sha384};

use crate::backend::rules::{DatabaseLock, LockName};
use crate::config::Config;
use crate::error::Result;
use crate::testing::admin::Admin;

/// A lock on a name. It ends with the process at the latest.
pub(super) struct NameLock(DatabaseLock);

impl NameLock {
    /// Takes the lock of this database for this purpose.
    pub(super) async fn take(config: &Config, purpose: &str) -> Result<Self> {
        let taken = async {
            if config.url().is_memory() {
                return Ok(DatabaseLock::None);
            }
            let name = LockName {
                purpose,
                number: number(config, purpose),
            };
            // Its session lasts as long as the lock.
            let admin = Admin::new(config.clone().idle_timeout(None).pool_recycle(None))?;
            admin.administration().lock(&admin, &name).await
        };
        let taken = taken.await;
        taken
            .map(Self)
            .map_err(|error| error.context(format_args!("cannot lock {} for {purpose}", config.url())))
    }

    pub(super) async fn release(self) {
        if let DatabaseLock::Session(session) = self.0 {
            // The lock ends with the session, even if closing it fails.
            session.close_now().await;
        }
    }
}

/// Returns the number of the lock.
fn number(config: &Config, purpose: &str) -> u128 {
    let name = config.url().database().unwrap_or_default();
    let hash = Sha384::digest(format!("ebbtide {purpose} {name}"));
    hash.iter().take(16).fold(0, |key, byte| key << 8 | u128::from(*byte))
}
