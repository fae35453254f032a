//! A request out of a body.

use witgate_messages::head::Head as Scan;
use witgate_runtime::{Body, Head, PlainRequest};

/// A request with the scan of its body as its head. A [`PlainRequest`] reads no body by itself: without this, rules about
/// tools and tokens would see none.
pub(crate) fn request(body: String) -> anyhow::Result<PlainRequest> {
    let scan = Scan::scan(body.clone().into())?;
    let mut request = PlainRequest::new("messages", "POST", "/v1/messages");
    request.caller.key_id = "you".into();
    request.caller.tier = Some("free".into());
    request.head = Head {
        model: scan.model().map(Into::into),
        stream: scan.stream(),
        max_tokens: scan.max_tokens(),
        message_count: scan.message_count(),
        tool_count: scan.tool_count(),
        prompt_tokens: scan.prompt_tokens(),
        ..Head::default()
    };
    request.user_id = scan.user_id().map(Into::into);
    request.tools = scan.tools().map(Into::into).collect();
    request.body = Body::try_json(body)?;
    Ok(request)
}
