use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

/// Never waited for in full unless something is broken.
const LONG: Duration = Duration::from_secs(60);

/// A change of what is watched.
type Change<'a> = &'a dyn Fn(&Desk);

/// A directory with `FILE`, and a watcher.
struct Desk {
    folder: TempDir,
    watcher: Watcher,
    waker: Option<Waker>,
}

const FILE: &str = "keys.toml";

// === impl Desk ===

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (watcher, waker) = Watcher::try_new().unwrap();
        let desk = Self {
            folder,
            watcher,
            waker: Some(waker),
        };
        fs::write(desk.path(FILE), "one").unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn watch(&mut self, name: &str) {
        let path = self.path(name);
        self.watcher.watch([path.as_path()]);
    }

    /// What is heard within a time, of mounts apart, which others make.
    fn within(&mut self, time: Duration) -> Heard {
        loop {
            match self.watcher.wait(time) {
                Heard::Mount => {}
                heard => return heard,
            }
        }
    }

    /// What was heard by now. Linux queues an event before the call that makes it returns.
    fn heard(&mut self) -> Heard {
        self.within(Duration::ZERO)
    }
}

/// Makes a change after a file was watched, and checks that it is heard.
fn is_heard(told: &str, path: &str, prepare: impl Fn(&Desk), change: impl Fn(&Desk)) {
    let mut desk = Desk::new();
    prepare(&desk);
    desk.watch(path);
    assert_eq!(desk.heard(), Heard::Quiet, "before {told}");
    change(&desk);
    assert_eq!(desk.within(LONG), Heard::Change, "{told}");
}

#[test]
fn what_leads_a_path_to_other_content_is_heard() {
    let nothing = |_: &Desk| {};
    is_heard("a write", FILE, nothing, |desk| {
        fs::write(desk.path(FILE), "two").unwrap();
    });
    is_heard("a file in its place", FILE, nothing, |desk| {
        fs::write(desk.path("new"), "two").unwrap();
        fs::rename(desk.path("new"), desk.path(FILE)).unwrap();
    });
    is_heard("its removal", FILE, nothing, |desk| {
        fs::remove_file(desk.path(FILE)).unwrap();
    });
    is_heard("another name of it", FILE, nothing, |desk| {
        fs::rename(desk.path(FILE), desk.path("keys.toml~")).unwrap();
    });
    is_heard("permissions", FILE, nothing, |desk| {
        let mut permissions = fs::metadata(desk.path(FILE)).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(desk.path(FILE), permissions).unwrap();
    });
    is_heard(
        "another directory in the place of the one two above it",
        "a/b/c",
        |desk| {
            for above in ["a", "new"] {
                fs::create_dir_all(desk.path(above).join("b")).unwrap();
                fs::write(desk.path(above).join("b/c"), above).unwrap();
            }
        },
        |desk| {
            fs::rename(desk.path("a"), desk.path("old")).unwrap();
            fs::rename(desk.path("new"), desk.path("a")).unwrap();
        },
    );
}

#[test]
fn a_link_that_is_led_elsewhere_is_heard_wherever_it_is_on_the_way() {
    // As Kubernetes lays a ConfigMap out: FILE -> ..data/FILE, ..data -> ..VERSION.
    is_heard(
        "the swap of ..data",
        "mounted",
        |desk| {
            for version in ["..v1", "..v2"] {
                fs::create_dir(desk.path(version)).unwrap();
                fs::write(desk.path(version).join("mounted"), version).unwrap();
            }
            symlink("..v1", desk.path("..data")).unwrap();
            symlink("..data/mounted", desk.path("mounted")).unwrap();
        },
        |desk| {
            symlink("..v2", desk.path("..data_tmp")).unwrap();
            fs::rename(desk.path("..data_tmp"), desk.path("..data")).unwrap();
        },
    );
    is_heard(
        "a write at the end of links out of the directory and back",
        "away/../link",
        |desk| {
            fs::create_dir(desk.path("away")).unwrap();
            let to = desk.path("away/.././").join(FILE);
            symlink(to, desk.path("link")).unwrap();
        },
        |desk| fs::write(desk.path(FILE), "two").unwrap(),
    );
}

#[test]
fn names_and_files_in_a_watched_directory_are_heard() {
    let changes: [(&str, Change<'_>); 4] = [
        ("a file comes", &|desk| {
            fs::write(desk.path("d/new"), "").unwrap();
        }),
        ("a file is written", &|desk| {
            fs::write(desk.path("d/file"), "two").unwrap();
        }),
        ("a file goes", &|desk| {
            fs::remove_file(desk.path("d/file")).unwrap();
        }),
        ("the directory goes", &|desk| {
            fs::remove_dir_all(desk.path("d")).unwrap();
        }),
    ];
    for (told, change) in changes {
        let prepare = |desk: &Desk| {
            fs::create_dir(desk.path("d")).unwrap();
            fs::write(desk.path("d/file"), "one").unwrap();
        };
        is_heard(told, "d", prepare, change);
    }
}

#[test]
fn what_happens_beside_a_file_wakes_nobody() {
    let mut desk = Desk::new();
    desk.watch(FILE);
    fs::write(desk.path("receipts.jsonl"), "{}\n").unwrap();
    fs::rename(desk.path("receipts.jsonl"), desk.path("receipts.jsonl.1")).unwrap();
    fs::remove_file(desk.path("receipts.jsonl.1")).unwrap();
    fs::create_dir(desk.path("beside")).unwrap();
    fs::read(desk.path(FILE)).unwrap();
    assert_eq!(desk.heard(), Heard::Quiet, "it is no change of the file");
}

#[test]
fn a_file_that_is_not_there_is_not_listened_for_and_that_is_said() {
    let mut desk = Desk::new();
    desk.watch("later.toml");
    assert!(!desk.watcher.hears_all(), "it needs looks");
    symlink("circle", desk.path("circle")).unwrap();
    desk.watch("circle");
    assert!(!desk.watcher.hears_all(), "so does a link to itself");
    // Nothing is known of the file system of this directory; that of processes never tells.
    desk.watcher.watch([Path::new("/proc/self/status")]);
    assert!(
        !desk.watcher.hears_all(),
        "so does a file system that never tells"
    );
}

#[test]
fn a_call_and_the_end_of_the_waker_end_a_wait() {
    let mut desk = Desk::new();
    let waker = desk.waker.as_ref().unwrap();
    waker.wake();
    waker.wake();
    assert_eq!(desk.within(LONG), Heard::Call, "both calls are one");
    assert_eq!(desk.heard(), Heard::Quiet, "which was answered");
    drop(desk.waker.take());
    assert_eq!(desk.within(LONG), Heard::End, "nobody can call");
}
