//! `witgate-artifacts FOLDER`: puts the four shipped plugins into a folder, each by an atomic rename.

use std::path::PathBuf;
use std::process::ExitCode;
use witgate_artifacts::SHIPPED;

#[allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the terminal is where this program's answer goes"
)]
fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(folder), None) = (arguments.next().map(PathBuf::from), arguments.next()) else {
        eprintln!("usage: witgate-artifacts FOLDER");
        return ExitCode::from(2);
    };
    for artifact in SHIPPED {
        match artifact.install(&folder) {
            Ok(file) => println!("{} ({} bytes)", file.display(), artifact.bytes().len()),
            Err(error) => {
                eprintln!(
                    "cannot put {}.wasm into {}: {error}",
                    artifact.name(),
                    folder.display()
                );
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
