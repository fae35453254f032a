//! The models that a key may ask for.

use witgate_messages::head::Head;

use crate::answer::refused::Refused;
use crate::tenants::keys::Caller;
use crate::text::quote;

/// Checks that the key may ask for every model that a request names.
///
/// # Errors
///
/// 403 where it may not.
pub(crate) fn model(head: &Head, caller: &Caller) -> Result<(), Refused> {
    const LISTS: &str = "GET /v1/models lists what it may ask for";
    if caller.models.is_none() {
        return Ok(());
    }
    if let Some(model) = head.models().find(|model| !caller.may_use(model)) {
        return Err(Refused::client(
            403,
            format!(
                "this key may not ask for the model `{}`: {LISTS}",
                quote(&model)
            ),
        ));
    }
    // Whatever the upstream makes of it, it is not one of the key's.
    if head.model().is_none() && head.is_unread("model") {
        return Err(Refused::client(
            403,
            format!(
                "this key may ask for certain models only, and `model` is not a string: {LISTS}"
            ),
        ));
    }
    if head.leaves_model_open() {
        return Err(Refused::client(
            403,
            format!(
                "this key may ask for certain models only, and `fallbacks` leaves the choice to the upstream: name the models; {LISTS}"
            ),
        ));
    }
    Ok(())
}

/// Checks that a request of a key with models names one, or that one is `planned` for it.
///
/// # Errors
///
/// 400 where there is none.
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
        "model: this key may ask for certain models only, so the request has to name one; GET /v1/models lists what it may ask for",
    ))
}
