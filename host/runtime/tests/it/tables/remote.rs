//! Tables from a URL, with a server that answers when the test says so.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use parking_lot::Mutex;
use witgate_runtime::{Fetch, FetchRequest, Fetched, Runtime, RuntimeOptions};

use super::{admitted, asked, status, until};
use crate::folder::{Folder, LONG};
use crate::request::runtime;

pub(super) const URL: &str = "[tables.models]\nurl = \"https://tables.example/models.json?token=s3cr3t\"\nrefresh_ms = 100\n";

/// The answer to a fetch.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    Content(&'static str, Option<&'static str>),
    Unchanged,
    Error(&'static str),
}

/// A request as it was received.
#[derive(Debug)]
pub(super) struct Asked {
    version: Option<String>,
    headers: Vec<(String, String)>,
}

/// The test's side of the server.
pub(super) struct Server {
    answers: Sender<Answer>,
    asked: Receiver<Asked>,
}

/// The host's side of it.
#[derive(Debug)]
pub(super) struct Scripted {
    answers: Mutex<Receiver<Answer>>,
    asked: Mutex<Sender<Asked>>,
}

impl Server {
    pub(super) fn new() -> (Self, Scripted) {
        let (answers, script) = mpsc::channel();
        let (told, asked) = mpsc::channel();
        let fetch = Scripted {
            answers: Mutex::new(script),
            asked: Mutex::new(told),
        };
        (Self { answers, asked }, fetch)
    }

    /// Answers the next request.
    pub(super) fn then(&self, answer: Answer) {
        self.answers.send(answer).unwrap();
    }

    /// Waits for a request, before which all earlier answers have taken effect.
    fn next(&self) -> Asked {
        self.asked.recv_timeout(LONG).expect("it is asked")
    }
}

impl Fetch for Scripted {
    fn check(&self, request: &FetchRequest<'_>) -> Result<(), String> {
        match request.url.starts_with("https://") {
            true => Ok(()),
            false => Err("must start with https://".to_owned()),
        }
    }

    fn fetch(&self, request: &FetchRequest<'_>) -> Result<Fetched, String> {
        let asked = Asked {
            version: request.version.map(str::to_owned),
            headers: request.headers.to_vec(),
        };
        let _ = self.asked.lock().send(asked);
        match self.answers.lock().recv() {
            Ok(Answer::Content(text, version)) => Ok(Fetched::Content {
                bytes: text.as_bytes().to_vec(),
                version: version.map(str::to_owned),
            }),
            Ok(Answer::Unchanged) => Ok(Fetched::Unchanged),
            Ok(Answer::Error(text)) => Err(format!("{text} (sent {:?})", request.headers)),
            Err(_) => Err("the test is over".to_owned()),
        }
    }
}

pub(super) fn runtime_with(fetch: Scripted) -> Runtime {
    Runtime::try_new(RuntimeOptions::default().with_fetch(fetch)).expect("the engine starts")
}

#[test]
fn a_url_is_asked_for_its_version_and_what_is_unchanged_stays() {
    let (server, fetch) = Server::new();
    let (runtime, folder) = (runtime_with(fetch), Folder::new());
    server.then(Answer::Content(r#"{"a": "no a"}"#, Some("v1")));
    let plugin = admitted(&runtime, folder.dir.path(), URL).expect("it is admitted");
    assert_eq!(server.next().version, None, "there is none yet");
    assert_eq!(asked(&plugin, "a"), "no a", "in the table");

    assert_eq!(server.next().version.as_deref(), Some("v1"), "of the first");
    server.then(Answer::Unchanged);
    assert_eq!(server.next().version.as_deref(), Some("v1"), "as before");
    let unchanged = status(&plugin);
    assert_eq!(
        (unchanged.refreshes, unchanged.failures),
        (2, 0),
        "{unchanged:?}"
    );
    assert_eq!(asked(&plugin, "a"), "no a", "unchanged");

    server.then(Answer::Content(r#"{"b": "no b"}"#, Some("v2")));
    assert_eq!(
        server.next().version.as_deref(),
        Some("v2"),
        "of the second"
    );
    assert_eq!(asked(&plugin, "a"), "read", "the old content is gone");
    assert_eq!(asked(&plugin, "b"), "no b", "the new one is there");
}

#[test]
fn the_last_good_content_of_a_url_stays_whatever_it_answers_then() {
    let (server, fetch) = Server::new();
    let (runtime, folder) = (runtime_with(fetch), Folder::new());
    server.then(Answer::Content(r#"{"a": "no a"}"#, Some("v1")));
    let sidecar = format!("{URL}max_bytes = 20\n");
    let plugin = admitted(&runtime, folder.dir.path(), &sidecar).expect("it is admitted");
    server.next();
    for (answer, says) in [
        (Answer::Error("no connection"), "no connection"),
        (Answer::Content("{", Some("v2")), "EOF while parsing"),
        (
            Answer::Content("{\"a\": \"012345678901\"}", None),
            "more than 20 bytes",
        ),
    ] {
        let version = server.next().version;
        assert_eq!(version.as_deref(), Some("v1"), "the last good one's");
        server.then(answer);
        until(says, || {
            let error = status(&plugin).last_error;
            error.is_some_and(|error| error.contains(says))
        });
        assert_eq!(asked(&plugin, "a"), "no a", "{says}");
    }
}

#[test]
fn a_url_that_does_not_answer_in_time_refuses_the_plugin_unless_it_is_optional() {
    let (server, fetch) = Server::new();
    let (runtime, folder) = (runtime_with(fetch), Folder::new());
    let sidecar = format!("{URL}timeout_ms = 50\n");
    let error = admitted(&runtime, folder.dir.path(), &sidecar).expect_err("it is silent");
    let text = error.to_string();
    assert!(
        text.contains("`tables.models.url`: it was not read within 50 ms"),
        "{text}"
    );
    let sidecar = format!("{sidecar}optional = true\n");
    let plugin = admitted(&runtime, folder.dir.path(), &sidecar).expect("it starts empty");
    assert_eq!(asked(&plugin, "a"), "never read", "no content");
    // One for the table of the refused plugin, which may still wait for it.
    server.then(Answer::Content(r#"{"a": "no a"}"#, None));
    server.then(Answer::Content(r#"{"a": "no a"}"#, None));
    until("it is read", || asked(&plugin, "a") == "no a");
}

#[test]
fn headers_and_the_query_reach_the_server_and_nobody_else() {
    let (server, fetch) = Server::new();
    let (runtime, folder) = (runtime_with(fetch), Folder::new());
    folder.rename_in("key", b"hidden-key\n");
    let sidecar = format!(
        "{URL}optional = true\n[tables.models.headers]\nauthorization = {{ file = \"key\", prefix = \"Bearer \" }}\nx-plain = \"plain-text\"\n"
    );
    server.then(Answer::Error("refused for s3cr3t and hidden-key"));
    let plugin = admitted(&runtime, folder.dir.path(), &sidecar).expect("it starts empty");
    let sent = server.next().headers;
    let expected = [
        ("authorization", "Bearer hidden-key"),
        ("x-plain", "plain-text"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(sent, expected, "what the server gets");
    let status = status(&plugin);
    assert_eq!(
        status.source, "https://tables.example/models.json",
        "no query"
    );
    let error = status.last_error.expect("it failed");
    assert!(
        error.contains("refused for [secret] and [secret]"),
        "{error}"
    );
    for secret in ["hidden-key", "plain-text", "s3cr3t"] {
        assert!(!error.contains(secret), "{error}");
        assert!(!format!("{plugin:?}").contains(secret), "{plugin:?}");
    }
}

#[test]
fn the_next_version_of_a_plugin_does_not_fetch_what_is_there() {
    let (server, fetch) = Server::new();
    let (runtime, folder) = (runtime_with(fetch), Folder::new());
    let slow = URL.replace("refresh_ms = 100", "refresh_ms = 86400000");
    server.then(Answer::Content(r#"{"a": "no a"}"#, None));
    let first = admitted(&runtime, folder.dir.path(), &slow).expect("it is admitted");
    server.next();
    let changed = format!("order = 7\n{slow}");
    let text = changed.replace("order = 7\n", "");
    let mut source = witgate_runtime::Source::new("lookup", witgate_artifacts::LOOKUP.bytes());
    source.sidecar = Some(witgate_runtime::SidecarText::new(
        folder.path("lookup.toml"),
        format!("order = 7\n{}{text}", crate::request::PATIENT),
    ));
    let second = runtime.admit(&source).expect("without a request");
    assert_eq!(asked(&second, "a"), "no a", "the same content");
    assert!(server.asked.try_recv().is_err(), "asked once");
    drop(first);
    assert_eq!(asked(&second, "a"), "no a", "still there");
}

#[test]
fn a_host_without_a_fetcher_and_a_fetcher_that_does_not_know_the_url_say_so() {
    let folder = Folder::new();
    let error = admitted(&runtime(), folder.dir.path(), URL).expect_err("no fetcher");
    let text = error.to_string();
    assert!(
        text.contains("`tables.models.url`: this host fetches no URLs; use `file`"),
        "{text}"
    );
    let (_server, fetch) = Server::new();
    let ftp = URL.replace("https", "ftp");
    let error = admitted(&runtime_with(fetch), folder.dir.path(), &ftp).expect_err("ftp");
    assert!(
        error
            .to_string()
            .contains("`tables.models.url`: must start with https://"),
        "{error}"
    );
}

#[test]
fn a_fetcher_that_panics_costs_one_reading() {
    #[derive(Debug)]
    struct Panics(Arc<Mutex<u32>>);
    impl Fetch for Panics {
        fn check(&self, _: &FetchRequest<'_>) -> Result<(), String> {
            Ok(())
        }
        fn fetch(&self, _: &FetchRequest<'_>) -> Result<Fetched, String> {
            let mut calls = self.0.lock();
            *calls += 1;
            assert!(*calls > 1, "the first time");
            Ok(Fetched::Content {
                bytes: b"{}".to_vec(),
                version: None,
            })
        }
    }
    let options = RuntimeOptions::default().with_fetch(Panics(Arc::default()));
    let runtime = Runtime::try_new(options).expect("the engine starts");
    let folder = Folder::new();
    let sidecar = format!("{URL}optional = true\n");
    let plugin = admitted(&runtime, folder.dir.path(), &sidecar).expect("it starts empty");
    until("it is read", || asked(&plugin, "a") == "read");
}
