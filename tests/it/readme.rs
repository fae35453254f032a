//! What the README shows is what is there.

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

#[test]
fn every_file_that_the_documents_link_to_exists() {
    for document in ["README.md", "ARCHITECTURE.md"] {
        for link in read(document)
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if !link.starts_with("http") && !link.starts_with('#') {
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(link);
                assert!(path.exists(), "{document} links to {link}");
            }
        }
    }
}

#[test]
fn every_configuration_key_is_in_the_reference() {
    let reference = read("docs/configuration.md");
    let file = read("host/gateway/src/config/file.rs");
    for line in file
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub "))
    {
        let Some((name, _)) = line.split_once(':') else {
            continue;
        };
        assert!(reference.contains(name), "{name} is described");
    }
}
