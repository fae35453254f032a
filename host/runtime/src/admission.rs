//! Everything that is done before a plugin may serve.
//!
//! The bytes are read once; what is hashed is what is compiled. Then: a core module with contract metadata becomes a
//! component, it is compiled or found in the cache, its imports and exports are compared with the contract and the grants,
//! it is instantiated and configured, and every hook is rehearsed with a benign request. What passes can be called; what
//! doesn't is refused with an [`AdmissionError`] that says whose fault it is and what to do: everything that is wrong at
//! once, as far as one thing lets the next be seen.

mod anatomy;
mod contract_check;
mod error;
mod findings;
mod needs;
mod preinit;
mod rehearsal;
mod shape;
mod skew;
mod source;

pub use anatomy::{Anatomy, Needs};
pub use error::{AdmissionCause, AdmissionError};
pub use skew::Difference;
pub use source::{SidecarText, Source};

use crate::cache::Key;
use crate::engine::Runtime;
use crate::grants::HeaderGrant;
use crate::guest::Terms;
use crate::instance::{Indices, Instance, StartFailure};
use crate::plugin::{Configured, Identity, Parts, Plugin};
use crate::sidecar::{InstancePolicy, Sidecar};
use crate::wasi;
use findings::Findings;
use preinit::NotPossible;
use shape::Shape;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use wasmparser::{Chunk, Parser, Payload};
use wasmtime::component::Component;
use witgate_config_file::Problems;

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
        caught(source, || self.try_admit(source))
    }

    fn try_admit(&self, source: &Source) -> Result<Arc<Plugin>, AdmissionCause> {
        self.found(source, |sidecar, findings| {
            let screened = self.screened(source, sidecar, findings)?;
            self.tried(source, sidecar, screened, findings)
        })
        .map(Arc::new)
    }

    /// Finds whatever keeps a plugin from serving that shows without compiling it: its sidecar, pin, signature, imports,
    /// exports and grants.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit).
    pub fn screen(&self, source: &Source) -> Result<(), AdmissionError> {
        caught(source, || {
            self.found(source, |sidecar, findings| {
                self.screened(source, sidecar, findings)?;
                Ok(findings.are_empty().then_some(()))
            })
        })
    }

    /// Reads the sidecar and takes a step of admission with it. Returns what the step gives, or everything that was found
    /// to be wrong if it gives nothing.
    fn found<T>(
        &self,
        source: &Source,
        step: impl FnOnce(&Sidecar, &mut Findings) -> Result<Option<T>, AdmissionCause>,
    ) -> Result<T, AdmissionCause> {
        let (sidecar, problems) = match &source.sidecar {
            Some(text) => {
                let file = text.file.display().to_string();
                Sidecar::draft(&file, &text.text, Some(self.options()))
                    .map_err(AdmissionCause::Sidecar)?
            }
            None => (Sidecar::default(), Problems::default()),
        };
        // A pin that can't be read vouches for no code.
        if problems.is_about("sha256") {
            return Err(AdmissionCause::Sidecar(problems));
        }
        let mut findings = Findings::new(problems);
        match step(&sidecar, &mut findings) {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => {}
            Err(cause) => findings.add(cause),
        }
        Err(findings.into_cause())
    }

    /// Looks at a plugin without compiling it.
    fn screened<'a>(
        &self,
        source: &'a Source,
        sidecar: &Sidecar,
        findings: &mut Findings,
    ) -> Result<Screened<'a>, AdmissionCause> {
        let identity = source.identity();
        // Code that the operator doesn't vouch for never runs.
        check_pin(sidecar, &identity.wasm)?;
        self.trusted_keys()
            .check(&source.wasm, source.signature.as_deref())
            .map_err(|why| AdmissionCause::Signature(why.to_owned()))?;
        let bytes = component_bytes(&source.wasm)?;
        // What can't be read is the compiler's to refuse: it knows why.
        if let Some(shape) = Shape::read(&bytes) {
            findings.extend(contract_check::check_shape(
                &shape,
                &bytes,
                &sidecar.grants,
            )?);
        }
        if findings.knows("limits") {
            needs::check(&bytes, sidecar.limits.memory_bytes, self.options())?;
        }
        Ok(Screened { identity, bytes })
    }

    /// Compiles a plugin, starts it and rehearses it, as far as nothing is wrong. Returns the plugin if nothing is.
    fn tried(
        &self,
        source: &Source,
        sidecar: &Sidecar,
        screened: Screened<'_>,
        findings: &mut Findings,
    ) -> Result<Option<Plugin>, AdmissionCause> {
        let Screened { identity, bytes } = screened;
        let name = Arc::from(source.name.as_str());
        let candidate = Candidate {
            runtime: self,
            bytes,
            terms: Arc::new(Terms {
                table: self.tables().of(&name),
                name,
                sha256: Arc::clone(&identity.wasm),
                limits: sidecar.limits.clone(),
                grants: sidecar.grants.clone(),
                secret_headers: Arc::clone(&self.options().secret_headers),
                host_headers: grants(&self.options().host_headers),
                answer_headers: self.options().answer_headers.as_deref().map(grants),
                settings: sidecar.settings.clone(),
                words: self.options().vocabulary.clone(),
                room: Arc::clone(self.room()),
                stats: Default::default(),
            }),
            sidecar,
        };
        let code = candidate.code()?;
        findings.extend(code.missing);
        let plugin = Plugin::new(Parts {
            file: source.file.clone(),
            identity,
            order: sidecar.order,
            policy: sidecar.instances,
            fail: sidecar.fail,
            configured: code.configured,
            terms: Arc::clone(&candidate.terms),
            pre: code.pre,
            indices: code.indices,
            bench: self.options().bench,
        });
        let trial = Arc::new(candidate.terms.for_trial());
        let mut instance = candidate.started(plugin.start_with(&trial))?;
        if !findings.are_empty() {
            return Ok(None);
        }
        rehearsal::rehearse(&plugin, &mut instance)?;
        drop(instance);
        plugin.warm_up();
        Ok(Some(plugin))
    }
}

/// Names of headers, or their beginnings, as they are compared.
fn grants(names: &[String]) -> Arc<[HeaderGrant]> {
    names
        .iter()
        .filter_map(|name| HeaderGrant::parse(name).ok())
        .collect()
}

/// Runs a step of admission. What it reads comes from anywhere: should a reader give up, that costs this plugin and not
/// the thread.
fn caught<T>(
    source: &Source,
    step: impl FnOnce() -> Result<T, AdmissionCause>,
) -> Result<T, AdmissionError> {
    catch_unwind(AssertUnwindSafe(step))
        .unwrap_or(Err(AdmissionCause::Crashed))
        .map_err(|cause| AdmissionError {
            plugin: source.name.as_str().into(),
            file: source.file.clone(),
            cause,
        })
}

/// What is known of a plugin before anything is compiled.
struct Screened<'a> {
    identity: Identity,
    /// The component.
    bytes: Cow<'a, [u8]>,
}

/// A plugin on its way.
struct Candidate<'a> {
    runtime: &'a Runtime,
    /// The component.
    bytes: Cow<'a, [u8]>,
    terms: Arc<Terms>,
    sidecar: &'a Sidecar,
}

/// What instances are made of.
struct Code {
    pre: wasmtime::component::InstancePre<crate::guest::Guest>,
    indices: Indices,
    configured: Configured,
    /// Interfaces that it imports and is not granted.
    missing: Vec<AdmissionCause>,
}

// === impl Candidate ===

impl Candidate<'_> {
    /// The checked code of the plugin: for fresh instances with its configured state in it, where that is possible.
    fn code(&self) -> Result<Code, AdmissionCause> {
        let why = match self.sidecar.instances {
            InstancePolicy::Reused => None,
            InstancePolicy::Fresh => match self.image() {
                Ok(image) => {
                    let mut code = self.checked(&image)?;
                    if code.indices.lifecycle.take().is_some() {
                        code.configured = Configured::Once;
                    }
                    return Ok(code);
                }
                Err(NotPossible::NotAdmitted(cause)) => return Err(cause),
                Err(NotPossible::NothingToDo) => None,
                Err(NotPossible::Refused(why)) => Some(why),
            },
        };
        let key = Key::of(self.runtime.engine(), &[b"component", &self.bytes]);
        let component = match self.runtime.cached(&key) {
            Some(component) => component,
            None => self.runtime.compile(&self.terms.name, &self.bytes, &key)?,
        };
        let mut code = self.checked(&component)?;
        if code.indices.lifecycle.is_some() {
            code.configured = Configured::PerInstance { why };
        }
        Ok(code)
    }

    /// The code with the configured state in it.
    fn image(&self) -> Result<Component, NotPossible> {
        let settings = self.terms.settings.as_bytes();
        let key = Key::of(self.runtime.engine(), &[b"image", &self.bytes, settings]);
        if let Some(image) = self.runtime.cached(&key) {
            return Ok(image);
        }
        let image = preinit::image(self)?;
        self.runtime
            .compile(&self.terms.name, &image, &key)
            .map_err(|error| NotPossible::NotAdmitted(error.into()))
    }

    /// Compares the code with the contract and the grants.
    fn checked(&self, component: &Component) -> Result<Code, AdmissionCause> {
        let engine = self.runtime.engine();
        let missing = contract_check::check(component, engine, &self.bytes, &self.sidecar.grants)?;
        let pre = wasi::instantiate_pre(self.runtime.linker(), component)
            .map_err(|error| self.skewed(format!("{error:#}")))?;
        let indices = Indices::probe(&pre);
        if indices.hooks().next().is_none() {
            return Err(AdmissionCause::NoHook);
        }
        Ok(Code {
            pre,
            indices,
            configured: Configured::Never,
            missing,
        })
    }

    /// The first instance, or why there is none.
    fn started(&self, started: Result<Instance, StartFailure>) -> Result<Instance, AdmissionCause> {
        started.map_err(|failure| match failure {
            StartFailure::Settings(found) => {
                AdmissionCause::Settings(self.sidecar.settings_problems(&self.terms.name, found))
            }
            StartFailure::Skew(detail) => self.skewed(detail),
            StartFailure::Fault(failure) => {
                AdmissionCause::Start(Box::new(self.terms.fault(None, failure)))
            }
        })
    }

    fn skewed(&self, detail: String) -> AdmissionCause {
        AdmissionCause::TypeSkew {
            difference: skew::first_difference(&self.bytes, None).map(Box::new),
            detail,
        }
    }
}

fn check_pin(sidecar: &Sidecar, found: &str) -> Result<(), AdmissionCause> {
    match &sidecar.pin {
        Some(pinned) if *pinned != *found => Err(AdmissionCause::Pin {
            pinned: pinned.clone(),
            found: found.to_owned(),
        }),
        Some(_) | None => Ok(()),
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
        if is_cut_off(wasm) {
            return Err(AdmissionCause::CutOff(wasm.len()));
        }
        let encoded = wit_component::ComponentEncoder::default()
            .validate(true)
            .module(wasm)
            .and_then(|mut encoder| encoder.encode());
        match encoded {
            Ok(component) => Ok(Cow::Owned(component)),
            Err(error) => match format!("{error:#}") {
                text if text.contains("wasi_snapshot_preview1") => Err(AdmissionCause::OldWasi),
                text => Err(AdmissionCause::Encode(text)),
            },
        }
    } else {
        Err(AdmissionCause::NotWasm)
    }
}

/// Whether a module ends before its last section does. Whatever else is wrong with it is for others to say.
fn is_cut_off(module: &[u8]) -> bool {
    let mut parser = Parser::new(0);
    let mut rest = module;
    loop {
        let at_end = rest.is_empty();
        match parser.parse(rest, at_end) {
            Ok(Chunk::Parsed {
                payload: Payload::End(_),
                ..
            }) => return false,
            // Before its functions, which may be wrong as well.
            Ok(Chunk::Parsed {
                payload: Payload::CodeSectionStart { range, .. },
                ..
            }) if range.end > module.len() => return true,
            Ok(Chunk::Parsed { consumed, .. }) => rest = rest.get(consumed..).unwrap_or_default(),
            Ok(Chunk::NeedMoreData(_)) => return true,
            Err(_) => return at_end,
        }
    }
}
