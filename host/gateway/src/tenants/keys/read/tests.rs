use std::fmt::Write as _;

use super::*;

fn keys(count: usize) -> String {
    let mut text = String::from("# keys of a test\n");
    for index in 0..count {
        let _ = write!(
            text,
            "[[key]]\nid = \"k{index}\"\nhash = \"sha256:{index:064x}\"\ntenant = \"acme\"\n"
        );
    }
    text
}

fn read(text: &str) -> Result<Keyring, String> {
    Keyring::parse(Path::new("keys.toml"), text).map_err(|problems| problems.to_string())
}

#[test]
fn a_file_is_cut_in_front_of_keys_and_no_key_is_lost() {
    for count in [
        0,
        1,
        KEYS_PER_PIECE - 1,
        KEYS_PER_PIECE,
        KEYS_PER_PIECE + 1,
        3 * KEYS_PER_PIECE + 7,
    ] {
        let text = keys(count);
        let cut = pieces(&text);
        let joined: String = cut.iter().map(|piece| piece.text).collect();
        assert_eq!(joined, text, "{count} keys in pieces are the same text");
        assert_eq!(read(&text).unwrap().count(), Some(count), "{count} keys");
    }
}

#[test]
fn what_is_wrong_far_down_is_told_with_its_line_and_its_number() {
    let lines = 1 + 4 * (2 * KEYS_PER_PIECE + 10);
    let text =
        keys(2 * KEYS_PER_PIECE + 10) + "[[key]]\nid = \"k3\"\nhash = \"plain\"\ncolour = 1\n";
    let problems = read(&text).unwrap_err();
    for (line, what) in [
        (lines + 2, "an id of its own"),
        (lines + 3, "64 hex"),
        (lines + 4, "unknown key"),
    ] {
        let told = problems
            .lines()
            .find(|told| told.starts_with(&format!("keys.toml:{line}:")));
        let told = told.unwrap_or_else(|| panic!("line {line} in:\n{problems}"));
        assert!(told.contains(what), "{told}");
        assert!(
            told.contains(&format!("key[{}]", 2 * KEYS_PER_PIECE + 10)),
            "{told}"
        );
    }
    let broken = keys(KEYS_PER_PIECE) + "[[key]]\nid = \n";
    let problems = read(&broken).unwrap_err();
    let line = 1 + 4 * KEYS_PER_PIECE + 2;
    assert!(
        problems.starts_with(&format!("keys.toml:{line}:")),
        "{problems}"
    );
}

#[test]
fn a_text_that_looks_like_a_key_is_none() {
    let mut text = keys(KEYS_PER_PIECE);
    let _ = write!(
        text,
        "[[key]]\nid = \"odd\"\nhash = \"sha256:{:064x}\"\nuser = \"\"\"\n[[key]]\nid = \"k1\"\n\"\"\"\n",
        u64::MAX
    );
    assert_eq!(
        read(&text).unwrap().count(),
        Some(KEYS_PER_PIECE + 1),
        "one key more"
    );
}

#[test]
fn keys_of_one_tenant_share_its_name() {
    let ring = read(&keys(2)).unwrap();
    let Access::Known(known) = &ring.access else {
        panic!("the file has keys");
    };
    let tenants: Vec<_> = known
        .keys
        .values()
        .filter_map(|credential| credential.caller.tenant.as_ref())
        .collect();
    assert!(Arc::ptr_eq(tenants[0], tenants[1]), "one name: {tenants:?}");
}

#[test]
fn a_file_that_is_wrong_everywhere_is_not_told_without_end() {
    let text = keys(8 * KEYS_PER_PIECE).replace("sha256:", "md5:");
    let told = read(&text).unwrap_err().lines().count();
    assert!(
        (MAX_PROBLEMS..MAX_PROBLEMS + 2 * KEYS_PER_PIECE).contains(&told),
        "{told} problems"
    );
}
