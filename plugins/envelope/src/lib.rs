//! The shipped envelope plugin: the `vmx` envelope of VM-X AI from the body's `vmx` member or from headers, the session
//! and agent of Claude Code, and the caller's tenant and user.
//!
//! The member goes before the headers, key by key. It is removed from the body before forwarding; nothing else of the
//! body changes, but for `vmx.providerArgs` that the settings allow.

mod client;
mod settings;
mod vmx;

use client::Client;
use settings::Settings;
use vmx::Vmx;
use witgate_plugin::types::{self, Attribute, Caller, Refusal};
use witgate_plugin::{Envelope, Plugin, Problems, Request};

/// Reads envelopes.
#[derive(Debug)]
pub struct Reader(Settings);

witgate_plugin::export!(Reader: Envelope);

/// The request header that carries a correlation id, and the response header that returns it.
const CORRELATION_ID: &str = "x-vmx-correlation-id";

/// Prefix of the headers that carry metadata.
const METADATA: &str = "x-vmx-metadata-";

// === impl Reader ===

impl Plugin for Reader {
    type Settings = Settings;

    fn configure(settings: Settings) -> Result<Self, Problems> {
        settings.check().map(Self)
    }
}

impl Envelope for Reader {
    fn read(&self, request: &Request<'_>) -> Result<types::Envelope, Refusal> {
        let member = request.member("vmx");
        let mut envelope = types::Envelope::default();
        if member.is_some() {
            envelope = envelope.remove("vmx");
        }
        let vmx = member
            .as_deref()
            .map(Vmx::parse)
            .transpose()?
            .unwrap_or_default();

        let caller = request.caller();
        for name in vmx.provider_args.iter().map(|(name, _)| name) {
            if !self.0.provider_args.contains(name) {
                return Err(Refusal::invalid(format!(
                    "vmx.providerArgs.{name}: this member may not be set here"
                )));
            }
        }
        self.check_grants(&vmx, &caller)?;
        if let Some(overrides) = vmx.overrides {
            envelope
                .attributes
                .push(("vmx.resource-config-overrides".to_owned(), overrides));
        }
        for (name, json) in vmx.provider_args {
            envelope = envelope.set(name, json);
        }

        let correlation_id = match (vmx.correlation_id, request.header(CORRELATION_ID)) {
            (Some(id), _) => vmx::checked_id(id, "vmx.correlationId")?,
            (None, Some(id)) => vmx::checked_id(id, CORRELATION_ID)?,
            (None, None) => request.id(),
        };
        envelope = envelope.response_header(CORRELATION_ID, correlation_id.clone());
        envelope.correlation_id = Some(correlation_id);
        envelope.timeout_ms = vmx.timeout_ms;
        envelope.secondary_index = vmx.secondary_index;
        envelope.metadata = union(vmx.metadata, request.headers(METADATA));

        let client = Client::of(request)?;
        let said = |key: &Option<String>| envelope.metadata(key.as_deref()?).map(str::to_owned);
        let tenant = said(&self.0.tenant_from).or(caller.tenant);
        let user = said(&self.0.user_from).or(caller.user);
        let session = said(&self.0.session_from).or(client.session);
        envelope.tenant = tenant;
        envelope.user = if self.0.user_id {
            user.or(client.user)
        } else {
            user
        };
        envelope.session = session;
        envelope.agent = client.agent;
        envelope.attributes.extend(client.attributes);
        Ok(envelope)
    }
}

impl Reader {
    /// Refuses a field that changes how the request is served, unless the settings let the caller use it.
    fn check_grants(&self, vmx: &Vmx, caller: &Caller) -> Result<(), Refusal> {
        let settings = &self.0;
        for (field, used, allowed) in [
            ("timeoutMs", vmx.timeout_ms.is_some(), &settings.timeout),
            (
                "providerArgs",
                !vmx.provider_args.is_empty(),
                &settings.provider_args_by,
            ),
            (
                "secondaryModelIndex",
                vmx.secondary_index.is_some(),
                &settings.secondary_index,
            ),
            (
                "resourceConfigOverrides",
                vmx.overrides.is_some(),
                &settings.resource_overrides,
            ),
        ] {
            if used && !allowed.allow(caller) {
                return Err(Refusal::forbidden(format!(
                    "vmx.{field}: this key may not use it; the gateway's operator grants it in the envelope plugin's settings"
                )));
            }
        }
        Ok(())
    }
}

/// The metadata of the member, and that of the headers where the member has no such key. Header names have lost their
/// case, so keys are compared without it; of two headers with one key the first stands.
fn union(mut metadata: Vec<Attribute>, headers: Vec<Attribute>) -> Vec<Attribute> {
    for (name, value) in headers {
        let key = name.get(METADATA.len()..).unwrap_or_default();
        if !key.is_empty()
            && !metadata
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(key))
        {
            metadata.push((key.to_ascii_lowercase(), value));
        }
    }
    metadata
}

#[cfg(test)]
mod tests;
