//! A request whose body is not needed any more.

use std::borrow::Cow;
use std::sync::Arc;

use witgate_runtime::{self as contract, Request};

use crate::exchange::view::View;

/// What guards may ask about a request without the grant to read its body, while its answer passes them.
pub(super) struct Bodiless {
    /// The request without its head and body.
    view: View,
    head: contract::Head,
    model: Option<String>,
    names_other_models: bool,
    user_id: Option<String>,
    attributes: Vec<(String, String)>,
    tools: Vec<String>,
}

// === impl Bodiless ===

impl Bodiless {
    pub(super) fn of(view: &View) -> Arc<Self> {
        Arc::new(Self {
            head: view.head(),
            model: view.model().map(Cow::into_owned),
            names_other_models: view.names_other_models(),
            user_id: view.user_id().map(Cow::into_owned),
            attributes: view.head_attributes(),
            tools: view.tools(),
            view: view.without_body(),
        })
    }
}

impl Request for Bodiless {
    fn id(&self) -> &str {
        self.view.id()
    }

    fn endpoint(&self) -> &str {
        self.view.endpoint()
    }

    fn method(&self) -> &str {
        self.view.method()
    }

    fn path(&self) -> &str {
        self.view.path()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.view.header(name)
    }

    fn headers(&self, prefix: &str) -> Vec<(String, String)> {
        self.view.headers(prefix)
    }

    fn headers_like(&self, wanted: &dyn Fn(&str) -> bool) -> Vec<(String, String)> {
        self.view.headers_like(wanted)
    }

    fn has_header_like(&self, wanted: &dyn Fn(&str) -> bool) -> bool {
        self.view.has_header_like(wanted)
    }

    fn caller(&self) -> &contract::Caller {
        self.view.caller()
    }

    fn tenant(&self) -> Option<u64> {
        self.view.tenant()
    }

    fn head(&self) -> contract::Head {
        self.head.clone()
    }

    fn model(&self) -> Option<Cow<'_, str>> {
        self.model.as_deref().map(Cow::Borrowed)
    }

    fn names_other_models(&self) -> bool {
        self.names_other_models
    }

    fn user_id(&self) -> Option<Cow<'_, str>> {
        self.user_id.as_deref().map(Cow::Borrowed)
    }

    fn head_attributes(&self) -> Vec<(String, String)> {
        self.attributes.clone()
    }

    fn tools(&self) -> Vec<String> {
        self.tools.clone()
    }

    fn member(&self, _: &str) -> Option<&str> {
        None
    }

    fn body(&self) -> &[u8] {
        &[]
    }
}
