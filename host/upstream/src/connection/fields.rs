//! The header fields of a request as an upstream gets them.

use http::{HeaderName, HeaderValue};
use witgate_http::Header;

use crate::credential::Credential;
use crate::request::{Framing, HeadersOf, Request, is_credential};

/// A header field to write, with the case of its name in HTTP/1.1.
pub(super) enum Field<'a> {
    /// The place of the upstream's authority.
    Host { spelling: &'a [u8] },
    /// The length of the body.
    Length { spelling: &'a [u8], length: u64 },
    /// Any other field of the request.
    Given(Header<'a>),
    /// The upstream's own credential.
    Credential(&'a HeaderName, &'a HeaderValue),
}

/// Passes the fields of a request to `write` in their order. `Host` and `Content-Length` stand where the request has them,
/// and last where it does not. The upstream's own credential takes the place of the caller's first one; the others are
/// left out, unless the upstream is sent the caller's.
///
/// # Errors
///
/// The first error of `write`.
pub(super) fn each<E>(
    request: &Request<'_>,
    credential: &Credential,
    mut write: impl FnMut(Field<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut host = Some(());
    let mut own = credential.own();
    let mut length = match request.framing {
        Framing::Length(length) => Some(length),
        Framing::None | Framing::Chunked => None,
    };
    for given in request.headers.iter() {
        let spelling = given.spelling;
        let field = if given.name == "host" {
            host.take().map(|()| Field::Host { spelling })
        } else if given.name == "content-length" {
            length
                .take()
                .map(|length| Field::Length { spelling, length })
        } else if request.headers_of == HeadersOf::Gateway || !is_credential(given.name) {
            Some(Field::Given(given))
        } else if let Some((name, value)) = own.take() {
            Some(Field::Credential(name, value))
        } else {
            credential.passes(given.name).then_some(Field::Given(given))
        };
        if let Some(field) = field {
            write(field)?;
        }
    }
    if host.is_some() {
        write(Field::Host { spelling: b"Host" })?;
    }
    if let Some((name, value)) = own {
        write(Field::Credential(name, value))?;
    }
    if let Some(length) = length {
        let spelling = b"Content-Length";
        write(Field::Length { spelling, length })?;
    }
    Ok(())
}
