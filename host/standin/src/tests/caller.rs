//! A small client, and the bodies it sends.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::StandIn;

/// A connection to a stand-in of its own.
pub(super) struct Caller {
    pub(super) tcp: TcpStream,
    pub(super) stop: watch::Sender<bool>,
    pub(super) serving: tokio::task::JoinHandle<()>,
}

pub(super) struct Got {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
    pub(super) complete: bool,
}

pub(super) const KEY: &str = "x-api-key: k\r\nanthropic-version: 2023-06-01\r\n";

impl Caller {
    pub(super) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(Arc::new(StandIn::new()).serve(listener, stopped));
        Self {
            tcp: TcpStream::connect(address).await.unwrap(),
            stop,
            serving,
        }
    }

    pub(super) async fn ask(&mut self, line: &str, headers: &str, body: &str) -> Got {
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {length}\r\n\r\n{body}"
        );
        self.tcp.write_all(request.as_bytes()).await.unwrap();
        self.read(line.starts_with("HEAD")).await
    }

    pub(super) async fn message(&mut self, scenario: &str, body: &Value) -> Got {
        let headers = format!("{KEY}x-standin: {scenario}\r\n");
        self.ask("POST /v1/messages?beta=true", &headers, &body.to_string())
            .await
    }

    pub(super) async fn read(&mut self, bodiless: bool) -> Got {
        let mut bytes = Vec::new();
        let mut got = loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, rest)) = text.split_once("\r\n\r\n") {
                break Got {
                    status: head[9..12].parse().unwrap(),
                    head: head.to_owned(),
                    body: rest.as_bytes().to_vec(),
                    complete: false,
                };
            }
            assert!(
                self.tcp.read_buf(&mut bytes).await.unwrap() > 0,
                "the connection ended before a head"
            );
        };
        let length = got
            .header("content-length")
            .map(|length| length.parse::<usize>().unwrap());
        loop {
            let whole = match length {
                _ if bodiless => true,
                Some(length) => got.body.len() == length,
                None => got.body.ends_with(b"0\r\n\r\n"),
            };
            if whole || self.tcp.read_buf(&mut got.body).await.unwrap() == 0 {
                got.complete = whole;
                return got;
            }
        }
    }
}

impl Got {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The data of the events. Every chunk is whole frames, so lines are enough to find them.
    pub(super) fn events(&self) -> Vec<Value> {
        let text = String::from_utf8_lossy(&self.body);
        text.lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }

    pub(super) fn kinds(&self) -> Vec<String> {
        self.events()
            .iter()
            .map(|event| event["type"].as_str().unwrap().to_owned())
            .collect()
    }
}

pub(super) fn ask(text: &str) -> Value {
    json!({"model": "claude-opus-5-5", "max_tokens": 1024, "messages": [{"role": "user", "content": text}]})
}

pub(super) fn with(mut body: Value, member: &str, value: Value) -> Value {
    body[member] = value;
    body
}

pub(super) fn streamed(body: Value) -> Value {
    with(body, "stream", json!(true))
}
