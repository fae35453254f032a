//! Settings of the environment. The variables are those of Microsoft's libraries and of Anthropic's SDKs.

use witgate_dialect::Secret;

use super::client::{BadClient, Client, Proof};

/// The settings of the environment. A variable that is set to nothing is not set.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The name of the resource.
    pub resource: Option<String>,
    /// A way to be let in.
    pub found: Found,
}

/// A way to be let in that the environment names, in this order.
#[derive(Debug, Clone)]
pub enum Found {
    /// A key of the resource.
    Key(Secret),
    /// A client of a tenant, with a secret or else with a federated workload's token.
    Client(Client),
    /// Neither, so that the machine can be asked: for its own identity, or the one with this client id.
    Machine(Option<String>),
}

/// The error of variables that contradict each other. The operator is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadEnvironment {
    /// A variable needs another one.
    #[error("the environment has `{there}` without `{missing}`: set both or neither")]
    Half {
        /// The variable that is set.
        there: &'static str,
        /// The variable that is missing.
        missing: &'static str,
    },
    /// The client is none.
    #[error(transparent)]
    Client(#[from] BadClient),
}

// === impl Environment ===

impl Environment {
    /// Reads the settings through a function that returns a variable.
    ///
    /// # Errors
    /// [`BadEnvironment`].
    pub fn read(variable: impl Fn(&'static str) -> Option<String>) -> Result<Self, BadEnvironment> {
        let get = |name| {
            let value = variable(name)?;
            let value = value.trim();
            (!value.is_empty()).then(|| value.to_owned())
        };
        let proof = match (
            get("AZURE_CLIENT_SECRET"),
            get("AZURE_FEDERATED_TOKEN_FILE"),
        ) {
            (Some(secret), _) => Some(("AZURE_CLIENT_SECRET", Proof::Secret(Secret::new(secret)))),
            (None, Some(file)) => Some(("AZURE_FEDERATED_TOKEN_FILE", Proof::File(file))),
            (None, None) => None,
        };
        let found = match (get("ANTHROPIC_FOUNDRY_API_KEY"), proof) {
            (Some(key), _) => Found::Key(Secret::new(key)),
            (None, Some((there, proof))) => {
                let needed = |missing| get(missing).ok_or(BadEnvironment::Half { there, missing });
                let (tenant, id) = (needed("AZURE_TENANT_ID")?, needed("AZURE_CLIENT_ID")?);
                let authority = get("AZURE_AUTHORITY_HOST");
                Found::Client(Client::try_new(&tenant, &id, authority.as_deref(), proof)?)
            }
            (None, None) => Found::Machine(get("AZURE_CLIENT_ID")),
        };
        Ok(Self {
            resource: get("ANTHROPIC_FOUNDRY_RESOURCE"),
            found,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, String> {
        let read = Environment::read(|name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_wins_over_a_client_and_a_client_over_the_machine() {
        let all = [
            ("ANTHROPIC_FOUNDRY_API_KEY", "a-key\n"),
            ("AZURE_CLIENT_SECRET", "a-secret"),
            ("AZURE_TENANT_ID", "tenant-1"),
            ("AZURE_CLIENT_ID", "client-1"),
            ("ANTHROPIC_FOUNDRY_RESOURCE", "my-resource"),
        ];
        let with_key = read(&all).unwrap();
        assert_eq!(with_key.resource.as_deref(), Some("my-resource"), "named");
        let Found::Key(key) = with_key.found else {
            panic!("a key");
        };
        assert_eq!(key.reveal(), "a-key", "trimmed");
        let client = read(&all[1..]).unwrap().found;
        assert!(matches!(client, Found::Client(_)), "{client:?}");
        let machine = read(&all[3..]).unwrap().found;
        assert!(
            matches!(&machine, Found::Machine(Some(id)) if id == "client-1"),
            "{machine:?}"
        );
        let none = read(&[("AZURE_CLIENT_SECRET", " ")]).unwrap().found;
        assert!(matches!(none, Found::Machine(None)), "blank is not set");
    }

    #[test]
    fn a_workload_of_kubernetes_is_found_by_its_variables() {
        let variables = [
            ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/secrets/token"),
            ("AZURE_TENANT_ID", "tenant-1"),
            ("AZURE_CLIENT_ID", "client-1"),
            ("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com/"),
        ];
        let found = read(&variables).unwrap().found;
        let Found::Client(client) = found else {
            panic!("a client");
        };
        assert_eq!(
            client.to_string(),
            "client client-1 of tenant tenant-1",
            "named"
        );
        let half = read(&variables[..2]).unwrap_err();
        assert!(half.contains("without `AZURE_CLIENT_ID`"), "{half}");
    }
}
