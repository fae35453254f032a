//! A command that prints a credential. It runs without blocking a worker, within bounds; its messages go to the log.

mod output;

use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use tokio::process::{Child, Command};
use tokio::runtime::{Builder, Handle};
use tokio::time::timeout;

use self::output::Output;
use super::expiry;
use crate::config::CredentialCommand;

/// Longest time of one run, after which the command is killed.
pub(super) const TIMEOUT: Duration = Duration::from_secs(30);

/// Largest output that is read, in bytes.
const OUTPUT: usize = 64 * 1024;

/// Largest part of the messages that is logged, in bytes.
const MESSAGES: usize = 8 * 1024;

/// The output of a command.
pub(super) struct Printed {
    pub(super) token: String,
    /// The time until the credential expires; `None` if the command does not say.
    pub(super) expires_in: Option<Duration>,
}

/// The JSON that a command may print. Unknown members are ignored.
#[derive(Deserialize)]
struct Token {
    token: String,
    expires_at: Option<serde_json::Value>,
}

/// Runs the command on a thread that may block.
///
/// # Errors
///
/// As [`run`].
pub(super) fn run_blocking(upstream: &str, command: &CredentialCommand) -> Result<Printed, String> {
    match Handle::try_current() {
        Ok(runtime) => runtime.block_on(run(upstream, command)),
        Err(_) => Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("no runtime for the command: {error}"))?
            .block_on(run(upstream, command)),
    }
}

/// Runs the command.
///
/// # Errors
///
/// The command cannot be started, takes too long, fails, or prints no credential. The error never quotes its output.
pub(super) async fn run(upstream: &str, command: &CredentialCommand) -> Result<Printed, String> {
    let program = &command.program;
    let mut child = Command::new(program)
        .args(&command.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{program} can't be run: {error}"))?;
    let Ok((status, printed, messages)) = timeout(TIMEOUT, ended(&mut child)).await else {
        return Err(format!(
            "{program} did not end within {TIMEOUT:?} and was killed"
        ));
    };
    let printed = String::from_utf8(printed).map_err(|_| format!("{program} printed no text"));
    let read = printed.and_then(|printed| parse(program, &printed, SystemTime::now()));
    log(upstream, &messages, read.as_ref().ok());
    let status = status.map_err(|error| format!("{program} can't be waited for: {error}"))?;
    if status.success() {
        read
    } else {
        Err(format!(
            "{program} failed ({status}); what it said is in the log"
        ))
    }
}

/// Waits for the end of the command itself, and returns what it wrote to standard output and standard error until then.
/// Processes that it leaves running may hold both open, and are not waited for.
async fn ended(child: &mut Child) -> (std::io::Result<ExitStatus>, Vec<u8>, Vec<u8>) {
    let mut printed = Output::new(child.stdout.take(), OUTPUT);
    let mut messages = Output::new(child.stderr.take(), MESSAGES);
    let status = tokio::select! {
        status = child.wait() => status,
        () = async { tokio::join!(printed.follow(), messages.follow()); } => child.wait().await,
    };
    (status, printed.finish(), messages.finish())
}

/// Parses `{"token": …, "expires_at": …}`, or a bare token.
fn parse(program: &str, printed: &str, now: SystemTime) -> Result<Printed, String> {
    let text = printed.trim();
    if text.is_empty() {
        return Err(format!("{program} printed nothing"));
    }
    if !text.starts_with('{') {
        return Ok(Printed {
            token: text.to_owned(),
            expires_in: None,
        });
    }
    // The parser's own error would quote the output.
    let token: Token = serde_json::from_str(text).map_err(|_| {
        format!("{program} printed JSON that is not {{\"token\": …, \"expires_at\": …}}")
    })?;
    let expires_at = match &token.expires_at {
        None | Some(serde_json::Value::Null) => None,
        Some(value) => Some(expiry::read(value).ok_or_else(|| {
            format!("{program} printed an `expires_at` that is neither RFC 3339 nor Unix seconds")
        })?),
    };
    Ok(Printed {
        token: token.token,
        expires_in: expires_at.map(|at| at.duration_since(now).unwrap_or_default()),
    })
}

/// Logs the messages of a command line by line, without the secret.
fn log(upstream: &str, messages: &[u8], printed: Option<&Printed>) {
    let messages = String::from_utf8_lossy(messages);
    for line in messages.lines().filter(|line| !line.trim().is_empty()) {
        let line = match printed {
            Some(printed) if !printed.token.trim().is_empty() => {
                line.replace(printed.token.trim(), "[the credential]")
            }
            _ => line.to_owned(),
        };
        tracing::info!(upstream, line, "the credential's command says");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> CredentialCommand {
        CredentialCommand {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            refresh: Duration::from_secs(300),
        }
    }

    async fn run_shell(script: &str) -> Result<Printed, String> {
        run("a", &shell(script)).await
    }

    #[tokio::test]
    async fn a_token_is_read_plain_and_with_its_expiry() {
        let plain = run_shell("echo '  sk-1 '; echo noise >&2").await.unwrap();
        assert_eq!(
            (plain.token.as_str(), plain.expires_in),
            ("sk-1", None),
            "plain text"
        );
        let json = run_shell(r#"echo '{"token":"sk-2","expires_at":4102444800,"more":1}'"#);
        let json = json.await.unwrap();
        assert_eq!(json.token, "sk-2", "JSON");
        assert!(
            json.expires_in.unwrap() > Duration::from_secs(86_400),
            "with its expiry"
        );
        let old = run_shell(r#"echo '{"token":"sk-3","expires_at":"2001-01-01T00:00:00Z"}'"#);
        assert_eq!(
            old.await.unwrap().expires_in,
            Some(Duration::ZERO),
            "one that is over"
        );
    }

    #[tokio::test]
    async fn a_failure_says_what_is_wrong_and_never_what_was_printed() {
        for script in [
            "echo sk-secret; exit 3",
            r#"echo '{"key":"sk-secret"}'"#,
            r#"echo '{"token":"sk-secret","expires_at":"soon"}'"#,
            "true",
        ] {
            let error = run_shell(script).await.err().expect(script);
            assert!(error.contains("/bin/sh"), "{error} names the program");
            assert!(!error.contains("sk-secret"), "{error} has no secret");
        }
        let missing = CredentialCommand {
            program: "/nowhere/prog".into(),
            ..shell("")
        };
        assert!(
            run("a", &missing).await.is_err(),
            "a program that is not there"
        );
    }

    #[tokio::test]
    async fn a_child_that_holds_the_output_is_not_waited_for() {
        let begun = std::time::Instant::now();
        for script in [
            "sleep 45 & echo sk-1; echo noise >&2",
            "echo sk-1; sleep 45 >/dev/null &",
        ] {
            let printed = run_shell(script).await.unwrap();
            assert_eq!(printed.token, "sk-1", "what the command itself printed");
        }
        assert!(begun.elapsed() < TIMEOUT, "it is done when the command is");
        let chatty = run_shell("(while :; do echo noise; done) & echo; exit 4");
        let error = chatty.await.err().expect("its own status counts");
        assert!(error.contains("exit status: 4"), "{error}");
    }

    #[tokio::test]
    async fn more_output_than_is_read_does_not_hold_the_command() {
        let printed = run_shell(
            "echo sk-1; head -c 1000000 /dev/zero | tr '\\0' ' ' ; head -c 1000000 /dev/zero >&2",
        );
        assert_eq!(printed.await.unwrap().token, "sk-1", "it ended by itself");
    }
}
