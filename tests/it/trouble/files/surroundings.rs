//! The gateway without what it expects of its surroundings: file descriptors, folders, a terminal.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::{Bare, body, installation};
use crate::harness::{Client, GatewayBuilder, Installation, Upstream, binary, within_timeout};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_without_a_descriptor_left_serves_those_it_has_and_recovers() {
    let upstream = Upstream::answering().await;
    let installation = installation(&upstream);
    let mut command = Command::new("/bin/sh");
    let limited = "ulimit -n 64 && exec \"$0\" run --config witgate.toml";
    command.args(["-c", limited]).arg(binary());
    command
        .current_dir(installation.file("."))
        .stderr(Stdio::piped());
    let (process, stderr) = Bare::serving(&mut command).await;
    let mut lines = BufReader::new(stderr.unwrap()).lines();
    let mut early = Client::connect(process.address).await;
    let response = early.ask(&installation.messages(&body())).await;
    assert_eq!(response.status, 200, "there is room");

    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(
            tokio::net::TcpStream::connect(process.address)
                .await
                .unwrap(),
        );
    }
    within_timeout("the gateway to run out of descriptors", async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("could not accept a connection") {
                return;
            }
        }
        panic!("it ended");
    })
    .await;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    // A pooled connection to the upstream is there already.
    let response = early.ask(&installation.messages(&body())).await;
    assert_eq!(
        response.status,
        200,
        "who is in is served: {}",
        response.text()
    );
    drop(idle);
    within_timeout("room for a new connection", async {
        while process.ask(&installation.messages(&body())).await != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(process.stop().await, Some(0), "and it ends well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_1_with_a_credential_command_says_that_it_needs_an_init() {
    let unshare = [
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ];
    let able = Command::new("unshare").args(unshare).arg("true").output();
    if !able.await.is_ok_and(|output| output.status.success()) {
        println!("this machine has no user namespaces: nothing can be process 1 here");
        return;
    }
    let upstream = Upstream::answering().await;
    let installation = Installation::new(&GatewayBuilder::bare().extra(&format!(
        "[upstreams.only]\nbase_url = \"{}\"\ncredential = {{ command = [\"/bin/echo\", \"tok\"] }}\n",
        upstream.url()
    )));
    let mut child = Command::new("unshare")
        .args(unshare)
        .arg(binary())
        .args(["run", "--config", "witgate.toml"])
        .current_dir(installation.file("."))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let warning = within_timeout("the warning", async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("process 1") {
                return line;
            }
        }
        panic!("it ended without a word");
    })
    .await;
    assert!(
        warning.contains("WARN") && warning.contains("init"),
        "{warning}"
    );
}
