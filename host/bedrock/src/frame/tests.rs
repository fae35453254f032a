//! Tests of frames, encoded by AWS's own crate.

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::DateTime;
use aws_smithy_types::event_stream::{Header as AwsHeader, HeaderValue, Message};
use proptest::prelude::*;

use super::*;

fn frame(payload: &[u8]) -> Vec<u8> {
    let values = [
        ("yes", HeaderValue::Bool(true)),
        ("no", HeaderValue::Bool(false)),
        ("byte", HeaderValue::Byte(1)),
        ("two", HeaderValue::Int16(2)),
        ("four", HeaderValue::Int32(3)),
        ("eight", HeaderValue::Int64(4)),
        ("bytes", HeaderValue::ByteArray("abc".into())),
        ("time", HeaderValue::Timestamp(DateTime::from_secs(5))),
        ("uuid", HeaderValue::Uuid(6)),
        (":event-type", HeaderValue::String("chunk".into())),
    ];
    let message = Message::new(payload.to_vec());
    let message = values.into_iter().fold(message, |message, (name, value)| {
        message.add_header(AwsHeader::new(name, value))
    });
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

/// Returns the payloads and the error of a stream that comes in these chunks.
fn payloads<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    limit: usize,
) -> (Vec<Vec<u8>>, Option<BadFrame>) {
    let (mut frames, mut found) = (Frames::with_limit(limit), Vec::new());
    for chunk in chunks {
        let pushed = frames.push(chunk, |frame| {
            found.push(frame.payload.to_vec());
            Ok::<_, BadFrame>(())
        });
        if let Err(error) = pushed {
            return (found, Some(error));
        }
    }
    (found, frames.end().err())
}

/// Returns the same for a stream in one piece.
fn whole(stream: &[u8]) -> (Vec<Vec<u8>>, Option<BadFrame>) {
    payloads([stream], Frames::MAX_BYTES)
}

/// Changes the lengths of a frame, and makes their checksum right again.
fn with_lengths(mut frame: Vec<u8>, length: u32, headers: u32) -> Vec<u8> {
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame[4..8].copy_from_slice(&headers.to_be_bytes());
    let checksum = crc32fast::hash(&frame[..8]);
    frame[8..12].copy_from_slice(&checksum.to_be_bytes());
    frame
}

#[test]
fn frames_of_awss_encoder_are_read_with_headers_of_each_type() {
    let stream = frame(b"{}");
    let mut seen = 0;
    let pushed = Frames::new().push(&stream, |frame| {
        seen += 1;
        assert_eq!(
            frame.headers.text(":event-type"),
            Some("chunk"),
            "behind all other types"
        );
        assert_eq!(frame.headers.text("bytes"), None, "bytes are no text");
        assert_eq!(frame.payload, b"{}", "the payload");
        Ok::<_, BadFrame>(())
    });
    assert_eq!((pushed, seen), (Ok(()), 1), "one frame");
}

#[test]
fn each_changed_byte_is_noticed() {
    let stream = [frame(b"first"), frame(b"second")].concat();
    let first = frame(b"first").len();
    for at in 0..stream.len() {
        let mut damaged = stream.clone();
        damaged[at] ^= 0x10;
        let (found, error) = whole(&damaged);
        let expected = usize::from(at >= first);
        assert!(
            found.len() == expected && error.is_some(),
            "byte {at}: {found:?}"
        );
    }
}

#[test]
fn a_damaged_length_is_noticed_before_it_is_waited_for() {
    let mut damaged = frame(b"x");
    damaged[0] = 0x40;
    let (_, error) = payloads([&damaged[..12]], usize::MAX);
    assert_eq!(error, Some(BadFrame::Prelude), "after its prelude");
}

#[test]
fn lengths_that_contradict_each_other_are_refused() {
    for (length, headers) in [(0, 0), (15, 0), (16, 1), (20, u32::MAX)] {
        let (_, error) = whole(&with_lengths(frame(b"x"), length, headers));
        assert!(
            matches!(error, Some(BadFrame::Lengths { .. })),
            "{length}, {headers}: {error:?}"
        );
    }
}

#[test]
fn a_frame_over_the_limit_is_refused_before_it_is_collected() {
    let stream = frame(&[0; 1000]);
    let (_, error) = payloads([&stream[..12]], stream.len() - 1);
    let limit = stream.len() - 1;
    assert_eq!(
        error,
        Some(BadFrame::TooLarge {
            length: stream.len(),
            limit
        }),
        "by its prelude"
    );
    let (found, error) = payloads([&stream[..]], stream.len());
    assert_eq!(
        (found.len(), error),
        (1, None),
        "a frame at the limit is read"
    );
}

#[test]
fn headers_that_reach_past_their_end_are_refused() {
    let stream = frame(b"x");
    let headers = u32::from_be_bytes(stream[4..8].try_into().unwrap());
    let mut shorter = with_lengths(
        stream.clone(),
        u32::try_from(stream.len()).unwrap(),
        headers - 1,
    );
    let checked = shorter.len() - 4;
    let checksum = crc32fast::hash(&shorter[..checked]);
    shorter[checked..].copy_from_slice(&checksum.to_be_bytes());
    assert_eq!(
        whole(&shorter),
        (Vec::new(), Some(BadFrame::Headers)),
        "with right checksums"
    );
}

#[test]
fn an_end_within_a_frame_says_how_much_is_missing() {
    let stream = [frame(b"first"), frame(b"second")].concat();
    let first = frame(b"first").len();
    for cut in 1..stream.len() {
        let (found, error) = whole(&stream[..cut]);
        let expected = usize::from(cut >= first);
        assert_eq!(found.len(), expected, "whole frames before byte {cut}");
        assert_eq!(error.is_none(), cut == first, "byte {cut}: {error:?}");
    }
    let (_, error) = whole(&stream[..stream.len() - 3]);
    assert_eq!(error, Some(BadFrame::Truncated { missing: 3 }), "in bytes");
}

proptest! {
    #[test]
    fn any_split_gives_the_same_frames(
        sizes in prop::collection::vec(0..200_usize, 0..6),
        cuts in prop::collection::vec(0..2000_usize, 0..12),
        tail in 0..20_usize,
    ) {
        let mut stream: Vec<u8> = sizes.iter().flat_map(|size| frame(&vec![b'x'; *size])).collect();
        stream.extend(&frame(b"tail")[..tail]);
        let mut cuts: Vec<_> = cuts.into_iter().filter(|cut| *cut <= stream.len()).collect();
        cuts.sort_unstable();
        cuts.push(stream.len());
        let mut from = 0;
        let chunks = cuts.iter().map(|to| {
            let chunk = &stream[from..*to];
            from = *to;
            chunk
        });
        let split = payloads(chunks.collect::<Vec<_>>(), Frames::MAX_BYTES);
        prop_assert_eq!(split, whole(&stream), "as in one piece");
    }
}
