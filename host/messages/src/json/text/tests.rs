use super::{closing_quote, unescape};

#[test]
fn escapes_mean_what_serde_json_reads() {
    for raw in [
        r"plain",
        r#"\"\\\/\b\f\n\r\t"#,
        r"\u0041\u00e9\u4f60",
        r"\ud83c\udf89 and \uD83C\uDF89",
        r"ends with \\",
        r"\\u0041",
        r"\u0000",
    ] {
        let quoted = format!("\"{raw}\"");
        let wanted: String = serde_json::from_str(&quoted).expect("a JSON string");
        assert_eq!(unescape(raw).as_deref(), Ok(wanted.as_str()), "{raw}");
        assert_eq!(
            closing_quote(quoted.as_bytes(), 0),
            Ok(quoted.len() - 1),
            "{raw}"
        );
    }
}

#[test]
fn a_surrogate_without_its_partner_stands_for_nothing() {
    for (raw, place) in [
        (r"\ud83c", 0),
        (r"ab\ud83c\n", 2),
        (r"\ud83cxudf89", 0),
        (r"\udf89", 0),
        (r"\ud83c\ud83c", 0),
        (r"\ud83c\u00411", 0),
        (r"\n\udc00", 2),
    ] {
        assert_eq!(unescape(raw), Err(place), "{raw}");
    }
}
