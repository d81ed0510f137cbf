//! The fuzz targets without a fuzzer: each on its seeds and on thousands of mutations of them, the same at every run.

#[expect(clippy::expect_used, unreachable_pub, reason = "the functions of a library for the fuzzer")]
#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;

use std::panic::catch_unwind;
use std::path::Path;

use carillon_tests::Dice;

const MUTATIONS: usize = 20_000;
const MOST_BYTES: usize = 4_096;

#[test]
fn every_target_keeps_its_promise() {
    for (name, target) in targets::ALL {
        let seeds = seeds(name);
        let mut dice = Dice::new(20_261_122);
        for number in 0..seeds.len() + MUTATIONS {
            let input = match seeds.get(number) {
                Some(seed) => seed.clone(),
                None => mutated(&mut dice, &seeds),
            };
            let promise = catch_unwind(|| target(&input));
            assert!(promise.is_ok(), "{name}: input {number}: {:?}", String::from_utf8_lossy(&input));
        }
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut files: Vec<_> = directory.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 2, "{target} has few seeds");
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// One seed, changed in one to eight places, partly with pieces of the others.
fn mutated(dice: &mut Dice, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seeds[dice.below(seeds.len())].clone();
    for _ in 0..=dice.below(8) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + dice.below(9)).min(bytes.len());
        match dice.below(7) {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.insert(at, dice.pick(b"0123456789-,./:\"{}[]\\|#\n\x1e\xc3 bgpuwxcfatsedz")),
            2 => bytes.insert(at, dice.throw().to_le_bytes()[0]),
            3 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << dice.below(8)),
            4 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            5 => bytes.truncate(at),
            _ => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.below(other.len() + 1);
                let to = (from + dice.below(40)).min(other.len());
                bytes.splice(at..at, other[from..to].iter().copied());
            }
        }
    }
    bytes.truncate(MOST_BYTES);
    bytes
}
