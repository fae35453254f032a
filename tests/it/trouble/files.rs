//! Files that change in awkward ways, logs that cannot be written, and commands that leave children behind.
