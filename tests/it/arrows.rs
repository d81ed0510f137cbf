//! The three floors hold: which crate may depend on which, and where databases, sockets and runtimes may be named.
//!
//! The tables below are docs/architecture.md's "Layout" in code. Every rule is shown to bite on a doctored workspace.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

const DOMAIN: &str = "carillon-domain";
const PROTOCOL: &str = "carillon-protocol";

/// Which of our crates each may depend on, in any section; `None` is all of them.
const ARROWS: [(&str, Option<&[&str]>); 13] = [
    (DOMAIN, Some(&[])),
    (PROTOCOL, Some(&[])),
    ("carillon-store-postgres", Some(&[DOMAIN])),
    ("carillon-store-sqlite", Some(&[DOMAIN])),
    ("carillon-fanout-redis", Some(&[DOMAIN])),
    ("carillon-auth-jwt", Some(&[DOMAIN])),
    ("carillon-api", Some(&[DOMAIN])),
    ("carillon-client", Some(&[DOMAIN])),
    ("carillon-gateway", Some(&[DOMAIN, PROTOCOL])),
    ("carillon-web", Some(&[])),
    ("carillon", None),
    ("carillon-tests", None),
    ("carillon-load", None),
];

/// Who alone may name crates with such a name, outside of dev-dependencies.
const CONFINED: [(&str, &[&str]); 3] = [
    ("diesel", &["carillon-store-postgres", "carillon-store-sqlite"]),
    ("fred", &["carillon-fanout-redis"]),
    // The tests' conformance server mounts the gateway's own routes, without the product.
    ("actix", &["carillon-gateway", "carillon-api", "carillon-web", "carillon", "carillon-tests"]),
];

/// The pure crates, which name no runtime.
const WITHOUT_RUNTIME: [&str; 2] = [DOMAIN, PROTOCOL];

/// Who alone may have cargo features.
const WITH_FEATURES: [&str; 2] = [DOMAIN, "carillon"];

const MOST_LINES: usize = 400;

#[test]
fn every_arrow_between_crates_is_allowed() -> Result<()> {
    let metadata: Value =
        serde_json::from_str(&cargo(&["metadata", "--no-deps", "--offline", "--format-version", "1"])?)?;
    let faults = faults(&metadata);
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

#[test]
fn each_rule_bites() {
    for (package, dependency, kind, words) in [
        (DOMAIN, PROTOCOL, Value::Null, "may not depend on carillon-protocol"),
        (DOMAIN, "carillon-store-sqlite", json!("dev"), "may not depend on carillon-store-sqlite"),
        ("carillon-api", "carillon-gateway", Value::Null, "may not depend on carillon-gateway"),
        ("carillon-web", DOMAIN, Value::Null, "may not depend on carillon-domain"),
        ("carillon-sms", "serde", Value::Null, "is not in the table"),
        ("carillon-gateway", "diesel_migrations", Value::Null, "may not name diesel_migrations"),
        ("carillon-api", "fred", json!("build"), "may not name fred"),
        ("carillon-load", "actix-web", Value::Null, "may not name actix-web"),
        (DOMAIN, "tokio", Value::Null, "names a runtime"),
        (PROTOCOL, "tokio-util", Value::Null, "names a runtime"),
    ] {
        let found = faults(&workspace(package, &json!({}), dependency, &kind));
        assert!(found.len() == 1 && found[0].contains(words), "{package} → {dependency}: {found:?}");
    }
    let found = faults(&workspace("carillon-api", &json!({"fast": []}), "serde", &Value::Null));
    assert!(found.len() == 1 && found[0].contains("features"), "{found:?}");

    for (package, dependency, kind) in [
        ("carillon-gateway", PROTOCOL, Value::Null),
        ("carillon", "actix-web", Value::Null),
        (PROTOCOL, "tokio", json!("dev")),
    ] {
        let found = faults(&workspace(package, &json!({}), dependency, &kind));
        assert!(found.is_empty(), "{found:?}");
    }
}

#[test]
fn another_service_can_afford_the_domain() -> Result<()> {
    let domain = ["-p", DOMAIN, "--no-default-features"];
    let tree = cargo(&[&["tree", "--offline", "-e", "normal", "--prefix", "none"], &domain[..]].concat())?;
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    ensure!(names.contains(DOMAIN), "no tree of the domain:\n{tree}");
    ensure!(names.len() < 40, "{} crates: {names:?}", names.len());
    Ok(())
}

#[test]
fn long_files_say_why() -> Result<()> {
    let mut files = Vec::new();
    for folder in ["crates", "tests"] {
        sources(&root().join(folder), &mut files)?;
    }
    ensure!(files.iter().any(|file| file.ends_with("it/arrows.rs")), "the walk has lost its way");
    let mut unexplained = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file)?;
        if too_long(&text) {
            unexplained.push(format!("{}: {} lines", file.display(), text.lines().count()));
        }
    }
    let advice = "split it, or say at its top `//! Over 400 lines because …`";
    ensure!(unexplained.is_empty(), "{}\n{advice}", unexplained.join("\n"));
    Ok(())
}

#[test]
fn a_long_file_without_a_reason_is_found() {
    let lines = "x\n".repeat(MOST_LINES);
    assert!(!too_long(&lines));
    assert!(too_long(&format!("//! A machine.\n{lines}")));
    assert!(!too_long(&format!("//! A machine.\n//!\n//! Over 400 lines because of its drawing.\n{lines}")));
}

/// Everything in `cargo metadata` that the tables forbid.
fn faults(metadata: &Value) -> Vec<String> {
    let packages = array(&metadata["packages"]);
    let ours: BTreeSet<&str> = packages.iter().map(name).chain(ARROWS.map(|(name, _)| name)).collect();
    packages.iter().flat_map(|package| faults_of(package, &ours)).collect()
}

fn faults_of(package: &Value, ours: &BTreeSet<&str>) -> Vec<String> {
    let from = name(package);
    let Some((_, arrows)) = ARROWS.iter().find(|(name, _)| *name == from) else {
        return vec![format!("{from} is not in the table of arrows")];
    };
    let mut faults = Vec::new();
    let features = package["features"].as_object();
    if features.is_some_and(|features| !features.is_empty()) && !WITH_FEATURES.contains(&from) {
        faults.push(format!("{from} has cargo features: only {WITH_FEATURES:?} may"));
    }
    for dependency in array(&package["dependencies"]) {
        let to = name(dependency);
        if ours.contains(to) && arrows.is_some_and(|arrows| !arrows.contains(&to)) {
            faults.push(format!("{from} may not depend on {to}"));
        }
        if dependency["kind"] == "dev" {
            continue;
        }
        if CONFINED.iter().any(|(word, homes)| to.contains(word) && !homes.contains(&from)) {
            faults.push(format!("{from} may not name {to}"));
        }
        if WITHOUT_RUNTIME.contains(&from) && to.starts_with("tokio") {
            faults.push(format!("{from} names a runtime: {to}"));
        }
    }
    faults
}

/// A workspace of one package with one dependency, as `cargo metadata` would tell it.
fn workspace(package: &str, features: &Value, dependency: &str, kind: &Value) -> Value {
    json!({"packages": [{
        "name": package,
        "features": features,
        "dependencies": [{"name": dependency, "kind": kind}],
    }]})
}

fn name(value: &Value) -> &str {
    value["name"].as_str().unwrap_or_default()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn cargo(arguments: &[&str]) -> Result<String> {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().context("cargo")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo {arguments:?}: {said}");
    Ok(String::from_utf8(output.stdout)?)
}

/// Every Rust file under `folder`, but for what builds and npm have put there.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() && name != "node_modules" && name != "target" {
            sources(&path, into)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
    Ok(())
}

fn too_long(text: &str) -> bool {
    let explained = text.lines().take(10).any(|line| line.starts_with("//! Over 400 lines because"));
    text.lines().count() > MOST_LINES && !explained
}
