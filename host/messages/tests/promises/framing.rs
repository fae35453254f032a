//! Events are the same however a stream is cut into chunks.

use proptest::prelude::*;
use witgate_messages::sse::{Frame, Framer};

use crate::streams;

#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Event(String, String),
    Oversized(usize),
}

fn feed(framer: &mut Framer, chunk: &[u8], seen: &mut Vec<Seen>) {
    framer.feed(chunk, |frame| {
        seen.push(match frame {
            Frame::Event(event) => Seen::Event(
                String::from_utf8_lossy(event.name).into_owned(),
                String::from_utf8_lossy(event.data).into_owned(),
            ),
            Frame::Oversized(bytes) => Seen::Oversized(bytes),
        });
    });
}

fn events<'a>(limit: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Seen> {
    let mut framer = Framer::with_limit(limit);
    let mut seen = Vec::new();
    for chunk in chunks {
        feed(&mut framer, chunk, &mut seen);
    }
    seen
}

fn event(name: &str, data: &str) -> Seen {
    Seen::Event(name.to_owned(), data.to_owned())
}

/// The standard's algorithm, line by line over the whole stream.
fn plainly(stream: &[u8]) -> Vec<Seen> {
    let text = String::from_utf8_lossy(stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream))
        .into_owned();
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (mut name, mut data, mut seen) = (String::new(), Vec::new(), Vec::new());
    let Some((whole, _cut)) = text.rsplit_once('\n') else {
        return seen;
    };
    for line in whole.split('\n') {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" if line.is_empty() => {
                if !data.is_empty() {
                    seen.push(Seen::Event(std::mem::take(&mut name), data.join("\n")));
                }
                name.clear();
                data.clear();
            }
            "event" => name = value.to_owned(),
            "data" => data.push(value.to_owned()),
            _ => {}
        }
    }
    seen
}

#[test]
fn all_line_ends_comments_and_marks_are_understood() {
    let stream = "\u{feff}event: a\ndata: 1\n\nevent:b\r\ndata:2\r\n\r\ndata: 3\rdata: x\r\r: note\n\n\nid: 7\nretry: 1\n\nevent: c\ndata\n\r\nevent: cut\ndata: 9\n";
    let wanted = [
        event("a", "1"),
        event("b", "2"),
        event("", "3\nx"),
        event("c", ""),
    ];
    assert_eq!(events(1 << 20, [stream.as_bytes()]), wanted, "in one chunk");
    assert_eq!(
        events(1 << 20, stream.as_bytes().chunks(1)),
        wanted,
        "byte by byte"
    );
    assert_eq!(plainly(stream.as_bytes()), wanted, "as the standard has it");
}

#[test]
fn every_split_point_gives_the_same_events() {
    for (name, stream) in streams::all() {
        for stream in [
            stream.clone(),
            stream.replace('\n', "\r\n"),
            stream.replace('\n', "\r"),
        ] {
            let bytes = stream.as_bytes();
            let wanted = plainly(bytes);
            for split in 0..=bytes.len() {
                let (one, two) = bytes.split_at(split);
                assert_eq!(
                    events(1 << 20, [one, two]),
                    wanted,
                    "{name} split at {split}"
                );
            }
        }
    }
}

#[test]
fn an_event_over_the_limit_is_passed_over_however_it_is_cut() {
    let big = format!("data: {}\n\n", "x".repeat(100));
    let stream = format!("data: 1\n\n{big}data: 2\n\n");
    let wanted = [
        event("", "1"),
        Seen::Oversized(big.len() - 1),
        event("", "2"),
    ];
    for size in 1..=stream.len() {
        assert_eq!(
            events(50, stream.as_bytes().chunks(size)),
            wanted,
            "in chunks of {size}"
        );
    }
}

#[test]
fn a_boundary_is_seen_between_events_only() {
    let mut framer = Framer::new();
    assert!(framer.at_boundary(), "a stream begins at one");
    for (chunk, wanted) in [
        ("event: a\n", false),
        ("data: 1", false),
        ("\n", false),
        ("\n", true),
        ("data: 2\r\n\r", true),
        ("\n", true),
        ("data: 3\r", false),
        ("\n", false),
        (": note\n", false),
        ("\n", true),
        ("d", false),
    ] {
        framer.feed(chunk.as_bytes(), |_| {});
        assert_eq!(framer.at_boundary(), wanted, "after {chunk:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn any_bytes_in_any_chunks_give_the_standards_events(
        stream in prop::collection::vec(
            prop::sample::select(vec!["\n", "\r", "\r\n", "data: ", "data:", "event: x", "x", ":", "é", "\u{feff}", "id"]),
            0..40,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let stream = stream.concat().into_bytes();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
        prop_assert_eq!(events(1 << 20, chunks), plainly(&stream));
    }
}
