//! What a run says in docs/benchmarks.md: one section between two marks, which the next run replaces.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::chart::{self, Bar};
use super::figures::{FIGURES, Figure, Run, shown};
use super::servers::{Kind, PEERS};
use super::{Options, Sizes};

pub(crate) const CHARTS: &str = "images/bench";

/// Replaces what stands in `page` between the marks of this name.
pub(crate) fn replace(page: &Path, name: &str, section: &str) -> Result<()> {
    let text = std::fs::read_to_string(page).with_context(|| page.display().to_string())?;
    let (begin, end) = (format!("<!-- {name}: written by the bench -->"), format!("<!-- {name}: end -->"));
    let marks = text.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?.1)));
    let (before, after) = marks.with_context(|| format!("{} has no marks of {name}", page.display()))?;
    Ok(std::fs::write(page, format!("{before}{begin}\n{section}{end}{after}"))?)
}

/// The whole section; the charts are drawn beside the page.
pub(crate) fn section(options: &Options, sizes: &Sizes, kinds: &[Kind], runs: &[Run]) -> Result<String> {
    let (rounds, seconds) = (options.rounds, sizes.seconds);
    let mut text =
        format!("{}, {}; medians of {rounds} rounds, {seconds} s a figure.\n\n", place()?, peers()?);
    let median = |figure: &Figure, kind| figure.median(runs, kind);
    table(&mut text, "figure", kinds.iter().map(|kind| kind.name()));
    for figure in FIGURES {
        let row = kinds.iter().map(|kind| median(figure, *kind).map_or_else(|| "-".to_owned(), shown));
        line(&mut text, &format!("{}, {}", figure.title(sizes), figure.unit), row);
    }
    text.push_str(
        "\nOurs as a multiple of the others', and what was aimed at, met or missed by each of ours:\n\n",
    );
    aims(&mut text, sizes, kinds, runs);
    text.push_str(
        "\nCPU of a delivery or handshake, in µs, of the server and (behind it) of the generator:\n\n",
    );
    generator(&mut text, sizes, kinds, runs);
    faults(&mut text, runs);
    let bytes = Figure { of: |measured| measured.event_bytes.map(|bytes| bytes as f64), ..FIGURES[4] };
    let bytes =
        kinds.iter().filter_map(|kind| Some(format!("{}: {:.0}", kind.name(), median(&bytes, *kind)?)));
    let _ = writeln!(text, "Bytes of an event: {}.", bytes.collect::<Vec<_>>().join(", "));
    let folder = charts(&options.page);
    text.push('\n');
    for figure in FIGURES {
        let bar = |kind: &Kind| {
            Some(Bar { name: kind.name(), value: median(figure, *kind)?, is_ours: kind.is_ours() })
        };
        let (title, file) = (figure.title(sizes), format!("{}.svg", figure.id));
        let bars: Vec<Bar> = kinds.iter().filter_map(bar).collect();
        if !bars.is_empty() {
            if options.writes_page() {
                chart::bars(&folder.join(&file), &title, figure.unit, &bars)?;
            }
            let _ = writeln!(text, "![{title}, {}]({CHARTS}/{file})", figure.unit);
        }
    }
    Ok(text)
}

/// Where the charts of a page are.
pub(crate) fn charts(page: &Path) -> PathBuf {
    page.parent().unwrap_or_else(|| Path::new("")).join(CHARTS)
}

pub(crate) fn table<'a>(text: &mut String, first: &str, columns: impl Iterator<Item = &'a str> + Clone) {
    line(text, first, columns.clone().map(str::to_owned));
    line(text, "---", columns.map(|_| "---".to_owned()));
}

pub(crate) fn line(text: &mut String, first: &str, cells: impl Iterator<Item = String>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "| {first} |{}", cells.map(|cell| format!(" {cell} |")).collect::<String>());
}

/// Each figure of ours beside the others', and whether its aims were met.
fn aims(text: &mut String, sizes: &Sizes, kinds: &[Kind], runs: &[Run]) {
    let ours: Vec<Kind> = kinds.iter().copied().filter(|kind| kind.is_ours()).collect();
    let columns: Vec<String> = ours
        .iter()
        .flat_map(|kind| ["of socketioxide", "of the floor"].map(|what| format!("{}: {what}", kind.name())))
        .chain(["aims".to_owned()])
        .collect();
    table(text, "figure", columns.iter().map(String::as_str));
    for figure in FIGURES {
        let median = |kind| figure.median(runs, kind);
        let ratio = |ours, peer| median(ours).zip(median(peer)).map(|(ours, theirs)| shown(ours / theirs));
        let ratios =
            ours.iter().flat_map(|ours| [Kind::Socketioxide, Kind::Floor].map(|peer| ratio(*ours, peer)));
        let cells = ratios.map(|ratio| ratio.unwrap_or_else(|| "-".to_owned()));
        let judged = figure.aims.iter().map(|aim| {
            let verdicts = ours.iter().filter_map(|kind| match aim.is_met(median(*kind)?, median) {
                Some(true) => Some("met".to_owned()),
                Some(false) => Some("**missed**".to_owned()),
                None => None,
            });
            format!("{aim}: {}", verdicts.collect::<Vec<_>>().join(", "))
        });
        line(text, &figure.title(sizes), cells.chain([judged.collect::<Vec<_>>().join("; ")]));
    }
}

fn generator(text: &mut String, sizes: &Sizes, kinds: &[Kind], runs: &[Run]) {
    table(text, "figure", kinds.iter().map(|kind| kind.name()));
    let mut told = Vec::new();
    for figure in FIGURES {
        if told.contains(&figure.phase) {
            continue;
        }
        told.push(figure.phase);
        let cells = kinds.iter().map(|kind| {
            let cpu = |of| Figure { of, ..*figure }.median(runs, *kind);
            let both =
                cpu(|measured| Some(measured.cpu_micros)).zip(cpu(|measured| Some(measured.load_cpu_micros)));
            both.map_or_else(
                || "-".to_owned(),
                |(server, load)| format!("{} / {}", shown(server), shown(load)),
            )
        });
        line(text, &figure.title(sizes), cells);
    }
}

fn faults(text: &mut String, runs: &[Run]) {
    let phases = || runs.iter().flat_map(|run| run.phases.iter().map(move |measured| (run, measured)));
    let units: u64 = phases().map(|(_, measured)| measured.units).sum();
    let mut found = phases().filter(|(_, measured)| measured.faults.sum() > 0).peekable();
    if found.peek().is_none() {
        let _ = writeln!(
            text,
            "\nOf {} handshakes and deliveries none was lost, doubled, misrouted or refused.",
            shown(units as f64)
        );
        return;
    }
    text.push_str("\nNot as it should be:\n\n");
    for (run, measured) in found {
        let _ = writeln!(
            text,
            "- {}, round {}, {:?}: {:?} of {}",
            run.server.name(),
            run.round,
            measured.phase,
            measured.faults,
            measured.units
        );
    }
    text.push('\n');
}

/// When and where, and with which of ours.
pub(crate) fn place() -> Result<String> {
    let date = told("date", &["-u", "+%Y-%m-%d %H:%M UTC"]);
    let cpu = std::fs::read_to_string("/proc/cpuinfo")?;
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cpu = cpu.trim_start_matches([' ', '\t', ':']);
    let carillon = told(&carillon_tests::node::binary().to_string_lossy(), &["--version"]);
    let (kernel, rustc) = (told("uname", &["-r"]), told("rustc", &["--version"]));
    Ok(format!(
        "{date}, {cpu}, Linux {kernel}, the server on one core and the generator on another, loopback. {carillon}, {rustc}, {}",
        told("psql", &["--version"])
    ))
}

/// With which of the others.
fn peers() -> Result<String> {
    let socketio = std::fs::read_to_string(format!("{PEERS}/socketio/package.json"))?;
    let socketio = after(&socketio, "\"socket.io\": \"");
    let lock = std::fs::read_to_string(format!("{PEERS}/socketioxide/Cargo.lock"))?;
    let [socketioxide, axum] = ["socketioxide", "axum"]
        .map(|name| after(&lock, &format!("name = \"{name}\"\nversion = \"")).to_owned());
    let node = told("node", &["--version"]);
    Ok(format!("socket.io {socketio} on Node.js {node}, socketioxide {socketioxide} on axum {axum}"))
}

/// What a program prints, or that it is missing.
fn told(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|_| format!("{program} is not there"))
}

fn after<'a>(text: &'a str, mark: &str) -> &'a str {
    text.split_once(mark).and_then(|(_, rest)| rest.split('"').next()).unwrap_or("?")
}
