use std::fs;

use tempfile::TempDir;

use super::*;

/// A watched keys file, with a clock that the test moves.
struct Desk {
    folder: TempDir,
    watched: Watched,
    now: Instant,
}

const FULL: &str = "one\ntwo\nthree\n";

// === impl Desk ===

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        fs::write(&path, FULL).unwrap();
        let print = Print::of(&path);
        let prints = Prints([(path, print)].into());
        Self {
            folder,
            watched: Watched::new(prints),
            now: Instant::now(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the file in place.
    fn write(&self, text: &str) {
        fs::write(self.path("keys.toml"), text).unwrap();
    }

    /// Polls every quarter of a second for some time, and returns the last result.
    fn after(&mut self, time: Duration) -> Found {
        let end = self.now + time;
        let mut found = self.watched.look(self.now);
        while self.now < end {
            self.now += CLOSE;
            found = self.watched.look(self.now);
        }
        found
    }
}

const CLOSE: Duration = Duration::from_millis(250);

#[test]
fn a_file_that_is_written_in_two_steps_is_read_when_it_is_whole() {
    let mut desk = Desk::new();
    assert_eq!(desk.after(CLOSE), Found::Same, "as it was read");
    desk.write("");
    assert_eq!(
        desk.after(Duration::from_secs(4)),
        Found::Unsettled,
        "an empty file is being written"
    );
    desk.write("one\n");
    assert_eq!(
        desk.after(Duration::from_secs(4)),
        Found::Unsettled,
        "so is a shorter one"
    );
    desk.write("one\ntwo\nthree\nfour\n");
    assert_eq!(
        desk.after(Duration::from_secs(1)),
        Found::Unsettled,
        "a longer one may be"
    );
    assert_eq!(
        desk.after(Duration::from_secs(1)),
        Found::Changed,
        "until it is quiet"
    );
}

#[test]
fn a_file_that_stays_shorter_is_read_in_seconds() {
    let mut desk = Desk::new();
    desk.write("");
    assert_eq!(
        desk.after(SETTLE_TIME_WHEN_SHORTER + CLOSE),
        Found::Changed,
        "keys that are taken out in place end too"
    );
}

#[test]
fn a_file_that_is_never_quiet_is_read_all_the_same() {
    let mut desk = Desk::new();
    let mut found = Found::Same;
    for round in 0..31 {
        desk.write(&format!("{FULL}{round}\n"));
        found = desk.after(Duration::from_secs(1));
        if found != Found::Unsettled {
            break;
        }
    }
    assert_eq!(found, Found::Changed, "after some patience");
}

#[test]
fn what_is_written_and_taken_back_is_no_change() {
    let mut desk = Desk::new();
    desk.write("other\n");
    assert_eq!(desk.after(CLOSE), Found::Unsettled, "a change");
    desk.write(FULL);
    assert_eq!(desk.after(CLOSE), Found::Same, "none in the end");
}

#[test]
fn a_file_that_is_renamed_into_its_place_is_read_at_once() {
    let mut desk = Desk::new();
    fs::write(desk.path("new"), "one\n").unwrap();
    // The clock of the file system ticks every few milliseconds; a rename within the tick can't be told from a write.
    let written = fs::metadata(desk.path("new")).unwrap().modified().unwrap();
    let tick = loop {
        fs::write(desk.path("tick"), "x").unwrap();
        let now = fs::metadata(desk.path("tick")).unwrap().modified().unwrap();
        if now > written {
            break now;
        }
    };
    assert!(tick > written, "time has passed");
    fs::rename(desk.path("new"), desk.path("keys.toml")).unwrap();
    assert_eq!(desk.watched.look(desk.now), Found::Changed, "it is whole");
}

#[test]
fn a_new_file_that_is_filled_in_its_place_is_waited_for() {
    let mut desk = Desk::new();
    fs::rename(desk.path("keys.toml"), desk.path("keys.toml~")).unwrap();
    assert_eq!(desk.after(CLOSE), Found::Unsettled, "it is gone");
    fs::File::create_new(desk.path("keys.toml")).unwrap();
    assert_eq!(desk.after(CLOSE), Found::Unsettled, "it is empty");
    desk.write("one\n");
    assert_eq!(desk.after(CLOSE), Found::Unsettled, "it is growing");
    desk.write(FULL);
    assert_eq!(desk.after(CLOSE), Found::Same, "it is there again");
}
