//! The memory of the machine, and the limits of the cgroups around this process.

use std::path::{Path, PathBuf};

use super::Origin;

/// Returns the smallest of the limits of the process's cgroup and its parents and of the machine's memory. `root` is the
/// directory with `proc` and `sys`.
pub(super) fn size(root: &Path) -> Origin {
    let machine = machine(root).map(Origin::Machine);
    let cgroup = cgroup(root).map(Origin::Cgroup);
    [machine, cgroup]
        .into_iter()
        .flatten()
        .min_by_key(|origin| origin.bytes())
        .unwrap_or(Origin::Unknown)
}

fn machine(root: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1024)
}

/// Returns the smallest limit from the process's own cgroup up to the root, or `None` if there is no limit. Version 2 has
/// one tree for all resources; version 1 has a tree for memory.
fn cgroup(root: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let found = text.lines().flat_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (tree, file) = match (fields.next(), fields.next()) {
            (Some("0"), Some("")) => ("sys/fs/cgroup", "memory.max"),
            (Some(_), Some(of)) if of.split(',').any(|one| one == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return Vec::new(),
        };
        let place = fields.next().unwrap_or_default();
        limits(&root.join(tree), Path::new(place), file)
    });
    // For "no limit", version 1 writes a number that no machine has.
    found.filter(|limit| *limit < 1 << 60).min()
}

/// Returns the limits of a cgroup and its parents. A container sees the path on its host, but only the files at its own
/// root.
fn limits(tree: &Path, group: &Path, file: &str) -> Vec<u64> {
    group
        .ancestors()
        .map(|group| group.strip_prefix("/").unwrap_or(group))
        .map(|group: &Path| -> PathBuf { tree.join(group).join(file) })
        .filter_map(|path| std::fs::read_to_string(path).ok()?.trim().parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal: 4194304 kB\nMemFree: 1 kB\n");

    #[test]
    fn the_least_limit_of_all_groups_around_the_process_counts() {
        let root = root(&[
            MEMINFO,
            ("proc/self/cgroup", "0::/system.slice/witgate.service\n"),
            (
                "sys/fs/cgroup/system.slice/witgate.service/memory.max",
                "max\n",
            ),
            ("sys/fs/cgroup/system.slice/memory.max", "536870912\n"),
        ]);
        assert_eq!(
            size(root.path()),
            Origin::Cgroup(536_870_912),
            "the slice's"
        );
    }

    #[test]
    fn a_container_under_the_older_kind_of_groups_is_read_at_its_root() {
        let root = root(&[
            MEMINFO,
            (
                "proc/self/cgroup",
                "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n",
            ),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n"),
        ]);
        assert_eq!(size(root.path()), Origin::Cgroup(268_435_456), "its own");
    }

    #[test]
    fn without_a_limit_it_is_what_the_machine_has() {
        let root = root(&[
            MEMINFO,
            ("proc/self/cgroup", "4:memory:/\n0::/\n"),
            (
                "sys/fs/cgroup/memory/memory.limit_in_bytes",
                "9223372036854771712\n",
            ),
        ]);
        assert_eq!(size(root.path()), Origin::Machine(4 << 30), "all of it");
        let nothing = tempfile::tempdir().unwrap();
        assert_eq!(size(nothing.path()), Origin::Unknown, "nobody says");
    }
}
