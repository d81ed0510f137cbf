//! Writes the API's documents into a folder: `just api-docs`.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = env::args().nth(1).ok_or_else(|| io::Error::other("say into which folder"))?;
    fs::write(Path::new(&folder).join("openapi.json"), format!("{:#}\n", carillon_api::openapi()))
}
