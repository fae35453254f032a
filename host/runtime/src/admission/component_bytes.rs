//! The bytes of a component, from those of a plugin's file.

use std::borrow::Cow;

use wasmparser::{Chunk, Parser, Payload};

use super::AdmissionCause;

/// The first eight bytes of a core module and of a component.
pub(super) const MODULE: &[u8] = b"\0asm\x01\0\0\0";
pub(super) const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// Returns the bytes of a component. A core module with contract metadata becomes one.
///
/// # Errors
///
/// The bytes are neither, or cut off.
pub(super) fn component_bytes(wasm: &[u8]) -> Result<Cow<'_, [u8]>, AdmissionCause> {
    if wasm.is_empty() {
        Err(AdmissionCause::Empty)
    } else if wasm.starts_with(COMPONENT) {
        Ok(Cow::Borrowed(wasm))
    } else if wasm.starts_with(MODULE) {
        if is_cut_off(wasm) {
            return Err(AdmissionCause::CutOff(wasm.len()));
        }
        let encoded = wit_component::ComponentEncoder::default()
            .validate(true)
            .module(wasm)
            .and_then(|mut encoder| encoder.encode());
        match encoded {
            Ok(component) => Ok(Cow::Owned(component)),
            Err(error) => match format!("{error:#}") {
                text if text.contains("wasi_snapshot_preview1") => Err(AdmissionCause::OldWasi),
                text => Err(AdmissionCause::Encode(text)),
            },
        }
    } else {
        Err(AdmissionCause::NotWasm)
    }
}

/// Returns whether a module ends before its last section does. Other problems are found later.
fn is_cut_off(module: &[u8]) -> bool {
    let mut parser = Parser::new(0);
    let mut rest = module;
    loop {
        let at_end = rest.is_empty();
        match parser.parse(rest, at_end) {
            Ok(Chunk::Parsed {
                payload: Payload::End(_),
                ..
            }) => return false,
            // This comes before the functions, which may be wrong, too.
            Ok(Chunk::Parsed {
                payload: Payload::CodeSectionStart { range, .. },
                ..
            }) if range.end > module.len() => return true,
            Ok(Chunk::Parsed { consumed, .. }) => rest = rest.get(consumed..).unwrap_or_default(),
            Ok(Chunk::NeedMoreData(_)) => return true,
            Err(_) => return at_end,
        }
    }
}
