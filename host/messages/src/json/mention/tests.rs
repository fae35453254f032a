use proptest::prelude::*;

use super::{ESCAPE_LENGTH, WINDOW, escapes, may_name};

const NAME: &str = "file_id";

/// Reads every place of a document.
fn plainly(bytes: &[u8]) -> bool {
    let quoted = format!("\"{NAME}\"");
    let escapes = NAME.bytes().flat_map(|letter| {
        let code = format!("{letter:02x}");
        [code.to_lowercase(), code.to_uppercase()]
    });
    let escapes: Vec<_> = escapes.map(|code| format!("\\u00{code}")).collect();
    (0..bytes.len()).any(|at| {
        let rest = &bytes[at..];
        rest.starts_with(quoted.as_bytes())
            || escapes
                .iter()
                .any(|escape| rest.starts_with(escape.as_bytes()))
    })
}

#[test]
fn a_name_is_found_at_the_borders_of_windows_and_within() {
    for (spelled, wanted) in [
        (r#""file_id""#, true),
        (r"\u0069", true),
        (r"\u005F", true),
        (r"\u005f", true),
        (r"\u0061", false),
        (r"\u001b", false),
        (r#""file_id_""#, false),
        ("file_id", false),
    ] {
        let (first, second) = (WINDOW - 2 * ESCAPE_LENGTH, 2 * WINDOW - 2 * ESCAPE_LENGTH);
        for at in (0..80).chain(first..first + 80).chain(second..second + 14) {
            let mut document = r"\u001b ".repeat(2 * WINDOW / 7 + 3).into_bytes();
            document[at..at + spelled.len()].copy_from_slice(spelled.as_bytes());
            assert_eq!(may_name(&document, NAME), wanted, "{spelled} at {at}");
        }
    }
    assert!(!may_name(b"", NAME), "an empty document");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_name_is_found_where_a_plain_reader_finds_it(
        pieces in proptest::collection::vec(
            prop_oneof![
                8 => "[ -~]{0,40}",
                4 => Just(r"\u001b".to_owned()),
                2 => Just(r"\u00e9\u0041\u007A".to_owned()),
                1 => Just(r"\\u".to_owned()),
                1 => Just("\"file".to_owned()),
                1 => Just("_id\"".to_owned()),
                1 => Just("\\u00".to_owned()),
                1 => "\\\\u00[4-7][0-9a-fA-F]",
            ],
            0..12,
        ),
        padding in 0..2 * WINDOW,
    ) {
        let document = "x".repeat(padding) + &pieces.concat();
        prop_assert_eq!(may_name(document.as_bytes(), NAME), plainly(document.as_bytes()));
        let quoted = memchr::memmem::find(document.as_bytes(), b"\"file_id\"").is_some();
        prop_assert_eq!(quoted || escapes(document.as_bytes(), NAME), plainly(document.as_bytes()), "with and without AVX2");
    }
}
