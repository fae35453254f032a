//! Errors of the API, in the vendor's shape.

use serde_json::Value;
use witgate_messages::error::{self, ErrorType};

use crate::admin::page::Page;
use crate::budgets::live::change::Refusal;
use crate::store::StoreError;

/// An error of the API.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) status: u16,
    pub(super) message: String,
    pub(super) headers: Vec<(&'static str, String)>,
}

// === impl Failed ===

impl Failed {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            headers: Vec::new(),
        }
    }

    pub(super) fn method(allowed: &'static str) -> Self {
        Self {
            headers: vec![("Allow", allowed.to_owned())],
            ..Self::new(405, format!("this path has {allowed}"))
        }
    }

    pub(super) fn of(refusal: &Refusal) -> Self {
        let status = match refusal {
            Refusal::NotFound => 404,
            Refusal::Conflict { .. } | Refusal::Reused => 409,
            Refusal::Level(_)
            | Refusal::TooMuch
            | Refusal::NoSpending
            | Refusal::Unnamed { .. }
            | Refusal::TooMany => 400,
        };
        Self::new(status, refusal.to_string())
    }

    /// Returns the error in the vendor's shape.
    pub(super) fn page(self, id: &str) -> Page {
        let body = error::body(
            &ErrorType::from_status(self.status),
            &self.message,
            Some(id),
        );
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        Page {
            headers: self.headers,
            ..Page::json(self.status, &body)
        }
    }

    /// Returns the error for a database that refuses.
    pub(super) fn unwritten(error: &StoreError) -> Self {
        tracing::error!(%error, "limits can't be read or changed");
        Self::new(
            503,
            "the state database can't be read or written now, and nothing was changed: the gateway's log has the details",
        )
    }
}
