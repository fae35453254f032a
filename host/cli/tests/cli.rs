//! The binary as an operator meets it: exit codes, what it prints, how it stops.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on says so by panicking"
)]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

fn witgate(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_witgate"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A folder with a right configuration and no plugins.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("policies")).unwrap();
    write("keys.toml", "");
    write("secret", "sk-ant-very-secret");
    write(
        "witgate.toml",
        "[listen]\naddress = \"127.0.0.1:0\"\n[admin]\naddress = \"127.0.0.1:0\"\n[keys]\nfile = \"keys.toml\"\n\
         [plugins]\ndirectory = \"policies\"\n[receipts]\nfile = \"receipts.jsonl\"\n\
         [upstreams.default]\nbase_url = \"http://127.0.0.1:9\"\ncredential = { file = \"secret\" }\n",
    );
    folder
}

#[test]
fn a_right_configuration_checks_with_exit_code_zero() {
    let folder = folder();
    let output = witgate(folder.path(), &["check"]);
    assert!(output.status.success(), "{}", printed(&output));
    assert!(
        printed(&output).contains("no problems found"),
        "{}",
        printed(&output)
    );
}

#[test]
fn a_check_tells_every_problem_with_its_line_and_exits_with_one() {
    let folder = folder();
    let wrong = "lissten = 1\n[listen]\naddress = \"nowhere\"\nthreads = 0\n[keys]\nfile = \"none.toml\"\n\
                 [plugins]\ndirectory = \"policies\"\n[upstreams.a]\nbase_url = \"ftp://x\"\nspeed = \"fast\"\n";
    std::fs::write(folder.path().join("witgate.toml"), wrong).unwrap();
    let output = witgate(folder.path(), &["check"]);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    for line in [1, 3, 4, 6, 10, 11] {
        let told = format!("witgate.toml:{line}:");
        assert!(
            printed(&output).contains(&told),
            "{told} in:\n{}",
            printed(&output)
        );
    }
}

#[test]
fn admin_pages_are_for_this_machine_unless_the_operator_insists() {
    let folder = folder();
    let file = folder.path().join("witgate.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let everywhere = "[admin]\naddress = \"0.0.0.0:0\"\n";
    let text = text.replace("[admin]\naddress = \"127.0.0.1:0\"\n", everywhere);
    std::fs::write(&file, &text).unwrap();
    let output = witgate(folder.path(), &["check"]);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert!(
        printed(&output).contains("witgate.toml:4:") && printed(&output).contains("loopback"),
        "{}",
        printed(&output)
    );

    let insisted = text.replace(everywhere, &format!("{everywhere}insecure_public = true\n"));
    std::fs::write(&file, insisted).unwrap();
    let output = witgate(folder.path(), &["check"]);
    assert!(output.status.success(), "{}", printed(&output));
}

#[test]
fn a_check_looks_at_plugins_too() {
    let folder = folder();
    std::fs::write(folder.path().join("policies/broken.wasm"), "not wasm").unwrap();
    let output = witgate(folder.path(), &["check"]);
    assert_eq!(output.status.code(), Some(1), "{}", printed(&output));
    assert!(printed(&output).contains("broken"), "{}", printed(&output));
    assert!(
        !printed(&output).contains("very-secret"),
        "secrets are not printed"
    );
}

#[test]
fn a_new_key_is_added_by_its_hash_and_shown_once() {
    let folder = folder();
    let arguments = [
        "key",
        "new",
        "--id",
        "alice",
        "--tier",
        "pro",
        "--label",
        "team=x",
        "--file",
        "keys.toml",
    ];
    let output = witgate(folder.path(), &arguments);
    assert!(output.status.success(), "{}", printed(&output));
    let text = printed(&output);
    let key = text
        .split_whitespace()
        .find(|word| word.starts_with("wgk-"))
        .expect("the key is shown");
    let file = std::fs::read_to_string(folder.path().join("keys.toml")).unwrap();
    assert!(
        file.contains("alice") && file.contains("sha256:") && !file.contains(key),
        "{file}"
    );

    let again = witgate(folder.path(), &arguments);
    assert!(
        !again.status.success(),
        "an id is given once: {}",
        printed(&again)
    );
    assert_eq!(
        std::fs::read_to_string(folder.path().join("keys.toml")).unwrap(),
        file,
        "and the file is as it was"
    );
}

#[test]
fn a_wrong_start_says_what_is_wrong_on_standard_error() {
    let folder = folder();
    std::fs::remove_file(folder.path().join("secret")).unwrap();
    let output = witgate(folder.path(), &["run"]);
    assert!(!output.status.success(), "it does not run");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("secret"),
        "{}",
        printed(&output)
    );
}

#[test]
fn sigterm_ends_an_idle_gateway_with_exit_code_zero() {
    let folder = folder();
    let mut child = Command::new(env!("CARGO_BIN_EXE_witgate"))
        .arg("run")
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("serving") {
        line.clear();
        assert!(
            log.read_line(&mut line).unwrap() > 0,
            "it ended before it served"
        );
    }
    let sent = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success(), "the signal was sent");
    let status = ended(&mut child);
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert_eq!(status.code(), Some(0), "{rest}");
    assert!(rest.contains("stopped"), "it says so: {rest}");
}

/// Waits for the end, but not for ever.
fn ended(child: &mut Child) -> ExitStatus {
    let patience = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > patience {
            let _ = child.kill();
            panic!("it did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
