//! Admission: the checks that a plugin passes before it serves.
//!
//! The files are read once, so the hashed bytes are the compiled ones. A core module with contract metadata becomes a
//! component. The component is compiled or comes from the cache, its imports and exports are compared with the contract and
//! the grants, it is instantiated and configured, and every hook is called with a plain request. A plugin that fails is
//! refused with an [`AdmissionError`], which lists as many problems at once as possible and says what to do about each.

mod component_bytes;
mod contract_check;
mod error;
mod findings;
mod manifest;
mod needs;
mod preinitialize;
mod retry;
mod shape;
mod smoke_test;
mod source;
mod tables;
mod type_mismatch;

pub use error::{AdmissionCause, AdmissionError};
pub use manifest::{Manifest, Needs};
pub(crate) use retry::Retry;
pub use source::{SidecarText, Source};
pub use type_mismatch::Difference;

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use wasmtime::component::Component;
use witgate_config_file::Problems;

use crate::cache::Key;
use crate::contract::{SettingsProblem, V0_2, lifecycle};
use crate::engine::Runtime;
use crate::grants::HeaderGrant;
use crate::instance::{Indices, Instance, StartFailure};
use crate::interests::Interests;
use crate::plugin::{Configured, Identity, Parts, Plugin};
use crate::sidecar::{InstancePolicy, Sidecar};
use crate::spec::PluginSpec;
use crate::wasi;
use component_bytes::{COMPONENT, MODULE, component_bytes};
use findings::Findings;
use preinitialize::NoImage;
use shape::Shape;

impl Runtime {
    /// Admits a plugin.
    ///
    /// This compiles on the calling thread, which takes tens of milliseconds for a small plugin and many seconds for one
    /// with an interpreter in it. Don't call it on a thread that serves requests.
    ///
    /// # Errors
    ///
    /// All problems that keep the plugin from serving. A refused plugin leaves nothing behind.
    pub fn admit(&self, source: &Source) -> Result<Arc<Plugin>, AdmissionError> {
        caught(source, || self.try_admit(source))
    }

    fn try_admit(&self, source: &Source) -> Result<Arc<Plugin>, AdmissionCause> {
        self.with_sidecar(source, |sidecar, findings| {
            let screened = self.check_files(source, sidecar, findings)?;
            self.start_and_test(source, sidecar, screened, findings)
        })
        .map(Arc::new)
    }

    /// Checks a plugin as far as that is possible without compiling it: its sidecar, pin, signature, imports, exports and
    /// grants.
    ///
    /// # Errors
    ///
    /// The problems found.
    pub fn screen(&self, source: &Source) -> Result<(), AdmissionError> {
        caught(source, || {
            self.with_sidecar(source, |sidecar, findings| {
                self.check_files(source, sidecar, findings)?;
                Ok(findings.are_empty().then_some(()))
            })
        })
    }

    /// Reads the sidecar and runs a step of admission with it.
    ///
    /// # Errors
    ///
    /// All problems found, if the step returns `None` or an error.
    fn with_sidecar<T>(
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
        // Without a readable pin, the operator has not approved any code.
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

    /// Checks a plugin's files without compiling them.
    fn check_files<'a>(
        &self,
        source: &'a Source,
        sidecar: &Sidecar,
        findings: &mut Findings,
    ) -> Result<Screened<'a>, AdmissionCause> {
        let identity = source.identity();
        // Code that the operator has not approved never runs.
        check_pin(sidecar, &identity.wasm)?;
        self.options()
            .trusted_keys
            .check(&source.wasm, source.signature.as_deref())
            .map_err(|why| AdmissionCause::Signature(why.to_owned()))?;
        let bytes = component_bytes(&source.wasm)?;
        // The compiler refuses a component that can't be read, and knows the reason.
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

    /// Compiles a plugin, starts it and runs the smoke test. Returns `None` if there are findings.
    fn start_and_test(
        &self,
        source: &Source,
        sidecar: &Sidecar,
        screened: Screened<'_>,
        findings: &mut Findings,
    ) -> Result<Option<Plugin>, AdmissionCause> {
        let Screened { identity, bytes } = screened;
        let options = self.options();
        let name = Arc::from(source.name.as_str());
        let Some(tables) = self.open_tables(sidecar, &name, findings) else {
            return Ok(None);
        };
        let candidate = Candidate {
            runtime: self,
            bytes,
            spec: Arc::new(PluginSpec {
                kv: self.kv().of(&name),
                name,
                sha256: Arc::clone(&identity.wasm),
                limits: sidecar.limits.clone(),
                grants: sidecar.grants.clone(),
                secret_headers: Arc::clone(&options.secret_headers),
                host_headers: header_grants(&options.host_headers),
                response_headers: options.response_headers.as_deref().map(header_grants),
                tables: Arc::new(tables),
                settings: sidecar.resolved.clone(),
                vocabulary: Arc::clone(&options.vocabulary),
                memory: Arc::clone(self.memory_budget()),
                clock: Arc::clone(self.clock()),
                stats: Default::default(),
            }),
            sidecar,
        };
        let mut code = candidate.code()?;
        findings.extend(std::mem::take(&mut code.missing));
        let test = Arc::new(candidate.spec.for_test());
        // A plugin that starts from its configured state tells its interests in an instance of their own, because that runs
        // `configure` once more. Version 0.2 has none.
        let lifecycle = code.indices.lifecycle.as_ref();
        let asks = code.configured != Configured::Once
            || lifecycle.is_some_and(|index| index.version() != V0_2);
        let indices = match asks {
            true => code.indices.clone(),
            false => code.indices_of_service(),
        };
        let started = Instance::start(&code.pre, &indices, &test, 0);
        let mut instance = candidate.started(started)?;
        let interests = candidate.interests(instance.take_configured())?;
        if asks && code.configured == Configured::Once {
            let started = Instance::start(&code.pre, &code.indices_of_service(), &test, 0);
            instance = candidate.started(started)?;
        }
        let plugin = Plugin::new(Parts {
            file: source.file.clone(),
            identity,
            order: sidecar.order,
            policy: sidecar.instances,
            fail: sidecar.fail,
            indices: code.indices_of_service(),
            configured: code.configured,
            spec: Arc::clone(&candidate.spec),
            pre: code.pre,
            suspension: options.suspension,
            interests,
        });
        if !findings.are_empty() {
            return Ok(None);
        }
        smoke_test::run(&plugin, &mut instance)?;
        drop(instance);
        plugin.warm_up();
        Ok(Some(plugin))
    }
}

/// Parses names of headers, or prefixes of such names.
fn header_grants(names: &[String]) -> Arc<[HeaderGrant]> {
    names
        .iter()
        .filter_map(|name| HeaderGrant::parse(name).ok())
        .collect()
}

/// Runs a step of admission and catches panics, since it parses untrusted files.
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

/// A plugin whose files passed the checks.
struct Screened<'a> {
    identity: Identity,
    /// The bytes of the component.
    bytes: Cow<'a, [u8]>,
}

/// A plugin under admission.
struct Candidate<'a> {
    runtime: &'a Runtime,
    /// The bytes of the component.
    bytes: Cow<'a, [u8]>,
    spec: Arc<PluginSpec>,
    sidecar: &'a Sidecar,
}

/// The code that instances are made from.
struct Code {
    pre: wasmtime::component::InstancePre<crate::guest::Guest>,
    indices: Indices,
    configured: Configured,
    /// Interfaces that the plugin imports without a grant.
    missing: Vec<AdmissionCause>,
}

// === impl Candidate ===

impl Candidate<'_> {
    /// Returns the checked code of the plugin. For fresh instances it has the configured state in it, if that is possible.
    fn code(&self) -> Result<Code, AdmissionCause> {
        let why = match self.sidecar.instances {
            InstancePolicy::Reused => None,
            InstancePolicy::Fresh => match self.image() {
                Ok(image) => {
                    let mut code = self.checked(&image)?;
                    if code.indices.lifecycle.is_some() {
                        code.configured = Configured::Once;
                    }
                    return Ok(code);
                }
                Err(NoImage::Refused(cause)) => return Err(cause),
                Err(NoImage::NotConfigurable) => None,
                Err(NoImage::Impossible(why)) => Some(why),
            },
        };
        let component = self.runtime.component(&self.spec.name, &self.bytes)?;
        let mut code = self.checked(&component)?;
        if code.indices.lifecycle.is_some() {
            code.configured = Configured::PerInstance { why };
        }
        Ok(code)
    }

    /// Returns the code with the configured state in it.
    fn image(&self) -> Result<Component, NoImage> {
        if !self.spec.settings.secrets.are_none() {
            let why = "its settings hold secrets, which the image and the cache of compiled plugins would contain";
            return Err(NoImage::Impossible(why.to_owned()));
        }
        let settings = self.spec.settings.json.as_bytes();
        let key = Key::of(self.runtime.engine(), &[b"image", &self.bytes, settings]);
        if let Some(image) = self.runtime.cached(&key) {
            return Ok(image);
        }
        let image = preinitialize::image(self)?;
        self.runtime
            .compile(&self.spec.name, &image, &key)
            .map_err(|error| NoImage::Refused(error.into()))
    }

    /// Compares the code with the contract and the grants.
    fn checked(&self, component: &Component) -> Result<Code, AdmissionCause> {
        let engine = self.runtime.engine();
        let missing = contract_check::check(component, engine, &self.bytes, &self.sidecar.grants)?;
        let pre = wasi::instantiate_pre(self.runtime.linker(), component)
            .map_err(|error| self.type_mismatch(format!("{error:#}")))?;
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

    /// Converts the error of starting an instance.
    fn started(&self, started: Result<Instance, StartFailure>) -> Result<Instance, AdmissionCause> {
        started.map_err(|failure| match failure {
            StartFailure::Settings(found) => {
                AdmissionCause::Settings(self.sidecar.settings_problems(&self.spec.name, found))
            }
            StartFailure::TypeMismatch(detail) => self.type_mismatch(detail),
            StartFailure::Fault(failure) => {
                AdmissionCause::Start(Box::new(self.spec.fault(None, failure)))
            }
        })
    }

    /// Returns the interests of the plugin, which a configured instance has told.
    fn interests(
        &self,
        configured: Option<lifecycle::Configured>,
    ) -> Result<Interests, AdmissionCause> {
        let Some(given) = configured else {
            return Ok(Interests::default());
        };
        let refused = |found| {
            AdmissionCause::Settings(self.sidecar.settings_problems(&self.spec.name, found))
        };
        let windows = given.windows.iter();
        let unknown = windows.filter_map(|window| self.spec.vocabulary.window(window).err());
        let unknown: Vec<_> = unknown
            .map(|message| SettingsProblem {
                path: String::new(),
                message,
            })
            .collect();
        if !unknown.is_empty() {
            return Err(refused(unknown));
        }
        Interests::new(&given, &self.spec.grants).map_err(refused)
    }

    fn type_mismatch(&self, detail: String) -> AdmissionCause {
        AdmissionCause::TypeMismatch {
            difference: type_mismatch::first_difference(&self.bytes, None).map(Box::new),
            detail,
        }
    }
}

// === impl Code ===

impl Code {
    /// Returns the indices for instances in service. One that starts from a configured state is not configured again.
    fn indices_of_service(&self) -> Indices {
        let mut indices = self.indices.clone();
        if self.configured == Configured::Once {
            indices.lifecycle = None;
        }
        indices
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
