//! The client's address as trusted proxies report it.
//!
//! Each proxy appends the address of its own peer, so the list is read from the right: the first address that is not a trusted
//! proxy's is the client's, and those further left may be forged. An unreadable address ends the search at the proxy that
//! reported it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use witgate_http::{Headers, Value};

use crate::config::{ForwardedHeader, Proxies};

/// An ambiguous `forwarded` header, which two readers could read differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the forwarded header is not valid by RFC 7239: the proxy in front of the gateway has to replace it"
)]
pub(crate) struct Malformed;

/// Returns the address of the client behind this peer.
///
/// # Errors
///
/// The `forwarded` header is ambiguous.
pub(crate) fn client(
    peer: IpAddr,
    headers: &Headers,
    proxies: &Proxies,
) -> Result<IpAddr, Malformed> {
    if !proxies.trust(peer) {
        return Ok(peer);
    }
    let mut client = peer;
    for line in headers.get_all(&proxies.header.name()).rev() {
        for hop in hops(line, proxies.header)?.into_iter().rev() {
            let Some(address) = hop else {
                return Ok(client);
            };
            client = address;
            if !proxies.trust(address) {
                return Ok(client);
            }
        }
    }
    Ok(client)
}

/// Returns the hops of a header line from left to right, each `None` if its address is unreadable.
///
/// # Errors
///
/// The `forwarded` header is ambiguous.
fn hops(line: Value<'_>, header: ForwardedHeader) -> Result<Vec<Option<IpAddr>>, Malformed> {
    match (header, line.to_str()) {
        (ForwardedHeader::XForwardedFor, Some(line)) => Ok(line.split(',').map(address).collect()),
        (ForwardedHeader::XForwardedFor, None) => Ok(vec![None]),
        (ForwardedHeader::Forwarded, Some(line)) => elements(line).ok_or(Malformed),
        (ForwardedHeader::Forwarded, None) => Err(Malformed),
    }
}

/// Returns the `for` of each element of a `forwarded` header (RFC 7239, section 4), or `None` if the line is invalid. Clients can
/// put commas into quoted values by way of `host`, so the whole line is parsed.
fn elements(line: &str) -> Option<Vec<Option<IpAddr>>> {
    let mut elements = Vec::new();
    let mut rest = line;
    loop {
        let element;
        (element, rest) = element_of(rest)?;
        elements.extend(element);
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None if rest.is_empty() => return Some(elements),
            None => return None,
        }
    }
}

/// Parses an element. Returns its hop, or `None` if it is empty, and the rest of the line.
fn element_of(line: &str) -> Option<(Option<Option<IpAddr>>, &str)> {
    let mut hop = None;
    let mut said = false;
    let mut rest = skip_blanks(line);
    while !rest.is_empty() && !rest.starts_with(',') {
        if let Some(next) = rest.strip_prefix(';') {
            rest = skip_blanks(next);
            continue;
        }
        let (name, value) = rest.split_once('=')?;
        if name.is_empty() || !name.bytes().all(is_token) {
            return None;
        }
        let read;
        (read, rest) = value_of(value)?;
        rest = skip_blanks(rest);
        if !matches!(rest.bytes().next(), None | Some(b',' | b';')) {
            return None;
        }
        if name.eq_ignore_ascii_case("for") {
            if said {
                return None;
            }
            said = true;
            hop = Some(address(&read));
        } else {
            hop = hop.or(Some(None));
        }
    }
    Some((hop, rest))
}

/// Parses a value, a token or a quoted string. Returns it with the rest of the line.
fn value_of(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ';', ' ', '\t']).unwrap_or(text.len());
        let (token, rest) = text.split_at(end);
        // In practice, addresses with a port are written as tokens, although the colon requires quotes.
        let plain = token
            .bytes()
            .all(|byte| is_token(byte) || matches!(byte, b':' | b'[' | b']'));
        return (plain && !token.is_empty()).then(|| (token.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

/// Returns whether a byte may occur in a token (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Parses an address with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches([' ', '\t']);
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let plain = port.is_empty() || port.starts_with(':');
        return plain.then(|| IpAddr::from(address).to_canonical());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (address, _port) = text.split_once(':')?;
    address.parse::<Ipv4Addr>().ok().map(IpAddr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &[&str], header: ForwardedHeader) -> Result<String, Malformed> {
        let proxies = Proxies {
            trusted: ["127.0.0.1", "192.0.2.0/24"]
                .iter()
                .filter_map(|text| crate::config::Network::parse(text))
                .collect(),
            header,
            ..Proxies::default()
        };
        let mut headers = Headers::default();
        for line in lines {
            headers.push_text(header.name(), line);
        }
        let peer = IpAddr::from(Ipv4Addr::LOCALHOST);
        client(peer, &headers, &proxies).map(|address| address.to_string())
    }

    #[test]
    fn a_quoted_comma_of_the_clients_making_is_no_boundary() {
        for (line, wanted) in [
            (
                r#"for=198.51.100.7;host="x\", for=10.0.0.1""#,
                Ok("198.51.100.7"),
            ),
            (
                r#"for=10.0.0.1, for=198.51.100.7;host="x, for=192.0.2.9""#,
                Ok("198.51.100.7"),
            ),
            (r#"host="x, for=198.51.100.7"#, Err(Malformed)),
            (r#"for=198.51.100.7;for=10.0.0.1"#, Err(Malformed)),
            (r#"for=198.51.100.7 for=10.0.0.1"#, Err(Malformed)),
            (r#"for 198.51.100.7"#, Err(Malformed)),
            (r#"for="198.51.100.7"x"#, Err(Malformed)),
            (r#"for="#, Err(Malformed)),
            (", for=198.51.100.7 ,", Ok("198.51.100.7")),
            ("", Ok("127.0.0.1")),
        ] {
            let told = told(&[line], ForwardedHeader::Forwarded);
            assert_eq!(told, wanted.map(str::to_owned), "{line}");
        }
    }

    #[test]
    fn lines_are_one_list() {
        let told = told(
            &["10.0.0.1, 198.51.100.7", "192.0.2.9"],
            ForwardedHeader::XForwardedFor,
        );
        assert_eq!(
            told.as_deref(),
            Ok("198.51.100.7"),
            "the last line goes first"
        );
    }
}
