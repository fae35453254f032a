//! `witgate-c-bindings WIT WORLD FOLDER`: writes `WORLD.h`, `WORLD.c` and `WORLD_component_type.o` into the folder.
//!
//! Linked together with a plugin's own C they make a core module that carries its contract, which is what the host takes.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use wit_bindgen_c::Opts;
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [wit, world, folder] = arguments.as_slice() else {
        bail!("usage: witgate-c-bindings WIT WORLD FOLDER");
    };
    let world = world.to_str().context("the world's name is no text")?;

    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(wit)?;
    let world = resolve.select_world(&[package], Some(world))?;
    let mut files = Files::default();
    let mut generator = Opts::default().build();
    generator.generate(&mut resolve, world, &mut files)?;

    fs::create_dir_all(folder)?;
    for (name, content) in files.iter() {
        let file = folder.join(name);
        fs::write(&file, content).with_context(|| file.display().to_string())?;
    }
    Ok(())
}
