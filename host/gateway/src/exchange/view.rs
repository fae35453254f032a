//! The view of a request that plugins get: everything except credentials.

pub(crate) mod vocabulary;

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use witgate_http::{Headers, Value};
use witgate_messages::endpoint::Endpoint;
use witgate_messages::head::Head;
use witgate_messages::splice::{Edit, EditError, Insertion};
use witgate_runtime as contract;
use witgate_runtime::{Envelope, Request};

use crate::exchange::headers::is_credential;
use crate::tenants::concurrency::Charge;
use crate::tenants::keys::Caller;

/// A received request, lent to plugins for each call.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) id: Arc<str>,
    pub(crate) endpoint: Endpoint,
    pub(crate) method: http::Method,
    pub(crate) version: http::Version,
    pub(crate) path: String,
    /// A copy of the client's headers. The connection keeps its own to frame the response.
    pub(crate) headers: Headers,
    pub(crate) caller: Arc<Caller>,
    /// The scan of the body, or `None` for a request without a scanned body.
    pub(crate) head: Option<Head>,
    /// The body as it was sent, if it was compressed. The scan is of the decoded body.
    pub(crate) sent: Option<Bytes>,
    /// The body with its edits in one piece, for plugins that read bytes.
    pub(crate) joined: OnceLock<Bytes>,
    /// Charges for that piece and for other copies kept with the request.
    pub(crate) copies: Vec<Arc<Charge>>,
}

// === impl View ===

impl View {
    /// Returns the request as it will be sent, with the edits of its envelope applied. The later hooks, the check of models and
    /// the estimate see this one.
    ///
    /// # Errors
    ///
    /// An edit can't be applied.
    pub(crate) fn after(self: Arc<Self>, envelope: &Envelope) -> Result<Arc<Self>, EditError> {
        let Some(head) = self.head.as_ref().filter(|_| !envelope.edits.is_empty()) else {
            return Ok(self);
        };
        let mut edits: Vec<Edit> = envelope.edits.iter().map(edit).collect();
        if self.endpoint == Endpoint::Batches {
            edits.retain(|edit| is_of_the_batch(edit, head));
        }
        let head = head.edited(&edits)?;
        let mut view = Arc::unwrap_or_clone(self);
        view.head = Some(head);
        Ok(Arc::new(view))
    }

    /// Returns the request without its body and what is known from it.
    pub(crate) fn without_body(&self) -> Self {
        Self {
            head: None,
            sent: None,
            joined: OnceLock::new(),
            copies: Vec::new(),
            id: Arc::clone(&self.id),
            endpoint: self.endpoint,
            method: self.method.clone(),
            version: self.version,
            path: self.path.clone(),
            headers: self.headers.clone(),
            caller: Arc::clone(&self.caller),
        }
    }

    /// Fills in what the gateway knows where the envelope hooks said nothing else.
    pub(crate) fn complete(&self, envelope: &mut Envelope) {
        let caller = self.caller.as_plugins_see_it();
        let id = || self.id.to_string();
        envelope.correlation_id.get_or_insert_with(id);
        if envelope.tenant.is_none() {
            envelope.tenant.clone_from(&caller.tenant);
        }
        if envelope.user.is_none() {
            envelope.user.clone_from(&caller.user);
        }
    }

    /// Returns the edits of the envelope that apply to the `params` of each request of this batch.
    pub(crate) fn edits_of_requests(&self, envelope: &Envelope) -> Vec<Edit> {
        let Some(head) = &self.head else {
            return Vec::new();
        };
        // Members of the batch's own top level were set before.
        let inside = |edit: &Edit| match edit {
            Edit::Remove(_) => true,
            Edit::Set(..) | Edit::Insert(_) => !is_of_the_batch(edit, head),
        };
        envelope.edits.iter().map(edit).filter(inside).collect()
    }
}

impl Request for View {
    fn id(&self) -> &str {
        &self.id
    }

    fn endpoint(&self) -> &str {
        self.endpoint.code()
    }

    fn method(&self) -> &str {
        self.method.as_str()
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn header(&self, name: &str) -> Option<&str> {
        if is_credential(name) {
            None
        } else {
            self.headers.get(name).and_then(Value::to_utf8)
        }
    }

    fn headers(&self, prefix: &str) -> Vec<(String, String)> {
        self.headers_like(&|name| name.starts_with(prefix))
    }

    fn headers_like(&self, wanted: &dyn Fn(&str) -> bool) -> Vec<(String, String)> {
        self.headers
            .iter()
            .filter(|header| wanted(header.name) && !is_credential(header.name))
            .filter_map(|header| Some((header.name.to_owned(), header.value.to_utf8()?.to_owned())))
            .collect()
    }

    fn has_header_like(&self, wanted: &dyn Fn(&str) -> bool) -> bool {
        self.headers.iter().any(|header| {
            wanted(header.name) && !is_credential(header.name) && header.value.to_utf8().is_some()
        })
    }

    fn caller(&self) -> &contract::Caller {
        self.caller.as_plugins_see_it()
    }

    fn head(&self) -> contract::Head {
        self.head.as_ref().map(contract_head).unwrap_or_default()
    }

    fn model(&self) -> Option<Cow<'_, str>> {
        self.head.as_ref()?.model()
    }

    fn names_other_models(&self) -> bool {
        // A new batch names those of its requests.
        let creates = self.endpoint == Endpoint::Batches && self.head.is_some();
        creates || self.head.as_ref().is_some_and(names_other_models)
    }

    fn user_id(&self) -> Option<Cow<'_, str>> {
        self.head.as_ref()?.user_id()
    }

    fn head_attributes(&self) -> Vec<(String, String)> {
        self.head.as_ref().map(head_attributes).unwrap_or_default()
    }

    fn tools(&self) -> Vec<String> {
        self.head
            .iter()
            .flat_map(Head::tools)
            .map(Into::into)
            .collect()
    }

    fn member(&self, name: &str) -> Option<&str> {
        self.head.as_ref()?.member(name)
    }

    fn body(&self) -> &[u8] {
        self.head
            .as_ref()
            .map_or(&[], |head| bytes_of(head, &self.joined))
    }
}

/// Returns the head as plugins see it.
pub(crate) fn contract_head(head: &Head) -> contract::Head {
    contract::Head {
        model: head.model().map(Into::into),
        stream: head.stream(),
        max_tokens: head.max_tokens(),
        message_count: head.message_count(),
        tool_count: head.tool_count(),
        body_bytes: head.sent_len() as u64,
        prompt_tokens: head.prompt_tokens(),
    }
}

/// Returns whether a body may name models in other places than `model`.
pub(crate) fn names_other_models(head: &Head) -> bool {
    head.leaves_model_open() || head.other_models().next().is_some()
}

/// Returns attributes for unreadable members, and for models in other places than `model`.
pub(crate) fn head_attributes(head: &Head) -> Vec<(String, String)> {
    let unread = head.unread().iter();
    let unread = unread.map(|unread| (format!("unread.{}", unread.member), unread.kind.to_owned()));
    let models = head.other_models();
    let models = models.map(|model| ("also.model".to_owned(), model.into_owned()));
    let open = head
        .leaves_model_open()
        .then(|| ("open.model".to_owned(), "fallbacks".to_owned()));
    unread.chain(models).chain(open).collect()
}

/// Returns the body as it will be sent, in one piece. `joined` keeps it if it has edits.
pub(crate) fn bytes_of<'a>(head: &'a Head, joined: &'a OnceLock<Bytes>) -> &'a [u8] {
    if head.edits().is_empty() {
        head.body()
    } else {
        joined.get_or_init(|| head.sent().into_bytes())
    }
}

/// Returns whether an edit applies to the batch's own top level, because the member is there.
fn is_of_the_batch(edit: &Edit, batch: &Head) -> bool {
    batch.member(edit.name()).is_some()
}

/// Converts an edit of the contract.
pub(crate) fn edit(edit: &contract::Edit) -> Edit {
    match edit {
        contract::Edit::Remove(name) => Edit::Remove(name.clone()),
        contract::Edit::Set((name, json)) => Edit::Set(name.clone(), json.clone()),
        contract::Edit::Insert(insertion) => Edit::Insert(Insertion {
            member: insertion.member.clone(),
            index: insertion
                .index
                .and_then(|index| usize::try_from(index).ok()),
            element: insertion.element.clone(),
        }),
    }
}
