//! The texts that plugins put into a request by edits, other than those of the whole request, which are read as a part of it.

use witgate_messages::content::{self, Text};
use witgate_messages::splice::{Edit, Insertion};
use witgate_runtime::{ContentSide, Guards};

use super::ended::Unfit;
use super::limits::BLOCKING;
use super::request::{MEMBERS, refused};
use super::texts::Document;
use crate::answer::refused::Refused;
use crate::exchange::settle::Settlement;
use crate::tenants::concurrency::Permit;

/// An inspection of lists of edits, many of which are the same.
#[derive(Default)]
pub(crate) struct EditInspection {
    /// The last edits that were inspected, and what the guards left of them.
    last: Option<(Vec<Edit>, Vec<Edit>)>,
}

/// The edits that guards read, and what read them.
struct Read {
    guards: Box<Guards>,
    next: u32,
    read: Result<Vec<Edit>, Unfit>,
}

// === impl EditInspection ===

impl EditInspection {
    /// Lets guards read the texts in edits of a Messages request, and returns the edits as they leave them.
    ///
    /// # Errors
    ///
    /// A guard refuses the request or fails, or an edit has JSON that can't be followed.
    pub(crate) async fn inspect(
        &mut self,
        edits: Vec<Edit>,
        settlement: &mut Settlement,
    ) -> Result<Vec<Edit>, Refused> {
        if !edits.iter().any(|edit| text_of(edit).is_some()) {
            return Ok(edits);
        }
        if let Some((known, left)) = &self.last
            && *known == edits
        {
            return Ok(left.clone());
        }
        let wanted = |guards: &mut Guards| guards.wants_side(ContentSide::Request);
        if !settlement.guards().is_some_and(wanted) {
            return Ok(edits);
        }
        let left = inspect(edits.clone(), settlement).await?;
        self.last = Some((edits, left.clone()));
        Ok(left)
    }
}

async fn inspect(edits: Vec<Edit>, settlement: &mut Settlement) -> Result<Vec<Edit>, Refused> {
    let charge = settlement.permit.as_ref().map(Permit::charge);
    let document = Document::new(charge, 0).numbered_from(settlement.texts_of_request());
    let Some(guards) = settlement.take_guards() else {
        return Ok(edits);
    };
    let texts = edits.iter().filter_map(text_of);
    let bytes: usize = texts.map(|(_, json)| json.len()).sum();
    let read = if bytes < BLOCKING {
        read(guards, document, edits)
    } else {
        tokio::task::spawn_blocking(move || read(guards, document, edits))
            .await
            .map_err(|_| Refused::gateway(503, "the request could not be inspected: try again"))?
    };
    let Read { guards, next, read } = read;
    settlement.put_guards(guards);
    settlement.count_texts_of_request(next);
    read.map_err(|unfit| match unfit {
        Unfit::Malformed(malformed) => {
            tracing::error!(error = %malformed, "a plugin's edit of the body can't be inspected");
            Refused::gateway(503, "a plugin's edit of the body can't be inspected")
        }
        unfit => refused(unfit),
    })
}

fn read(mut guards: Box<Guards>, mut document: Document, edits: Vec<Edit>) -> Read {
    let edits = edits.into_iter();
    let read = edits.map(|edit| one(edit, &mut guards, &mut document));
    let read = read.collect();
    Read {
        guards,
        next: document.next(),
        read,
    }
}

fn one(edit: Edit, guards: &mut Guards, document: &mut Document) -> Result<Edit, Unfit> {
    if text_of(&edit).is_none() {
        return Ok(edit);
    }
    match edit {
        Edit::Set(name, json) => {
            let new = texts(&name, &json, guards, document)?;
            Ok(Edit::Set(name, new.unwrap_or(json)))
        }
        Edit::Insert(insertion) => {
            // An element is read as the only one of its array.
            let array = format!("[{}]", insertion.element);
            let new = texts(&insertion.member, &array, guards, document)?;
            let inside = new.as_deref().and_then(|new| new.get(1..new.len() - 1));
            let element = inside.map(str::to_owned);
            Ok(Edit::Insert(Insertion {
                element: element.unwrap_or(insertion.element),
                ..insertion
            }))
        }
        Edit::Remove(_) => Ok(edit),
    }
}

/// Returns a member's JSON with the changes of the guards, or `None` if there are none.
fn texts(
    name: &str,
    json: &str,
    guards: &mut Guards,
    document: &mut Document,
) -> Result<Option<String>, Unfit> {
    let each = |text: Text<'_>| document.read(guards, &text);
    match name {
        "system" => content::system(json, each),
        _ => content::messages(json, each),
    }?;
    let new = document.rewritten(json.as_bytes())?;
    // Cuts of a text by texts are a text.
    Ok(new.map(|new| String::from_utf8(new).unwrap_or_default()))
}

/// Returns the member and the JSON of an edit that may put a text into a Messages request, or `None` for another one.
fn text_of(edit: &Edit) -> Option<(&str, &str)> {
    let (name, json) = match edit {
        Edit::Set(name, json) => (name, json),
        Edit::Insert(insertion) => (&insertion.member, &insertion.element),
        Edit::Remove(_) => return None,
    };
    MEMBERS.contains(&&**name).then_some((&**name, &**json))
}
