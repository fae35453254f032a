//! The state's directory and files, closed to other users of the machine.

use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Makes the directory for the gateway's own user. In one that is there and is the gateway's, others may write no longer;
/// one that is not is left as it is, with a word in the log.
pub(crate) fn make(directory: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    const OTHERS_WRITE: u32 = 0o022;
    if !take_from_others(directory, OTHERS_WRITE)? {
        tracing::warn!(
            directory = %directory.display(),
            "others may write to the directory of the state, and could put another state there: make it the gateway's own, and take `go-w` off it"
        );
    }
    Ok(())
}

/// Makes the database a file that its owner alone can read; one that is there becomes such a file, with its companions.
pub(crate) fn keep_private(path: &Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    for companion in ["", "-wal", "-shm", "-journal"] {
        let mut file = path.as_os_str().to_owned();
        file.push(companion);
        if !take_from_others(Path::new(&file), 0o077)? {
            tracing::warn!(
                file = %Path::new(&file).display(),
                "others may read the state: make the file the gateway's own, with mode 0600"
            );
        }
    }
    Ok(())
}

/// Takes rights of others off a path that is there. Says whether they are off: only its owner can do that.
fn take_from_others(path: &Path, rights: u32) -> std::io::Result<bool> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    let mode = metadata.permissions().mode();
    if mode & rights == 0 {
        return Ok(true);
    }
    let less = std::fs::Permissions::from_mode(mode & 0o7777 & !rights);
    match std::fs::set_permissions(path, less) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_state_that_others_could_read_or_replace_is_closed_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let first = State::open(folder.path(), &[]).unwrap();
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let files =
            ["state.db", "state.db-wal", "state.db-shm"].map(|name| folder.path().join(name));
        for file in &files {
            assert_eq!(mode(file), 0o600, "it is made so: {}", file.display());
            set(file, 0o644);
        }
        set(folder.path(), 0o777);
        let second = State::open(folder.path(), &[]).unwrap();
        for file in &files {
            assert_eq!(mode(file), 0o600, "it is made so again: {}", file.display());
        }
        assert_eq!(mode(folder.path()), 0o755, "others may not write there");
        drop((first, second));
    }
}
