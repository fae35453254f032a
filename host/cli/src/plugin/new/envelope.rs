//! NAME: reads the team of a request from a header.

use serde::Deserialize;
use witgate_plugin::prelude::*;

/// The `[settings]` of NAME.toml.
#[derive(Deserialize)]
struct Settings {
    /// Header with the name of the team. Callers choose its value, so trust it no more than the caller.
    team_header: String,
}

witgate_plugin::plugin!(Settings => Envelope: read);

fn read(settings: &Settings, request: &Request) -> Result<Envelope, Refusal> {
    let Some(team) = request.header(&settings.team_header) else {
        return Err(Refusal::invalid(format!(
            "send the name of your team in the header {}",
            settings.team_header
        )));
    };
    Ok(Envelope {
        metadata: vec![("team".to_owned(), team.to_owned())],
        ..Envelope::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use witgate_plugin::testing::RequestBuilder;

    /// Settings, checked as strictly as the host does.
    fn settings() -> Settings {
        witgate_plugin::typed(r#"{"team_header": "x-team"}"#).unwrap()
    }

    /// A request of which the plugin sees only what NAME.toml grants.
    fn request() -> RequestBuilder {
        RequestBuilder::messages().sidecar(include_str!("../NAME.toml"))
    }

    #[test]
    fn the_team_is_recorded() {
        let request = request().header("x-team", "blue").build();
        let envelope = read(&settings(), &request).unwrap();
        assert_eq!(envelope.metadata("team"), Some("blue"));
    }

    #[test]
    fn a_request_without_a_team_is_refused() {
        let request = request().build();
        assert_eq!(read(&settings(), &request).unwrap_err().status, 400);
    }
}
