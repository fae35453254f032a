//! Dotted paths of keys, such as `rules[2].when`.

/// Returns the path of `key` in the table at `table`.
pub(crate) fn join(table: &str, key: &str) -> String {
    if table.is_empty() {
        key.to_owned()
    } else {
        format!("{table}.{key}")
    }
}

/// Returns whether `path` is the path of `key` or of something inside it.
pub(crate) fn is_within(path: &str, key: &str) -> bool {
    path.strip_prefix(key)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}
