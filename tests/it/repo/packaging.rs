//! The files in `deploy/` can be used as they are, as far as this machine can tell.

use std::path::{Path, PathBuf};
use std::process::Command;

use witgate_artifacts::SHIPPED;
use witgate_gateway::config::Config;
use witgate_gateway::keys::NewKey;

use crate::harness::key_entry;

fn deploy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy")
        .join(name)
}

/// Checks a shipped configuration with its absolute paths moved into a folder that has everything they name.
fn load(text: &str) -> Config {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    for path in [
        "etc/witgate/policies",
        "etc/witgate/keys",
        "run/credentials/witgate.service",
        "run/witgate",
        "var/lib/witgate",
    ] {
        std::fs::create_dir_all(root.join(path)).unwrap();
    }
    for artifact in SHIPPED {
        artifact
            .install(&root.join("etc/witgate/policies"))
            .unwrap();
    }
    let keys = key_entry("alice", &NewKey::random(), "pro");
    for path in ["etc/witgate/keys.toml", "etc/witgate/keys/keys.toml"] {
        std::fs::write(root.join(path), &keys).unwrap();
    }
    for path in [
        "run/credentials/witgate.service/anthropic-key",
        "etc/witgate/keys/anthropic-key",
    ] {
        std::fs::write(root.join(path), "sk-ant-test").unwrap();
    }
    let mut moved = text.to_owned();
    for path in ["/etc/", "/run/", "/var/"] {
        moved = moved.replace(&format!("\"{path}"), &format!("\"{}{path}", root.display()));
    }
    let config = root.join("witgate.toml");
    std::fs::write(&config, moved).unwrap();
    Config::read(&config).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn the_configuration_of_the_systemd_unit_loads() {
    let config = load(&std::fs::read_to_string(deploy("witgate.toml")).unwrap());
    assert_eq!(
        config.plugins.required.len(),
        4,
        "all four plugins are required"
    );
}

#[test]
fn the_systemd_unit_names_files_and_commands_that_exist() {
    let unit = std::fs::read_to_string(deploy("witgate.service")).unwrap();
    assert!(
        unit.contains("witgate check --config /etc/witgate/witgate.toml"),
        "checked before it is started"
    );
    let config = load(&std::fs::read_to_string(deploy("witgate.toml")).unwrap());
    let stop: u64 = unit
        .lines()
        .find_map(|line| line.strip_prefix("TimeoutStopSec="))
        .unwrap()
        .parse()
        .unwrap();
    assert!(
        stop > config.drain_timeout.as_secs(),
        "the stop is longer than the drain"
    );
}

/// systemd's own check, where it is installed. The binary that the unit names is not there: its lines are left out.
#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        println!("systemd-analyze is not installed here: the unit was not verified by it");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = std::fs::read_to_string(deploy("witgate.service"))
        .unwrap()
        .replace("/usr/bin/witgate", "/bin/true");
    let path = folder.path().join("witgate.service");
    std::fs::write(&path, unit).unwrap();
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(&path)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && !told.contains("witgate.service:"),
        "{told}"
    );
}

#[test]
fn the_kubernetes_manifests_parse_and_their_configuration_loads() {
    let manifest = deploy("kubernetes/witgate.yaml");
    let script = "import sys, json, yaml; print(json.dumps([d for d in yaml.safe_load_all(open(sys.argv[1]))]))";
    let parsed = Command::new("python3")
        .args(["-c", script])
        .arg(&manifest)
        .output();
    let text = std::fs::read_to_string(&manifest).unwrap();
    if let Ok(output) = parsed
        && output.status.success()
    {
        let documents: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let kinds: Vec<_> = documents
            .as_array()
            .unwrap()
            .iter()
            .map(|document| document["kind"].clone())
            .collect();
        assert_eq!(
            kinds,
            ["ConfigMap", "Deployment", "Service", "NetworkPolicy"],
            "the documents"
        );
        load(documents[0]["data"]["witgate.toml"].as_str().unwrap());
        let pod = &documents[1]["spec"]["template"]["spec"];
        assert_eq!(
            pod["terminationGracePeriodSeconds"], 330,
            "longer than the drain"
        );
    } else {
        println!(
            "no YAML parser is installed here: the configuration is cut out by its indentation"
        );
    }
    let toml: String = text
        .lines()
        .skip_while(|line| *line != "  witgate.toml: |")
        .skip(1)
        .take_while(|line| line.starts_with("    ") || line.is_empty())
        .map(|line| format!("{}\n", line.trim_start_matches("    ")))
        .collect();
    load(&toml);
}

#[test]
fn the_containerfile_copies_what_it_built_to_where_the_configuration_looks() {
    let text = std::fs::read_to_string(deploy("Containerfile")).unwrap();
    for needed in [
        "--profile dist",
        "target/dist/witgate /usr/bin/witgate",
        "/etc/witgate/policies",
        "USER 10001",
    ] {
        assert!(text.contains(needed), "{needed}");
    }
}

/// The gateway runs commands that may leave children behind, and is no process 1.
#[test]
fn the_image_has_an_init_that_reaps_what_commands_leave_behind() {
    let text = std::fs::read_to_string(deploy("Containerfile")).unwrap();
    assert!(
        text.contains("install -y --no-install-recommends ca-certificates tini"),
        "it is installed"
    );
    assert!(
        text.contains("ENTRYPOINT [\"/usr/bin/tini\", \"--\", \"/usr/bin/witgate\"]"),
        "and starts the gateway"
    );
    let manifest = std::fs::read_to_string(deploy("kubernetes/witgate.yaml")).unwrap();
    assert!(
        !manifest.contains("command:"),
        "which the manifest leaves as it is"
    );
}
