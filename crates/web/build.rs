//! A page built after this crate was is embedded all the same.

use std::path::Path;

fn main() {
    // Cargo takes what is missing for changed, each time: without a build, the folder that it will appear in is watched.
    let watched = if Path::new("app/dist").exists() { "app/dist" } else { "app" };
    println!("cargo:rerun-if-changed={watched}");
}
