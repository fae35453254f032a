//! Decides by the host's table `models`: a model that is in it is refused with its value as the reason.
//!
//! The rule of a plan tells whether the table was ever read.

use witgate_plugin::prelude::*;

witgate_plugin::plugin!(Route: decide);

fn decide(request: &Request<'_>) -> Result<Option<Plan>, Refusal> {
    let models = request.table("models");
    let model = request.head().model.unwrap_or_default();
    match models.get(model) {
        Some(reason) => Err(Refusal::forbidden(reason)),
        None => {
            let rule = match models.age_seconds() {
                Some(_) => "read",
                None => "never read",
            };
            Ok(Some(Plan::to("default").rule(rule)))
        }
    }
}
