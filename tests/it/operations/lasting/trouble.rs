//! Trouble with the state: in use, damaged, without room.

use std::process::ExitStatus;

use tokio::process::Command;
use witgate_artifacts::BUDGET;

use super::{LIMITS, STATE, accounts, ask, body, installation, settled, upstream};
use crate::harness::{GatewayBuilder, Installation, Pause, Process, binary, within_timeout};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_same_state_does_not_start() {
    let upstream = upstream(&Pause::new()).await;
    let installation = installation(&upstream);
    let config = std::fs::read_to_string(installation.file("witgate.toml")).unwrap();
    let alone = config.replace("[upgrade]\nsocket = \"witgate.sock\"\n", "");
    std::fs::write(installation.file("alone.toml"), alone).unwrap();
    let _running = installation.start().await;
    let (status, told): (ExitStatus, String) = {
        let started = Command::new(binary())
            .args(["run", "--config", "alone.toml"])
            .current_dir(installation.file(""))
            .output();
        let output = within_timeout("a process to give up", started)
            .await
            .unwrap();
        (
            output.status,
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    assert!(!status.success(), "{told}");
    assert!(
        told.contains("another process keeps the ledger's journal"),
        "{told}"
    );
    assert!(told.contains("--upgrade"), "what to do: {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_journal_is_refused_with_what_to_do_and_accepted_on_demand() {
    let upstream = upstream(&Pause::new()).await;
    let installation = installation(&upstream);
    let process = installation.start().await;
    ask(&installation, &process).await;
    process.signal("-TERM").await;
    process.ended().await;
    let folder = installation.file("state/ledger");
    let snapshot = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let snapshot = snapshot
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "snapshot"));
    let snapshot = snapshot.expect("there is a snapshot");
    let mut bytes = std::fs::read(&snapshot).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&snapshot, bytes).unwrap();

    let config = std::fs::read_to_string(installation.file("witgate.toml")).unwrap();
    let (status, told) = installation.upgrade_in_vain("witgate.toml").await;
    assert!(!status.success(), "{told}");
    for part in [
        "damaged",
        ".snapshot",
        "on_journal_damage",
        "witgate ledger rebuild",
    ] {
        assert!(told.contains(part), "`{part}`: {told}");
    }
    let accepting = config.replace("[state]\n", "[state]\non_journal_damage = \"serve\"\n");
    std::fs::write(installation.file("witgate.toml"), accepting).unwrap();
    let next = installation.start().await;
    next.says("some spending is forgotten").await;
    ask(&installation, &next).await;
}

/// Lifts the bound on the size of a process's files, or sets it.
async fn bound_files(process: &Process, bytes: &str) {
    let set = Command::new("prlimit")
        .args([
            "--pid",
            &process.id().to_string(),
            &format!("--fsize={bytes}:unlimited"),
        ])
        .status()
        .await
        .unwrap();
    assert!(set.success(), "the bound is set");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_disk_is_full_requests_are_refused_and_readiness_says_why() {
    for rule in ["refuse", "serve"] {
        let upstream = upstream(&Pause::new()).await;
        let state = STATE.replace(
            "[state]\n",
            &format!("[state]\non_journal_failure = \"{rule}\"\n"),
        );
        let builder = GatewayBuilder::shipped()
            .plugin("budget", BUDGET, LIMITS)
            .extra(&state)
            .upstream("default", &upstream);
        let installation = Installation::new(&builder);
        // Without the signal that ends a process whose file grows too large, the write fails.
        let process = installation.start_ignoring("XFSZ").await;
        ask(&installation, &process).await;
        bound_files(&process, "1").await;
        let request = installation.messages(&body(false));
        let answer = process.client().await.ask(&request).await;
        let ready = process.admin("/readyz").await;
        assert_eq!(ready.status, 503, "{}", ready.text());
        assert!(
            ready.text().contains("journal can't be written"),
            "{}",
            ready.text()
        );
        if rule == "refuse" {
            assert_eq!(answer.status, 503, "{}", answer.text());
            assert!(
                answer.text().contains("budgets can't be recorded"),
                "{}",
                answer.text()
            );
            assert_eq!(upstream.requests().len(), 1, "nothing was sent");
        } else {
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        let metrics = process.admin("/metrics").await;
        assert!(
            metrics.text().contains("witgate_ledger_journal_failing 1"),
            "metrics say so"
        );

        bound_files(&process, "unlimited").await;
        within_timeout("the gateway to be ready", async {
            while process.admin("/readyz").await.status != 200 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
        ask(&installation, &process).await;
        let before = settled(&process).await;
        process.die().await;
        let next = installation.start().await;
        let after = settled(&next).await;
        assert_eq!(
            accounts(&after),
            accounts(&before),
            "{rule}: nothing was lost"
        );
    }
}
