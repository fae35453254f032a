//! Content codings of requests and answers.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

/// Returns the bytes in a content coding.
///
/// # Panics
/// If the coding is none that the gateway supports.
pub fn compressed(coding: &str, plain: &[u8]) -> Vec<u8> {
    const MEMORY: &str = "memory takes it";
    match coding {
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(plain).expect(MEMORY);
            encoder.finish().expect(MEMORY)
        }
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(plain).expect(MEMORY);
            encoder.finish().expect(MEMORY)
        }
        "br" => {
            let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 3, 20);
            encoder.write_all(plain).expect(MEMORY);
            encoder.into_inner()
        }
        "zstd" => zstd::encode_all(plain, 1).expect(MEMORY),
        "identity" => plain.to_vec(),
        other => panic!("{other} is no coding of the harness"),
    }
}
