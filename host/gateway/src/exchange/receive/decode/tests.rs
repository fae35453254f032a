use std::future::{Future, poll_fn};
use std::io::Write as _;
use std::pin::pin;
use std::task::Poll;

use flate2::Compression;

use super::*;
use crate::config::{Memory, Origin};
use crate::tenants::concurrency::{Concurrency, Share};

const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

fn pack(coding: Coding, plain: &[u8]) -> Vec<u8> {
    match coding {
        Coding::Gzip => {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
            packer.write_all(plain).unwrap();
            packer.finish().unwrap()
        }
        Coding::Deflate => {
            let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
            packer.write_all(plain).unwrap();
            packer.finish().unwrap()
        }
        Coding::Brotli => {
            let mut packer = brotli::CompressorWriter::new(Vec::new(), 4096, 3, 20);
            packer.write_all(plain).unwrap();
            packer.into_inner()
        }
        Coding::Zstd => zstd::encode_all(plain, 1).unwrap(),
    }
}

/// Decodes where there is memory enough.
fn decode(coding: Coding, packed: &[u8], limit: usize) -> Result<Bytes, Undecodable> {
    let permit = Concurrency::default().acquire(&Share::default(), &Limits::default());
    unpack(coding, packed, Plain::new(limit, permit.unwrap().charge()))
}

#[test]
fn what_a_body_decodes_to_is_paid_for_while_it_grows() {
    let concurrency = Concurrency::default();
    let limits = Limits {
        memory: Memory {
            bytes: 1 << 20,
            per_key: 1 << 20,
            origin: Origin::Configuration,
        },
        ..Limits::default()
    };
    let permit = concurrency.acquire(&Share::default(), &limits).unwrap();
    let before = concurrency.sum().bytes;
    for coding in ALL {
        let bomb = pack(coding, &vec![b' '; 16 << 20]);
        let decoded = unpack(coding, &bomb, Plain::new(usize::MAX, permit.charge()));
        assert!(matches!(decoded, Err(Undecodable::NoRoom(_))), "{coding:?}");
        assert_eq!(concurrency.sum().bytes, before, "{coding:?} is given back");
        let fits = pack(coding, &vec![b' '; 300_000]);
        let plain = unpack(coding, &fits, Plain::new(usize::MAX, permit.charge()));
        let plain = plain.expect("there is room");
        assert_eq!(concurrency.sum().bytes, before + 300_000, "{coding:?}");
        drop(plain);
        assert_eq!(concurrency.sum().bytes, before, "{coding:?} is let go");
    }
}

#[test]
fn every_coding_gives_the_body_back_up_to_the_limit() {
    let plain: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    for coding in ALL {
        let packed = pack(coding, &plain);
        assert_eq!(
            decode(coding, &packed, plain.len()).unwrap(),
            plain,
            "{coding:?}"
        );
        let over = decode(coding, &packed, plain.len() - 1);
        assert!(
            matches!(over, Err(Undecodable::TooLarge)),
            "{coding:?} over the limit"
        );
    }
}

#[test]
fn a_bomb_is_left_at_the_limit() {
    let bomb = vec![b' '; 64 << 20];
    for coding in ALL {
        let packed = pack(coding, &bomb);
        assert!(packed.len() < 1 << 20, "{coding:?} packs it small");
        let decoded = decode(coding, &packed, 1 << 20);
        assert!(matches!(decoded, Err(Undecodable::TooLarge)), "{coding:?}");
    }
}

#[test]
fn a_body_that_is_cut_or_followed_by_something_is_not_taken() {
    let plain = br#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#;
    for coding in ALL {
        let packed = pack(coding, plain);
        for cut in 0..packed.len() {
            let decoded = decode(coding, &packed[..cut], 1 << 20);
            assert!(
                decoded.is_err(),
                "{coding:?} cut at {cut} of {}: {decoded:?}",
                packed.len()
            );
        }
        let more = [packed.as_slice(), b"{}"].concat();
        assert!(
            decode(coding, &more, 1 << 20).is_err(),
            "{coding:?} with more behind it"
        );
    }
}

#[tokio::test]
async fn a_small_body_that_unpacks_to_a_large_one_leaves_its_worker_free() {
    let limits = Limits::default();
    let permit = Concurrency::default().acquire(&Share::default(), &limits);
    let permit = permit.unwrap();
    let coding = http::HeaderValue::from_static("zstd");
    for (size, waits) in [(10 << 20, true), (100_000, false)] {
        let packed = Bytes::from(pack(Coding::Zstd, &vec![b' '; size]));
        assert!(packed.len() < BLOCKING_THRESHOLD, "it is small");
        let mut decoding = pin!(super::decode(
            Some((&coding).into()),
            packed,
            &limits,
            &permit
        ));
        let first = poll_fn(|cx| Poll::Ready(decoding.as_mut().poll(cx))).await;
        assert_eq!(first.is_pending(), waits, "of {size} bytes");
        let body = match first {
            Poll::Ready(body) => body,
            Poll::Pending => decoding.await,
        };
        assert_eq!(body.expect("it can be decoded").plain.len(), size, "whole");
    }
}
