//! Models that a body names in addition to `model`: in fallbacks, in tools that call a model, in future members.
//!
//! A string named `model` counts wherever it appears, except in the conversation, in the caller's metadata, and in values that
//! belong to a tool or a schema, where a model may be that of a car. A body without such members costs one search for the
//! word in its tools.

use crate::json::{Inside, Kind, Malformed, MalformedKind, Member, Span, each_named, may_name};

/// Maximum number of models that a body may name in addition to `model`.
pub const MAX_MODELS: usize = 64;

/// Top-level members in which `model` is user text, is read elsewhere, or does not belong to this request.
const ELSEWHERE: [&str; 5] = ["model", "messages", "system", "metadata", "requests"];

/// Members whose values define their own names.
const OWN_NAMES: [&str; 4] = ["input", "input_schema", "input_examples", "schema"];

/// Calls `each` with the span of every model that a top-level member names, within its quotes.
///
/// # Errors
/// More than [`MAX_MODELS`] models, including the `before` ones of earlier members, or an error of `each`.
pub(super) fn each_model(
    name: &str,
    document: &[u8],
    member: &Member,
    before: usize,
    mut each: impl FnMut(Span) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let value = member.value.of(document);
    if !matches!(member.kind, Kind::Object | Kind::Array(_))
        || ELSEWHERE.contains(&name)
        || !may_name(value, "model")
    {
        return Ok(());
    }
    let start = member.value.start;
    let mut count = before;
    let mut read = Ok(());
    each_named(value, |named| {
        if read.is_err() || OWN_NAMES.iter().any(|own| named.is(own)) {
            return Inside::Unwanted;
        }
        if let Some(within) = named.string.filter(|_| named.is("model")) {
            count += 1;
            let place = Span {
                start: start + within.start,
                end: start + within.end,
            };
            read = if count > MAX_MODELS {
                Err(MalformedKind::TooManyModels { limit: MAX_MODELS }.at(place.start))
            } else {
                each(place)
            };
        }
        Inside::Wanted
    });
    read
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::MAX_MODELS;
    use crate::head::Head;
    use crate::json::MalformedKind;
    use crate::splice::Edit;

    fn head(body: &str) -> Head {
        Head::scan(Bytes::from(body.to_owned())).unwrap()
    }

    fn models(head: &Head) -> Vec<String> {
        head.models().map(Into::into).collect()
    }

    #[test]
    fn a_model_is_found_in_every_place_that_can_name_one() {
        let table: [(&str, &[&str]); 9] = [
            (r#"{"messages":[]}"#, &[]),
            (
                r#"{"tools":[{"type":"advisor_20260301","model":"a"}],"model":"m"}"#,
                &["m", "a"],
            ),
            (
                r#"{"model":"m","fallbacks":[{"model":"a"},{"model":"b","model":"c"}]}"#,
                &["m", "a", "b", "c"],
            ),
            (r#"{"fallbacks":[{"mod\u0065l":"\u0061"}]}"#, &["a"]),
            (r#"{"x":{"y":[[{"model":"a"}]]}}"#, &["a"]),
            (
                r#"{"tools":[{"input_schema":{"model":"T"},"input_examples":[{"model":"T"}],"model":"a"}]}"#,
                &["a"],
            ),
            (
                r#"{"output_config":{"format":{"schema":{"const":{"model":"T"}}}}}"#,
                &[],
            ),
            (
                r#"{"messages":[{"content":[{"type":"fallback","to":{"model":"a"}}]}],"metadata":{"model":"T"}}"#,
                &[],
            ),
            (
                r#"{"x":{"model":7},"y":[{"model":["a"]}],"z":"model"}"#,
                &[],
            ),
        ];
        for (body, wanted) in table {
            assert_eq!(models(&head(body)), wanted, "{body}");
        }
    }

    #[test]
    fn a_text_in_the_place_of_fallbacks_leaves_the_model_open() {
        assert!(head(r#"{"fallbacks":"default"}"#).leaves_model_open());
        for body in [r#"{}"#, r#"{"fallbacks":null}"#, r#"{"fallbacks":[]}"#] {
            assert!(!head(body).leaves_model_open(), "{body}");
        }
    }

    #[test]
    fn models_of_a_body_are_those_that_it_is_sent_with() {
        let came = head(r#"{"model":"m","fallbacks":[{"model":"a"}],"tools":[{"model":"b"}]}"#);
        let edits = [
            Edit::Remove("fallbacks".into()),
            Edit::Set("reviewer".into(), r#"{"model":"c"}"#.into()),
        ];
        let sent = came.edited(&edits).unwrap();
        assert_eq!(models(&sent), ["m", "b", "c"], "the edits are made");
    }

    #[test]
    fn a_body_with_more_models_than_anyone_needs_is_refused() {
        let with = |count| {
            let each = vec![r#"{"model":"a"}"#; count].join(",");
            Head::scan(Bytes::from(format!(
                r#"{{"x":[{each}],"y":[{{"model":"b"}}]}}"#
            )))
        };
        assert!(with(MAX_MODELS - 1).is_ok(), "as many as may be");
        let error = with(MAX_MODELS).unwrap_err();
        assert_eq!(
            error.kind,
            MalformedKind::TooManyModels { limit: MAX_MODELS },
            "one more"
        );
    }

    #[test]
    fn half_a_surrogate_in_a_model_is_refused() {
        let error = Head::scan(Bytes::from_static(br#"{"x":[{"model":"a\ud800"}]}"#)).unwrap_err();
        assert_eq!(error.kind, MalformedKind::LoneSurrogate, "two readings");
    }
}
