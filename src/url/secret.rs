//! The names of secrets.

/// Returns whether an option of this name holds a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["password", "passwd", "passphrase", "pwd", "secret", "token"]
        .iter()
        .any(|word| name.contains(word))
}
