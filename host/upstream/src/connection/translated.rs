//! An answer in the API's own form, made from that of another dialect as it comes.

use bytes::Bytes;
use witgate_http::ResponseHead;

use super::response::Wire;
use crate::dialect::decode::{Decode, Figures, Progress};

/// The form of a body.
pub(crate) enum Form {
    /// As it comes.
    AsIs(Figures),
    /// Made anew; the upstream's own has been read.
    Whole(Bytes),
    /// Made piece by piece.
    Stream(Box<dyn Decode>),
}

/// A translated answer.
pub(super) struct Translated {
    pub(super) wire: Wire,
    pub(super) head: ResponseHead,
    pub(super) form: Form,
    pub(super) progress: Progress,
}

// === impl Translated ===

impl Translated {
    /// Reads the next bytes of the translation; `None` is its end. Cancel safe.
    pub(super) async fn read(&mut self) -> pingora_core::Result<Option<Bytes>> {
        let decode = match &mut self.form {
            Form::AsIs(_) => return self.wire.read().await,
            Form::Whole(body) => {
                self.progress = Progress::Over;
                let body = std::mem::take(body);
                return Ok((!body.is_empty()).then_some(body));
            }
            Form::Stream(decode) => decode,
        };
        let mut out = Vec::new();
        while self.progress == Progress::Open && out.is_empty() {
            match self.wire.read().await? {
                Some(piece) => self.progress = decode.push(&piece, &mut out),
                None => {
                    decode.end(&mut out);
                    self.progress = Progress::Over;
                }
            }
        }
        Ok((!out.is_empty()).then(|| Bytes::from(out)))
    }

    /// Returns whether the translation has been read to its end.
    pub(super) fn is_done(&mut self) -> pingora_core::Result<bool> {
        match &self.form {
            Form::AsIs(_) => self.wire.is_done(),
            Form::Whole(_) | Form::Stream(_) => Ok(self.progress == Progress::Over),
        }
    }

    pub(super) fn figures(&self) -> Figures {
        match &self.form {
            Form::AsIs(figures) => *figures,
            Form::Whole(_) => Figures::default(),
            Form::Stream(decode) => decode.figures(),
        }
    }
}
