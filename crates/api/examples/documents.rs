//! Writes the API's documents into a folder: `just api-docs`.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = env::args().nth(1).ok_or_else(|| io::Error::other("say into which folder"))?;
    for (name, document) in
        [("openapi.json", carillon_api::openapi()), ("asyncapi.json", carillon_api::asyncapi())]
    {
        fs::write(Path::new(&folder).join(name), format!("{document:#}\n"))?;
    }
    Ok(())
}
