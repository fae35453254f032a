//! Notifies systemd that the service is up, and of its process id.
//!
//! The protocol is `sd_notify(3)`: a datagram of `NAME=VALUE` lines to the socket that `NOTIFY_SOCKET` names.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Tells the service manager that this process serves, if `NOTIFY_SOCKET` is set.
pub(crate) fn ready() {
    if let Some(socket) = std::env::var_os("NOTIFY_SOCKET")
        && let Err(error) = say_ready(&socket)
    {
        tracing::warn!(%error, "could not notify the service manager that the gateway serves");
    }
}

fn say_ready(socket: &OsStr) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let words = format!("READY=1\nMAINPID={}\n", std::process::id());
    UnixDatagram::unbound()?.send_to_addr(words.as_bytes(), &address)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_manager_learns_which_process_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        say_ready(path.as_os_str()).unwrap();
        let mut words = [0; 64];
        let length = manager.recv(&mut words).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&words[..length]),
            format!("READY=1\nMAINPID={}\n", std::process::id()),
            "ready, and its id"
        );
    }
}
