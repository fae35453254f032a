//! Names of errors, by botocore's model of `bedrock-runtime` and AWS's list of common errors. Bedrock sends no `retry-after`, so a
//! backoff applies.

use witgate_dialect::Reason;
use witgate_messages::error::ErrorType;

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
