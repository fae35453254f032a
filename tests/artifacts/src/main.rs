//! `witgate-artifacts FOLDER [rust]`: puts the four shipped plugins into a folder, each by an atomic rename; or instead of
//! them, with the feature `guests`, the example in Rust.

use std::path::PathBuf;
use std::process::ExitCode;

use witgate_artifacts::SHIPPED;

#[allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the terminal is where this program's answer goes"
)]
fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let (folder, artifacts) = match arguments.as_slice() {
        [folder] => (PathBuf::from(folder), &SHIPPED[..]),
        #[cfg(feature = "guests")]
        [folder, name] if name == witgate_artifacts::RUST.name() => {
            (PathBuf::from(folder), &[witgate_artifacts::RUST][..])
        }
        _ => {
            eprintln!("usage: witgate-artifacts FOLDER [rust]");
            return ExitCode::from(2);
        }
    };
    for artifact in artifacts {
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
