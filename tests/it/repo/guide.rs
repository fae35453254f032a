//! The guide for authors of plugins, followed to the letter: what it says to write is written, what it says to type is
//! typed, and what it says is printed has to be printed. A `…` in it stands for anything.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{GatewayBuilder, TestGateway, Upstream, binary};
use crate::plugins::tools::{Std, find_std};

/// A part of the guide.
enum Step {
    /// A file to be written.
    Write(&'static str, String),
    /// A command to be typed, and what it prints.
    Type(String, String),
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// The steps of the guide, in order.
fn steps() -> Vec<Step> {
    let text = std::fs::read_to_string(root().join("docs/plugins.md")).unwrap();
    let guide = text
        .split("## From an empty folder to an enforced policy")
        .nth(1)
        .and_then(|rest| rest.split("\n## ").next())
        .expect("the guide has its heading");
    let mut steps = Vec::new();
    for block in guide.split("\n```").skip(1).step_by(2) {
        let (kind, content) = block.split_once('\n').unwrap();
        match kind {
            "rust" => steps.push(Step::Write("src/lib.rs", content.to_owned())),
            "toml" => steps.push(Step::Write("house-rules.toml", content.to_owned())),
            "console" => {
                for command in format!("\n{content}").split("\n$ ").skip(1) {
                    let (command, printed) = command.split_once('\n').unwrap_or((command, ""));
                    steps.push(Step::Type(command.to_owned(), printed.to_owned()));
                }
            }
            other => panic!("a block of {other}"),
        }
    }
    steps
}

/// Returns true if a text is what the guide says, where `…` stands for anything.
fn is_as_told(text: &str, told: &str) -> bool {
    let pieces: Vec<_> = told.trim_end().split('…').collect();
    let text = text.trim_end();
    let [first, middle @ .., last] = &pieces[..] else {
        return text == told.trim_end();
    };
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    for piece in middle {
        let Some(at) = rest.find(piece) else {
            return false;
        };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

/// Types a command in a folder, as somebody would who has this checkout's programs and has run it once.
fn type_(command: &str, folder: &Path, gate: &TestGateway) -> String {
    let programs = binary().parent().unwrap().display().to_string();
    let admin = gate.running().admin().unwrap().to_string();
    let command = command
        .replace("127.0.0.1:8787", &gate.address().to_string())
        .replace("127.0.0.1:8788", &admin);
    let mut shell = Command::new("bash");
    shell
        .args(["-c", &command])
        .current_dir(folder)
        .env(
            "PATH",
            format!("{programs}:{}", std::env::var("PATH").unwrap()),
        )
        .env("KEY", gate.key())
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("CARGO_NET_OFFLINE", "true");
    if command.contains("--target wasm32") && find_std() == Std::FromSource {
        shell
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort");
    }
    let output = shell.output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if printed.is_empty() {
        // A command that fails without a word on standard output says something here.
        return String::from_utf8_lossy(&output.stderr).into_owned();
    }
    printed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guide_for_authors_can_be_followed_to_the_letter() {
    let upstream = Upstream::answering().await;
    let gate = GatewayBuilder::shipped()
        .upstream("default", &upstream)
        .start()
        .await;
    let house = tempfile::tempdir_in(root().join("target")).unwrap();
    std::os::unix::fs::symlink(gate.policies(), house.path().join("policies")).unwrap();

    tokio::task::spawn_blocking(move || {
        let mut folder = house.path().to_owned();
        let mut typed = 0;
        for step in steps() {
            match step {
                Step::Write(name, content) => std::fs::write(folder.join(name), content).unwrap(),
                Step::Type(command, told) => {
                    typed += 1;
                    if let Some(into) = command.strip_prefix("cd ") {
                        folder = folder.join(into);
                        // What was built for other tests need not be built again, with the same versions.
                        let built = root().join("target/new-plugins");
                        std::fs::create_dir_all(&built).unwrap();
                        std::os::unix::fs::symlink(built, folder.join("target")).unwrap();
                        std::fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock"))
                            .unwrap();
                        continue;
                    }
                    let printed = type_(&command, &folder, &gate);
                    assert!(
                        is_as_told(&printed, &told),
                        "$ {command}\nprinted\n{printed}\nand the guide says\n{told}"
                    );
                }
            }
        }
        assert!(typed > 10, "the guide has commands");
    })
    .await
    .unwrap();
}

#[test]
fn what_is_not_as_told_is_seen() {
    for (text, told, is) in [
        ("a b c\n", "a … c", true),
        ("a b c", "a b c", true),
        ("a b c", "a …", true),
        ("a c b c", "a … c", true),
        ("a b c d", "a … c", false),
        ("b c", "a …", false),
        ("a", "…b", false),
        ("", "", true),
        ("x", "", false),
    ] {
        assert_eq!(is_as_told(text, told), is, "{text:?} and {told:?}");
    }
}
