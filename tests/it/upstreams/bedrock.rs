//! Amazon Bedrock as an upstream: clients of the API are served by it and see no difference.

mod answers;
mod credentials;
mod errors;
mod frames;
mod pairs;
mod signature;
mod standin;

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use self::signature::Keys;
use self::standin::Takes;
use crate::harness::Upstream;

/// The public half of the usual keys.
const ID: &str = "AKIATEST";
/// The secret half of the usual keys.
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/secret-of-the-test";

/// The shared files of an account, with one profile.
struct Account {
    folder: TempDir,
}

// === impl Account ===

impl Account {
    /// An account with the usual keys.
    fn new() -> Self {
        let account = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        account.write(&format!(
            "aws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n"
        ));
        account
    }

    /// Replaces the profile.
    fn write(&self, lines: &str) {
        let text = format!("[test]\n{lines}");
        std::fs::write(self.file("credentials"), text).unwrap();
        std::fs::write(self.file("config"), "").unwrap();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the table of an upstream that is asked with these keys.
    fn table(&self, name: &str, upstream: &Upstream, more: &str) -> String {
        let aws = format!(
            "[upstreams.{name}.aws]\nprofile = \"test\"\ncredentials_file = \"{}\"\nconfig_file = \"{}\"\n",
            self.file("credentials").display(),
            self.file("config").display()
        );
        bedrock(name, upstream, more) + &aws
    }
}

/// Returns the table of an upstream, without a credential.
fn bedrock(name: &str, upstream: &Upstream, more: &str) -> String {
    format!(
        "[upstreams.{name}]\nkind = \"bedrock\"\nregion = \"{}\"\nendpoint = \"{}\"\nretry = {{ attempts = 0 }}\n{more}\n",
        standin::REGION,
        upstream.url()
    )
}

fn keys() -> Takes {
    Takes::Keys(Keys::new(ID, SECRET))
}

/// A request whose model both sides know.
fn body() -> Value {
    json!({
        "model": "claude-sonnet-4-5", "max_tokens": 64,
        "messages": [{"role": "user", "content": "hello"}],
    })
}

fn streamed() -> Value {
    let mut body = body();
    body["stream"] = true.into();
    body
}
