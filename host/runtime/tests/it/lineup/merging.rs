//! Several envelopes as one.

use witgate_runtime::{Edit, Envelope};

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// An envelope that says everything in the words of one plugin.
fn whole(by: &str, number: u32) -> Envelope {
    let text = |what: &str| Some(format!("{what} of {by}"));
    Envelope {
        correlation_id: text("id"),
        resource: text("resource"),
        tenant: text("tenant"),
        user: text("user"),
        session: text("session"),
        agent: text("agent"),
        metadata: pairs(&[("team", by), (by, "own")]),
        timeout_ms: Some(number),
        secondary_index: Some(number),
        edits: vec![Edit::Remove(by.to_owned())],
        response_headers: pairs(&[("x-by", by)]),
        attributes: pairs(&[("by", by)]),
    }
}

fn merged(first: &Envelope, later: &Envelope) -> Envelope {
    let mut merged = Envelope::default();
    merged.merge(first.clone());
    merged.merge(later.clone());
    merged
}

#[test]
fn what_the_first_plugin_says_stands_and_lists_are_joined() {
    let expected = Envelope {
        metadata: pairs(&[("team", "a"), ("a", "own"), ("b", "own")]),
        edits: ["a", "b"].map(|by| Edit::Remove(by.to_owned())).to_vec(),
        response_headers: pairs(&[("x-by", "a"), ("x-by", "b")]),
        attributes: pairs(&[("by", "a"), ("by", "b")]),
        ..whole("a", 0)
    };
    assert_eq!(
        merged(&whole("a", 0), &whole("b", 1)),
        expected,
        "a name of the metadata keeps its first value; zero is a value, too"
    );
}

#[test]
fn what_the_first_plugin_leaves_open_a_later_one_says() {
    let (empty, whole) = (Envelope::default(), whole("b", 1));
    assert_eq!(merged(&empty, &whole), whole, "all of it");
    assert_eq!(merged(&whole, &empty), whole, "nothing is taken away");
}
