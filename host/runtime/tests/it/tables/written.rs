//! `[tables]` of a sidecar as it is written.

use witgate_runtime::Sidecar;

#[test]
fn every_mistake_in_a_table_is_told_with_its_line() {
    for (table, says) in [
        (
            "",
            "`tables.t`: needs `file = \"…\"` or `url = \"https://…\"`",
        ),
        (
            "file = \"a.csv\"\nurl = \"https://a/b.csv\"",
            "`tables.t`: has both",
        ),
        ("file = \"a\"", "`tables.t`: needs `format"),
        ("file = \"a.csv\"\nformat = \"yaml\"", "`tables.t.format`"),
        (
            "file = \"a.csv\"\nrefresh_ms = 99",
            "`tables.t.refresh_ms`: 99 is out of range",
        ),
        (
            "file = \"a.csv\"\nmax_age_ms = 999",
            "`tables.t.max_age_ms`: must not be less",
        ),
        ("file = \"a.csv\"\nmax_bytes = 0", "`tables.t.max_bytes`"),
        (
            "file = \"a.csv\"\nmax_entries = 0",
            "`tables.t.max_entries`",
        ),
        (
            "file = \"a.csv\"\ntimeout_ms = 60001",
            "`tables.t.timeout_ms`",
        ),
        (
            "file = \"a.csv\"\nca_file = \"c\"",
            "`tables.t.ca_file`: only a table with `url`",
        ),
        (
            "file = \"a.csv\"\nheaders = { a = \"b\" }",
            "`tables.t.headers`: only a table",
        ),
        ("file = \"a.csv\"\nrefresh = 5", "`tables.t.refresh`"),
        (
            "url = \"https://a/b.csv\"\nheaders.a = 5",
            "`tables.t.headers.a`: must be a text",
        ),
        (
            "url = \"https://a/b.csv\"\nheaders.a = { env = \"WITGATE_TEST_NOT_SET\", prefix = \"Bearer \" }",
            "`tables.t.headers.a`: the environment variable `WITGATE_TEST_NOT_SET` is not set",
        ),
        (
            "url = \"https://a/b.csv\"\nheaders.a = { env = \"PATH\", prefix = 5 }",
            "`tables.t.headers.a`: must be a text",
        ),
    ] {
        let text = format!("order = 1\n[tables.t]\n{table}\n");
        let problems = Sidecar::parse("p.toml", &text).expect_err(table);
        let told = problems.to_string();
        assert!(told.contains(says), "{table}: {told}");
        assert!(told.starts_with("p.toml:"), "with its line: {told}");
        assert_eq!(problems.iter().count(), 1, "once: {told}");
    }
    for name in ["a.b", "ü", "a b"] {
        let text = format!("[tables.\"{name}\"]\nfile = \"a.csv\"\n");
        let told = Sidecar::parse("p.toml", &text).expect_err(name);
        assert!(told.to_string().contains("not a name of a table"), "{told}");
    }
}

#[test]
fn a_plugin_has_a_limited_number_of_tables() {
    let tables = |count: usize| -> String {
        let each = (0..count).map(|index| format!("[tables.t{index}]\nfile = \"a.csv\"\n"));
        each.collect()
    };
    assert!(Sidecar::parse("p.toml", &tables(16)).is_ok(), "sixteen");
    let told = Sidecar::parse("p.toml", &tables(17)).expect_err("one more");
    assert!(told.to_string().contains("at most 16 tables"), "{told}");
}

#[test]
fn the_format_is_that_of_the_name_unless_it_is_written() {
    for table in [
        "file = \"a.json\"",
        "file = \"a.txt\"",
        "file = \"a\"\nformat = \"lines\"",
        "url = \"https://a/b.csv?token=c.d\"",
        "url = \"https://a/b\"\nformat = \"json\"",
    ] {
        let text = format!("[tables.t]\n{table}\n");
        let parsed = Sidecar::parse("p.toml", &text);
        assert!(parsed.is_ok(), "{table}: {parsed:?}");
    }
}
