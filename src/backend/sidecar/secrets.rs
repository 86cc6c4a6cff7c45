//! What no message may show.

use percent_encoding::percent_decode_str;

use crate::config::Config;
use crate::url::{encoded_option, is_secret, percent_encoded};

/// Returns the secrets of a configuration: those that were found among the arguments of its driver, the password, and
/// values of options of the driver and settings of the server; each as it is, and as it stands in a URL.
pub(in crate::backend) fn of(config: &Config, found: impl IntoIterator<Item = String>) -> Vec<String> {
    let password = config.url().password().map(str::to_owned);
    let settings = config.settings().server_settings.iter();
    let named = settings
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .chain(config.driver_options())
        .filter(|(name, _)| is_secret(name))
        .map(|(_, value)| value.to_owned());
    let mut secrets: Vec<String> = found.into_iter().chain(password).chain(named).collect();
    let others: Vec<String> = secrets.iter().flat_map(|secret| other_forms(secret)).collect();
    secrets.extend(others);
    secrets.retain(|secret| !secret.is_empty());
    secrets.sort();
    secrets.dedup();
    secrets
}

/// Returns a text percent-decoded, and as it is encoded as a part or an option of a URL.
fn other_forms(text: &str) -> [String; 3] {
    let option = encoded_option("", text);
    [
        percent_decode_str(text).decode_utf8_lossy().into_owned(),
        percent_encoded(text),
        option.trim_start_matches('=').to_owned(),
    ]
}
