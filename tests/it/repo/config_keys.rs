//! The keys that `docs/configuration.md` documents are the keys that the configuration declares, in both directions.
//!
//! What is declared is read from the sources: from `ConfigFile`, the shape of `witgate.toml` as written, and from every
//! type that its fields lead to; `KeyringFile` is the shape of `keys.toml`. What is documented is read from the table of
//! keys, from the values in its cells, and from the examples.

use std::collections::{BTreeMap, BTreeSet};

use toml_edit::{DocumentMut, Item, Value};

use super::source::{Source, Token, crates, root, sources, tokens};

/// The dotted paths of keys; a table that has names of its own has `NAME` in the place of them.
type Keys = BTreeSet<String>;

/// A type of the configuration as written: the keys of a struct, or what the variants of an enum hold.
#[derive(Debug, Default)]
struct Shape {
    fields: Vec<Field>,
    held: Vec<String>,
}

#[derive(Debug)]
struct Field {
    key: String,
    /// The names in its type, `Option<Vec<MemberFile>>` as three.
    names: Vec<String>,
}

/// The types by name, each with the path of its source: several crates have a `Kind`.
type Shapes = BTreeMap<String, Vec<(String, Shape)>>;

/// Reads all types of the sources that read files.
fn shapes(sources: &[Source]) -> Shapes {
    let mut shapes = Shapes::new();
    for source in sources
        .iter()
        .filter(|source| source.text.contains("Deserialize"))
    {
        let tokens = tokens(&source.text);
        for (at, window) in tokens.windows(2).enumerate() {
            let (keyword, name) = (window[0].text, window[1].text);
            let body = tokens[at + 2..]
                .iter()
                .position(|token| matches!(token.text, "{" | ";" | "("));
            let Some(body) = body
                .map(|ahead| at + 2 + ahead)
                .filter(|body| tokens[*body].text == "{")
            else {
                continue;
            };
            let shape = match keyword {
                "struct" => Shape {
                    fields: fields(&tokens[body..]),
                    held: Vec::new(),
                },
                "enum" => Shape {
                    fields: Vec::new(),
                    held: held(&tokens[body..]),
                },
                _ => continue,
            };
            let named = shapes.entry(name.to_owned()).or_default();
            named.push((source.path.clone(), shape));
        }
    }
    shapes
}

/// Returns the tokens of a braced body at each depth of brackets, attributes left out.
fn body<'a>(tokens: &'a [Token<'a>]) -> Vec<(usize, &'a str)> {
    let (mut depth, mut found, mut attribute) = (0, Vec::new(), None);
    for token in tokens {
        match token.text {
            "#" if attribute.is_none() => attribute = Some(depth),
            "(" | "[" | "{" | "<" => depth += 1,
            ")" | "]" | "}" | ">" => depth -= 1,
            _ => {}
        }
        if attribute.is_none() {
            found.push((depth, token.text));
        } else if token.text == "]" && attribute == Some(depth) {
            attribute = None;
        }
        if depth == 0 {
            break;
        }
    }
    found
}

fn fields(tokens: &[Token<'_>]) -> Vec<Field> {
    let body = body(tokens);
    let mut fields: Vec<Field> = Vec::new();
    let mut in_type = false;
    for (at, (depth, text)) in body.iter().enumerate() {
        match (*depth, *text) {
            (1, ":") => {
                in_type = true;
                let key = body[at - 1].1.trim_start_matches("r#").to_owned();
                let names = Vec::new();
                fields.push(Field { key, names });
            }
            (1, ",") => in_type = false,
            (_, text) if in_type => {
                if let Some(field) = fields.last_mut() {
                    field.names.push(text.to_owned());
                }
            }
            _ => {}
        }
    }
    fields
}

fn held(tokens: &[Token<'_>]) -> Vec<String> {
    let inside = body(tokens).into_iter().filter(|(depth, _)| *depth > 1);
    inside.map(|(_, text)| text.to_owned()).collect()
}

/// Finds a type as a source means it: the one in the nearest file.
fn find<'a>(shapes: &'a Shapes, name: &str, from: &str) -> Option<&'a (String, Shape)> {
    let alike = |path: &str| {
        path.bytes()
            .zip(from.bytes())
            .take_while(|(one, other)| one == other)
            .count()
    };
    shapes.get(name)?.iter().max_by_key(|(path, _)| alike(path))
}

/// Adds the keys below `path` of a type, which a source in `from` names, and of every type that it leads to.
fn declare(shapes: &Shapes, name: &str, from: &str, path: &str, keys: &mut Keys) {
    let Some((from, shape)) = find(shapes, name, from) else {
        return;
    };
    for held in &shape.held {
        declare(shapes, held, from, path, keys);
    }
    for Field { key, names } in &shape.fields {
        let mut key = join(path, key);
        keys.insert(key.clone());
        let is_map = names.iter().any(|name| name == "BTreeMap");
        if is_map && names.iter().any(|name| shapes.contains_key(name)) {
            key = join(&key, "NAME");
        }
        for name in names {
            declare(shapes, name, from, &key, keys);
        }
    }
}

fn join(path: &str, key: &str) -> String {
    match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    }
}

/// Returns the keys of the table in the docs, with those of the values that its cells show.
fn keys_of_rows(docs: &str, declared: &Keys) -> Keys {
    let mut keys = Keys::new();
    let mut table = String::new();
    for line in docs.lines().filter(|line| line.starts_with("| ")) {
        let Some(named) = line.split('`').nth(1) else {
            continue;
        };
        if line.starts_with("| **") {
            named.trim_matches(['[', ']']).clone_into(&mut table);
            keys.insert(table.trim_end_matches(".NAME").to_owned());
            continue;
        }
        let key = join(&table, named);
        let is_table = declared
            .iter()
            .any(|other| other.starts_with(&format!("{key}.")));
        for span in line.split('`').skip(3).step_by(2).filter(|_| is_table) {
            if let Ok(value) = span.parse::<Value>() {
                value_keys(&value, &key, &mut keys);
            } else if let Some((inner, _)) = span.split_once(" = ") {
                keys.insert(join(&key, inner));
            }
        }
        keys.insert(key);
    }
    keys
}

/// Adds the keys of an example in the docs. What stands in `[upstreams.default]` belongs to `upstreams.NAME`.
fn item_keys(item: &Item, path: &str, declared: &Keys, keys: &mut Keys) {
    match item {
        Item::Table(table) => {
            for (key, item) in table {
                let named = join(path, "NAME");
                let has_names = declared
                    .iter()
                    .any(|other| other.starts_with(&format!("{named}.")));
                let key = if has_names { named } else { join(path, key) };
                keys.insert(key.clone());
                item_keys(item, &key, declared, keys);
            }
        }
        Item::ArrayOfTables(tables) => {
            for table in tables {
                item_keys(&Item::Table(table.clone()), path, declared, keys);
            }
        }
        Item::Value(value) => value_keys(value, path, keys),
        Item::None => {}
    }
}

fn value_keys(value: &Value, path: &str, keys: &mut Keys) {
    match value {
        Value::InlineTable(table) => {
            for (key, value) in table {
                let key = join(path, key);
                keys.insert(key.clone());
                value_keys(value, &key, keys);
            }
        }
        Value::Array(values) => {
            for value in values {
                value_keys(value, path, keys);
            }
        }
        _ => {}
    }
}

/// Returns what stands in the documentation and not in the sources, and the other way round.
fn differences(docs: &str, sources: &[Source]) -> Vec<String> {
    let shapes = shapes(sources);
    let (mut main, mut keyring) = (Keys::new(), Keys::new());
    declare(&shapes, "ConfigFile", "", "", &mut main);
    declare(&shapes, "KeyringFile", "", "", &mut keyring);
    assert!(
        !main.is_empty() && !keyring.is_empty(),
        "the two files have a shape"
    );
    // Labels have names of the operator's own.
    let is_free = |key: &str| key.starts_with("key.labels.");

    let mut documented = keys_of_rows(docs, &main);
    let mut documented_keyring = Keys::new();
    for example in docs.split("```toml\n").skip(1) {
        let example = example.split("```").next().unwrap_or_default();
        let document: DocumentMut = example.parse().expect("an example is TOML");
        let (declared, keys) = match document.contains_key("key") {
            true => (&keyring, &mut documented_keyring),
            false => (&main, &mut documented),
        };
        item_keys(document.as_item(), "", declared, keys);
    }

    let mut differences = Vec::new();
    for (file, declared, documented) in [
        ("witgate.toml", &main, &documented),
        ("keys.toml", &keyring, &documented_keyring),
    ] {
        // A table is documented by its keys.
        let has_keys = |key: &String| {
            documented
                .iter()
                .any(|other| other.starts_with(&format!("{key}.")))
        };
        let missing = declared.difference(documented).filter(|key| !has_keys(key));
        differences
            .extend(missing.map(|key| format!("{file}: `{key}` is declared and not documented")));
        let named = |key: &String| key.ends_with(".NAME") || is_free(key);
        let unknown = documented.difference(declared).filter(|key| !named(key));
        differences
            .extend(unknown.map(|key| format!("{file}: `{key}` is documented and not declared")));
    }
    differences
}

#[test]
fn the_keys_in_the_docs_are_the_keys_of_the_configuration() {
    let docs = std::fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let sources: Vec<_> = crates(&["host"])
        .iter()
        .flat_map(|folder| sources(folder))
        .collect();
    let differences = differences(&docs, &sources);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn a_key_that_is_missing_on_either_side_is_seen() {
    let source = "
        #[derive(Deserialize)]
        pub struct ConfigFile { pub plain: u64, pub listen: ListenFile, #[serde(default)] pub upstreams: BTreeMap<String, UpstreamFile> }
        pub struct ListenFile { pub address: String, pub undocumented: Option<bool> }
        pub struct UpstreamFile { pub credential: Option<CredentialFile>, pub retry: Switch<RetryFile>, pub members: Vec<MemberFile> }
        pub struct RetryFile { attempts: u8 }
        pub struct MemberFile { upstream: String, weight: u8 }
        pub enum CredentialFile { Word(String), Table(CredentialTable) }
        pub struct CredentialTable { pub env: String, pub hidden: String }
        struct KeyringFile { key: Vec<KeyFile> }
        struct KeyFile { id: String, labels: BTreeMap<String, String> }
    ";
    let docs = "
| key | default |
| `plain` | 0 |
| **`[listen]`** | |
| `address` * | required |
| `misspelt` | 0 |
| **`[upstreams.NAME]`** | |
| `credential` | none | `{ env = \"NAME\" }`, with `header = \"x\"` |
| `retry` | see below |
| `members` | `[{ upstream = \"a\" }]` |

```toml
[upstreams.default]
retry = { attempts = 2, wrong = 1 }
```

```toml
[[key]]
id = \"a\"
labels = { team = \"b\" }
```
";
    let source = Source {
        path: String::new(),
        text: source.to_owned(),
    };
    let expected = [
        "witgate.toml: `listen.undocumented` is declared and not documented",
        "witgate.toml: `upstreams.NAME.credential.hidden` is declared and not documented",
        "witgate.toml: `upstreams.NAME.members.weight` is declared and not documented",
        "witgate.toml: `listen.misspelt` is documented and not declared",
        "witgate.toml: `upstreams.NAME.credential.header` is documented and not declared",
        "witgate.toml: `upstreams.NAME.retry.wrong` is documented and not declared",
    ];
    assert_eq!(
        differences(docs, &[source]),
        expected,
        "in tables, cells and examples"
    );
}
