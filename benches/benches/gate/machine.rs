//! The machine that is measured on, so that figures say where they are from.

use std::fs;
use std::process::Command;

/// Returns the processor, the cores, the memory, the kernel, the compiler and the profile, as one line.
pub(crate) fn line() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split(':').nth(1));
        value.unwrap_or("unknown").trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let mebibytes = memory
        .split(' ')
        .next()
        .and_then(|kib| kib.parse::<u64>().ok());
    let compiler = Command::new("rustc").arg("--version").output();
    let compiler = compiler.map_or_else(
        |_| "rustc unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    );
    format!(
        "{}, {cores} cores, {} MiB, Linux {}, {compiler}, profile {}",
        field(&read("/proc/cpuinfo"), "model name"),
        mebibytes.unwrap_or(0) / 1024,
        read("/proc/sys/kernel/osrelease").trim(),
        profile(),
    )
}

/// Returns the name of the folder that this program was built into, which is that of its profile.
fn profile() -> String {
    let program = std::env::current_exe().expect("this program");
    let folder = program.ancestors().nth(2).and_then(|path| path.file_name());
    let name = folder.map_or("unknown".into(), |name| name.to_string_lossy());
    name.into_owned()
}
