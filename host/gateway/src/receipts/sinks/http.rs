//! Receipts as the bodies of requests.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use witgate_audit::outlet::{Outlet, Undelivered};
use witgate_http::Headers;

use super::otlp;
use crate::config::receipts_sinks::Endpoint;
use crate::outgoing::{self, Means, Outgoing, Place};

/// The form of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Lines of JSON.
    Lines,
    /// Records of OpenTelemetry logs.
    Otlp,
}

/// An outlet that posts receipts to a URL.
pub(super) struct Posts {
    outgoing: Arc<Outgoing>,
    endpoint: Endpoint,
    form: Form,
}

// === impl Posts ===

impl Posts {
    pub(super) fn new(outgoing: Arc<Outgoing>, endpoint: &Endpoint, form: Form) -> Self {
        Self {
            outgoing,
            endpoint: endpoint.clone(),
            form,
        }
    }

    fn headers(&self) -> Result<Headers, String> {
        let given = outgoing::headers(&self.endpoint.headers)?;
        let mut headers = Headers::with_capacity(given.len() + 4);
        let content_type = match self.form {
            Form::Lines => "application/x-ndjson",
            Form::Otlp => "application/json",
        };
        headers.push(&CONTENT_TYPE, &HeaderValue::from_static(content_type));
        headers.push(&USER_AGENT, &HeaderValue::from_static("witgate-receipts"));
        for (name, value) in given {
            headers.push(&name, &value);
        }
        Ok(headers)
    }
}

impl Outlet for Posts {
    fn deliver(&mut self, lines: &[u8]) -> Result<(), Undelivered> {
        let status = self.post(lines).map_err(Undelivered::Later)?;
        match status {
            200..300 => Ok(()),
            // The body is at fault, and stays as it is.
            400 | 413 | 415 | 422 => Err(Undelivered::Never(format!("it answered {status}"))),
            300..400 => Err(Undelivered::Later(format!(
                "it answered {status}, and redirects are not followed; write the final URL"
            ))),
            _ => Err(Undelivered::Later(format!("it answered {status}"))),
        }
    }
}

impl Posts {
    /// Posts receipts, and returns the status of the answer.
    fn post(&self, lines: &[u8]) -> Result<u16, String> {
        let place = Place::parse(&self.endpoint.url)?;
        let body = match self.form {
            Form::Lines => Bytes::copy_from_slice(lines),
            Form::Otlp => Bytes::from(otlp::logs(lines)),
        };
        let means = Means {
            ca_file: self.endpoint.ca_file.as_deref(),
            timeout: self.endpoint.timeout,
        };
        self.outgoing.post(&place, means, self.headers()?, &body)
    }
}
