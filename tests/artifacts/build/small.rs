//! Shipped plugins without the sections that say the same again.
//!
//! The SDK has bindings of each hook, and each of them describes the types of the contract once more, whether or not the plugin
//! has that hook. Admission unites all descriptions, and that of the imports has every type.

/// The end of the names of these sections.
const REPEATED: &str = "-with-all-of-its-exports-removed:encoded world";

/// Returns a module without these sections, or as it is if it can't be read.
pub(crate) fn without_repetitions(wasm: &[u8]) -> Vec<u8> {
    removed(wasm).unwrap_or_else(|| wasm.to_vec())
}

fn removed(wasm: &[u8]) -> Option<Vec<u8>> {
    let (header, mut rest) = wasm.split_at_checked(8)?;
    let mut kept = header.to_vec();
    while let Some((id, after)) = rest.split_first() {
        let (len, content) = number(after)?;
        let (content, next) = content.split_at_checked(len)?;
        let section = rest.get(..rest.len() - next.len())?;
        if *id != 0 || !is_repeated(content)? {
            kept.extend_from_slice(section);
        }
        rest = next;
    }
    Some(kept)
}

fn is_repeated(content: &[u8]) -> Option<bool> {
    let (len, name) = number(content)?;
    let name = std::str::from_utf8(name.get(..len)?).ok()?;
    Some(name.starts_with("component-type:") && name.ends_with(REPEATED))
}

/// Reads a LEB128 number.
fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}
