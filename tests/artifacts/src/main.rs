//! `witgate-artifacts FOLDER [rust]`: puts the four shipped plugins into a folder, each by an atomic rename, and the optional
//! ones into its folder `optional`; or instead of them, with the feature `guests`, the example in Rust.

use std::path::PathBuf;
use std::process::ExitCode;

use witgate_artifacts::{Artifact, OPTIONAL, SHIPPED};

#[allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the terminal is where this program's answer goes"
)]
fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let installs: Vec<(PathBuf, Artifact)> = match arguments.as_slice() {
        [folder] => {
            let folder = PathBuf::from(folder);
            let optional = folder.join("optional");
            let shipped = SHIPPED.map(|artifact| (folder.clone(), artifact));
            // A folder of the repository has it, and so has a release; another one may not.
            let optional = optional
                .is_dir()
                .then_some(optional)
                .into_iter()
                .flat_map(|folder| OPTIONAL.map(|artifact| (folder.clone(), artifact)));
            shipped.into_iter().chain(optional).collect()
        }
        #[cfg(feature = "guests")]
        [folder, name] if name == witgate_artifacts::RUST.name() => {
            vec![(PathBuf::from(folder), witgate_artifacts::RUST)]
        }
        _ => {
            eprintln!("usage: witgate-artifacts FOLDER [rust]");
            return ExitCode::from(2);
        }
    };
    for (folder, artifact) in installs {
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
