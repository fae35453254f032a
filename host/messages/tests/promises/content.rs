//! Texts that guards read: all of them, and nothing else changes.

mod bodies;
mod guards;
mod held;
mod whole_streams;

use witgate_messages::content::{Follows, Stream};

use guards::{Rule, Stopped};

/// Returns what a stream becomes under a guard, if it arrives in these chunks.
fn through<'a>(
    rule: &mut Rule,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (String, Result<(), Stopped>) {
    before(Follows::Nothing, rule, chunks)
}

/// Returns what a stream becomes that ends after these chunks, before what follows it.
fn before<'a>(
    follows: Follows,
    rule: &mut Rule,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (String, Result<(), Stopped>) {
    let mut stream = Stream::default();
    let mut out = Vec::new();
    let mut ended = Ok(());
    for chunk in chunks {
        ended = stream.feed(chunk, rule, &mut out);
        if ended.is_err() {
            break;
        }
    }
    if ended.is_ok() {
        ended = stream.finish(follows, rule, &mut out);
        assert_eq!(stream.held(), 0, "nothing waits at the end");
    }
    if let Err(Stopped) = ended {
        stream.refuse("told \"why\"", 7, &mut out);
    }
    (String::from_utf8(out).expect("whole characters"), ended)
}
