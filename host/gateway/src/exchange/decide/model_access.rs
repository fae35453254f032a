//! The models that a key may ask for.

use witgate_messages::head::Head;

use crate::answer::refused::Refused;
use crate::tenants::keys::Caller;
use crate::text::quote;

/// Checks that the key may use every model that a request names.
///
/// # Errors
///
/// 403 if it may not.
pub(crate) fn model(head: &Head, caller: &Caller) -> Result<(), Refused> {
    const LIST: &str = "GET /v1/models lists the models it may use";
    if caller.models.is_none() {
        return Ok(());
    }
    if let Some(model) = head.models().find(|model| !caller.may_use(model)) {
        return Err(Refused::client(
            403,
            format!("this key may not use the model `{}`: {LIST}", quote(&model)),
        ));
    }
    // However the upstream reads it, it is none of the key's models.
    if head.model().is_none() && head.is_unread("model") {
        return Err(Refused::client(
            403,
            format!("this key is limited to certain models, and `model` is not a string: {LIST}"),
        ));
    }
    if head.leaves_model_open() {
        return Err(Refused::client(
            403,
            format!(
                "this key is limited to certain models, and `fallbacks` leaves the choice to the upstream: name the models; {LIST}"
            ),
        ));
    }
    Ok(())
}

/// Checks that the request of a key with limited models names a model, or that the plan does.
///
/// # Errors
///
/// 400 if neither does.
pub(crate) fn has_model(
    head: Option<&Head>,
    caller: &Caller,
    planned: bool,
) -> Result<(), Refused> {
    let named = head.is_some_and(|head| head.model().is_some() || head.is_unread("model"));
    if caller.models.is_none() || planned || named {
        return Ok(());
    }
    Err(Refused::client(
        400,
        "model: this key is limited to certain models, so the request has to name one; GET /v1/models lists the models it may use",
    ))
}
