//! Pages of the API's lists: `{"data":[…],"has_more":…,"first_id":…,"last_id":…}`.
//!
//! Items stay the bytes received; only their ids are read.

use bytes::Bytes;

use crate::json::{Elements, Kind, Object, Scanner};

/// A page as received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The items, in the list's order.
    pub items: Vec<Item>,
    /// True if there are more items in the requested direction.
    pub has_more: bool,
}

/// An item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The item's `id`.
    pub id: String,
    /// The item's JSON text.
    pub json: Bytes,
}

// === impl Page ===

impl Page {
    /// Reads a page. Returns `None` if it has another shape, or an item without an id.
    pub fn read(body: &Bytes) -> Option<Self> {
        let object = Object::document(body, Scanner::Fastest).ok()?;
        let data = object.member(body, "data")?;
        let Kind::Array(count) = data.kind else {
            return None;
        };
        let mut items = Vec::with_capacity(count.min(1024));
        for element in Elements::new(data.value.of(body)) {
            items.push(Item {
                id: id_of(element)?,
                json: body.slice_ref(element),
            });
        }
        let has_more = object
            .member(body, "has_more")
            .is_some_and(|member| member.kind == Kind::True);
        (items.len() == count).then_some(Self { items, has_more })
    }

    /// Writes a page of these items.
    pub fn write<'a>(items: impl IntoIterator<Item = &'a Item>, has_more: bool) -> Bytes {
        let mut text = b"{\"data\":[".to_vec();
        let (mut first, mut last) = (None, None);
        for item in items {
            if first.is_some() {
                text.push(b',');
            }
            text.extend_from_slice(&item.json);
            first = first.or(Some(&item.id));
            last = Some(&item.id);
        }
        let quoted = |id: Option<&String>| serde_json::Value::from(id.map(String::as_str));
        let tail = format!(
            "],\"has_more\":{has_more},\"first_id\":{},\"last_id\":{}}}",
            quoted(first),
            quoted(last)
        );
        text.extend_from_slice(tail.as_bytes());
        text.into()
    }
}

/// Returns the `id` of a JSON object, or `None` if it has none or several.
pub fn id_of(json: &[u8]) -> Option<String> {
    let object = Object::document(json, Scanner::Fastest).ok()?;
    let id = object.string(json, "id").filter(|id| !id.is_empty())?;
    Some(id.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_and_written_with_its_items_untouched() {
        let body = Bytes::from_static(
            b"{\"data\": [{\"id\":\"a\", \"n\": 1.50 },\n {\"type\":\"x\",\"id\":\"\\u0062\"}], \"has_more\": true, \"first_id\":\"a\"}",
        );
        let page = Page::read(&body).unwrap();
        let ids: Vec<_> = page.items.iter().map(|item| item.id.as_str()).collect();
        assert_eq!((ids, page.has_more), (vec!["a", "b"], true), "what it says");
        assert_eq!(
            Page::write(&page.items, false).as_ref(),
            b"{\"data\":[{\"id\":\"a\", \"n\": 1.50 },{\"type\":\"x\",\"id\":\"\\u0062\"}],\"has_more\":false,\"first_id\":\"a\",\"last_id\":\"b\"}",
            "the items' own bytes"
        );
        assert_eq!(
            Page::write([], false).as_ref(),
            b"{\"data\":[],\"has_more\":false,\"first_id\":null,\"last_id\":null}",
            "an empty page"
        );
    }

    #[test]
    fn what_is_no_page_is_not_read_as_an_empty_one() {
        for body in [
            "",
            "[]",
            "{}",
            "{\"data\":{}}",
            "{\"data\":[{}]}",
            "{\"data\":[{\"id\":1}]}",
            "{\"data\":[{\"id\":\"a\",\"id\":\"b\"}]}",
        ] {
            assert_eq!(Page::read(&Bytes::from(body)), None, "{body}");
        }
    }
}
