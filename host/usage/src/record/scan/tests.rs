use super::*;

/// A receipt as the gateway writes it, with every member that matters and some that don't.
const LINE: &str = concat!(
    r#"{"id":"req_wg0123456789abcdef0123456789abcdef","started_unix_ms":1795225386000,"endpoint":"messages","#,
    r#""method":"POST","outcome":"answered","status":200,"ending":"it said \"end\"","key":"bench","#,
    r#""tier":"enterprise","client":{"address":"127.0.0.1"},"tenant":"t","user":"jürgen","session":"5e0a7c8e-31e1","#,
    r#""agent":"a","metadata":{"team":"growth","n":7,"cost":{"center":"9"},"a.b":"c"},"model":{"requested":"haiku","#,
    r#""served":"claude-haiku-4-5-20251001"},"rule":"default","attempts":{"0":{"upstream":"one","error":"it broke"},"#,
    r#""1":{"upstream":"default","model":"claude-haiku-4-5","request_id":"req_011CSHoE","status":200}},"#,
    r#""refusal":{"type":"x","message":"y","blame":"client"},"message_id":"msg_01XFDUDYJgAACzvnptvVoYEL","#,
    r#""usage":{"source":"reported","input_tokens":25,"output_tokens":150,"cache_read_input_tokens":3,"#,
    r#""cache_creation_input_tokens":4,"service_tier":"standard"},"cost_picousd":775000000,"unpriced":true,"#,
    r#""charges":{"0":"775000000 picousd day 1795305600000 user:t/u"},"overdrawn":{"user:ann":true},"#,
    r#""left_out":{"receipts":2},"bytes":{"request":2048,"response":0},"time":{"first_byte_us":812,"total_us":934},"#,
    r#""plugins":{"route":"0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0"},"#,
    r#""chain":"7.12 9f86d081884c7d659a2feaa0c55ad0159f86d081884c7d659a2feaa0c55ad015"}"#,
);

const METADATA: [&str; 6] = ["team", "n", "cost.center", "a.b", "missing", "cost"];

/// Returns what is read of a line, with the metadata as texts.
fn read(record: Option<Record<'_>>) -> Option<(Record<'_>, [Option<String>; 6])> {
    let mut record = record?;
    let texts = METADATA.map(|name| record.metadata(name).map(Into::into));
    record.metadata = super::super::Metadata::None;
    Some((record, texts))
}

/// Checks that a line is read as the parser reads it, or not at all. Returns true if it is read.
fn is_read_alike(line: &[u8]) -> bool {
    let mut known = Known::default();
    let _ = record(LINE.as_bytes(), &mut known);
    let scanned = read(record(line, &mut Known::default()));
    let after = read(record(line, &mut known));
    assert_eq!(scanned, after, "as it is after another line");
    let is_read = scanned.is_some();
    if is_read {
        let parsed = read(Record::parse_any(line));
        assert_eq!(scanned, parsed, "{}", String::from_utf8_lossy(line));
    }
    is_read
}

#[test]
fn a_line_of_the_gateway_is_read_as_the_parser_reads_it() {
    assert!(is_read_alike(LINE.as_bytes()), "without the parser");
    let (record, metadata) =
        read(record(LINE.as_bytes(), &mut Known::default())).expect("a record");
    assert_eq!(record.user.get(), Some("jürgen"), "a text");
    assert_eq!(record.upstream(), Some("default"), "of the last attempt");
    let texts = metadata.map(|text| text.unwrap_or_default());
    assert_eq!(texts, ["growth", "7", "9", "c", "", ""], "metadata");
}

#[test]
fn a_line_that_was_changed_in_any_byte_is_read_as_the_parser_reads_it_or_left_to_it() {
    let line = LINE.as_bytes();
    let mut read = 0;
    for at in 0..line.len() {
        for with in [
            &b""[..],
            b"\"",
            b"\\",
            b"{",
            b"}",
            b",",
            b":",
            b"0",
            b"-",
            b".5",
            b" ",
            b"\x01",
            b"\xff",
            b"null",
            b"[1]",
            b"\"key\":\"x\",",
        ] {
            let changed = [&line[..at], with, &line[at + 1..]].concat();
            read += usize::from(is_read_alike(&changed));
            let added = [&line[..at], with, &line[at..]].concat();
            read += usize::from(is_read_alike(&added));
        }
        read += usize::from(is_read_alike(&line[..at]));
    }
    assert!(read > 5_000, "{read} are read without the parser");
}

#[test]
fn a_string_ends_at_its_first_quote_or_backslash_wherever_it_is() {
    for len in 0..40 {
        for end in [b'"', b'\\'] {
            let mut bytes = vec![b'!'; len];
            assert_eq!(stop(&bytes), None, "no end after {len}");
            bytes.push(end);
            bytes.extend_from_slice(b"#\"\\]");
            assert_eq!(stop(&bytes), Some(len), "after {len}");
        }
    }
}

#[test]
fn deep_objects_are_left_to_the_parser() {
    let deep = |depth| {
        format!(
            "{{\"x\":{}1{}}}",
            "{\"a\":".repeat(depth),
            "}".repeat(depth)
        )
    };
    assert!(is_read_alike(deep(MAX_DEPTH).as_bytes()), "as deep as that");
    assert!(!is_read_alike(deep(100_000).as_bytes()), "and no deeper");
}
