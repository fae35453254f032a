//! The header fields of a request as an upstream gets them.

use http::{HeaderName, HeaderValue, header};

use crate::credential::Credential;
use crate::request::{Framing, Request, Role};

/// A header field to write, with the case of its name in HTTP/1.1.
pub(super) enum Field<'a> {
    /// The place of the upstream's authority.
    Host { spelling: &'a [u8] },
    /// The length of the body.
    Length { spelling: &'a [u8], length: u64 },
    /// Any other field.
    Header {
        name: &'a HeaderName,
        spelling: &'a [u8],
        value: &'a HeaderValue,
    },
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
    for field in request.headers.iter() {
        let as_given = Field::Header {
            name: field.name,
            spelling: field.spelling,
            value: field.value,
        };
        let spelling = field.spelling;
        let field = if *field.name == header::HOST {
            host.take().map(|()| Field::Host { spelling })
        } else if *field.name == header::CONTENT_LENGTH {
            length
                .take()
                .map(|length| Field::Length { spelling, length })
        } else if field.role == Role::Plain {
            Some(as_given)
        } else if let Some((name, value)) = own.take() {
            Some(own_field(name, value))
        } else {
            credential.passes(field.name).then_some(as_given)
        };
        if let Some(field) = field {
            write(field)?;
        }
    }
    if host.is_some() {
        write(Field::Host { spelling: b"Host" })?;
    }
    if let Some((name, value)) = own {
        write(own_field(name, value))?;
    }
    if let Some(length) = length {
        let spelling = b"Content-Length";
        write(Field::Length { spelling, length })?;
    }
    Ok(())
}

fn own_field<'a>(name: &'a HeaderName, value: &'a HeaderValue) -> Field<'a> {
    Field::Header {
        name,
        spelling: name.as_str().as_bytes(),
        value,
    }
}
