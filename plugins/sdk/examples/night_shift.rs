//! Sends Opus requests to Sonnet at night.

use witgate_plugin::types::{Envelope, Plan, Refusal, UpstreamStats};
use witgate_plugin::{NoSettings, Plugin, Problems, Request, Route, clock, export};

struct NightShift;

impl Plugin for NightShift {
    type Settings = NoSettings;

    fn configure(_: NoSettings) -> Result<Self, Problems> {
        Ok(Self)
    }
}

impl Route for NightShift {
    fn decide(
        &self,
        request: &Request<'_>,
        _: &Envelope,
        _: &[UpstreamStats],
    ) -> Result<Option<Plan>, Refusal> {
        let hour = clock::unix_ms() / 3_600_000 % 24;
        let night = !(6..22).contains(&hour);
        let opus = request
            .head()
            .model
            .is_some_and(|model| model.contains("opus"));
        let plan = || {
            Plan::to("default")
                .model("claude-sonnet-5-5")
                .rule("night shift")
        };
        Ok((night && opus).then(plan))
    }
}

export!(NightShift: Route);
