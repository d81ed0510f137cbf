//! The protocol layers without the product on top: servers to hold against the official suites, by URL.

use clap::Parser as _;

fn main() -> anyhow::Result<()> {
    carillon_tests::conformance::run(&carillon_tests::conformance::Options::parse())
}
