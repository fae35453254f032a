//! An upgrade that a signal starts.

use super::{body, installation};
use crate::harness::{Client, Upstream};

/// The process that a process started, ended with the test.
struct Successor(String);

impl Drop for Successor {
    fn drop(&mut self) {
        let _ = std::process::Command::new("kill")
            .args(["-KILL", &self.0])
            .status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigusr2_starts_the_program_anew_and_it_takes_over() {
    let upstream = Upstream::answering().await;
    let installation = installation(&upstream);
    let old = installation.start().await;
    let address = old.address;
    old.signal("-USR2").await;
    let line = old.says("started a new process to take over").await;
    let id = line.rsplit("pid=").next().unwrap().trim().to_owned();
    let _successor = Successor(id.clone());
    old.says("a new process serves").await;
    let answer = Client::connect(address)
        .await
        .ask(&installation.messages(&body(false)))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_ne!(id, old.id().to_string(), "it is another process");
}
