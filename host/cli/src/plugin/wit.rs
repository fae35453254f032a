//! `witgate plugin wit`: the WIT files of the contract, for languages other than Rust.

use std::path::PathBuf;
use std::process::ExitCode;

use witgate_runtime::{CONTRACT_TEXT, CONTRACT_VERSION};

use super::new::{HookArg, Staging};
use crate::output::print;

/// Arguments of `witgate plugin wit`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder to create.
    #[arg(default_value = "wit")]
    folder: PathBuf,
    /// Hook of the plugin; can be repeated.
    #[arg(long, required = true, value_enum)]
    hook: Vec<HookArg>,
}

/// Writes the folder that bindings generators expect: a world for the plugin, and the contract in `deps`.
pub(super) fn wit(args: &Args) -> anyhow::Result<ExitCode> {
    let into = match args.folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => std::path::Path::new("."),
    };
    let staging = Staging::begin(into, &args.folder)?;
    staging.write("world.wit", &world(&args.hook))?;
    for (file, text) in CONTRACT_TEXT {
        staging.write(&format!("deps/witgate-plugin/{file}"), text)?;
    }
    staging.finish(&args.folder)?;
    print(&format!(
        "created {}: the world `plugin` in world.wit, and version {CONTRACT_VERSION} of the contract in deps",
        args.folder.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Returns the text of the world with the imports and exports of the plugin.
fn world(hooks: &[HookArg]) -> String {
    let import = |name: &str| format!("    import witgate:plugin/{name}@{CONTRACT_VERSION};\n");
    let export = |name: &str| format!("    export witgate:plugin/{name}@{CONTRACT_VERSION};\n");
    // The facts need no grant to be imported: the host refuses single ones when they are read.
    let imports = [
        "types",
        "request",
        "caller",
        "context",
        "upstreams",
        "planned",
        "receipts",
        "log",
        "settings",
        "texts",
    ];
    let imports: String = imports.map(import).concat();
    let exports: String = hooks.iter().map(|hook| export(hook.interface())).collect();
    format!(
        "package author:plugin;\n\n\
         /// Import `kv`, `metrics` or `clock` if the plugin needs them; the sidecar has to grant each.\n\
         world plugin {{\n{imports}{}{exports}}}\n",
        export("lifecycle")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_exports_what_was_asked_for_and_imports_nothing_that_has_to_be_granted() {
        let world = world(&[HookArg::Route, HookArg::Budget]);
        for line in [
            "import witgate:plugin/settings@",
            "import witgate:plugin/request@",
            "export witgate:plugin/lifecycle@",
            "export witgate:plugin/route@",
            "export witgate:plugin/budget@",
        ] {
            assert!(world.contains(line), "{line} in {world}");
        }
        for not in ["export witgate:plugin/audit", "import witgate:plugin/kv"] {
            assert!(!world.contains(not), "{not} in {world}");
        }
    }
}
