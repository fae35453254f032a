//! Any bytes cut anywhere: the events are those of the uncut stream.

#![no_main]

use libfuzzer_sys::fuzz_target;
use witgate_messages::sse::{Frame, Framer};

fn events<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut framer = Framer::with_limit(256);
    let mut events = Vec::new();
    for chunk in chunks {
        framer.feed(chunk, |frame| match frame {
            Frame::Event(event) => events.push((event.name.to_vec(), event.data.to_vec())),
            Frame::Oversized(bytes) => events.push((Vec::new(), bytes.to_le_bytes().to_vec())),
        });
    }
    events
}

fuzz_target!(|input: (u8, &[u8])| {
    let (size, stream) = input;
    let whole = events([stream]);
    assert_eq!(events(stream.chunks(usize::from(size).max(1))), whole, "cut evenly");
    let (one, two) = stream.split_at(usize::from(size).min(stream.len()));
    assert_eq!(events([one, two]), whole, "cut once");
});
