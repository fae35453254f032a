//! The Unix socket on which a new process asks: accessible to its owner only, never taken from a live process.

use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;

use anyhow::Context;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::{UnixListener, UnixStream};

/// The number of processes that may wait to be accepted.
const BACKLOG: i32 = 4;

/// Listens at `path`. Replaces a socket that a dead process left there.
///
/// # Errors
///
/// Another process listens there, the path is not a socket, or the system refuses.
pub async fn bind(path: &Path) -> anyhow::Result<UnixListener> {
    if connect(path).await?.is_some() {
        anyhow::bail!(
            "another process listens on {}; start with --upgrade to take over from it",
            path.display()
        );
    }
    match std::fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => std::fs::remove_file(path)
            .with_context(|| format!("cannot remove the stale socket {}", path.display()))?,
        Ok(_) => anyhow::bail!(
            "{} exists and is not a socket; remove it, or set another [upgrade] socket",
            path.display()
        ),
        Err(_) => {}
    }

    let make = || -> std::io::Result<StdListener> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
        // Clients can connect only after `listen` below.
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(socket.into())
    };
    let listener = make().with_context(|| format!("cannot listen on {}", path.display()))?;
    Ok(UnixListener::from_std(listener)?)
}

/// Connects to the process that listens at `path`. Returns `None` if no process does.
///
/// # Errors
///
/// Another user owns that process, or the system refuses.
pub(crate) async fn connect(path: &Path) -> anyhow::Result<Option<UnixStream>> {
    match UnixStream::connect(path).await {
        Ok(stream) => {
            check_peer(&stream)
                .with_context(|| format!("cannot take over on {}", path.display()))?;
            Ok(Some(stream))
        }
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("cannot connect to {}", path.display())),
    }
}

/// Checks that the peer runs as this process's user or as root, because sockets and books are handed over.
///
/// # Errors
///
/// The peer runs as another user, or the system does not tell.
pub(crate) fn check_peer(stream: &UnixStream) -> anyhow::Result<()> {
    let peer = stream
        .peer_cred()
        .context("the system does not tell the user of the other process")?;
    // The user of this process, from the same source.
    let (own, _) = UnixStream::pair()?;
    trust(peer.uid(), own.peer_cred()?.uid())
}

fn trust(peer: u32, own: u32) -> anyhow::Result<()> {
    const ROOT: u32 = 0;
    anyhow::ensure!(
        peer == own || peer == ROOT,
        "the other process runs as user {peer}, this one as user {own}; run both as the same user"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_one_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witgate.sock");
        let first = bind(&path).await.unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "only its owner may use it");
        let refused = bind(&path).await.unwrap_err().to_string();
        assert!(refused.contains("--upgrade"), "it says how: {refused}");
        assert!(
            connect(&path).await.unwrap().is_some(),
            "and the first one still listens"
        );

        drop(first);
        assert!(path.exists(), "a dead process leaves its socket");
        bind(&path).await.expect("no process listens there");
    }

    #[test]
    fn only_the_gateways_own_user_and_root_are_trusted() {
        assert!(trust(1000, 1000).is_ok(), "its own");
        assert!(trust(0, 1000).is_ok(), "root could do anything anyhow");
        for own in [1000, 0] {
            let told = trust(1001, own).unwrap_err().to_string();
            assert!(told.contains("user 1001"), "whose: {told}");
            assert!(told.contains("the same"), "what to do: {told}");
        }
    }

    #[tokio::test]
    async fn a_process_of_the_same_user_is_listened_to_on_both_sides() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witgate.sock");
        let listener = bind(&path).await.unwrap();
        let asking = connect(&path).await.unwrap().expect("a process listens");
        let (asked, _) = listener.accept().await.unwrap();
        check_peer(&asked).expect("this very process");
        check_peer(&asking).expect("this very process");
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witgate.sock");
        std::fs::write(&path, "precious").unwrap();
        let refused = bind(&path).await.unwrap_err().to_string();
        assert!(refused.contains("not a socket"), "{refused}");
        assert_eq!(
            std::fs::read(&path).unwrap(),
            b"precious",
            "it is as it was"
        );
    }
}
