//! The common parts of files of credentials, as Google's tools write them.

use witgate_dialect::question::may_carry_secrets;

/// The endpoint for tokens, where a file doesn't say another one.
const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";

/// The error of a file of credentials. The operator is at fault. It contains no part of the file that could be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFile {
    /// The file is no JSON object with a `type`.
    #[error(
        "the file of Google's credentials is no JSON object with a `type`: use the file that the console or gcloud wrote"
    )]
    Form,
    /// A member is missing, or is no text.
    #[error("the file of Google's credentials (`{kind}`) has no `{member}`: make it anew")]
    Missing {
        /// The `type` of the file.
        kind: &'static str,
        /// The member.
        member: &'static str,
    },
    /// The key is none.
    #[error(
        "`private_key` of Google's credentials is no RSA key in PEM: make a new key of the service account"
    )]
    Key,
    /// A secret would be sent in the clear.
    #[error("`{member}` of Google's credentials is no https address, nor one of this machine")]
    Address {
        /// The member.
        member: &'static str,
    },
    /// The way is not supported.
    #[error(
        "Google's credentials have {what}, which is not supported: use the key of a service account, a federation with a file or an address, or the machine's own account"
    )]
    Unsupported {
        /// The part of the file.
        what: String,
    },
}

/// Returns a member that has to be there.
pub(super) fn there(
    value: Option<String>,
    kind: &'static str,
    member: &'static str,
) -> Result<String, BadFile> {
    let value = value.filter(|text| !text.is_empty());
    value.ok_or(BadFile::Missing { kind, member })
}

/// Returns an address that secrets may go to, or the usual one for tokens.
pub(super) fn https(url: Option<String>, member: &'static str) -> Result<String, BadFile> {
    match url {
        None => Ok(TOKEN_URL.to_owned()),
        Some(url) if may_carry_secrets(&url, &[]) => Ok(url),
        Some(_) => Err(BadFile::Address { member }),
    }
}

/// Returns the beginning of a text for an error.
pub(super) fn short(text: &str) -> String {
    text.chars().take(100).collect()
}
