//! The README agrees with the repository.

use std::path::Path;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

#[test]
fn the_plugin_of_the_readme_is_the_example_that_is_built() {
    let example = read("plugins/sdk/examples/night_shift.rs");
    assert!(
        read("README.md").contains(&format!("```rust\n{example}```")),
        "the example, word for word"
    );
}

/// The files of a folder with this ending, as paths from the root.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(folder);
    let names = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap());
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter(|name| name.ends_with(ending))
        .map(|name| format!("{folder}/{name}"))
        .collect()
}

#[test]
fn every_file_that_the_documents_link_to_exists() {
    let mut documents = files("docs", ".md");
    documents.extend(["README.md", "ARCHITECTURE.md"].map(String::from));
    for document in documents {
        for link in read(&document)
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if !link.starts_with("http") && !link.starts_with('#') {
                let path = link.split('#').next().unwrap_or_default();
                let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
                let path = root.join(&document).parent().unwrap().join(path);
                assert!(path.exists(), "{document} links to {link}");
            }
        }
    }
}

#[test]
fn every_error_of_the_guide_for_authors_is_one_that_the_host_has_and_no_fault_is_left_out() {
    let guide = read("docs/plugins.md");
    let rows = |heading: &str| {
        let section = guide.split(heading).nth(1).expect("the heading is there");
        let section = section.split("\n### ").next().unwrap();
        let first_cells = section
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
        first_cells
            .flat_map(|cell| {
                cell.split("`, `")
                    .map(|text| text.trim_end_matches('`').to_owned())
                    .collect::<Vec<_>>()
            })
            .collect::<Vec<_>>()
    };

    // In the sources a text is broken over lines, and has names where a value is put in.
    let said: String = ["admission/error.rs", "signature.rs", "compiler.rs"]
        .map(|file| read(&format!("host/runtime/src/{file}")))
        .concat();
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let texts = rows("### At admission");
    assert!(texts.len() > 15, "{texts:?}");
    for text in texts {
        for part in text.split('…').map(str::trim) {
            assert!(said.contains(part), "nobody says `{part}`");
        }
    }

    let faults = read("host/runtime/src/fault.rs");
    let codes = faults
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Self::")?.split(" => \"").nth(1))
        .map(|rest| rest.trim_end_matches("\","));
    let kinds = rows("### At a call");
    let mut seen = 0;
    for code in codes {
        seen += 1;
        assert!(kinds.iter().any(|kind| kind == code), "{code} in {kinds:?}");
    }
    assert_eq!(seen, kinds.len(), "and no other");
}
