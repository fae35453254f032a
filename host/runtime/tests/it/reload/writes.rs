//! Files that are written as editors and careless tools write them.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use witgate_runtime::{PluginState, Policies};

use crate::child::succeeds;
use crate::folder::{
    Folder, LONG, has_plan, next_lineup, only, open_slowly, plans, plans_nothing, status,
};
use crate::request::PATIENT;

/// A folder with one plugin that gives no plan.
fn serving() -> (Folder, Policies) {
    let folder = Folder::new();
    folder.rename_in("route.toml", PATIENT.as_bytes());
    folder.rename_in("route.wasm", &plans_nothing());
    let policies = folder.open();
    policies.watch().unwrap();
    (folder, policies)
}

/// Waits until the directory was read twice more.
fn let_it_look(policies: &Policies) {
    let seen = policies.progress().scans;
    policies
        .wait(LONG, |progress| progress.scans > seen + 1)
        .expect("it is looked at");
}

#[test]
fn a_file_that_is_rewritten_in_place_serves_when_it_is_whole() {
    let (folder, policies) = serving();
    let first = policies.current();
    let bytes = plans();
    // Neither truncated nor replaced: the old bytes go, a piece at a time.
    let mut file = OpenOptions::new()
        .write(true)
        .open(folder.path("route.wasm"))
        .unwrap();
    let pieces: Vec<_> = bytes.chunks(bytes.len().div_ceil(4)).collect();
    for (number, piece) in pieces.iter().enumerate() {
        file.write_all(piece).unwrap();
        file.flush().unwrap();
        if number + 1 < pieces.len() {
            let_it_look(&policies);
            assert_eq!(
                policies.generation(),
                first.generation(),
                "{} of {} pieces change nothing",
                number + 1,
                pieces.len()
            );
        }
    }
    file.set_len(bytes.len() as u64).unwrap();
    drop(file);
    let lineup = next_lineup(&policies, first.generation());
    assert!(has_plan(&lineup), "the whole one serves");
    assert_eq!(
        status(&policies, "route").state,
        PluginState::Serving,
        "and all is well"
    );
}

#[test]
fn a_file_that_is_truncated_and_completed_later_serves_when_it_is_whole() {
    let (folder, policies) = serving();
    let first = policies.current();
    let mut file = OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(folder.path("route.wasm"))
        .unwrap();
    let_it_look(&policies);
    let empty = status(&policies, "route");
    assert_eq!(empty.state, PluginState::LastGood, "the old one serves");
    assert!(
        empty
            .last_error
            .as_deref()
            .is_some_and(|error| error.contains("empty")),
        "and it is said why: {empty:?}"
    );
    assert_eq!(policies.generation(), first.generation(), "unchanged");

    // The end before the beginning, as a download in parts does it.
    let bytes = plans();
    let half = bytes.len() / 2;
    file.seek(SeekFrom::Start(half as u64)).unwrap();
    file.write_all(&bytes[half..]).unwrap();
    let_it_look(&policies);
    assert_eq!(
        policies.generation(),
        first.generation(),
        "a hole, then an end"
    );
    file.seek(SeekFrom::Start(0)).unwrap();
    file.write_all(&bytes[..half]).unwrap();
    drop(file);
    assert!(
        has_plan(&next_lineup(&policies, first.generation())),
        "the whole one serves"
    );
}

#[test]
fn a_write_that_hides_its_time_behind_a_link_is_seen() {
    // As `cp -p` and `rsync -t` leave a file: the same name, length and time, the same inode, other bytes. It is
    // elsewhere, at the end of a link.
    let (folder, policies) = serving();
    let elsewhere = Folder::new();
    let file = elsewhere.path("version.wasm");
    let (old, new) = (plans_nothing(), plans());
    let length = old.len().max(new.len());
    let padded = |bytes: &[u8]| {
        // A custom section without a meaning makes up for the difference.
        let size = length + 5 - bytes.len();
        let low = u8::try_from(size & 0x7f).unwrap();
        let high = u8::try_from(size >> 7).unwrap();
        let mut bytes = [bytes, &[0, low | 0x80, high]].concat();
        bytes.resize(length + 8, 0);
        bytes
    };
    let past = std::time::SystemTime::now() - Duration::from_secs(3_600);
    fs::write(&file, padded(&old)).unwrap();
    File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_modified(past)
        .unwrap();
    fs::remove_file(folder.path("route.wasm")).unwrap();
    symlink(&file, folder.path("route.wasm")).unwrap();
    let first = policies.reload_now().unwrap();
    assert_eq!(status(&policies, "route").last_error, None, "it is taken");
    // Older than what any look takes for too fresh to tell.
    thread::sleep(Duration::from_millis(2_200));
    let_it_settle(&policies);

    let first = policies.current().generation().max(first.generation());
    let mut same = OpenOptions::new().write(true).open(&file).unwrap();
    same.write_all(&padded(&new)).unwrap();
    same.set_modified(past).unwrap();
    drop(same);
    let lineup = next_lineup(&policies, first);
    assert!(has_plan(&lineup), "the new bytes serve");
}

/// Waits until looks find nothing to read any more.
fn let_it_settle(policies: &Policies) {
    loop {
        let seen = policies.progress().scans;
        thread::sleep(Duration::from_millis(300));
        if policies.progress().scans == seen {
            return;
        }
    }
}

#[test]
fn what_editors_leave_beside_a_file_never_becomes_a_plugin() {
    let (folder, policies) = serving();
    let first = policies.current();
    for name in [
        ".route.wasm.swp",
        ".route.wasm.swx",
        "4913",
        "route.wasm~",
        "#route.wasm#",
        "route.wasm.bak",
        "route.wasm.orig",
        "route.wasm.tmp",
        ".goutputstream-4X7Z2A",
        "..route.wasm",
        "route.toml~",
    ] {
        fs::write(folder.path(name), plans()).unwrap();
    }
    // The lock of emacs names a user and a process, and no file.
    symlink(
        "somebody@somewhere.4711:1700000000",
        folder.path(".#route.wasm"),
    )
    .unwrap();
    let_it_look(&policies);
    let names: Vec<_> = policies.status().into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["route"], "only the file itself");
    assert_eq!(
        policies.generation(),
        first.generation(),
        "nothing happened"
    );
}

/// A folder whose plugin has `order = 7`, read after half a second of quiet.
fn ordered() -> (Folder, Policies) {
    let folder = Folder::new();
    folder.rename_in("route.wasm", &plans());
    folder.rename_in("route.toml", format!("order = 7\n{PATIENT}").as_bytes());
    let policies = open_slowly(folder.dir.path());
    policies.watch().unwrap();
    (folder, policies)
}

/// The next lineup has the edited sidecar: there was none in between without it.
fn edited(policies: &Policies, generation: u64) {
    let lineup = next_lineup(policies, generation);
    assert_eq!(only(&lineup).order(), 8, "the edit is live");
    assert_eq!(
        lineup.generation(),
        generation + 1,
        "no lineup was made from the moment without a sidecar"
    );
}

/// The steps of vim with `backup` and `backupcopy=no`: a probe, the old file renamed, a new one, the old one removed.
fn save_as_vim(file: &Path, text: &str) {
    let folder = file.parent().unwrap();
    let backup = format!("{}~", file.display());
    fs::write(folder.join("4913"), "").unwrap();
    fs::remove_file(folder.join("4913")).unwrap();
    fs::rename(file, &backup).unwrap();
    let mut new = File::create(file).unwrap();
    new.write_all(text.as_bytes()).unwrap();
    new.sync_all().unwrap();
    drop(new);
    fs::remove_file(backup).unwrap();
}

#[test]
fn a_sidecar_that_is_saved_by_renaming_the_old_one_away_is_one_change() {
    let (folder, policies) = ordered();
    let first = policies.current();
    save_as_vim(&folder.path("route.toml"), &format!("order = 8\n{PATIENT}"));
    edited(&policies, first.generation());
}

#[test]
fn a_sidecar_that_is_saved_by_vim_is_one_change() {
    if !succeeds(&["vim", "--version"]) {
        println!("no vim here: only its file operations are tested");
        return;
    }
    let (folder, policies) = ordered();
    let first = policies.current();
    let saved = Command::new("vim")
        .args(["-u", "NONE", "-i", "NONE", "-es"])
        .args(["-c", "set backup writebackup backupcopy=no"])
        .args(["-c", "%s/order = 7/order = 8/", "-c", "wq"])
        .arg(folder.path("route.toml"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(saved.status.success(), "it is saved: {saved:?}");
    edited(&policies, first.generation());
}
