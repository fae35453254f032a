//! The commands of `witgate`: their help, and their findings in right and wrong files.

use std::path::Path;

use expect_test::{ExpectFile, expect_file};
use tempfile::TempDir;
use witgate_artifacts::{BUDGET, ENVELOPE, HOSTILE, ROUTE};
use witgate_gateway::keys::NewKey;

use super::{check, number_before, steady};
use crate::harness::{key_entry, text, witgate};

/// Runs a command and compares its exit code and all that it printed.
fn compare(folder: &Path, arguments: &[&str], expected: &ExpectFile) {
    let output = witgate(folder, arguments);
    let text = steady(&text(&output), folder);
    let text = [" ms", " bytes", " KiB", " MiB", " table elements"]
        .iter()
        .fold(text, |text, unit| number_before(&text, unit, "N"));
    let code = output.status.code().expect("it ended by itself");
    let command = arguments.join(" ");
    check(
        expected,
        &format!("$ witgate {command}\n{text}\nexit code {code}"),
    );
}

/// A folder in which a configuration and all that it names is right.
fn right() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let policies = folder.path().join("policies");
    std::fs::create_dir(&policies).unwrap();
    ROUTE.install(&policies).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("keys.toml", &key_entry("alice", &NewKey::random(), "pro"));
    write("secret", "sk-ant-secret");
    write(
        "policies/route.toml",
        "order = 5\n[grants]\nbody = \"head\"\n",
    );
    write(
        "witgate.toml",
        r#"
[listen]
address = "127.0.0.1:0"
[keys]
file = "keys.toml"
[plugins]
directory = "policies"
required = ["route"]
memory_bytes = 134217728
[limits]
memory_bytes = 268435456
connections = 1000
[upstreams.default]
base_url = "http://127.0.0.1:9"
credential = { file = "secret" }
[groups.both]
members = [{ upstream = "default" }]
"#,
    );
    folder
}

/// A folder in which every file has mistakes.
fn wrong() -> TempDir {
    let folder = right();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "witgate.toml",
        r#"
lissten = 1
drain_timeout_ms = "long"
default_upstream = "nosuch"
[listen]
address = "localhost"
threads = -1
h2c = "yes"
[admin]
address = "0.0.0.0:8788"
[keys]
file = "keys.toml"
[prices]
file = "prices.json"
[plugins]
directory = "policies"
required = ["missing", 5]
[limits]
body_bytes = 1.5
headers = 1
in_flight = 1
in_flight_per_key = 2
[streams]
on_client_gone = "wait"
[upstreams.a]
base_url = "ftp://x"
credential = { env = "A", file = "b" }
retry = { attempts = "two", base_ms = 0 }
breaker = "off"
colour = "red"
http = "3"
[upstreams.b]
kind = "openai"
[groups.g]
members = [{ upstream = "b" }, { weight = 2 }]
choice = "random"
[cors]
origins = ["https://app.example/path"]
[passthrough]
paths = ["v1/agents", "/v1/organizations/**"]
"#,
    );
    write(
        "keys.toml",
        "[[key]]\nhash = 5\ntenant = \"\"\n[[key]]\nid = \"b\"\nhash = \"plain\"\ndisabled = \"no\"\n",
    );
    write("prices.json", "{ no prices");
    write(
        "policies/route.toml",
        r#"
ordre = 1
instances = "new"
[limits]
host_calls = "many"
memory_mib = 0
[hooks.route]
fail = 1
[settings]
unmatched = "maybe"
colour = 1
[[settings.rules]]
name = 5
when = [{ field = "moon", is = ["full"] }]
"#,
    );
    write("policies/gone.toml", "");
    std::fs::write(folder.path().join("policies/text.wasm"), "no wasm").unwrap();
    BUDGET.install(&folder.path().join("policies")).unwrap();
    write(
        "policies/budget.toml",
        "[grants]\nbody = \"none\"\nheaders = [\"authorization\"]\n",
    );
    folder
}

#[test]
fn the_help_of_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    let compare =
        |arguments: &[&str], expected: ExpectFile| compare(folder.path(), arguments, &expected);
    compare(&["--help"], expect_file!["expected/help.txt"]);
    compare(&["run", "--help"], expect_file!["expected/help_run.txt"]);
    compare(
        &["check", "--help"],
        expect_file!["expected/help_check.txt"],
    );
    compare(&["key", "--help"], expect_file!["expected/help_key.txt"]);
    compare(
        &["key", "rotate", "--help"],
        expect_file!["expected/help_key_rotate.txt"],
    );
    compare(
        &["key", "new", "--help"],
        expect_file!["expected/help_key_new.txt"],
    );
    compare(
        &["budget", "--help"],
        expect_file!["expected/help_budget.txt"],
    );
    compare(
        &["budget", "show", "--help"],
        expect_file!["expected/help_budget_show.txt"],
    );
    compare(
        &["budget", "set", "--help"],
        expect_file!["expected/help_budget_set.txt"],
    );
    compare(
        &["budget", "override", "--help"],
        expect_file!["expected/help_budget_override.txt"],
    );
    compare(
        &["plugin", "--help"],
        expect_file!["expected/help_plugin.txt"],
    );
    compare(
        &["plugin", "new", "--help"],
        expect_file!["expected/help_plugin_new.txt"],
    );
    compare(
        &["plugin", "check", "--help"],
        expect_file!["expected/help_plugin_check.txt"],
    );
    compare(
        &["plugin", "run", "--help"],
        expect_file!["expected/help_plugin_run.txt"],
    );
    compare(
        &["replay", "--help"],
        expect_file!["expected/help_replay.txt"],
    );
}

#[test]
fn a_check_of_a_right_configuration() {
    let folder = right();
    compare(
        folder.path(),
        &["check"],
        &expect_file!["expected/check_right.txt"],
    );
}

#[test]
fn a_check_of_a_configuration_with_mistakes_in_every_file() {
    let folder = wrong();
    compare(
        folder.path(),
        &["check"],
        &expect_file!["expected/check_wrong.txt"],
    );
}

/// Adds tables to the configuration of a folder and compares what a check says.
fn compare_with(more: &str, expected: &ExpectFile) {
    let folder = right();
    let path = folder.path().join("witgate.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, text + more).unwrap();
    compare(folder.path(), &["check"], expected);
}

#[test]
fn a_check_of_a_capacity_that_is_shared_out() {
    compare_with(
        "[upstreams.default.capacity]\ntokens_per_minute = 1_000_000\nrequests_per_minute = 4_000\n\
         [resources.chat]\npriority = 2\n[resources.\"*\"]\npriority = 1\n",
        &expect_file!["expected/check_capacity.txt"],
    );
}

#[test]
fn a_check_of_a_capacity_with_mistakes() {
    compare_with(
        "[upstreams.default.capacity]\ntokens_per_minute = 0\nrequests_per_hour = \"many\"\nheadroom_percent = 101\n\
         tokens_per_week = 1\n[upstreams.other]\nbase_url = \"http://127.0.0.1:9\"\ncapacity = {}\n\
         [resources.chat]\npriority = 256\nfloor_percent = 60\nceiling_percent = 50\ncolour = 1\n\
         [resources.batch]\nfloor_percent = 101\n[resources.\"*\"]\nfloor_percent = 51\n",
        &expect_file!["expected/check_capacity_wrong.txt"],
    );
}

#[test]
fn a_check_of_resources_that_have_nothing_to_share() {
    compare_with(
        "[resources.chat]\npriority = 2\n",
        &expect_file!["expected/check_resources_alone.txt"],
    );
}

#[test]
fn a_check_of_keys_in_a_file_beside_an_open_gateway() {
    let folder = right();
    let path = folder.path().join("witgate.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let open = text.replace("[keys]\n", "[keys]\ninsecure_open = true\n");
    std::fs::write(path, open).unwrap();
    compare(
        folder.path(),
        &["check"],
        &expect_file!["expected/check_open.txt"],
    );
}

#[test]
fn a_check_of_an_empty_configuration_and_of_none() {
    let folder = tempfile::tempdir().unwrap();
    compare(
        folder.path(),
        &["check"],
        &expect_file!["expected/check_no_file.txt"],
    );
    std::fs::write(folder.path().join("witgate.toml"), "").unwrap();
    compare(
        folder.path(),
        &["check"],
        &expect_file!["expected/check_empty.txt"],
    );
}

#[test]
fn a_check_of_plugins() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let plugin_check = |name: &str, expected: ExpectFile| {
        compare(
            folder.path(),
            &["plugin", "check", name, "--no-cache"],
            &expected,
        );
    };
    ENVELOPE.install(folder.path()).unwrap();
    write(
        "envelope.toml",
        "order = 5\n[grants]\nbody = \"read\"\nheaders = [\"x-vmx-*\", \"x-claude-code-*\"]\n",
    );
    plugin_check(
        "envelope.wasm",
        expect_file!["expected/plugin_check_right.txt"],
    );

    HOSTILE.install(folder.path()).unwrap();
    plugin_check(
        "hostile.wasm",
        expect_file!["expected/plugin_check_without_grants.txt"],
    );

    write(
        "hostile.toml",
        "ordre = 1\n[grants]\nheaders = [\"cookie\"]\n",
    );
    plugin_check(
        "hostile.wasm",
        expect_file!["expected/plugin_check_sidecar.txt"],
    );

    write("text.wasm", "no wasm");
    plugin_check(
        "text.wasm",
        expect_file!["expected/plugin_check_no_wasm.txt"],
    );

    // An empty module, without the contract's metadata.
    std::fs::write(folder.path().join("empty.wasm"), b"\0asm\x01\0\0\0").unwrap();
    plugin_check(
        "empty.wasm",
        expect_file!["expected/plugin_check_empty.txt"],
    );

    let whole = ROUTE.bytes();
    std::fs::write(folder.path().join("cut.wasm"), &whole[..whole.len() / 2]).unwrap();
    plugin_check("cut.wasm", expect_file!["expected/plugin_check_cut.txt"]);

    plugin_check(
        "nosuch.wasm",
        expect_file!["expected/plugin_check_no_file.txt"],
    );
}

#[test]
fn a_new_plugin_with_a_name_that_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    let new = ["plugin", "new", "My Plugin", "--hook", "route"];
    compare(
        folder.path(),
        &new,
        &expect_file!["expected/plugin_new_name.txt"],
    );
}
