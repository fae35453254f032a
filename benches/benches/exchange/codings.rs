//! The upstream's answers in each content coding, ready to be written.

use std::io::Write;

use witgate_benches::answers;

/// The answers in one coding, as writes.
pub(crate) struct Coded {
    /// The name in `content-encoding`.
    pub coding: &'static str,
    /// A JSON answer in one write.
    pub whole: Vec<Vec<u8>>,
    /// A streamed answer: the head, then each event in a chunk and a write of its own.
    pub stream: Vec<Vec<u8>>,
}

/// An encoder that can be told to let go of what it has, as servers do after each event.
trait Encoder: Write {
    /// Takes the output since the last call.
    fn take(&mut self) -> Vec<u8>;
    /// The rest.
    fn end(self: Box<Self>) -> Vec<u8>;
}

/// Bytes as they are.
struct Identity(Vec<u8>);

// === impl Coded ===

impl Coded {
    fn new(coding: &'static str) -> Self {
        let header = match coding {
            "identity" => String::new(),
            coding => format!("content-encoding: {coding}\r\n"),
        };
        let body = once(coding, json().as_bytes());
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nrequest-id: req_1\r\n{header}Content-Length: {}\r\n\r\n",
            body.len()
        );
        let stream_head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nrequest-id: req_1\r\n{header}Transfer-Encoding: chunked\r\n\r\n"
        );
        let mut stream = vec![stream_head.into_bytes()];
        let mut encoder = encoder(coding);
        for event in answers::events(100) {
            encoder.write_all(&event).expect("memory");
            encoder.flush().expect("memory");
            stream.push(chunk(&encoder.take()));
        }
        let rest = encoder.end();
        if !rest.is_empty() {
            stream.push(chunk(&rest));
        }
        stream.push(b"0\r\n\r\n".to_vec());
        Self {
            coding,
            whole: vec![[head.into_bytes(), body].concat()],
            stream,
        }
    }
}

/// The answers in every coding.
pub(crate) fn all() -> [Coded; 4] {
    ["identity", "gzip", "br", "zstd"].map(Coded::new)
}

fn encoder(coding: &str) -> Box<dyn Encoder> {
    match coding {
        "gzip" => Box::new(flate2::write::GzEncoder::new(
            Vec::new(),
            flate2::Compression::default(),
        )),
        "br" => Box::new(brotli::CompressorWriter::new(Vec::new(), 4096, 5, 20)),
        "zstd" => Box::new(zstd::stream::write::Encoder::new(Vec::new(), 3).expect("a level")),
        _ => Box::new(Identity(Vec::new())),
    }
}

fn once(coding: &str, body: &[u8]) -> Vec<u8> {
    let mut encoder = encoder(coding);
    encoder.write_all(body).expect("memory");
    encoder.end()
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn json() -> String {
    let text = "word ".repeat(300);
    format!(
        r#"{{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":500,"output_tokens":300,"cache_creation_input_tokens":0,"cache_read_input_tokens":0}}}}"#
    )
}

// === impl Encoder ===

impl Write for Identity {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Encoder for Identity {
    fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }

    fn end(self: Box<Self>) -> Vec<u8> {
        self.0
    }
}

impl Encoder for flate2::write::GzEncoder<Vec<u8>> {
    fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.get_mut())
    }

    fn end(self: Box<Self>) -> Vec<u8> {
        self.finish().expect("memory")
    }
}

impl Encoder for brotli::CompressorWriter<Vec<u8>> {
    fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.get_mut())
    }

    fn end(self: Box<Self>) -> Vec<u8> {
        self.into_inner()
    }
}

impl Encoder for zstd::stream::write::Encoder<'static, Vec<u8>> {
    fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.get_mut())
    }

    fn end(self: Box<Self>) -> Vec<u8> {
        self.finish().expect("memory")
    }
}
