//! The steps to a token.

use std::time::SystemTime;

use witgate_dialect::{Answer, Bearer, Question};

use super::answer::{self, BadToken};
use super::federated::{Federated, Source};

/// A step.
#[derive(Debug)]
pub enum Step<'c> {
    /// The caller reads this file, and brings its text ([`Pending::text`]).
    Read(&'c str, Pending<'c>),
    /// The caller sends this question, and brings the answer ([`Pending::answer`]).
    Ask(Question, Pending<'c>),
    /// The token is there.
    Done(Bearer),
}

/// A way to a token, while a file is read or a question is asked.
#[derive(Debug)]
pub struct Pending<'c> {
    awaited: Awaited<'c>,
}

#[derive(Debug)]
enum Awaited<'c> {
    /// The subject's token, from a file or an address.
    Subject(&'c Federated),
    /// The token of an exchange, which asks for that of a service account.
    Exchange(&'c Federated),
    /// The token of a service account that a workload acts as.
    Account,
    /// A token, by its way.
    Token(&'static str),
}

// === impl Step ===

impl<'c> Step<'c> {
    /// Returns the one step of a way without others.
    pub(super) fn only(question: Question, way: &'static str) -> Self {
        let awaited = Awaited::Token(way);
        Self::Ask(question, Pending { awaited })
    }

    /// Returns the first step of a workload: to its own token.
    pub(super) fn first(federated: &'c Federated) -> Self {
        let awaited = Awaited::Subject(federated);
        let pending = Pending { awaited };
        match federated.source() {
            Source::File(path) => Self::Read(path, pending),
            Source::Url(question) => Self::Ask(question.clone(), pending),
        }
    }

    /// Returns the next step of a workload, with its own token: the exchange.
    fn exchange(federated: &'c Federated, text: &str) -> Result<Self, BadToken> {
        let awaited = if federated.acts_as_account() {
            Awaited::Exchange(federated)
        } else {
            Awaited::Token("federated workload")
        };
        let question = federated.exchange(text)?;
        Ok(Self::Ask(question, Pending { awaited }))
    }
}

// === impl Pending ===

impl<'c> Pending<'c> {
    /// Returns the step after a file was read.
    ///
    /// # Errors
    /// [`BadToken`].
    pub fn text(self, text: &str) -> Result<Step<'c>, BadToken> {
        match self.awaited {
            Awaited::Subject(federated) => Step::exchange(federated, text),
            Awaited::Exchange(_) | Awaited::Account | Awaited::Token(_) => Err(BadToken::Form {
                missing: "a question that was asked",
            }),
        }
    }

    /// Returns the step after an answer, by the time `now`.
    ///
    /// # Errors
    /// [`BadToken`].
    pub fn answer(self, answer: Answer<'_>, now: SystemTime) -> Result<Step<'c>, BadToken> {
        match self.awaited {
            Awaited::Subject(federated) => {
                let status = answer.status;
                if status != 200 {
                    return Err(BadToken::SubjectStatus { status });
                }
                let text = std::str::from_utf8(answer.body).map_err(|_| BadToken::Subject)?;
                Step::exchange(federated, text)
            }
            Awaited::Exchange(federated) => {
                let bearer = answer::token(answer, "federated workload", now)?;
                let question = federated.impersonate(&bearer.token);
                let question = question.ok_or(BadToken::Form {
                    missing: "a service account",
                })?;
                let awaited = Awaited::Account;
                Ok(Step::Ask(question, Self { awaited }))
            }
            Awaited::Account => answer::account(answer, now).map(Step::Done),
            Awaited::Token(way) => answer::token(answer, way, now).map(Step::Done),
        }
    }
}
