//! A plugin author's first day: tools, sidecars, and what a wrong plugin is told.
