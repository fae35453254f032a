//! Where a request comes from: the client's address, and the workspace and environment that it is in.
//!
//! These are the gateway's own facts. Hooks after the envelope get them as attributes of the envelope, under names that
//! neither a caller nor a plugin can set; the receipt has them as fields.

mod forwarded;

use std::net::IpAddr;

use http::HeaderMap;
use pingora_core::protocols::http::ServerSession;
use witgate_messages::Scope;
use witgate_runtime::Envelope;

use crate::answer::refused::Refused;
use crate::config::Proxies;
use crate::tenants::keys::Caller;
use crate::text::quote;

/// The envelope attributes that are the gateway's own.
const WORKSPACE: &str = "workspace";
const ENVIRONMENT: &str = "environment";
const ADDRESS: &str = "client.address";

/// Where a request comes from, as far as that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Provenance {
    pub(crate) client: Option<Client>,
    pub(crate) workspace: Option<String>,
    pub(crate) environment: Option<String>,
}

/// The client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    /// The client's own, as far as proxies are trusted to tell it.
    pub(crate) address: IpAddr,
    /// The other end of the connection.
    pub(crate) peer: IpAddr,
}

// === impl Provenance ===

impl Provenance {
    /// The provenance of a request of which only the connection is known.
    pub(crate) fn of_connection(session: &ServerSession) -> Self {
        let peer = session.client_addr().and_then(|peer| peer.as_inet());
        let client = peer.map(|peer| {
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

    /// The provenance that a path tells.
    pub(crate) fn of_path(path: &str) -> Self {
        let scope = Scope::of(path);
        Self {
            client: None,
            workspace: scope.map(|scope| scope.workspace.to_owned()),
            environment: scope.map(|scope| scope.environment.to_owned()),
        }
    }

    /// Replaces the client's address by the one that trusted proxies report.
    ///
    /// # Errors
    ///
    /// 400 when a trusted proxy's header can be read in two ways.
    pub(crate) fn trace(&mut self, headers: &HeaderMap, proxies: &Proxies) -> Result<(), Refused> {
        if let Some(client) = &mut self.client {
            client.address = forwarded::client(client.peer, headers, proxies)
                .map_err(|malformed| Refused::client(400, malformed.to_string()))?;
        }
        Ok(())
    }

    /// Puts the request into the workspace and environment of its path, or into the only one that its key is bound to.
    ///
    /// # Errors
    ///
    /// 403 when the key is bound to others.
    pub(crate) fn enter(&mut self, path: &str, caller: &Caller) -> Result<(), Refused> {
        let Self {
            workspace,
            environment,
            ..
        } = Self::of_path(path);
        (self.workspace, self.environment) = (workspace, environment);
        bind(&mut self.workspace, caller.workspaces.as_deref(), WORKSPACE)?;
        bind(
            &mut self.environment,
            caller.environments.as_deref(),
            ENVIRONMENT,
        )
    }

    /// Puts the facts into an envelope, in the place of whatever has their names there.
    pub(crate) fn stamp(&self, envelope: &mut Envelope) {
        let facts = [
            (WORKSPACE, self.workspace.clone()),
            (ENVIRONMENT, self.environment.clone()),
            (
                ADDRESS,
                self.client.map(|client| client.address.to_string()),
            ),
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

/// Checks a name against those that a key is bound to, and fills it in where there is only one.
fn bind(
    named: &mut Option<String>,
    bound: Option<&[String]>,
    kind: &'static str,
) -> Result<(), Refused> {
    let Some(bound) = bound else {
        return Ok(());
    };
    let within = match (named.as_deref(), bound) {
        (Some(name), _) => bound.iter().any(|pattern| Caller::matches(pattern, name)),
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
        Some(name) => format!("and not in `{}`", quote(name)),
        None => format!("and this path names no {kind}"),
    };
    Err(Refused::client(
        403,
        format!(
            "this key asks in the {kind} {} only, {asked}: the path is /api/v1/completion/WORKSPACE/ENVIRONMENT/anthropic/v1/…",
            bound.join(", ")
        ),
    ))
}

#[cfg(test)]
mod tests;
