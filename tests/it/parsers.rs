//! Our decoders beside the official ones, engine.io-parser and socket.io-parser: the same verdict on every packet, and
//! the same value of each that is taken, but for the table of [`differences`].

mod differences;
mod generate;
mod verdict;

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use carillon_tests::Dice;
use serde_json::{Value, json};

use differences::DIFFERENCES;
use generate::{Case, Layer, Part};
use verdict::{Verdict, agree, ours};

const CASES: usize = 40_000;

#[test]
fn our_decoders_agree_with_the_official_ones() {
    let seed = std::env::var("CARILLON_SEED").map_or(20_261_122, |seed| seed.parse().unwrap());
    let mut dice = Dice::new(seed);
    let cases: Vec<Case> = (0..CASES).map(|_| generate::case(&mut dice)).collect();
    let theirs = official(&cases);
    let (mut taken, mut refused, mut met) = (0, 0, [0; DIFFERENCES.len()]);
    for (case, theirs) in cases.iter().zip(&theirs) {
        let ours = ours(case);
        if agree(&ours, theirs) {
            *(if ours.error.is_none() { &mut taken } else { &mut refused }) += 1;
            continue;
        }
        let row = DIFFERENCES.iter().position(|row| (row.explains)(case, &ours, theirs));
        let row = row.unwrap_or_else(|| {
            panic!("CARILLON_SEED={seed}\n{case:?}\nours:   {ours:?}\ntheirs: {theirs:?}")
        });
        met[row] += 1;
    }
    println!("seed {seed}: {taken} taken and {refused} refused by both, of {CASES}; besides");
    for (row, met) in DIFFERENCES.iter().zip(met) {
        println!("{met:6} {}", row.what);
        assert!(met > 0, "seed {seed}: nothing met the row `{}`", row.what);
    }
    assert!(taken > CASES * 2 / 5 && refused > CASES / 10, "the cases are one-sided: {taken} and {refused}");
}

/// The comparison sees a difference in each thing that it compares.
#[test]
fn a_difference_is_seen() {
    let case = |text: &str| Case::text(Layer::Socket, text);
    let original = case(r#"2/a,7["n",{"b":[1.5,"x"]}]"#);
    let theirs = &official(std::slice::from_ref(&original))[0];
    assert!(agree(&ours(&original), theirs));
    for other in [
        r#"3/a,7["n",{"b":[1.5,"x"]}]"#,
        r#"2/b,7["n",{"b":[1.5,"x"]}]"#,
        r#"2/a,8["n",{"b":[1.5,"x"]}]"#,
        r#"2/a,["n",{"b":[1.5,"x"]}]"#,
        r#"2/a,7["m",{"b":[1.5,"x"]}]"#,
        r#"2/a,7["n",{"c":[1.5,"x"]}]"#,
        r#"2/a,7["n",{"b":[1.25,"x"]}]"#,
        r#"2/a,7["n",{"b":[1.5,"y"]}]"#,
        r#"2/a,7["n",{"b":[1.5,"x"]},null]"#,
        r#"2/a,7["n""#,
        r#"51-/a,7["n",{"b":[1.5,"x"]}]"#,
    ] {
        assert!(!agree(&ours(&case(other)), theirs), "{other}");
    }
}

/// What the official parsers make of the cases, all in one Node.js process.
fn official(cases: &[Case]) -> Vec<Verdict> {
    let js = Path::new(env!("CARGO_MANIFEST_DIR")).join("js");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("cases.jsonl");
    let lines: String = cases.iter().map(|case| format!("{}\n", line(case))).collect();
    File::create(&file).unwrap().write_all(lines.as_bytes()).unwrap();
    let mut node = Command::new("node");
    let node = node.arg(js.join("parsers.mjs")).stdin(File::open(&file).unwrap()).stderr(Stdio::inherit());
    let output = node.output().unwrap();
    assert!(output.status.success(), "the official parsers ended with {}", output.status);
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let verdicts: Vec<Verdict> = String::from_utf8(output.stdout).unwrap().lines().map(read).collect();
    assert_eq!(verdicts.len(), cases.len(), "some cases have no verdict");
    verdicts
}

fn line(case: &Case) -> Value {
    let layer = match case.layer {
        Layer::Engine => "engine",
        Layer::Payload => "payload",
        Layer::Socket => "socket",
    };
    let parts = case.parts.iter().map(|part| match part {
        Part::Text(text) => json!(text),
        Part::Bytes(part) => bytes(part),
    });
    json!({"layer": layer, "parts": parts.collect::<Vec<_>>()})
}

/// Bytes, as both sides of this test write them in JSON.
fn bytes(bytes: &[u8]) -> Value {
    json!({"b64": BASE64_STANDARD.encode(bytes)})
}
