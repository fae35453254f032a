//! A log that is written to nobody, to a disk that is full, or to a reader that stands still.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::{Bare, asking, installation};
use crate::harness::{GatewayBuilder, Installation, Process, Upstream, binary, within_timeout};

/// Requests that are asked while the log can't be written.
const REQUESTS: usize = 20;

/// Requests that are asked before the log is looked at again.
const MANY: usize = 64;

fn full() -> Stdio {
    let full = std::fs::File::options().write(true).open("/dev/full");
    full.unwrap().into()
}

/// A pipe that nobody reads any more.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// Asks, with everything that writes to the log.
async fn ask(installation: &Installation, bare: &Bare) {
    for number in 0..REQUESTS {
        let status = bare.ask(&installation.messages(&super::body())).await;
        assert_eq!(status, 200, "request {number} is answered");
        assert_eq!(
            bare.ask(&asking("unknown")).await,
            401,
            "so is one that is refused"
        );
    }
    // A reload has its say too.
    bare.signal("-HUP").await;
    within_timeout("the reload", async {
        while !bare.page("/config").await.contains("\"reloads\": 1") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(bare.page("/readyz").await.contains("ready"), "it is ready");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_whose_reader_has_left_or_whose_disk_is_full_costs_log_lines_only() {
    let upstream = Upstream::answering().await;
    for (what, stderr) in [("a closed pipe", closed()), ("a full disk", full())] {
        let installation = installation(&upstream);
        let (bare, _) = Bare::start(&installation, stderr).await;
        ask(&installation, &bare).await;
        assert!(bare.dropped().await > 0, "{what}: lost lines are counted");
        assert_eq!(
            bare.stop().await,
            Some(0),
            "{what}: it drains and ends well"
        );
        let receipts = installation.receipts();
        let asked = receipts
            .iter()
            .filter(|receipt| receipt["endpoint"] == "messages");
        assert_eq!(asked.count(), 2 * REQUESTS, "{what}: no receipt is lost");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_whose_reader_stands_still_holds_up_nothing_and_says_what_it_lost() {
    let upstream = Upstream::answering().await;
    let installation = installation(&upstream);
    let (bare, stderr) = Bare::start(&installation, Stdio::piped()).await;
    within_timeout("more lines than are kept", async {
        while bare.dropped().await == 0 {
            for _ in 0..MANY {
                ask_once(&installation, &bare).await;
            }
        }
    })
    .await;
    ask(&installation, &bare).await;

    // The reader goes on, and a later line says what is missing.
    let mut stderr = stderr.unwrap();
    let mut read = Vec::new();
    within_timeout("the gap to be told", async {
        while !String::from_utf8_lossy(&read).contains("log lines: standard error") {
            // Something has to be logged.
            tokio::select! {
                count = stderr.read_buf(&mut read) => assert!(count.unwrap() > 0, "it runs"),
                () = ask_once(&installation, &bare) => {}
            }
        }
    })
    .await;
    assert_eq!(bare.stop().await, Some(0), "and it stops without a reader");
}

async fn ask_once(installation: &Installation, bare: &Bare) {
    let status = bare.ask(&installation.messages(&super::body())).await;
    assert_eq!(status, 200, "it is answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_whose_output_is_not_taken_fails_and_never_panics() {
    let upstream = Upstream::answering().await;
    let installation = installation(&upstream);
    let run = |arguments: &'static [&'static str], stdout: Stdio, stderr: Stdio| {
        let mut command = Command::new(binary());
        command.args(arguments).stdin(Stdio::null());
        command.current_dir(installation.file("."));
        command.stdout(stdout).stderr(stderr).kill_on_drop(true);
        async move {
            let child = command.spawn().unwrap();
            let ended = within_timeout("a command", child.wait_with_output());
            let output = ended.await.unwrap();
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            (output.status.code(), told)
        }
    };
    let (code, told) = run(&["check"], full(), Stdio::piped()).await;
    assert_eq!(code, Some(1), "what was not printed is a failure: {told}");
    assert!(told.contains("standard output"), "and is told: {told}");
    let (code, told) = run(&["check"], closed(), Stdio::piped()).await;
    assert_eq!(code, Some(1), "a reader that left: {told}");
    assert!(!told.contains("standard output"), "is no news: {told}");
    let (code, _) = run(&["check"], closed(), closed()).await;
    assert_eq!(code, Some(1), "nor is one of both outputs");
    let (code, _) = run(&["run", "--config", "none.toml"], full(), full()).await;
    assert_eq!(code, Some(1), "an error that can't be told");
    let (code, _) = run(&["--help"], full(), full()).await;
    assert_ne!(code, Some(101), "help that can't be printed");
    let (code, _) = run(&["--nonsense"], full(), full()).await;
    assert_eq!(code, Some(2), "usage that can't be printed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_serves_although_its_welcome_cannot_be_printed() {
    let installation = Installation::new(&GatewayBuilder::shipped());
    for output in [full, closed] {
        let mut command = Command::new(binary());
        command.args(["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        command.current_dir(installation.file("."));
        command.env_remove("ANTHROPIC_API_KEY");
        let (demo, _) = Bare::serving(command.stdout(output()).stderr(output())).await;
        assert_eq!(demo.stop().await, Some(0), "it serves, and ends well");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_goes_on_although_nobody_reads_the_log() {
    let upstream = Upstream::answering().await;
    let builder = GatewayBuilder::bare()
        .extra("[upgrade]\nsocket = \"upgrade.sock\"\n")
        .upstream("default", &upstream);
    let installation = Installation::new(&builder);
    let (mut old, _) = Bare::start(&installation, closed()).await;
    let heir: Process = installation.upgrade().await;
    let status = within_timeout("the old one to end", old.child.wait()).await;
    assert_eq!(
        status.unwrap().code(),
        Some(0),
        "it hands over and ends well"
    );
    assert_eq!(
        heir.client()
            .await
            .ask(&installation.messages(&super::body()))
            .await
            .status,
        200,
        "the new one serves"
    );
}
