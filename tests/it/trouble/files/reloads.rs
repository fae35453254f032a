//! Files that are replaced, led elsewhere, or changed while others are read.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use witgate_gateway::keys::NewKey;

use super::{installation, until};
use crate::harness::{
    Authority, GatewayBuilder, Installation, Process, Tunnel, Upstream, key_entry, within_timeout,
};

/// A keys file with one key. All of them are of one length.
fn keys(key: &NewKey) -> String {
    key_entry("alice", key, "pro")
}

/// Puts a file in the place of another, with the other's time: `rsync -t`, and image layers.
fn replace(path: &Path, text: &str) {
    let at: SystemTime = fs::metadata(path).unwrap().modified().unwrap();
    let beside = path.with_extension("beside");
    fs::write(&beside, text).unwrap();
    let file = fs::File::options().write(true).open(&beside).unwrap();
    file.set_modified(at).unwrap();
    fs::rename(&beside, path).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keys_file_is_replaced_by_one_of_the_same_size_and_time() {
    let upstream = Upstream::answering().await;
    let installation = installation(&upstream);
    let (old, new) = (NewKey::random(), NewKey::random());
    fs::write(installation.file("keys.toml"), keys(&old)).unwrap();
    let process = installation.start().await;
    until(process.address, &old, 200).await;
    replace(&installation.file("keys.toml"), &keys(&new));
    until(process.address, &new, 200).await;
    until(process.address, &old, 401).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keys_file_behind_a_link_that_is_led_elsewhere_is_read() {
    let upstream = Upstream::answering().await;
    let installation = installation(&upstream);
    let at = |name: &str| installation.file(name);
    let (old, new) = (NewKey::random(), NewKey::random());
    // As Kubernetes lays a ConfigMap out: FILE -> ..data/FILE, ..data -> ..VERSION.
    let time = SystemTime::now() - Duration::from_secs(3600);
    for (version, key) in [("..v1", &old), ("..v2", &new)] {
        fs::create_dir(at(version)).unwrap();
        let file = at(version).join("keys.toml");
        fs::write(&file, keys(key)).unwrap();
        let file = fs::File::options().write(true).open(file).unwrap();
        file.set_modified(time).unwrap();
    }
    fs::remove_file(at("keys.toml")).unwrap();
    symlink("..v1", at("..data")).unwrap();
    symlink("..data/keys.toml", at("keys.toml")).unwrap();
    let process = installation.start().await;
    until(process.address, &old, 200).await;
    symlink("..v2", at("..data_tmp")).unwrap();
    fs::rename(at("..data_tmp"), at("..data")).unwrap();
    until(process.address, &new, 200).await;
    until(process.address, &old, 401).await;
}

/// A credential command that says that it has begun, and waits until it may end.
const SLOW: &str = "touch begun; while [ ! -e go-on ]; do sleep 0.05; done; echo sk-slow\n";

/// Waits until a file is there.
async fn appears(path: &Path) {
    within_timeout("the command to begin", async {
        while !path.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_while_a_reload_is_at_work_is_read_next() {
    let upstream = Upstream::answering().await;
    let installation = installation(&upstream);
    let (old, new) = (NewKey::random(), NewKey::random());
    fs::write(installation.file("keys.toml"), keys(&old)).unwrap();
    fs::write(installation.file("slow.sh"), SLOW).unwrap();
    let process = installation.start().await;
    let config = fs::read_to_string(installation.file("witgate.toml")).unwrap();
    let slow = format!(
        "{config}\n[upstreams.slow]\nbase_url = \"{}\"\ncredential = {{ command = [\"/bin/sh\", \"-c\", \"cd {} && . ./slow.sh\"] }}\n",
        upstream.url(),
        installation.file("").display(),
    );
    replace(&installation.file("witgate.toml"), &slow);
    appears(&installation.file("begun")).await;
    // The keys have been read by now, and the reload is not over.
    replace(&installation.file("keys.toml"), &keys(&new));
    fs::write(installation.file("go-on"), "").unwrap();
    until(process.address, &new, 200).await;
    until(process.address, &old, 401).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_while_the_gateway_starts_is_read_next() {
    let upstream = Upstream::answering().await;
    let installation = Installation::new(&GatewayBuilder::bare().extra(&format!(
        "[upstreams.slow]\nbase_url = \"{}\"\ncredential = {{ command = [\"/bin/sh\", \"slow.sh\"] }}\n",
        upstream.url()
    )));
    let (old, new) = (NewKey::random(), NewKey::random());
    fs::write(installation.file("keys.toml"), keys(&old)).unwrap();
    fs::write(installation.file("slow.sh"), SLOW).unwrap();
    let begun = installation.file("begun");
    let change = async {
        appears(&begun).await;
        replace(&installation.file("keys.toml"), &keys(&new));
        fs::write(installation.file("go-on"), "").unwrap();
    };
    let (process, ()): (Process, ()) = tokio::join!(installation.start(), change);
    until(process.address, &new, 200).await;
    until(process.address, &old, 401).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_comes_later_than_the_configuration_that_names_it_is_read() {
    let upstream = Upstream::answering().await;
    let installation = installation(&upstream);
    let new = NewKey::random();
    let process = installation.start().await;
    let config = fs::read_to_string(installation.file("witgate.toml")).unwrap();
    replace(
        &installation.file("witgate.toml"),
        &config.replace("\"keys.toml\"", "\"later.toml\""),
    );
    process.says("later.toml").await;
    fs::write(installation.file("later.toml"), keys(&new)).unwrap();
    until(process.address, &new, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_ca_file_is_trusted_without_a_restart() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let upstream = Upstream::answering().await;
    let server = authority.issue("127.0.0.1").server(&["http/1.1"]);
    let tunnel = Tunnel::out_of_tls(upstream.address(), server).await;
    let installation = Installation::new(&GatewayBuilder::bare().extra(&format!(
        "[upstreams.tls]\nbase_url = \"https://127.0.0.1:{}\"\nca_file = \"ca.pem\"\nbreaker = false\n",
        tunnel.address().port()
    )));
    let key = NewKey::random();
    fs::write(installation.file("keys.toml"), keys(&key)).unwrap();
    fs::write(installation.file("ca.pem"), stranger.pem()).unwrap();
    let process = installation.start().await;
    until(process.address, &key, 502).await;
    fs::write(installation.file("ca.pem"), authority.pem()).unwrap();
    until(process.address, &key, 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_gateway_warns_at_its_start_and_at_each_reload() {
    let upstream = Upstream::answering().await;
    let installation = installation(&upstream);
    let config = fs::read_to_string(installation.file("witgate.toml")).unwrap();
    let open = config.replace(
        "[keys]\nfile = \"keys.toml\"",
        "[keys]\ninsecure_open = true",
    );
    fs::write(installation.file("witgate.toml"), &open).unwrap();
    let process = installation.start().await;
    let warning = process.says("keys.insecure_open").await;
    assert!(
        warning.contains("WARN") && warning.contains("without a key"),
        "what it means: {warning}"
    );
    process.signal("-TERM").await;
    process.ended().await;

    fs::write(installation.file("witgate.toml"), &config).unwrap();
    let process = installation.start().await;
    fs::write(installation.file("witgate.toml"), &open).unwrap();
    process.signal("-HUP").await;
    process.says("the configuration was reloaded").await;
    process.signal("-TERM").await;
    let log = process.ended().await;
    let warnings = log.matches("keys.insecure_open").count();
    assert_eq!(warnings, 1, "at the reload, and not before: {log}");
}
