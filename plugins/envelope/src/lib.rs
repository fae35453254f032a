//! The shipped envelope plugin. It reads the `vmx` envelope of VM-X AI from the body's `vmx` member or from headers, the
//! session and agent of Claude Code, and the caller's tenant and user.
//!
//! The member takes precedence over the headers, key by key. The plugin removes it from the body, and changes nothing else
//! there but the `vmx.providerArgs` that the settings allow.

mod client;
mod settings;
mod vmx;

use witgate_plugin::types::{self, Attribute, Hook, Interest, Refusal};
use witgate_plugin::{Caller, Envelope, Plugin, Problems, Request};

use self::client::Client;
use self::settings::Settings;
use self::vmx::Vmx;

/// The envelope plugin.
#[derive(Debug)]
pub struct EnvelopePlugin(Settings);

witgate_plugin::export!(EnvelopePlugin: Envelope);

/// The request header that carries a correlation id, and the response header that returns it.
const CORRELATION_ID: &str = "x-vmx-correlation-id";

/// The headers that this plugin reads, which its sidecar grants.
const HEADERS: [&str; 2] = ["x-vmx-*", "x-claude-code-*"];

/// Prefix of the headers that carry metadata.
const METADATA: &str = "x-vmx-metadata-";

// === impl EnvelopePlugin ===

impl Plugin for EnvelopePlugin {
    type Settings = Settings;

    fn configure(settings: Settings) -> Result<Self, Problems> {
        settings.check().map(Self)
    }

    /// A request without these headers and members says nothing that this plugin reads.
    fn interests(&self) -> Vec<Interest> {
        let envelope = || Interest::of(Hook::Envelope);
        vec![
            envelope().headers(HEADERS),
            envelope().members(["vmx", "metadata"]),
        ]
    }

    fn correlation_header(&self) -> Option<&str> {
        Some(CORRELATION_ID)
    }
}

impl Envelope for EnvelopePlugin {
    fn read(&self, request: &Request<'_>) -> Result<types::Envelope, Refusal> {
        let member = request.member("vmx");
        let mut envelope = types::Envelope::default();
        if member.is_some() {
            envelope = envelope.remove("vmx");
        }
        let vmx = member.map(Vmx::parse).transpose()?.unwrap_or_default();

        let caller = request.caller();
        for name in vmx.provider_args.iter().map(|(name, _)| name) {
            if !self.0.provider_args.contains(name) {
                return Err(Refusal::invalid(format!(
                    "vmx.providerArgs.{name}: this gateway does not let callers set this member"
                )));
            }
        }
        self.check_grants(&vmx, caller)?;
        if let Some(overrides) = vmx.overrides {
            envelope
                .attributes
                .push(("vmx.resource-config-overrides".to_owned(), overrides));
        }
        for (name, json) in vmx.provider_args {
            envelope = envelope.set(name, json);
        }

        let headers = request.granted_headers();
        envelope.correlation_id = match (vmx.correlation_id, header(&headers, CORRELATION_ID)) {
            (Some(id), _) => Some(vmx::checked_id(id, "vmx.correlationId")?),
            (None, Some(id)) => Some(vmx::checked_id(id.to_owned(), CORRELATION_ID)?),
            (None, None) => None,
        };
        envelope.timeout_ms = vmx.timeout_ms;
        envelope.secondary_index = vmx.secondary_index;
        envelope.metadata = union(vmx.metadata, &headers);

        let client = Client::of(request, &headers, self.0.user_id)?;
        let said = |key: &Option<String>| envelope.metadata(key.as_deref()?).map(str::to_owned);
        let tenant = said(&self.0.tenant_from);
        let user = said(&self.0.user_from);
        let session = said(&self.0.session_from).or(client.session);
        envelope.tenant = tenant;
        envelope.user = user.or(client.user);
        envelope.session = session;
        envelope.agent = client.agent;
        envelope.attributes.extend(client.attributes);
        Ok(envelope)
    }
}

impl EnvelopePlugin {
    /// Refuses a field that changes how the request is served, unless the settings let the caller use it.
    fn check_grants(&self, vmx: &Vmx, caller: Caller<'_>) -> Result<(), Refusal> {
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
                    "vmx.{field}: this key may not use this field; the gateway's operator can allow it in the settings of the envelope plugin"
                )));
            }
        }
        Ok(())
    }
}

/// Returns the first value of a header.
fn header<'a>(headers: &[(&'a str, &'a str)], name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value)
}

/// Joins the metadata of the member and of the headers. The member takes precedence, and so does the first of two headers.
/// Header names have lost their case, so keys are compared without it.
fn union(mut metadata: Vec<Attribute>, headers: &[(&str, &str)]) -> Vec<Attribute> {
    for (name, value) in headers {
        let key = name.strip_prefix(METADATA).unwrap_or_default();
        if !key.is_empty()
            && !metadata
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(key))
        {
            metadata.push((key.to_ascii_lowercase(), (*value).to_owned()));
        }
    }
    metadata
}

#[cfg(test)]
mod tests;
