//! The plugin host in servers of other people; the examples are beside this folder.
