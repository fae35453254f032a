//! Names that denote secrets.

/// Endings of such names, in lowercase and without anything but letters and digits.
const ENDINGS: [&str; 20] = [
    "accesskey",
    "accesskeyid",
    "apikey",
    "auth",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "secret",
    "secretkey",
    "signingkey",
    "token",
    "accesstokens",
    "apikeys",
    "secrets",
];

/// Returns whether a name denotes a secret, as `authorization_token`, `apiKey` and `X-Client-Secret` do.
pub(super) fn is_named(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    ENDINGS.iter().any(|ending| plain.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_says_so_is_secret_however_it_is_written() {
        for name in [
            "token",
            "authorization_token",
            "apiKey",
            "API-Key",
            "x-goog-api-key",
            "client.secret",
            "X-Vault-Token",
            "AWS_SECRET_ACCESS_KEY",
            "access_tokens",
        ] {
            assert!(is_named(name), "{name}");
        }
        for name in [
            "max_tokens",
            "budget_tokens",
            "tool_tokens",
            "model",
            "name",
            "tokenizer",
            "key_id",
            "author",
        ] {
            assert!(!is_named(name), "{name}");
        }
    }
}
