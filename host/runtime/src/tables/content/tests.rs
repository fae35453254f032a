use super::*;

fn read(text: &str, format: Format) -> Result<Vec<(String, String)>, String> {
    let content = Content::read(text.as_bytes(), format, 3)?;
    let entries = content.entries.into_iter();
    let mut entries: Vec<_> = entries
        .map(|(key, value)| (String::from(key), String::from(value)))
        .collect();
    entries.sort();
    Ok(entries)
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn a_string_of_json_is_its_text_and_any_other_value_its_json() {
    let text = "\u{feff} {\"a\": \"x\\n\\u00fc\", \"b\": 1.50, \"c\": {\"d\": [true]}}\n";
    assert_eq!(
        read(text, Format::Json),
        Ok(pairs(&[
            ("a", "x\nü"),
            ("b", "1.50"),
            ("c", r#"{"d": [true]}"#)
        ])),
        "numbers stay as they are written"
    );
}

#[test]
fn a_line_of_csv_is_a_key_and_a_value_with_quotes_where_needed() {
    let text = "a,1\r\n\r\n\"b,\"\"b\"\"\",\"two\nlines\"\nc,";
    assert_eq!(
        read(text, Format::Csv),
        Ok(pairs(&[("a", "1"), ("b,\"b\"", "two\nlines"), ("c", "")])),
        "as RFC 4180 says"
    );
}

#[test]
fn a_line_of_a_list_is_a_key_and_comments_are_none() {
    let text = "# blocked\n\n  a \r\nb#1\na\n";
    assert_eq!(
        read(text, Format::Lines),
        Ok(pairs(&[("a", ""), ("b#1", "")])),
        "without the space around it"
    );
}

#[test]
fn bad_content_is_told_by_its_line_and_never_shown() {
    for (format, text, says) in [
        (Format::Json, "", "not a JSON object"),
        (Format::Json, "\"s3cr3t\"", "not a JSON object"),
        (Format::Json, "{\"a\": \"s3cr3t", "line 1"),
        (Format::Json, "{\n\"a\": null}", "a value is null at line 2"),
        (
            Format::Json,
            "{\"s3cr3t\": 1,\n\"s3cr3t\": 2}",
            "the key is there twice at line 2",
        ),
        (Format::Json, "{\"\": 1}", "the key is empty"),
        (Format::Json, "{} s3cr3t", "trailing characters"),
        (Format::Csv, "a,1\ns3cr3t", "line 2: it has 1 fields"),
        (Format::Csv, "a,s3cr3t,c", "line 1: it has 3 fields"),
        (Format::Csv, "a,1\n\na,2", "line 3: the key is there twice"),
        (
            Format::Csv,
            "a,\"s3cr3t",
            "line 1: a quoted field has no end",
        ),
        (Format::Csv, "a,\"1\"s3cr3t", "line 1: text follows"),
        (Format::Csv, "a,s3\"cr3t\n", "a quote is inside"),
        (Format::Csv, "a,1\nb,2\nc,3\nd,4", "more than 3 entries"),
        (Format::Lines, "a\nb\nc\nd", "more than 3 entries"),
        (
            Format::Json,
            r#"{"a":1,"b":1,"c":1,"d":1}"#,
            "more than 3 entries",
        ),
    ] {
        let told = read(text, format).expect_err(text);
        assert!(told.contains(says), "{text:?}: {told}");
        assert!(!told.contains("s3cr3t"), "{told}");
    }
    let told = Content::read(b"\xff", Format::Lines, 1).map(|_| ());
    assert_eq!(told, Err("it is not UTF-8 text".to_owned()));
}
