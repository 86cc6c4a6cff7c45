//! Secrets, by the names of options.

/// Returns whether an option of this name holds a secret: a password, or the key of an encrypted database. The name of a
/// file with a key is none.
pub(crate) fn is_secret(name: &str) -> bool {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    let words = ["password", "passwd", "passphrase", "pwd", "secret", "token"];
    words.iter().any(|word| name.contains(word))
        || (name.ends_with("key") && !["sslkey", "publickey"].iter().any(|file| name.ends_with(file)))
}

/// Returns whether a text that may be JSON or a list of options has the name of a secret in it.
pub(crate) fn mentions_secret(text: &str) -> bool {
    text.split(|letter: char| !(letter.is_ascii_alphanumeric() || "_-.".contains(letter)))
        .any(is_secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u2_names_of_secrets_are_known() {
        for name in [
            "password",
            "sslpassword",
            "trustStorePassword",
            "bootPassword",
            "crypt_key",
            "encryptionKey",
            "key",
            "hexkey",
            "textkey",
            "encryption_key",
            "api-key",
            "secret_key",
            "auth.token",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "sslkey",
            "ssl_key",
            "user",
            "server_public_key",
            "keyStore",
            "keepalives",
            "key_block_size",
        ] {
            assert!(!is_secret(name), "{name}");
        }
        assert!(mentions_secret(r#"{"crypt_key":"x"}"#) && !mentions_secret("keyboard"));
    }
}
