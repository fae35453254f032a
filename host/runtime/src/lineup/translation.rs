//! The translation of one exchange: its request, and then each part of its answer.
//!
//! No call keeps an instance until the next one. What a plugin has to remember between them are its notes, which the
//! translation has. It has the plugin, too, so that a plugin that is replaced ends the streams that it began.

use std::fmt;
use std::sync::Arc;

use super::Lineup;
use super::bounds::Bounds;
use super::session::Rejection;
use crate::call_facts::{CallFacts, Notes};
use crate::contract::{TranslatedAnswer, TranslatedRequest};
use crate::fault::Fault;
use crate::hook::Hook;
use crate::plugin::Plugin;
use crate::request::Request;

/// The header of answers that plugins may set only as another name of one that the answer has.
const REQUEST_ID: &str = "x-request-id";

/// The translation of one exchange, made by [`Lineup::translation`].
///
/// It outlives the request's hooks. Each method blocks the calling thread while the plugin runs.
pub struct Translation {
    plugin: Arc<Plugin>,
    facts: CallFacts,
}

// === impl Lineup ===

impl Lineup {
    /// Returns the translation of a request that a plugin claims, or `None` if none does. The path may have a query, which does
    /// not matter. `has_header` returns whether the request has a header, by its lowercase name.
    pub fn translation(
        &self,
        method: &str,
        path: &str,
        has_header: &dyn Fn(&str) -> bool,
    ) -> Option<Translation> {
        let path = path.split('?').next().unwrap_or_default();
        let plugin = self.with(Hook::Translate).iter().find(|plugin| {
            let mut claims = plugin.dialect().claims.iter();
            claims.any(|claim| claim.covers(method, path, has_header))
        })?;
        Some(Translation {
            plugin: Arc::clone(plugin),
            facts: CallFacts {
                notes: Some(Notes::default()),
                ..CallFacts::default()
            },
        })
    }
}

// === impl Translation ===

impl Translation {
    /// Returns the plugin's name.
    pub fn plugin(&self) -> &Arc<str> {
        self.plugin.name()
    }

    /// Sets the request that later calls lend to the plugin, and whose tenant their faults are counted for.
    pub fn set_request(&mut self, request: Arc<dyn Request>) {
        self.facts.request = Some(request);
    }

    /// Returns the headers of answers that have a further name in the dialect, with that name.
    pub fn header_names(&self) -> impl Iterator<Item = (&str, &str)> {
        let names = self.plugin.dialect().header_names.iter();
        let names = names.map(|(from, to)| (&**from, &**to));
        names.filter(|(_, to)| to.eq_ignore_ascii_case(REQUEST_ID) || self.plugin.may_set(to))
    }

    /// Returns the request to ask in place of the client's.
    ///
    /// # Errors
    ///
    /// The plugin's refusal or fault.
    pub fn request(&mut self, body: &str) -> Result<TranslatedRequest, Rejection> {
        let bounds = Bounds::of(&self.plugin, Hook::Translate);
        let given = self.plugin.call(
            Hook::Translate,
            &mut self.facts,
            |exports, store| exports.translate()?.request(store, body),
            |_, given| match given {
                Ok(request) => bounds.translated_request(request),
                Err(refusal) => bounds.refusal(refusal),
            },
        );
        given
            .map_err(Rejection::Fault)?
            .map_err(|refusal| Rejection::Refusal {
                plugin: Arc::clone(self.plugin.name()),
                hook: Hook::Translate,
                refusal,
            })
    }

    /// Returns an answer in the client's dialect.
    ///
    /// # Errors
    ///
    /// The plugin's fault.
    pub fn answer(&mut self, answer: &TranslatedAnswer) -> Result<TranslatedAnswer, Fault> {
        let bounds = Bounds::of(&self.plugin, Hook::Translate);
        self.plugin.call(
            Hook::Translate,
            &mut self.facts,
            |exports, store| exports.translate()?.answer(store, answer),
            |_, given| bounds.translated_answer(given),
        )
    }

    /// Returns what the client gets for an event of a stream.
    ///
    /// # Errors
    ///
    /// The plugin's fault.
    pub fn event(&mut self, data: &str) -> Result<String, Fault> {
        let bounds = Bounds::of(&self.plugin, Hook::Translate);
        self.plugin.call(
            Hook::Translate,
            &mut self.facts,
            |exports, store| exports.translate()?.event(store, data),
            |_, text| bounds.bytes(text.len()),
        )
    }
}

impl fmt::Debug for Translation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Translation")
            .field("plugin", self.plugin.name())
            .finish_non_exhaustive()
    }
}
