//! The guard hook: the texts of one exchange pass through every guard that subscribed to them, one after the other.
//!
//! A text arrives in pieces of any size. Each guard gets what it held back before and what the guards before it pass, and holds
//! at most `held_bytes` of a text. As long as no guard changes anything, the host only says how much may leave.

mod open_text;
mod pass;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::call_facts::{CallFacts, TextFacts};
use crate::content::{ContentKind, ContentKinds, ContentSide};
use crate::contract::guard::{Piece, Stop};
use crate::fault::Fault;
use crate::grants::BodyGrant;
use crate::hook::Hook;
use crate::plugin::Plugin;
use crate::request::Request;
use crate::sidecar::FailPolicy;
use open_text::{Known, OpenText};
use pass::{Halt, Passed};

/// The guards of one exchange, made by [`HookSession::guards`](crate::HookSession::guards).
///
/// It outlives the session, and keeps what guards hold back. [`inspect`](Self::inspect) blocks the calling thread while plugins
/// run, like the methods of a session.
pub struct Guards {
    guards: Vec<Guard>,
    kinds: ContentKinds,
    facts: CallFacts,
    texts: Vec<OpenText>,
    trace: GuardTrace,
    /// The piece of the next call, whose text keeps its memory.
    piece: Piece,
}

/// The part of a text that may leave.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passage {
    /// The text that leaves instead of what is outstanding: the text of this piece, after what was held of earlier ones.
    pub text: PassedText,
    /// The number of bytes that are held back.
    pub held: usize,
}

/// The text of a [`Passage`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassedText {
    /// Everything outstanding but the last [`held`](Passage::held) bytes leaves as it was.
    Unchanged,
    /// This text leaves instead of what is outstanding. Until nothing of the text is held anymore, all further passages are of
    /// this kind, so that `Unchanged` always speaks of original bytes.
    Changed(String),
}

/// The reason that an exchange must not go on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Stopped {
    /// A guard refuses the request, or ends the response.
    Stop {
        /// The plugin's name.
        plugin: Arc<str>,
        /// The reason for the client and the receipt.
        message: String,
        /// A code for the receipt, for example the name of a rule.
        rule: String,
        /// `true` if a response should end as if the model had stopped by itself.
        quietly: bool,
    },
    /// A guard whose fail policy is `closed` faulted.
    Fault(Fault),
}

/// The part that guards took in one exchange.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct GuardTrace {
    /// The guards that returned a verdict, in order.
    pub calls: Vec<GuardCalls>,
    /// Faults of guards whose fail policy is `open`, in order. The exchange went on without these guards.
    pub skipped: Vec<Fault>,
}

/// The calls of one guard in one exchange.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GuardCalls {
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// The number of pieces that it decided about.
    pub pieces: u64,
    /// The number of pieces that it changed.
    pub changed: u64,
    /// The code of its stop, or `None` if it did not stop the exchange.
    pub stopped: Option<String>,
}

struct Guard {
    plugin: Arc<Plugin>,
    kinds: ContentKinds,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Asked,
    /// It faulted and fails open, so the rest of the exchange passes without it.
    Skipped,
}

// === impl Guards ===

impl Guards {
    /// Creates the guards of an exchange from plugins that are interested in it. Returns `None` without any.
    pub(super) fn of<'a>(
        plugins: impl Iterator<Item = &'a Arc<Plugin>>,
        facts: CallFacts,
    ) -> Option<Self> {
        let guards: Vec<_> = plugins
            .map(|plugin| Guard {
                plugin: Arc::clone(plugin),
                kinds: plugin.subscription(),
                state: State::Asked,
            })
            .collect();
        let kinds = guards.iter().map(|guard| guard.kinds);
        let kinds = kinds.fold(ContentKinds::default(), ContentKinds::union);
        (!guards.is_empty()).then(|| Self {
            guards,
            kinds,
            facts,
            texts: Vec::new(),
            trace: GuardTrace::default(),
            piece: Piece {
                kind: ContentKind::Text.into(),
                index: 0,
                text: String::new(),
                last: false,
            },
        })
    }

    /// Returns whether a guard subscribed to texts of this kind. It stays the same for the whole exchange.
    pub fn wants(&self, kind: ContentKind) -> bool {
        self.kinds.has(kind)
    }

    /// Returns whether a guard subscribed to a kind of text on this side of the exchange.
    pub fn wants_side(&self, side: ContentSide) -> bool {
        self.kinds.iter().any(|kind| kind.side() == side)
    }

    /// Returns whether a guard may read the body of the request at any time.
    pub fn read_bodies(&self) -> bool {
        let mut guards = self.guards.iter();
        guards.any(|guard| guard.plugin.grants().body == BodyGrant::Read)
    }

    /// Replaces the request that the next calls lend to plugins, such as by one whose body takes less memory.
    pub fn set_request(&mut self, request: Arc<dyn Request>) {
        self.facts.request = Some(request);
    }

    /// Passes a piece of a text through all guards that subscribed to its kind. `index` is the number of the text within the
    /// request or the response, and `last` says that the text ends here; then nothing of it is held anymore.
    ///
    /// A piece may have any length: a guard gets it in pieces of at most `piece_bytes`.
    ///
    /// # Errors
    ///
    /// The first guard that stops the exchange, or that faults and fails closed. End the exchange then: what was held is lost.
    pub fn inspect(
        &mut self,
        kind: ContentKind,
        index: u32,
        text: &str,
        last: bool,
    ) -> Result<Passage, Stopped> {
        let known = self
            .texts
            .iter()
            .position(|open| open.kind == kind && open.index == index);
        let mut open = match known {
            Some(place) => self.texts.swap_remove(place),
            None => OpenText::new(kind, index),
        };
        self.piece.kind = kind.into();
        self.piece.index = index;
        let mut flow = Cow::Borrowed(text);
        for (place, guard) in self.guards.iter_mut().enumerate() {
            if !guard.kinds.has(kind) || (flow.is_empty() && !last) {
                continue;
            }
            let pending = open.take(place, flow);
            if guard.state == State::Skipped {
                flow = pending;
                continue;
            }
            let facts = &mut self.facts;
            facts.text = Some(TextFacts {
                before: open.before(place),
            });
            let passed = pass::through(&guard.plugin, facts, &mut self.piece, pending, last);
            let Passed {
                text,
                held,
                before,
                pieces,
                changed,
                halt,
            } = passed;
            let halt = match halt {
                None => None,
                Some(Halt::Stop(stop)) => Some(Stopped::by(&guard.plugin, stop)),
                Some(Halt::Fault(fault)) => guard.failed(fault, &mut self.trace).err(),
            };
            self.trace
                .note(guard.plugin.name(), pieces, changed, halt.as_ref());
            if let Some(stopped) = halt {
                return Err(stopped);
            }
            if !last {
                open.keep(place, Known { held, before });
            }
            open.changed |= changed > 0;
            flow = text;
        }
        let held = open.held_bytes();
        let passage = Passage {
            text: match open.changed {
                true => PassedText::Changed(flow.into_owned()),
                false => PassedText::Unchanged,
            },
            held,
        };
        open.changed &= held > 0;
        if !last {
            self.texts.push(open);
        }
        Ok(passage)
    }

    /// Returns the part that guards took so far.
    pub fn trace(&self) -> &GuardTrace {
        &self.trace
    }
}

impl fmt::Debug for Guards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plugins = self.guards.iter().map(|guard| guard.plugin.name());
        f.debug_struct("Guards")
            .field("plugins", &plugins.collect::<Vec<_>>())
            .field("kinds", &self.kinds)
            .field("trace", &self.trace)
            .finish_non_exhaustive()
    }
}

// === impl Guard ===

impl Guard {
    /// Applies the fail policy.
    ///
    /// # Errors
    ///
    /// The guard fails closed.
    fn failed(&mut self, fault: Fault, trace: &mut GuardTrace) -> Result<(), Stopped> {
        match self.plugin.fail_policy(Hook::Guard) {
            FailPolicy::Closed => Err(Stopped::Fault(fault)),
            FailPolicy::Open => {
                self.plugin.skipped(Hook::Guard);
                self.state = State::Skipped;
                trace.skipped.push(fault);
                Ok(())
            }
        }
    }
}

// === impl GuardTrace ===

impl GuardTrace {
    fn note(&mut self, plugin: &Arc<str>, pieces: u64, changed: u64, stopped: Option<&Stopped>) {
        let rule = match stopped {
            Some(Stopped::Stop { rule, .. }) => Some(rule.clone()),
            Some(Stopped::Fault(_)) | None => None,
        };
        if pieces == 0 {
            return;
        }
        match self.calls.iter_mut().find(|calls| calls.plugin == *plugin) {
            Some(calls) => {
                calls.pieces += pieces;
                calls.changed += changed;
                // The texts of a batch's results may go on after one was stopped.
                calls.stopped = rule.or(calls.stopped.take());
            }
            None => self.calls.push(GuardCalls {
                plugin: Arc::clone(plugin),
                pieces,
                changed,
                stopped: rule,
            }),
        }
    }
}

// === impl Stopped ===

impl Stopped {
    fn by(plugin: &Plugin, stop: Stop) -> Self {
        let Stop {
            message,
            rule,
            quietly,
        } = stop;
        Self::Stop {
            plugin: Arc::clone(plugin.name()),
            message,
            rule,
            quietly,
        }
    }
}

impl fmt::Display for Stopped {
    /// Writes a text that is safe to send to the client.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop { message, .. } => f.write_str(message),
            Self::Fault(fault) => write!(f, "the plugin `{}` failed: {}", fault.plugin, fault.kind),
        }
    }
}

impl std::error::Error for Stopped {}
