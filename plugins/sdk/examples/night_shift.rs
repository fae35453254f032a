//! Sends Opus requests to Sonnet at night.

use witgate_plugin::prelude::*;

witgate_plugin::plugin!(Route: decide);

fn decide(request: &Request) -> Result<Option<Plan>, Refusal> {
    let hour = clock::unix_ms() / 3_600_000 % 24;
    let night = !(6..22).contains(&hour);
    let model = request.head().model.unwrap_or_default();
    if !night || !model.contains("opus") {
        return Ok(None);
    }
    let plan = Plan::to("default").model("claude-sonnet-5-5");
    Ok(Some(plan.rule("night shift")))
}
