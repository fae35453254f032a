//! Permissions of the state directory and its files, which no other user of the machine may read or replace.

use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Creates the directory for the gateway's user. Takes the write permission of others off an existing one, or logs a warning
/// if another user owns it.
pub(super) fn create_private_dir(directory: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    const OTHERS_WRITE: u32 = 0o022;
    if !revoke(directory, OTHERS_WRITE)? {
        tracing::warn!(
            directory = %directory.display(),
            "other users can write to the state directory and could replace the database: make the gateway's user its owner, or run `chmod go-w` on it"
        );
    }
    Ok(())
}

/// Creates the database with mode 0600. Takes the permissions of others off an existing one and its companion files, or logs
/// a warning if another user owns them.
pub(super) fn create_private_file(path: &Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    for companion in ["", "-wal", "-shm", "-journal"] {
        let mut file = path.as_os_str().to_owned();
        file.push(companion);
        if !revoke(Path::new(&file), 0o077)? {
            tracing::warn!(
                file = %Path::new(&file).display(),
                "other users can read the state database: make the gateway's user its owner, and set its mode to 0600"
            );
        }
    }
    Ok(())
}

/// Takes permissions off a path, if it exists. Returns `false` if another user owns the path.
fn revoke(path: &Path, permissions: u32) -> std::io::Result<bool> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    let mode = metadata.permissions().mode();
    if mode & permissions == 0 {
        return Ok(true);
    }
    let less = std::fs::Permissions::from_mode(mode & 0o7777 & !permissions);
    match std::fs::set_permissions(path, less) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Migration, Store};
    use super::*;

    const MIGRATIONS: &[Migration] = &["CREATE TABLE one (a INTEGER)"];

    #[test]
    fn a_state_that_others_could_read_or_replace_is_closed_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let first = Store::open(folder.path(), MIGRATIONS).unwrap();
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
        let second = Store::open(folder.path(), MIGRATIONS).unwrap();
        for file in &files {
            assert_eq!(mode(file), 0o600, "it is made so again: {}", file.display());
        }
        assert_eq!(mode(folder.path()), 0o755, "others may not write there");
        drop((first, second));
    }
}
