//! A request while it is translated: the parts that all dialects share.

use bytes::Bytes;
use smallvec::SmallVec;
use witgate_messages::{Edit, EditError, Head, splice};

use crate::betas;
use crate::pairs::{Policy, Table, Unfit, fit};

/// The endpoint of the API that a request was sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/messages/count_tokens`
    CountTokens,
}

/// The error of a request that cannot be sent to a service. Each variant says who is at fault.
#[derive(Debug, thiserror::Error)]
pub enum Untranslatable {
    /// The request names no model, which is the client's fault.
    #[error("the request has no `model`, which {service} needs")]
    NoModel {
        /// The service.
        service: &'static str,
    },
    /// The model is unknown or no name of one: the client's fault, or the operator's, who can map the name.
    #[error("{0}")]
    Model(String),
    /// The body's own `anthropic_beta` is no list of names, which is the client's fault.
    #[error("`anthropic_beta` of the body is not a list of strings")]
    BadBetas,
    /// The policy refuses parts of the request: the client's fault, or that of the one who routed it.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// An edit breaks the body, which is a fault of the dialect's.
    #[error("an edit for another dialect breaks the body: {0}")]
    Edit(#[from] EditError),
}

/// A request while it is translated.
#[derive(Debug)]
pub struct Draft<'a> {
    head: &'a Head,
    edits: Vec<Edit>,
    betas: Vec<String>,
    removed: Vec<String>,
}

/// Returns the model of a request.
///
/// # Errors
/// [`Untranslatable::NoModel`].
pub fn model(head: &Head, service: &'static str) -> Result<String, Untranslatable> {
    let model = head.model().ok_or(Untranslatable::NoModel { service })?;
    Ok(model.into_owned())
}

// === impl Untranslatable ===

impl Untranslatable {
    /// Returns the error of a model that has no name there.
    pub fn model(error: impl std::error::Error) -> Self {
        Self::Model(error.to_string())
    }
}

// === impl Draft ===

impl<'a> Draft<'a> {
    /// Begins a translation: takes out what the service refuses. `header` returns the values of all lines of a header by its lowercase
    /// name, and `model` is the name by which the table knows the model.
    ///
    /// # Errors
    /// [`Untranslatable::BadBetas`], or [`Untranslatable::Unfit`].
    pub fn begin<'h, H>(
        table: &Table,
        head: &'a Head,
        header: impl Fn(&str) -> H,
        model: &str,
        policy: &Policy,
    ) -> Result<Self, Untranslatable>
    where
        H: IntoIterator<Item = &'h str>,
    {
        let named = betas::of(head, header("anthropic-beta")).ok_or(Untranslatable::BadBetas)?;
        let fit = fit(table, head, &named, model, policy)?;
        Ok(Self {
            head,
            edits: fit.edits,
            betas: fit.betas,
            removed: fit.removed,
        })
    }

    /// Returns the betas that are sent.
    pub fn betas(&self) -> &[String] {
        &self.betas
    }

    /// Removes a member.
    pub fn remove(&mut self, name: &str) {
        self.edits.push(Edit::Remove(name.to_owned()));
    }

    /// Gives a member this JSON.
    pub fn set(&mut self, name: &str, json: impl Into<String>) {
        self.edits.push(Edit::Set(name.to_owned(), json.into()));
    }

    /// Gives a member this text.
    pub fn set_text(&mut self, name: &str, text: &str) {
        self.set(name, serde_json::Value::from(text).to_string());
    }

    /// Returns true if the client's body has no such member, or null.
    pub fn lacks(&self, name: &str) -> bool {
        self.head.member(name).is_none_or(|text| text == "null")
    }

    /// Names the betas in the body.
    pub fn betas_in_body(&mut self) {
        let edit = betas::in_body(self.head, &self.betas);
        self.edits.extend(edit);
    }

    /// Names no betas in the body, as the header has them.
    pub fn no_betas_in_body(&mut self) {
        let edit = betas::in_body(self.head, &[]);
        self.edits.extend(edit);
    }

    /// Moves the user's profile from its header into the body, as Anthropic's SDKs do it for clouds, which ignore the header.
    pub fn profile_in_body<'h>(&mut self, lines: impl IntoIterator<Item = &'h str>) {
        let profile = lines.into_iter().next();
        if let Some(profile) = profile.filter(|_| self.lacks("user_profile_id")) {
            self.set_text("user_profile_id", profile);
        }
    }

    /// Returns the body in parts, and the names of what was removed.
    ///
    /// # Errors
    /// [`Untranslatable::Edit`].
    pub fn finish(self) -> Result<(SmallVec<[Bytes; 4]>, Vec<String>), Untranslatable> {
        let body = splice(self.head, &self.edits)?.into_parts();
        Ok((body, self.removed))
    }
}

/// Returns true for a client's header that may go on to a cloud, by its lowercase name: none of these prefixes, no credential, and
/// none that the dialect sets.
pub fn passes(name: &str, foreign: &[&str], set: &[&str]) -> bool {
    let never = [
        "accept",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "x-api-key",
    ];
    !foreign.iter().any(|prefix| name.starts_with(prefix))
        && !never.contains(&name)
        && !set.contains(&name)
}
