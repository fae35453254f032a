//! Names, addresses and connections that fail, and clients that leave in the middle.
