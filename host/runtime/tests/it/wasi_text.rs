//! The interfaces that the guests of these tests import.

/// The part of WASI that these guests use, at an unpublished patch version, with an unknown interface.
pub(crate) const TEXT: [&str; 5] = [
    "package wasi:io@0.2.97;
    interface poll {
        resource pollable { block: func(); }
    }
    interface error { resource error; }
    interface streams {
        use error.{error};
        use poll.{pollable};
        variant stream-error { last-operation-failed(error), closed }
        resource input-stream {
            blocking-read: func(len: u64) -> result<list<u8>, stream-error>;
        }
        resource output-stream {
            blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
            subscribe: func() -> pollable;
        }
    }",
    "package wasi:cli@0.2.97;
    interface stdin { use wasi:io/streams@0.2.97.{input-stream}; get-stdin: func() -> input-stream; }
    interface stdout { use wasi:io/streams@0.2.97.{output-stream}; get-stdout: func() -> output-stream; }
    interface stderr { use wasi:io/streams@0.2.97.{output-stream}; get-stderr: func() -> output-stream; }
    interface environment { get-environment: func() -> list<tuple<string, string>>; }
    interface exit { exit: func(status: result); }",
    "package wasi:clocks@0.2.97;
    interface monotonic-clock {
        use wasi:io/poll@0.2.97.{pollable};
        now: func() -> u64;
        subscribe-duration: func(when: u64) -> pollable;
        leap: func() -> u64;
    }
    interface sundial { shadow: func() -> u64; }",
    "package wasi:random@0.2.97;
    interface random { get-random-bytes: func(len: u64) -> list<u8>; }",
    "package wasi:sockets@0.2.97;
    interface network {
        resource network;
        enum error-code { unknown, access-denied, not-supported }
    }
    interface instance-network { use network.{network}; instance-network: func() -> network; }
    interface ip-name-lookup {
        use network.{network, error-code};
        resource addresses;
        resolve-addresses: func(network: borrow<network>, name: string) -> result<addresses, error-code>;
    }
    interface tcp { resource tcp-socket; }
    interface tcp-create-socket {
        use network.{error-code};
        use tcp.{tcp-socket};
        create-tcp-socket: func(family: u32) -> result<tcp-socket, error-code>;
    }",
];
