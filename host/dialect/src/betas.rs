//! Betas of the body and of the header, where a dialect may name them in either.

use witgate_messages::{Edit, Head};

/// The member of a body.
const MEMBER: &str = "anthropic_beta";

/// Returns the betas of the body and then those of the header's lines, each once; `None` if the body's are no list of strings.
pub fn of<'h>(head: &Head, lines: impl IntoIterator<Item = &'h str>) -> Option<Vec<String>> {
    let mut betas = read(head)?;
    for beta in lines.into_iter().flat_map(|line| line.split(',')) {
        let beta = beta.trim();
        if !beta.is_empty() && !betas.iter().any(|other| other == beta) {
            betas.push(beta.to_owned());
        }
    }
    Some(betas)
}

/// Returns the edit that gives the body these betas, if it has others.
pub fn in_body(head: &Head, betas: &[String]) -> Option<Edit> {
    let there = head.member(MEMBER).is_some();
    if betas.is_empty() {
        return there.then(|| Edit::Remove(MEMBER.to_owned()));
    }
    let same = there && read(head).is_some_and(|body| body == betas);
    let list = || serde_json::Value::from(betas).to_string();
    (!same).then(|| Edit::Set(MEMBER.to_owned(), list()))
}

fn read(head: &Head) -> Option<Vec<String>> {
    match head.member(MEMBER) {
        None | Some("null") => Some(Vec::new()),
        Some(text) => serde_json::from_str(text).ok(),
    }
}
