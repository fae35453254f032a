//! Everything that is done before a plugin may serve.
//!
//! The bytes are read once; what is hashed is what is compiled. Then: a core module with contract metadata becomes a
//! component, it is compiled, its imports and exports are compared with the contract, it is instantiated and
//! configured, and every hook is rehearsed with a benign request. What passes can be called; what doesn't is refused
//! with an [`AdmissionError`] that says whose fault it is and what to do.

mod contract_check;
mod error;
mod rehearsal;
mod source;

pub use error::{AdmissionCause, AdmissionError};
pub use source::{SidecarText, Source};

use crate::engine::Runtime;
use crate::instance::{Indices, Instance, StartFailure};
use crate::plugin::{Parts, Plugin};
use crate::pool::Seated;
use crate::sidecar::Sidecar;
use std::borrow::Cow;
use std::sync::Arc;
use wasmtime::component::Component;

impl Runtime {
    /// Admits a plugin.
    ///
    /// It compiles on the calling thread, which takes tens to hundreds of milliseconds: not for threads that serve
    /// requests.
    ///
    /// # Errors
    ///
    /// Whatever keeps the plugin from serving; nothing of it is left behind.
    pub fn admit(&self, source: &Source) -> Result<Arc<Plugin>, AdmissionError> {
        self.try_admit(source).map_err(|cause| AdmissionError {
            plugin: source.name.as_str().into(),
            file: source.file.clone(),
            cause,
        })
    }

    fn try_admit(&self, source: &Source) -> Result<Arc<Plugin>, AdmissionCause> {
        let sidecar = match &source.sidecar {
            Some(text) => Sidecar::parse(&text.file.display().to_string(), &text.text)
                .map_err(AdmissionCause::Sidecar)?,
            None => Sidecar::default(),
        };
        let bytes = component_bytes(&source.wasm)?;
        let component = Component::from_binary(self.engine(), &bytes)
            .map_err(|error| AdmissionCause::Compile(format!("{error:#}")))?;
        contract_check::check(&component, self.engine())?;
        let pre = self
            .linker()
            .instantiate_pre(&component)
            .map_err(|error| AdmissionCause::TypeSkew(format!("{error:#}")))?;
        let indices = Indices::probe(&pre);
        if indices.hooks().next().is_none() {
            return Err(AdmissionCause::NoHook);
        }

        let plugin = Plugin::new(Parts {
            name: Arc::from(source.name.as_str()),
            file: source.file.clone(),
            identity: source.identity(),
            sidecar: sidecar.clone(),
            pre,
            indices,
        });
        let mut instance = first_instance(&plugin, &sidecar)?;
        rehearsal::rehearse(&plugin, &mut instance)?;
        if let Some(seat) = plugin.seat() {
            // It is configured and its pages are warm: let it serve.
            plugin.give_back(Seated::new(instance, seat));
        }
        Ok(Arc::new(plugin))
    }
}

/// The first eight bytes of a core module and of a component.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn component_bytes(wasm: &[u8]) -> Result<Cow<'_, [u8]>, AdmissionCause> {
    if wasm.is_empty() {
        Err(AdmissionCause::Empty)
    } else if wasm.starts_with(COMPONENT) {
        Ok(Cow::Borrowed(wasm))
    } else if wasm.starts_with(MODULE) {
        let encoded = wit_component::ComponentEncoder::default()
            .validate(true)
            .module(wasm)
            .and_then(|mut encoder| encoder.encode());
        match encoded {
            Ok(component) => Ok(Cow::Owned(component)),
            Err(error) => Err(AdmissionCause::Encode(format!("{error:#}"))),
        }
    } else {
        Err(AdmissionCause::NotWasm)
    }
}

fn first_instance(plugin: &Plugin, sidecar: &Sidecar) -> Result<Instance, AdmissionCause> {
    plugin.start().map_err(|failure| match failure {
        StartFailure::Settings(found) => {
            AdmissionCause::Settings(sidecar.settings_problems(plugin.name(), found))
        }
        StartFailure::Skew(detail) => AdmissionCause::TypeSkew(detail),
        StartFailure::Fault(failure) => {
            AdmissionCause::Start(Box::new(plugin.fault(None, failure)))
        }
    })
}
