//! Tests of the translation, with recorded answers of the Messages API.

mod answers;
mod plugin;
mod refusals;
mod requests;
mod responses;
mod streams;

use witgate_plugin::json;

use crate::chat;
use crate::refused::Refused;
use crate::settings::Settings;

/// Returns settings as a sidecar has them.
fn settings(json: &str) -> Settings {
    let settings: Settings = witgate_plugin::typed(json).expect("settings");
    settings.check().expect("no problem")
}

/// Translates a request with the default settings, and returns the body of the Messages API.
fn translate(body: &str) -> Result<String, Refused> {
    translate_with(&settings("{}"), body)
}

fn translate_with(settings: &Settings, body: &str) -> Result<String, Refused> {
    let parsed = json::parse(body).expect("JSON");
    chat::request::translate(&parsed, body.len(), settings).map(|asked| asked.body)
}

/// Returns a request with one message of the user and these further members.
fn with(members: &str) -> String {
    format!(
        r#"{{"model":"claude-sonnet-5-5","messages":[{{"role":"user","content":"Hi"}}]{members}}}"#
    )
}

/// Returns a request with these messages.
fn messages(messages: &str) -> String {
    format!(r#"{{"model":"m","max_tokens":1,"messages":{messages}}}"#)
}
