//! The notes of an exchange.

use std::cell::RefCell;
use std::collections::BTreeMap;

thread_local! {
    static NOTES: RefCell<BTreeMap<String, String>> = const { RefCell::new(BTreeMap::new()) };
}

/// Forgets the notes of this thread, as the host does between two exchanges.
pub fn forget_notes() {
    NOTES.with_borrow_mut(BTreeMap::clear);
}

pub(crate) fn get(name: &str) -> Option<String> {
    NOTES.with_borrow(|notes| notes.get(name).cloned())
}

pub(crate) fn set(name: &str, text: &str) {
    NOTES.with_borrow_mut(|notes| notes.insert(name.to_owned(), text.to_owned()));
}

pub(crate) fn append(name: &str, text: &str) {
    NOTES.with_borrow_mut(|notes| notes.entry(name.to_owned()).or_default().push_str(text));
}
