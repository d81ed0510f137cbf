//! A page built after this crate was is embedded all the same.

fn main() {
    println!("cargo:rerun-if-changed=app/dist");
}
