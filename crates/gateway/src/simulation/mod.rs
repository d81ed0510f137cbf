//! A seeded simulation.

mod chronicle;
mod client;
mod coverage;
mod dice;
mod network;
mod node;
mod page;
mod publishing;
mod session;
mod steps;
mod store;
mod world;

use std::sync::Arc;

use carillon_domain::testing::Mutant;

use coverage::Coverage;
use world::World;

/// What is wrong with the world of this seed, and its schedule.
fn find_fault(seed: u64, mutant: Option<Mutant>, coverage: &Arc<Coverage>) -> Option<(String, Vec<String>)> {
    Mutant::run(mutant, || {
        let wrong = World::new(seed, coverage, false).live().err()?;
        // The same again, told.
        let mut world = World::new(seed, coverage, true);
        let again = world.live().err();
        assert_eq!(again.as_ref(), Some(&wrong), "a seed leads to the same end each time");
        Some((wrong, world.schedule()))
    })
}

#[test]
fn try_some() {
    let coverage = Arc::default();
    let from: u64 = std::env::var("CARILLON_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
    let n: u64 = std::env::var("N").ok().and_then(|s| s.parse().ok()).unwrap_or(100);
    let mut wrong = 0;
    let start = std::time::Instant::now();
    for seed in from..from + n {
        if let Some((fault, schedule)) = find_fault(seed, None, &coverage) {
            wrong += 1;
            if wrong == 1 {
                println!("{}", schedule.join("\n"));
            }
            println!("seed {seed}: {fault}");
        }
    }
    println!("{wrong} of {n} wrong in {:?}", start.elapsed());
    for (seen, n) in coverage.counts() {
        println!("{n:>8} {seen:?}");
    }
}
