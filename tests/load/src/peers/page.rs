//! What a run says in docs/benchmarks.md: one section between two marks, which the next run replaces.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::chart::{self, Bar};
use super::figures::{FIGURES, Figure, Run, shown};
use super::servers::{Kind, PEERS};
use super::{Options, Sizes};

const CHARTS: &str = "images/bench";

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
    let mut text = head(options, sizes)?;
    let median = |figure: &Figure, kind| figure.median(runs, kind);
    table(&mut text, "figure", kinds.iter().map(|kind| kind.name()));
    for figure in FIGURES {
        let row = kinds.iter().map(|kind| median(figure, *kind).map_or_else(|| "-".to_owned(), shown));
        line(&mut text, &format!("{}, {}", figure.title(sizes), figure.unit), row);
    }
    text.push_str("\nOurs as a multiple of the others', and what was aimed at (bold: missed):\n\n");
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
    let folder = options.page.parent().unwrap_or_else(|| Path::new("")).join(CHARTS);
    text.push('\n');
    for figure in FIGURES {
        let bar = |kind: &Kind| {
            Some(Bar { name: kind.name(), value: median(figure, *kind)?, is_ours: kind.is_ours() })
        };
        let (title, file) = (figure.title(sizes), format!("{}.svg", figure.id));
        let bars: Vec<Bar> = kinds.iter().filter_map(bar).collect();
        if !bars.is_empty() {
            chart::bars(&folder.join(&file), &title, figure.unit, &bars)?;
            let _ = writeln!(text, "![{title}, {}]({CHARTS}/{file})", figure.unit);
        }
    }
    Ok(text)
}

fn table<'a>(text: &mut String, first: &str, columns: impl Iterator<Item = &'a str> + Clone) {
    line(text, first, columns.clone().map(str::to_owned));
    line(text, "---", columns.map(|_| "---".to_owned()));
}

fn line(text: &mut String, first: &str, cells: impl Iterator<Item = String>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "| {first} |{}", cells.map(|cell| format!(" {cell} |")).collect::<String>());
}

/// For each figure with an aim: its ratios, the aim, and whether it was met.
fn aims(text: &mut String, sizes: &Sizes, kinds: &[Kind], runs: &[Run]) {
    let ours = || kinds.iter().copied().filter(|kind| kind.is_ours());
    let columns: Vec<String> = ours()
        .flat_map(|kind| {
            ["of socketioxide", "of floor", "aims"].map(|what| format!("{}: {what}", kind.name()))
        })
        .collect();
    table(text, "figure", columns.iter().map(String::as_str));
    for figure in FIGURES {
        let other = |kind| figure.median(runs, kind);
        let cells = ours().flat_map(|kind| {
            let value = other(kind);
            let ratio = |peer| {
                value.zip(other(peer)).map_or_else(|| "-".to_owned(), |(ours, theirs)| shown(ours / theirs))
            };
            let judged = value
                .into_iter()
                .flat_map(|value| figure.aims.iter().map(move |aim| aim.judge(value, other)));
            let judged = judged.map(|(aim, is_met)| match is_met {
                Some(true) => format!("{aim}: met"),
                Some(false) => format!("**{aim}: missed**"),
                None => format!("{aim}: not judged"),
            });
            [ratio(Kind::Socketioxide), ratio(Kind::Floor), judged.collect::<Vec<_>>().join("; ")]
        });
        line(text, &figure.title(sizes), cells);
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

/// When, where, and with which versions.
fn head(options: &Options, sizes: &Sizes) -> Result<String> {
    let date = told("date", &["-u", "+%Y-%m-%d %H:%M UTC"]);
    let cpu = std::fs::read_to_string("/proc/cpuinfo")?;
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let carillon = told(&carillon_tests::node::binary().to_string_lossy(), &["--version"]);
    let socketio = std::fs::read_to_string(format!("{PEERS}/socketio/package.json"))?;
    let socketio = after(&socketio, "\"socket.io\": \"");
    let lock = std::fs::read_to_string(format!("{PEERS}/socketioxide/Cargo.lock"))?;
    let [socketioxide, axum] = ["socketioxide", "axum"]
        .map(|name| after(&lock, &format!("name = \"{name}\"\nversion = \"")).to_owned());
    Ok(format!(
        "Taken {date}: medians of {} rounds of {} s a figure, in each of which the servers took turns.\n\
         {}, kernel {}, the server on one core and the generator on the other, loopback.\n\
         {carillon}; socket.io {socketio} on Node.js {}; socketioxide {socketioxide} on axum {axum}; {}; {}.\n\n",
        options.rounds,
        sizes.seconds,
        cpu.trim_start_matches([' ', '\t', ':']),
        told("uname", &["-r"]),
        told("node", &["--version"]),
        told("rustc", &["--version"]),
        told("psql", &["--version"]),
    ))
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
