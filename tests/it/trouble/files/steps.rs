//! Files that are written in place, a piece at a time.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use witgate_gateway::keys::NewKey;

use super::{asking, installation, until};
use crate::harness::{Process, Upstream, key_entry, within_timeout};

/// Time between two steps: longer than that between two looks. It is what is tested, so it can't be waited for otherwise.
const BETWEEN: Duration = Duration::from_millis(1100);

/// A file that has become shorter is waited for longer than this. On a machine that stood still for so long between two
/// steps, the test proves nothing.
const TOO_LONG: Duration = Duration::from_secs(4);

/// Writes a file in place, in two steps. Tells whether the second came in time.
async fn in_two_steps(path: &Path, text: &str, first: usize) -> bool {
    let begun = Instant::now();
    let mut file = fs::File::create(path).unwrap();
    file.write_all(&text.as_bytes()[..first]).unwrap();
    tokio::time::sleep(BETWEEN).await;
    file.write_all(&text.as_bytes()[first..]).unwrap();
    begun.elapsed() < TOO_LONG
}

/// Asks again and again with a key until another one is known. Gives the statuses that were not 200.
async fn asked_until(process: &Process, key: &NewKey, new: &NewKey) -> Vec<u16> {
    let mut client = process.client().await;
    let mut refused = Vec::new();
    within_timeout("the new key", async {
        loop {
            let status = client.ask(&asking(&key.secret)).await.status;
            if status != 200 {
                refused.push(status);
            }
            if client.ask(&asking(&new.secret)).await.status == 200 {
                return refused;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keys_file_that_is_written_in_two_steps_locks_nobody_out() {
    let upstream = Upstream::answering().await;
    let installation = installation(&upstream);
    let alice = NewKey::random();
    let path = installation.file("keys.toml");
    fs::write(&path, key_entry("alice", &alice, "pro")).unwrap();
    let process = installation.start().await;
    until(process.address, &alice, 200).await;
    loop {
        let bob = NewKey::random();
        let bobs = key_entry("bob", &bob, "pro");
        let text = format!("{bobs}{}", key_entry("alice", &alice, "pro"));
        // The first step has no key of the ones that are in use, and is a right file by itself.
        let (refused, in_time) = tokio::join!(
            asked_until(&process, &alice, &bob),
            in_two_steps(&path, &text, bobs.len())
        );
        if in_time {
            assert_eq!(refused, [0; 0], "a valid key is never refused");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_is_written_in_two_steps_loses_no_table() {
    let upstream = Upstream::answering().await;
    let installation = installation(&upstream);
    let path = installation.file("witgate.toml");
    let table = |name: &str| format!("[upstreams.{name}]\nbase_url = \"{}\"\n", upstream.url());
    let base = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{base}{}", table("kept"))).unwrap();
    let process = installation.start().await;
    let upstreams = async || process.admin("/upstreams").await.text().to_owned();
    assert!(upstreams().await.contains("\"kept\""), "it is there");
    for round in 0.. {
        // Shorter names make for a shorter first step.
        let (new, kept) = (format!("n{round}"), table("kept"));
        let text = format!("{base}{}{kept}", table(&new));
        let first = text.len() - kept.len();
        let look = async {
            let mut lost = 0;
            loop {
                let page = upstreams().await;
                lost += usize::from(!page.contains("\"kept\""));
                if page.contains(&format!("\"{new}\"")) {
                    return lost;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let (lost, in_time) = tokio::join!(
            within_timeout("the new table", look),
            in_two_steps(&path, &text, first)
        );
        if in_time {
            assert_eq!(lost, 0, "a table is never missing");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_taken_out_in_place_is_refused_in_seconds() {
    let upstream = Upstream::answering().await;
    let installation = installation(&upstream);
    let (alice, bob) = (NewKey::random(), NewKey::random());
    let path = installation.file("keys.toml");
    let both = [("alice", &alice), ("bob", &bob)].map(|(id, key)| key_entry(id, key, "pro"));
    fs::write(&path, both.concat()).unwrap();
    let process = installation.start().await;
    until(process.address, &alice, 200).await;
    let begun = Instant::now();
    fs::write(&path, &both[1]).unwrap();
    until(process.address, &alice, 401).await;
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "it took {:?}",
        begun.elapsed()
    );
    until(process.address, &bob, 200).await;
    // To empty the file is to revoke all of them.
    fs::write(&path, "").unwrap();
    until(process.address, &bob, 401).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_keys_file_and_half_a_configuration_leave_everything_as_it_was() {
    let upstream = Upstream::answering().await;
    let installation = installation(&upstream);
    let alice = NewKey::random();
    fs::write(
        installation.file("keys.toml"),
        key_entry("alice", &alice, "pro"),
    )
    .unwrap();
    let process = installation.start().await;
    for name in ["keys.toml", "witgate.toml"] {
        let text = fs::read_to_string(installation.file(name)).unwrap();
        // Cut within the last line, and left so.
        let cut = text.trim_end().len() - 1;
        fs::write(installation.file(name), &text[..cut]).unwrap();
        within_timeout("the half to be noticed", async {
            while !process
                .admin("/metrics")
                .await
                .text()
                .contains("witgate_config_reload_failed 1")
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        until(process.address, &alice, 200).await;
        fs::write(installation.file(name), &text).unwrap();
        within_timeout("the whole to be read", async {
            while !process
                .admin("/metrics")
                .await
                .text()
                .contains("witgate_config_reload_failed 0")
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}
