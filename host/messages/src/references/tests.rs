use bytes::Bytes;

use super::*;

fn head(body: &str) -> Head {
    Head::scan(Bytes::from(body.to_owned())).unwrap()
}

fn named(body: &str) -> (Vec<String>, Vec<String>) {
    let mut references = References::of(&head(body), 10);
    assert!(!references.is_over(), "there was room");
    (references.take_containers(), references.take_files())
}

#[test]
fn every_file_and_container_is_found_however_it_is_spelled() {
    let table: [(&str, &[&str], &[&str]); 9] = [
        (r#"{"messages":[]}"#, &[], &[]),
        (r#"{"container":"c_1"}"#, &["c_1"], &[]),
        (
            r#"{"container":{"id":"c_1","skills":[{"id":"s"}]}}"#,
            &["c_1"],
            &[],
        ),
        (
            r#"{"container":{"id":"c_1","i\u0064":"c_2"}}"#,
            &["c_1", "c_2"],
            &[],
        ),
        (r#"{"\u0063ontainer":null}"#, &[], &[]),
        (
            r#"{"messages":[{"content":[{"type":"document","source":{"type":"file","file_id":"file_1"}}]}]}"#,
            &[],
            &["file_1"],
        ),
        (
            r#"{"x":{"f\u0069le_id":"file_1","file_id":"file_2"}}"#,
            &[],
            &["file_1", "file_2"],
        ),
        (
            r#"{"a":[[{"\u0066\u0069\u006C\u0065\u005F\u0069\u0064":"\u0066"}]]}"#,
            &[],
            &["f"],
        ),
        (r#"{"a":"file_id","b":["file_id"],"file_id":7}"#, &[], &[]),
    ];
    for (body, containers, files) in table {
        let (found_containers, found_files) = named(body);
        assert_eq!(found_containers, containers, "containers of {body}");
        assert_eq!(found_files, files, "files of {body}");
    }
}

#[test]
fn what_stands_in_a_tools_own_values_is_not_the_apis() {
    let body = r#"{"messages":[{"content":[{"type":"tool_use","input":{"file_id":"1AbC"}}]}],
        "tools":[{"input_schema":{"file_id":{"type":"string"}},"input_examples":[{"file_id":"x"}]}]}"#;
    assert_eq!(named(body).1, Vec::<String>::new(), "other services' files");
}

#[test]
fn a_thing_is_kept_once_and_what_there_is_no_room_for_is_told() {
    let body =
        r#"{"container":{"id":"a","id":"b","i\u0064":"a"},"x":[{"file_id":"1"},{"file_id":"1"}]}"#;
    let mut references = References::of(&head(body), 2);
    assert!(!references.is_over(), "two of a kind");
    assert_eq!(references.take_containers(), ["a", "b"], "each once");
    assert_eq!(references.take_files(), ["1"], "each once");
    let mut references = References::of(&head(body), 1);
    assert!(references.is_over(), "there are two containers");
    assert_eq!(references.take_containers(), ["a"], "and room for one");
}

#[test]
fn skills_are_found_in_the_container_that_loads_them() {
    let body = r#"{"container":{"id":"c","skills":[{"type":"custom","skill_id":"skill_1"},{"type":"anthropic","skill_id":"pptx"}]}}"#;
    let mut references = References::of(&head(body), 10);
    assert_eq!(references.take_containers(), ["c"], "the container itself");
    assert_eq!(references.take_skills(), ["skill_1"], "a customer's own");
    for (skill, found) in [
        (
            r#"{"type":"anthropic","type":"custom","skill_id":"a"}"#,
            true,
        ),
        (r#"{"skill_id":"a"}"#, true),
        (r#"{"typ\u0065":"custom","skill\u005fid":"a"}"#, true),
        (r#"{"type":"anthropic","skill_id":"a"}, x"#, true),
        (r#"{"type":"anthropic","skill_id":"a"}"#, false),
    ] {
        let body = format!(r#"{{"container":{{"skills":[{skill}]}}}}"#);
        let skills = References::of(&head(&body), 10).take_skills();
        assert_eq!(!skills.is_empty(), found, "{skill}");
    }
}

#[test]
fn escapes_of_other_characters_do_not_make_a_body_be_read() {
    for (text, wanted) in [
        (r#"{"a":"\u0041\u00e9"}"#, false),
        (r#"{"a":"\u006"}"#, false),
        (r#"{"a":"\u0069"}"#, true),
        (r#"{"a":"\u005f"}"#, true),
        (r#"{"file_id":1}"#, true),
    ] {
        assert_eq!(may_name(text.as_bytes(), "file_id"), wanted, "{text}");
    }
}
