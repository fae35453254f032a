//! Edits of a request body that the gateway makes, and the refusal for one that fails.

use witgate_messages::splice::{Edit, EditError};

use crate::answer::refused::Refused;
use crate::text::quote;

/// Returns the edit that sets the model of a request.
pub(crate) fn set_model(model: &str) -> Edit {
    Edit::Set(
        "model".to_owned(),
        serde_json::Value::from(model).to_string(),
    )
}

/// Returns the refusal for an edit that cannot be applied: the client's fault if its member can't take an element, otherwise the
/// plugin's. Edits are validated when a plugin returns them, so no client should ever see the latter.
pub(crate) fn edit_failed(error: &EditError) -> Refused {
    if let EditError::NotArray { name } = error {
        return Refused::client(400, format!("{}: it has to be an array", quote(name)));
    }
    tracing::error!(%error, "a plugin's edit of the body can't be applied");
    Refused::gateway(
        503,
        format!("a plugin's edit of the body can't be applied: {error}"),
    )
}
