//! The provenance of a request: the client's address, the workspace and the environment.
//!
//! The gateway establishes these facts itself. Hooks after the envelope get them as attributes under names that neither a caller
//! nor a plugin can set, and the receipt has them as fields.

mod forwarded;

use std::net::IpAddr;

use witgate_http::Headers;
use witgate_messages::Scope;
use witgate_messages::pattern::matches;
use witgate_runtime::Envelope;

use crate::answer::refused::Refused;
use crate::config::Proxies;
use crate::listen::session::HttpSession;
use crate::tenants::keys::Caller;
use crate::text::{address, quote};

/// The attributes of the envelope that only the gateway sets.
const WORKSPACE: &str = "workspace";
const ENVIRONMENT: &str = "environment";
const ADDRESS: &str = "client.address";

/// The provenance of a request, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Provenance {
    pub(crate) client: Option<Client>,
    pub(crate) workspace: Option<String>,
    pub(crate) environment: Option<String>,
}

/// The client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    /// The client's address, as far as trusted proxies report it.
    pub(crate) address: IpAddr,
    /// The peer of the connection.
    pub(crate) peer: IpAddr,
}

// === impl Provenance ===

impl Provenance {
    /// Returns the provenance of a request of which only the connection is known.
    pub(crate) fn of_connection(session: &HttpSession) -> Self {
        let client = session.peer().map(|peer| {
            let peer = peer.ip().to_canonical();
            Client {
                address: peer,
                peer,
            }
        });
        Self {
            client,
            ..Self::default()
        }
    }

    /// Returns the provenance that a path names.
    pub(crate) fn of_path(path: &str) -> Self {
        let scope = Scope::of(path);
        Self {
            client: None,
            workspace: scope.map(|scope| scope.workspace.to_owned()),
            environment: scope.map(|scope| scope.environment.to_owned()),
        }
    }

    /// Replaces the peer's address with the client's, as trusted proxies report it.
    ///
    /// # Errors
    ///
    /// 400 if a trusted proxy's header is ambiguous.
    pub(crate) fn trace(&mut self, headers: &Headers, proxies: &Proxies) -> Result<(), Refused> {
        if let Some(client) = &mut self.client {
            client.address = forwarded::client(client.peer, headers, proxies)
                .map_err(|malformed| Refused::client(400, malformed.to_string()))?;
        }
        Ok(())
    }

    /// Sets the workspace and environment: those of the path, or the only ones that the key is bound to.
    ///
    /// # Errors
    ///
    /// 403 if the key is bound to others.
    pub(crate) fn bind(&mut self, path: &str, caller: &Caller) -> Result<(), Refused> {
        let Self {
            workspace,
            environment,
            ..
        } = Self::of_path(path);
        (self.workspace, self.environment) = (workspace, environment);
        bind_to(&mut self.workspace, caller.workspaces.as_deref(), WORKSPACE)?;
        bind_to(
            &mut self.environment,
            caller.environments.as_deref(),
            ENVIRONMENT,
        )
    }

    /// Sets the attributes of an envelope, and replaces any others with their names.
    pub(crate) fn stamp(&self, envelope: &mut Envelope) {
        let facts = [
            (WORKSPACE, self.workspace.clone()),
            (ENVIRONMENT, self.environment.clone()),
            (ADDRESS, self.client.map(|client| address(client.address))),
        ];
        envelope
            .attributes
            .retain(|(name, _)| facts.iter().all(|(own, _)| own != name));
        let known = facts.into_iter();
        envelope
            .attributes
            .extend(known.filter_map(|(name, value)| Some((name.to_owned(), value?))));
    }
}

/// Checks a name against the patterns that a key is bound to. A missing name becomes the only one that the key is bound to.
///
/// # Errors
///
/// 403 if the name does not match, or is missing.
fn bind_to(
    named: &mut Option<String>,
    bound: Option<&[String]>,
    kind: &'static str,
) -> Result<(), Refused> {
    let Some(bound) = bound else {
        return Ok(());
    };
    let within = match (named.as_deref(), bound) {
        (Some(name), _) => bound.iter().any(|pattern| matches(pattern, name)),
        (None, [only]) if !only.contains('*') => {
            *named = Some(only.clone());
            true
        }
        (None, _) => false,
    };
    if within {
        return Ok(());
    }
    let asked = match named {
        Some(name) => format!("not in `{}`", quote(name)),
        None => format!("and the path names no {kind}"),
    };
    Err(Refused::client(
        403,
        format!(
            "this key may be used in the {kind} {} only, {asked}: use the path /api/v1/completion/WORKSPACE/ENVIRONMENT/anthropic/v1/…",
            bound.join(", ")
        ),
    ))
}

#[cfg(test)]
mod tests;
