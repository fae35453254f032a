//! The cures of Bedrock's errors.

use witgate_bedrock::fault::Reason;
use witgate_bedrock::{Fault, Skew};

use crate::dialect::translation::By;

/// Returns what an operator can do about an error.
pub(super) fn of(fault: &Fault, skew: Option<Skew>, by: &By<'_>, region: &str) -> Option<String> {
    if let Some(skew) = skew {
        return Some(skew.to_string());
    }
    if fault.reason == Some(Reason::Credential) {
        return Some(match by.held {
            Some(held) => format!(
                "AWS refuses the credential from {}; renew it there, or look whether it belongs to another account or region",
                held.origin
            ),
            None => "AWS refuses the API key; make a new one, or look whether it belongs to another region".to_owned(),
        });
    }
    match fault.name.as_str() {
        "AccessDeniedException" => Some(format!(
            "allow bedrock:InvokeModel and bedrock:InvokeModelWithResponseStream for this model in IAM, and access to it in {region}"
        )),
        "ResourceNotFoundException" => Some(format!(
            "{region} has no such model or profile; map the model's name in `models`, or choose another `geography`"
        )),
        "ValidationException" if is_about_model(&fault.message) => Some(format!(
            "{region} does not serve the model under this id; map the model's name in `models`, or choose another `geography`"
        )),
        "ServiceQuotaExceededException" => {
            Some("a quota of the AWS account is exhausted; raise it in AWS's console".to_owned())
        }
        _ => None,
    }
}

/// Returns true for Bedrock's words about ids: "The provided model identifier is invalid", and "Invocation of model ID … with on-demand
/// throughput isn't supported".
fn is_about_model(message: &str) -> bool {
    message.contains("model identifier") || message.contains("on-demand throughput")
}
