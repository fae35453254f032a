//! A request of a batch, as plugins see it: a Messages request with the headers of the batch.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;
use witgate_runtime as contract;
use witgate_runtime::Request;

use crate::exchange::view::{View, bytes_of, contract_head, head_attributes, names_other_models};

/// A request of a batch.
#[derive(Clone)]
pub(crate) struct Single {
    pub(crate) batch: Arc<View>,
    pub(crate) head: Head,
    /// Number of requests in the batch.
    requests: usize,
    joined: OnceLock<Bytes>,
}

/// The attribute that marks a request of a batch. Its value is the number of requests in the batch.
const REQUESTS: &str = "batch.requests";

// === impl Single ===

impl Single {
    pub(crate) fn new(batch: Arc<View>, head: Head, requests: usize) -> Self {
        Self {
            batch,
            head,
            requests,
            joined: OnceLock::new(),
        }
    }
}

impl Request for Single {
    fn id(&self) -> &str {
        self.batch.id()
    }

    fn endpoint(&self) -> &str {
        Endpoint::Messages.code()
    }

    fn method(&self) -> &str {
        self.batch.method()
    }

    fn path(&self) -> &str {
        self.batch.path()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.batch.header(name)
    }

    fn headers(&self, prefix: &str) -> Vec<(String, String)> {
        self.batch.headers(prefix)
    }

    fn headers_like(&self, wanted: &dyn Fn(&str) -> bool) -> Vec<(String, String)> {
        self.batch.headers_like(wanted)
    }

    fn has_header_like(&self, wanted: &dyn Fn(&str) -> bool) -> bool {
        self.batch.has_header_like(wanted)
    }

    fn caller(&self) -> &contract::Caller {
        self.batch.caller()
    }

    fn tenant(&self) -> Option<u64> {
        self.batch.tenant()
    }

    fn head(&self) -> contract::Head {
        contract_head(&self.head)
    }

    fn model(&self) -> Option<Cow<'_, str>> {
        self.head.model()
    }

    fn names_other_models(&self) -> bool {
        names_other_models(&self.head)
    }

    fn user_id(&self) -> Option<Cow<'_, str>> {
        self.head.user_id()
    }

    fn head_attributes(&self) -> Vec<(String, String)> {
        let mut attributes = head_attributes(&self.head);
        attributes.push((REQUESTS.to_owned(), self.requests.to_string()));
        attributes
    }

    fn tools(&self) -> Vec<String> {
        self.head.tools().map(Into::into).collect()
    }

    fn member(&self, name: &str) -> Option<&str> {
        self.head.member(name)
    }

    fn body(&self) -> &[u8] {
        bytes_of(&self.head, &self.joined)
    }
}
