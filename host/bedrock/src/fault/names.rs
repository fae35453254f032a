//! Names of errors, by botocore's model of `bedrock-runtime` and AWS's list of common errors.

use witgate_messages::error::ErrorType;

/// The reason why another attempt may succeed. Bedrock sends no `retry-after`, so a backoff applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Requests come too fast.
    Throttled,
    /// A quota of the account is exhausted; a retry helps once its period is over.
    Quota,
    /// The model is being made ready.
    NotReady,
    /// The model took too long.
    Timeout,
    /// The service has no capacity.
    Unavailable,
    /// The service or the model failed.
    Internal,
    /// The credential is expired or wrong, so a renewed one is needed.
    Credential,
}

// === impl Reason ===

impl Reason {
    /// Returns the reason that a status alone gives.
    pub(super) fn of_status(status: u16) -> Option<Self> {
        match status {
            401 => Some(Self::Credential),
            429 => Some(Self::Throttled),
            408 | 504 => Some(Self::Timeout),
            503 | 529 => Some(Self::Unavailable),
            500.. => Some(Self::Internal),
            _ => None,
        }
    }

    /// Returns the reason's code, for records.
    pub fn code(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Quota => "quota",
            Self::NotReady => "not-ready",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
            Self::Credential => "credential",
        }
    }
}

/// Returns what a name means, or `None` for an unknown one.
pub(super) fn meaning(name: &str) -> Option<(u16, ErrorType, Option<Reason>)> {
    let (kind, reason) = match name {
        "ValidationException" => (ErrorType::InvalidRequest, None),
        "AccessDeniedException" => (ErrorType::Permission, None),
        "ResourceNotFoundException" => (ErrorType::NotFound, None),
        "ThrottlingException" | "TooManyRequestsException" => {
            (ErrorType::RateLimit, Some(Reason::Throttled))
        }
        "ServiceQuotaExceededException" => (ErrorType::RateLimit, Some(Reason::Quota)),
        "ModelNotReadyException" => (ErrorType::Overloaded, Some(Reason::NotReady)),
        "ServiceUnavailableException" | "ServiceUnavailable" => {
            (ErrorType::Overloaded, Some(Reason::Unavailable))
        }
        "ModelTimeoutException" => (ErrorType::Timeout, Some(Reason::Timeout)),
        "InternalServerException"
        | "InternalFailure"
        | "ModelErrorException"
        | "ModelStreamErrorException" => (ErrorType::Api, Some(Reason::Internal)),
        name if is_of_credential(name) => (ErrorType::Authentication, Some(Reason::Credential)),
        _ => return None,
    };
    Some((kind.status(), kind, reason))
}

/// Returns true for errors of the signature or the credential, which come with 400 or 403.
fn is_of_credential(name: &str) -> bool {
    matches!(
        name,
        "ExpiredTokenException"
            | "ExpiredToken"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "RequestExpired"
            | "RequestTimeTooSkewed"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClientException"
    )
}

/// Returns the name of an exception of a stream as answers spell it, with a capital letter.
pub(super) fn capital(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
