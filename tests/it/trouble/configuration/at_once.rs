//! A mistake hides no other mistake, in whichever file it is.

use std::path::Path;

use tempfile::TempDir;
use witgate_artifacts::{BUDGET, ENVELOPE, ROUTE};
use witgate_gateway::config::Config;

use crate::harness::{text, witgate};

/// A folder in which everything is wrong that can be.
fn everything_wrong() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("policies")).unwrap();
    write(
        "witgate.toml",
        "lissten = 1\ndrain_timeout_ms = \"long\"\n[listen]\naddress = 8787\nthreads = -1\nh2c = \"yes\"\n\
         [keys]\nfile = \"keys.toml\"\n[prices]\nfile = \"prices.json\"\n[plugins]\ndirectory = \"policies\"\nrequired = [\"route\", 5]\n\
         [limits]\nbody_bytes = 1.5\nheaders = 1\n[upstreams.a]\nbase_url = \"http://x\"\nretry = { attempts = \"two\", base_ms = 0 }\n\
         breaker = \"off\"\ncolour = \"red\"\n[upstreams.b]\nkind = \"openai\"\n[groups.g]\nmembers = [{ upstream = \"b\" }, { weight = 2 }]\n",
    );
    write(
        "keys.toml",
        "[[key]]\nhash = 5\ntenant = \"\"\n[[key]]\nid = \"b\"\nhash = \"plain\"\ndisabled = \"no\"\n",
    );
    write("prices.json", "{ no prices");
    ROUTE.install(&folder.path().join("policies")).unwrap();
    write(
        "policies/route.toml",
        "ordre = 1\ninstances = \"new\"\n[limits]\nhost_calls = \"many\"\nmemory_mib = 0\n[hooks.route]\nfail = 1\n\
         [settings]\nunmatched = \"maybe\"\ncolour = 1\n[[settings.rules]]\nname = 5\nwhen = [{ field = \"moon\", is = [\"full\"] }]\n",
    );
    folder
}

#[test]
fn a_check_tells_every_mistake_of_every_file_in_one_round() {
    let folder = everything_wrong();
    let output = witgate(folder.path(), &["check"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let told = text(&output);
    for wanted in [
        // The configuration: unknown keys, wrong types, missing keys and wrong values.
        "witgate.toml:1: `lissten`: unknown key",
        "witgate.toml:2: `drain_timeout_ms`: must be a whole number",
        "witgate.toml:4: `listen.address`: must be a string in quotes, not 8787",
        "witgate.toml:5: `listen.threads`: must be a whole number",
        "witgate.toml:6: `listen.h2c`: must be true or false, not a string",
        "`plugins.required[1]`: must be a string in quotes, not 5",
        "`limits.body_bytes`: must be a whole number",
        "`limits.headers`: must be between 16 and 256",
        "`upstreams.a.retry.attempts`: must be a whole number",
        "`upstreams.a.retry.base_ms`: must be between 1 and 86400000 milliseconds (one day)",
        "`upstreams.a.breaker`: must be false or a table",
        "`upstreams.a.colour`: unknown key",
        "`upstreams.b`: `base_url` is missing",
        "`upstreams.b.kind`: must be \"anthropic\", \"messages\", \"bedrock\", \"vertex\" or \"foundry\"",
        "`groups.g.members[1]`: `upstream` is missing",
        "`upstreams`: has several upstreams; choose one with default_upstream",
        // The files that it names.
        "keys.toml:1: `key[0]`: `id` is missing",
        "keys.toml:2: `key[0].hash`: must be a string in quotes, not 5",
        "keys.toml:3: `key[0].tenant`",
        "keys.toml:6: `key[1].hash`: use `sha256:`",
        "keys.toml:7: `key[1].disabled`: must be true or false",
        "prices.json",
        // The sidecar, and the settings in it.
        "route.toml:1: `ordre`: unknown key",
        "route.toml:2: `instances`: must be \"reused\" or \"fresh\"",
        "route.toml:4: `limits.host_calls`: must be a whole number, not a string",
        "route.toml:5: `limits.memory_mib`: 0 is out of range",
        "route.toml:7: `hooks.route.fail`: must be \"closed\" or \"open\"",
        "route.toml:9: `settings.unmatched`",
        "route.toml:10: `settings.colour`: unknown key",
        "route.toml:12: `settings.rules[0].name`: must be a string in quotes, not 5",
        "route.toml:13: `settings.rules[0].when[0].field`",
    ] {
        assert!(told.contains(wanted), "{wanted:?} is told in:\n{told}");
    }
    for nonsense in [
        "there is no [upstreams.b]",
        "Option",
        "invalid type",
        "struct ",
    ] {
        assert!(
            !told.contains(nonsense),
            "{nonsense:?} is not told in:\n{told}"
        );
    }
}

#[test]
fn a_wrong_value_is_told_once_and_nothing_that_only_follows_from_it() {
    let wrong = "[listen]\naddress = 1\n[keys]\nfile = 2\n[plugins]\ndirectory = 3\n[upstreams.a]\nbase_url = 4\n\
                 credential = { file = 5 }\n[groups.g]\nmembers = [{ upstream = \"a\" }]\n";
    let told = Config::parse(Path::new("w.toml"), wrong)
        .unwrap_err()
        .to_string();
    let lines: Vec<_> = told
        .lines()
        .map(|line| line.split(": `").next().unwrap())
        .collect();
    assert_eq!(
        lines,
        ["w.toml:2", "w.toml:4", "w.toml:6", "w.toml:8", "w.toml:9"],
        "each mistake once:\n{told}"
    );
}

#[test]
fn a_text_in_the_wrong_place_is_not_repeated_because_it_may_be_a_secret() {
    let wrong =
        "keys = \"wgk-secret\"\n[listen]\naddress = \"127.0.0.1:0\"\nthreads = \"sk-secret\"\n";
    let told = Config::parse(Path::new("w.toml"), wrong)
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("`keys`: must be a table, not a string"),
        "{told}"
    );
    assert!(!told.contains("secret"), "no value is repeated:\n{told}");
}

#[test]
fn a_file_that_is_empty_lacks_everything_at_once() {
    let told = Config::parse(Path::new("w.toml"), "")
        .unwrap_err()
        .to_string();
    for table in ["listen", "keys", "plugins", "upstreams"] {
        assert!(
            told.contains(&format!("`{table}` is missing")),
            "{table} in:\n{told}"
        );
    }
    assert_eq!(told.lines().count(), 4, "and nothing else is told:\n{told}");
}

#[test]
fn missing_grants_are_told_together_and_with_wrong_settings() {
    let folder = everything_wrong();
    let policies = folder.path().join("policies");
    ENVELOPE.install(&policies).unwrap();
    std::fs::write(
        policies.join("envelope.toml"),
        "[grants]\nbody = \"none\"\n",
    )
    .unwrap();
    BUDGET.install(&policies).unwrap();
    std::fs::write(
        policies.join("budget.toml"),
        "[settings]\nunpriced = \"maybe\"\nfree = 5\n",
    )
    .unwrap();
    let told = text(&witgate(folder.path(), &["check"]));
    for wanted in [
        "headers = [\"",
        "`body = \"read\"` in [grants]",
        "budget.toml:2: `settings.unpriced`",
        "budget.toml:3: `settings.free`: must be a list, not 5",
    ] {
        assert!(told.contains(wanted), "{wanted:?} is told in:\n{told}");
    }
}

#[test]
fn code_that_nobody_vouches_for_is_not_run_to_find_more_mistakes() {
    let folder = everything_wrong();
    let file = folder.path().join("witgate.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let config = config.replace("required = ", "trusted_keys = \"none\"\nrequired = ");
    std::fs::write(&file, config).unwrap();
    let told = text(&witgate(folder.path(), &["check"]));
    assert!(told.contains("`plugins.trusted_keys`"), "{told}");
    assert!(
        told.contains("plugins were not checked"),
        "it says that it did not look:\n{told}"
    );
    assert!(!told.contains("route.toml"), "no plugin was run:\n{told}");
}
