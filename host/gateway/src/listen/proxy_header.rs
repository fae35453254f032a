//! The PROXY protocol, versions 1 and 2: a header with the client's address that a proxy sends at the start of a connection.
//!
//! Only the bytes of the header are consumed, so that TLS or HTTP starts where the client started it. Anything that is not
//! exactly one of the two versions closes the connection: the peer would not understand a response.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

/// First bytes of a version 2 header. A version 1 header is at least as long.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Maximum length of a version 1 header in bytes, including its line end.
const MAX_LINE: usize = 107;

/// Maximum length of the variable part of a version 2 header in bytes. Proxies send far less.
const MAX_VERSION_2: usize = 16 * 1024;

/// Reads the header and returns the client's address, or `None` if the proxy connects on its own behalf or does not know
/// the address.
///
/// # Errors
///
/// Returns an error if the connection does not start with a valid header of either version, or ends within it.
pub(crate) async fn source(
    reader: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<SocketAddr>> {
    let mut begin = [0; SIGNATURE.len()];
    reader.read_exact(&mut begin).await?;
    if begin == *SIGNATURE {
        return version_2(reader).await;
    }
    if !begin.starts_with(b"PROXY ") {
        return Err(wrong(
            "the connection does not start with a PROXY protocol header",
        ));
    }
    let mut line = begin.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() == MAX_LINE {
            return Err(wrong("the version 1 header is too long"));
        }
        line.push(reader.read_u8().await?);
    }
    version_1(&line).ok_or_else(|| wrong("the version 1 header is malformed"))
}

/// Parses a version 1 header. The inner option is `None` if the proxy does not know the address.
fn version_1(line: &[u8]) -> Option<Option<SocketAddr>> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?;
    let mut words = line.strip_prefix("PROXY ")?.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(None);
    }
    let mut address = || -> Option<IpAddr> {
        let text = words.next()?;
        match family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::from),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::from),
            _ => None,
        }
    };
    let (source, _destination) = (address()?, address()?);
    let mut port = || -> Option<u16> {
        let digits = words.next()?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| plain)
    };
    let (port, _destination) = (port()?, port()?);
    words
        .next()
        .is_none()
        .then(|| Some(SocketAddr::new(source, port)))
}

async fn version_2(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let (command, family) = (reader.read_u8().await?, reader.read_u8().await?);
    let length = usize::from(reader.read_u16().await?);
    if command >> 4 != 2 || command & 0x0f > 1 || length > MAX_VERSION_2 {
        return Err(wrong("the version 2 header is malformed or too long"));
    }
    let mut rest = vec![0; length];
    reader.read_exact(&mut rest).await?;
    if command & 0x0f == 0 {
        return Ok(None);
    }
    match family {
        // Unspecified, and Unix sockets.
        0x00 | 0x31 | 0x32 => Ok(None),
        0x11 => addresses::<4>(&rest).map(Some),
        0x21 => addresses::<16>(&rest).map(Some),
        _ => Err(wrong("the version 2 header has an unknown address family")),
    }
}

/// Returns the source address and port of a version 2 address block whose addresses have `N` bytes each.
fn addresses<const N: usize>(bytes: &[u8]) -> io::Result<SocketAddr>
where
    IpAddr: From<[u8; N]>,
{
    let short = || wrong("the addresses of the version 2 header are truncated");
    let (source, rest) = bytes.split_first_chunk::<N>().ok_or_else(short)?;
    let (_destination, rest) = rest.split_first_chunk::<N>().ok_or_else(short)?;
    let (ports, _extensions) = rest.split_first_chunk::<4>().ok_or_else(short)?;
    let [high, low, ..] = *ports;
    Ok(SocketAddr::new(
        IpAddr::from(*source),
        u16::from_be_bytes([high, low]),
    ))
}

fn wrong(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> (io::Result<Option<SocketAddr>>, Vec<u8>) {
        let mut reader = bytes;
        let source = source(&mut reader).await;
        (source, reader.to_vec())
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE.as_slice(), &[command, family], &length, rest].concat()
    }

    #[tokio::test]
    async fn both_versions_are_read_and_nothing_after_them() {
        let four = [
            &[192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80][..],
            b"\x04\0\x01x",
        ]
        .concat();
        let six = [
            &[0x20, 1, 0xd, 0xb8][..],
            &[0; 11],
            &[7],
            &[0; 16],
            &[0, 9, 0, 80],
        ]
        .concat();
        for (header, wanted) in [
            (
                b"PROXY TCP4 192.0.2.7 10.0.0.1 4660 80\r\n".to_vec(),
                Some("192.0.2.7:4660"),
            ),
            (
                b"PROXY TCP6 2001:db8::7 ::1 9 80\r\n".to_vec(),
                Some("[2001:db8::7]:9"),
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), None),
            (v2(0x21, 0x11, &four), Some("192.0.2.7:4660")),
            (v2(0x21, 0x21, &six), Some("[2001:db8::7]:9")),
            (v2(0x21, 0x00, &[]), None),
            (v2(0x20, 0x11, &four), None),
        ] {
            let (source, rest) = read(&[header.as_slice(), b"GET /"].concat()).await;
            let source = source.unwrap().map(|address| address.to_string());
            assert_eq!(source.as_deref(), wanted, "{header:?}");
            assert_eq!(rest, b"GET /", "the client's own bytes: {header:?}");
        }
    }

    #[tokio::test]
    async fn what_is_not_exactly_the_protocol_is_refused() {
        for wrong in [
            b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2 3\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 +1 2\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::7 ::1 1 2\r\n".to_vec(),
            b"PROXY TCP5 192.0.2.7 10.0.0.1 1 2\r\n".to_vec(),
            b"PROXY TCP4  192.0.2.7 10.0.0.1 1 2\r\n".to_vec(),
            b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2".to_vec(),
            [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; 200]].concat(),
            v2(0x11, 0x11, &[0; 12]),
            v2(0x22, 0x11, &[0; 12]),
            v2(0x21, 0x11, &[0; 11]),
            v2(0x21, 0x12, &[0; 12]),
            v2(0x21, 0x11, &[0; 12])[..20].to_vec(),
        ] {
            let (source, _) = read(&wrong).await;
            assert!(source.is_err(), "{:?}", String::from_utf8_lossy(&wrong));
        }
    }
}
