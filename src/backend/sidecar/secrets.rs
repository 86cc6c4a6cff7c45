//! What no message may show.

use crate::config::Config;
use crate::url::is_secret;

/// Returns the secrets of a configuration: those that were found among the arguments of its driver, the password, and
/// values of settings of the server.
pub(in crate::backend) fn of(config: &Config, found: impl IntoIterator<Item = String>) -> Vec<String> {
    let password = config.url().password().map(str::to_owned);
    let settings = config.settings().server_settings.iter();
    let of_server = settings
        .filter(|(name, _)| is_secret(name))
        .map(|(_, value)| value.clone());
    let mut secrets: Vec<String> = found.into_iter().chain(password).chain(of_server).collect();
    secrets.sort();
    secrets.dedup();
    secrets
}
