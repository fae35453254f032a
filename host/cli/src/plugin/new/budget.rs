//! NAME: limits the tokens of each key per hour.

use serde::Deserialize;
use witgate_plugin::prelude::*;

/// The `[settings]` of NAME.toml.
#[derive(Deserialize)]
struct Settings {
    /// Maximum number of tokens of a key per hour.
    tokens_per_hour: u64,
}

witgate_plugin::plugin!(Settings => Budget: charges);

fn charges(
    settings: &Settings,
    request: &Request,
    estimate: &Estimate,
) -> Result<Vec<Charge>, Refusal> {
    Ok(vec![Charge {
        account: format!("key:{}", request.caller().key_id()),
        window: Window::Hour,
        unit: Unit::Tokens,
        limit: settings.tokens_per_hour,
        amount: estimate.prompt_tokens + estimate.output_tokens,
        reserve: Reserve::Expected,
        overrun: Overrun::Finish,
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use witgate_plugin::testing::RequestBuilder;

    #[test]
    fn a_request_is_charged_to_its_key() {
        // Settings are checked as strictly as the host does, and the plugin sees only what NAME.toml grants.
        let settings: Settings = witgate_plugin::typed(r#"{"tokens_per_hour": 1000}"#).unwrap();
        let request = RequestBuilder::messages()
            .sidecar(include_str!("../NAME.toml"))
            .caller(|caller| caller.key_id = "k1".to_owned())
            .build();
        let estimate = Estimate {
            prompt_tokens: 100,
            output_tokens: 50,
            cost_picousd: None,
        };
        let charges = charges(&settings, &request, &estimate).unwrap();
        assert_eq!(charges.len(), 1);
        assert_eq!((charges[0].account.as_str(), charges[0].amount), ("key:k1", 150));
    }
}
