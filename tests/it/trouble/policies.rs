//! Ways around policy: overrides, batches, edits, and plugins that return what makes no sense.
