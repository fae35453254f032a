//! Every recorded answer, split and cut everywhere, beside the plain reader.
//!
//! The rule for a cut: an event counts from its last byte on, and before that not at all. So what a meter says of a cut
//! stream is what the plain reader says of its whole events: never more, and never more than one event less than what
//! was delivered. Of a cut JSON answer its bytes are all that is known.

use witgate_messages::{Meter, Reading, Source};

use crate::corpus::{self, Kind, Recorded};
use crate::plain::{self, Plain};

/// Streams up to this size are split at all pairs of points.
const SMALL: usize = 500;
/// Places of which all pairs are tried in larger ones, at most.
const PLACES: usize = 220;

fn meter(kind: Kind) -> Meter {
    match kind {
        Kind::Sse => Meter::sse(),
        Kind::Json => Meter::json(),
    }
}

fn metered(kind: Kind, chunks: &[&[u8]]) -> Reading {
    let mut meter = meter(kind);
    chunks.iter().for_each(|chunk| meter.feed(chunk));
    meter.finish()
}

fn plainly(recorded: &Recorded) -> Plain {
    match recorded.kind {
        Kind::Sse => plain::stream(&recorded.body),
        Kind::Json => plain::answer(&recorded.body).expect("a whole answer"),
    }
}

/// Does something with each, on a thread for each.
fn each(recorded: &[Recorded], act: impl Fn(&Recorded) + Sync) {
    std::thread::scope(|scope| {
        for recorded in recorded {
            scope.spawn(|| act(recorded));
        }
    });
}

/// Positions where a split might matter: around each line end, each byte that is not ASCII and each end of the body; and places
/// in between at a stride that is prime, so that it comes by every column.
fn places(body: &[u8]) -> Vec<usize> {
    let len = body.len();
    if len <= SMALL {
        return (0..=len).collect();
    }
    let structure = body
        .iter()
        .enumerate()
        .filter(|(_, byte)| matches!(byte, b'\n' | b'\r'));
    let mut places: Vec<usize> = structure
        .flat_map(|(place, _)| place.saturating_sub(1)..=(place + 2).min(len))
        .chain([0, 1, len - 1, len])
        .collect();
    let foreign = body.iter().enumerate().filter(|(_, byte)| **byte >= 0x80);
    places.extend(foreign.take(24).map(|(place, _)| place));
    let stride = [13, 17, 29, 53, 101, 251, 509]
        .into_iter()
        .find(|stride| len / stride + places.len() <= PLACES);
    places.extend((0..len).step_by(stride.unwrap_or(1021)));
    places.sort_unstable();
    places.dedup();
    places
}

#[test]
fn the_meter_says_what_a_plain_reader_says() {
    for recorded in corpus::all() {
        let reading = metered(recorded.kind, &[&recorded.body]);
        plainly(&recorded).assert_is(&reading, &recorded.name);
    }
}

#[test]
fn every_split_point_gives_the_same_reading() {
    each(&corpus::all(), |Recorded { name, body, kind }| {
        let wanted = metered(*kind, &[body]);
        for split in 0..=body.len() {
            let (one, two) = body.split_at(split);
            assert_eq!(
                metered(*kind, &[one, two]),
                wanted,
                "{name} split at {split}"
            );
        }
    });
}

#[test]
fn every_pair_of_split_points_gives_the_same_reading() {
    each(&corpus::all(), |Recorded { name, body, kind }| {
        let wanted = metered(*kind, &[body]);
        let places = places(body);
        for (index, first) in places.iter().enumerate() {
            for second in &places[index..] {
                let chunks = [&body[..*first], &body[*first..*second], &body[*second..]];
                let reading = metered(*kind, &chunks);
                assert_eq!(reading, wanted, "{name} split at {first} and {second}");
            }
        }
    });
}

#[test]
fn single_bytes_give_the_same_reading() {
    for Recorded { name, body, kind } in corpus::all() {
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(
            metered(kind, &bytes),
            metered(kind, &[&body]),
            "{name}, byte by byte"
        );
    }
}

#[test]
fn a_stream_cut_at_any_byte_gives_what_its_whole_events_say() {
    each(&corpus::streams(), |Recorded { name, body, kind }| {
        // The plain reader takes its time: in the large one it is asked at every event's end, and now and then.
        let step = if body.len() > 10_000 { 97 } else { 1 };
        let mut last = metered(*kind, &[]);
        for cut in 0..=body.len() {
            let reading = metered(*kind, &[&body[..cut]]);
            if reading != last || cut % step == 0 {
                plain::stream(&body[..cut]).assert_is(&reading, &format!("{name} cut at {cut}"));
            }
            assert!(
                reading.events <= last.events + 1,
                "{name} cut at {cut}: one event at a time"
            );
            assert!(
                reading.ended || reading.source != Source::Reported,
                "{name} cut at {cut}: not complete before its last event is"
            );
            last = reading;
        }
    });
}

#[test]
fn the_placeholder_of_message_start_is_never_reported() {
    for Recorded { name, body, kind } in corpus::streams() {
        for cut in 0..=body.len() {
            let plain = plain::stream(&body[..cut]);
            if plain.counted.is_none() && !plain.content {
                let reading = metered(kind, &[&body[..cut]]);
                assert_eq!(
                    reading.usage.tokens.output, 0,
                    "{name} cut at {cut}: nothing was put out"
                );
            } else {
                break;
            }
        }
    }
}

#[test]
fn what_came_after_the_last_count_is_estimated_on_top_of_it() {
    let streams = corpus::streams();
    let recorded = streams
        .iter()
        .find(|recorded| recorded.name == "two_deltas");
    let body = &recorded.expect("the fixture").body;
    let end = body
        .windows(8)
        .rposition(|window| window == b"was.\"}}\n")
        .expect("the last text")
        + 9;
    let reading = metered(Kind::Sse, &[&body[..end]]);
    let text = "And a second part that is quite a bit longer than the first one was.";
    assert_eq!(
        reading.usage.tokens.output,
        30 + (text.len() as u64).div_ceil(4),
        "thirty were reported before it"
    );
    assert_eq!(reading.source, Source::Estimated, "and that is no report");
}

#[test]
fn a_json_answer_cut_at_any_byte_is_estimated_and_never_complete() {
    each(&corpus::answers(), |Recorded { name, body, kind }| {
        for cut in 0..body.len() {
            let reading = metered(*kind, &[&body[..cut]]);
            let wanted = if cut == 0 {
                Source::None
            } else {
                Source::Estimated
            };
            assert_eq!(reading.source, wanted, "{name} cut at {cut}");
            assert!(!reading.ended, "{name} cut at {cut}: it is not complete");
            assert_eq!(
                reading.usage.tokens.output,
                (cut as u64).div_ceil(4),
                "{name} cut at {cut}: a token for four bytes"
            );
        }
    });
}

#[test]
fn an_event_past_the_limit_is_counted_and_hides_nothing_after_it() {
    let text = corpus::streams()
        .into_iter()
        .find(|recorded| recorded.name == "text")
        .expect("the fixture");
    let text = String::from_utf8(text.body).expect("text");
    let huge = "x".repeat(3 << 20);
    let body = text.replace(" you today?", &huge).into_bytes();
    let reading = metered(Kind::Sse, &body.chunks(16 << 10).collect::<Vec<_>>());
    assert_eq!(reading.passed_over, 1, "one event is too large to be read");
    assert_eq!(
        (reading.usage.tokens.output, reading.source),
        (12, Source::Reported),
        "the numbers come after it"
    );
    let numbers = body
        .windows(20)
        .rposition(|window| window == b"event: message_delta")
        .expect("the event with the numbers");
    let cut: Vec<_> = body[..numbers].chunks(16 << 10).collect();
    let reading = metered(Kind::Sse, &cut);
    assert!(
        reading.source == Source::Estimated && reading.usage.tokens.output >= (3 << 20) / 4,
        "and it is part of an estimate: {reading:?}"
    );
}

#[test]
fn zero_stays_zero() {
    for recorded in corpus::all() {
        if !recorded.name.ends_with("zero") {
            continue;
        }
        let reading = metered(recorded.kind, &[&recorded.body]);
        assert_eq!(
            reading.source,
            Source::Reported,
            "{}: it was said",
            recorded.name
        );
        assert_eq!(
            reading.usage.tokens.total(),
            0,
            "{}: no estimate",
            recorded.name
        );
    }
}
