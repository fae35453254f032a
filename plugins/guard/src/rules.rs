//! The built-in rules.

use crate::luhn;

/// A rule by its pattern.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    pub(crate) pattern: &'static str,
    pub(crate) check: Check,
}

/// A check of what a pattern matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Check {
    None,
    /// The check digit of card numbers.
    Luhn,
}

// === impl Check ===

impl Check {
    pub(crate) fn accepts(self, text: &str) -> bool {
        match self {
            Self::None => true,
            Self::Luhn => luhn::is_valid(text),
        }
    }
}

const fn key(name: &'static str, pattern: &'static str) -> Builtin {
    Builtin {
        name,
        pattern,
        check: Check::None,
    }
}

/// All built-in rules. A match that two rules find is the first one's.
pub(crate) const BUILTIN: [Builtin; 14] = [
    key("aws-key", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    key("anthropic-key", r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
    key(
        "openai-key",
        r"\bsk-(?:(?:proj|svcacct|admin)-[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{32,}\b)",
    ),
    key(
        "github-token",
        r"\b(?:gh[opsur]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})",
    ),
    key("gitlab-token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    key("slack-token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    key(
        "slack-webhook",
        r"\bhooks\.slack\.com/services/[A-Za-z0-9/]{20,}",
    ),
    key("google-key", r"\bAIza[A-Za-z0-9_-]{35}"),
    key("stripe-key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    key("npm-token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    key("huggingface-token", r"\bhf_[A-Za-z0-9]{30,}"),
    key(
        "jwt",
        r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    ),
    // Line ends are escaped in the input of a tool call.
    key(
        "private-key",
        r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY-----(?:[A-Za-z0-9+/=\s]|\\[nr])*(?:-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY-----)?",
    ),
    Builtin {
        name: "card-number",
        pattern: r"\b(?:4\d{3}|5[1-5]\d\d|2[2-7]\d\d|6(?:011|4[4-9]\d|5\d\d))[ -]?\d{4}[ -]?\d{4}[ -]?\d{4}\b|\b3[47]\d\d[ -]?\d{6}[ -]?\d{5}\b",
        check: Check::Luhn,
    },
];
