//! Processes that serve.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::usage;

/// Worker threads, or processes, of each proxy.
pub(crate) const WORKERS: usize = 2;

/// A process that serves until this value is dropped.
pub(crate) struct Server {
    /// The address that it listens on.
    pub address: SocketAddr,
    child: Child,
}

// === impl Server ===

impl Server {
    /// Starts this program in another role. It prints the address that it serves on.
    pub(crate) fn own(arguments: &[&str]) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .expect("this program starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        output.read_line(&mut line).expect("an address");
        let address = line.trim().parse().expect("an address");
        Self { address, child }.ready()
    }

    /// Starts a program that serves on an address which it was told.
    pub(crate) fn program(command: &mut Command, address: SocketAddr) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("the proxy starts");
        Self { address, child }.ready()
    }

    /// Waits until the process listens.
    fn ready(mut self) -> Self {
        let begun = Instant::now();
        while TcpStream::connect(self.address).is_err() {
            let ended = self.child.try_wait().expect("a child");
            assert!(ended.is_none(), "the process ended: {ended:?}");
            assert!(
                begun.elapsed() < Duration::from_secs(180),
                "the process does not listen on {}",
                self.address
            );
            std::thread::yield_now();
        }
        self
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the process and its children.
    pub(crate) fn signal(&self, name: &str) {
        let family = usage::family(self.id());
        let sent = Command::new("kill")
            .arg(name)
            .args(family.iter().map(u32::to_string))
            .status();
        assert!(
            sent.is_ok_and(|status| status.success()),
            "the signal arrives"
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A stopped process can't end its children.
        let _ = Command::new("kill")
            .arg("-KILL")
            .args(usage::family(self.id()).iter().map(u32::to_string))
            .status();
        let _ = self.child.wait();
    }
}

/// Returns an address that was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|free| free.local_addr())
        .expect("a port")
}
