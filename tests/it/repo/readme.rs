//! The documents agree with the repository: their examples, links and lists of errors.

use std::collections::BTreeSet;

use super::source::root;

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
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
fn the_host_of_the_readme_is_the_example_of_its_documentation() {
    let readme = read("README.md");
    let section = readme.split("## Embed the host").nth(1).unwrap();
    let snippet = section.split("```rust\n").nth(1).unwrap();
    let snippet = snippet.split("```").next().unwrap();
    // This documentation is compiled and run as a test.
    let documented = read("host/runtime/src/lib.rs");
    let mut lines = 0;
    for line in snippet.lines() {
        let code = line.split("//").next().unwrap_or_default().trim();
        if !code.is_empty() {
            lines += 1;
            assert!(documented.contains(code), "`{code}` is not documented");
        }
    }
    assert!(lines > 5, "the snippet was found: {lines} lines");
}

/// The files of a folder with this ending, as paths from the root.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let names = std::fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap());
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter(|name| name.ends_with(ending))
        .map(|name| format!("{folder}/{name}"))
        .collect()
}

/// Returns the documents whose links are checked.
fn documents() -> Vec<String> {
    let mut documents = [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "examples/README.md",
        "host/config-file/README.md",
        "host/runtime/README.md",
        "plugins/languages/README.md",
        "plugins/sdk/README.md",
    ]
    .map(String::from)
    .to_vec();
    documents.extend(files("docs", ".md"));
    documents.extend(files("docs/adr", ".md"));
    documents
}

/// Returns the lines of a document outside of its code blocks.
fn prose(document: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    document.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// Returns the anchors of a document's headings, as GitHub makes them: lowercase, without punctuation, a hyphen for each space,
/// and a number behind a repeated one.
fn anchors(document: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for line in prose(document) {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        // Of a link only its text counts.
        let mut text = title.trim().to_owned();
        while let Some((before, rest)) = text.split_once("](") {
            let after = rest.split_once(')').map_or("", |(_, after)| after);
            text = format!("{before}{after}");
        }
        let kept = |letter: &char| letter.is_alphanumeric() || " -_".contains(*letter);
        let letters = text.chars().filter(kept).flat_map(char::to_lowercase);
        let anchor: String = letters
            .map(|letter| if letter == ' ' { '-' } else { letter })
            .collect();
        let free = (1..).map(|count| format!("{anchor}-{count}"));
        let mut names = std::iter::once(anchor.clone()).chain(free);
        let name = names.find(|name| !anchors.contains(name));
        anchors.insert(name.expect("some number is free"));
    }
    anchors
}

/// Returns what is wrong with the links of a document: a missing file, or a heading that is not there.
fn broken_links(document: &str) -> Vec<String> {
    let root = root();
    let text = read(document);
    let prose: Vec<_> = prose(&text).collect();
    let prose = prose.join("\n");
    // `[name]: target` on a line of its own defines a link, too.
    let defined = prose
        .lines()
        .filter_map(|line| Some(line.strip_prefix('[')?.split_once("]: ")?.1));
    let links = prose.split("](").skip(1);
    let links = links.filter_map(|rest| rest.split(')').next());
    let mut broken = Vec::new();
    for link in links.chain(defined) {
        if link.starts_with("http://") || link.starts_with("https://") {
            continue;
        }
        let (path, anchor) = link
            .split_once('#')
            .map_or((link, None), |(path, anchor)| (path, Some(anchor)));
        let target = if path.is_empty() {
            root.join(document)
        } else {
            root.join(document).parent().unwrap().join(path)
        };
        if !target.exists() {
            broken.push(format!("{document} links to {link}: there is no such file"));
        } else if let Some(anchor) = anchor
            && !anchors(&std::fs::read_to_string(target).unwrap()).contains(anchor)
        {
            broken.push(format!("{document} links to {link}: no such heading"));
        }
    }
    broken
}

#[test]
fn every_file_and_heading_that_the_documents_link_to_exists() {
    let broken: Vec<_> = documents()
        .iter()
        .flat_map(|name| broken_links(name))
        .collect();
    assert!(broken.is_empty(), "broken links:\n{}", broken.join("\n"));
}

#[test]
fn headings_have_the_anchors_that_github_gives_them() {
    let text = "# NAME.toml, a sidecar\n## To add …\n```sh\n# no heading\n```\n### `kv` & [more](x.md)\n## To add …\n#none\n";
    let expected = ["nametoml-a-sidecar", "to-add-", "kv--more", "to-add--1"];
    assert_eq!(
        anchors(text),
        expected.map(String::from).into(),
        "anchors of a document"
    );
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
    let said: String = [
        "admission/error.rs",
        "interests/subscription.rs",
        "signature.rs",
        "compiler.rs",
    ]
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
