//! What the simulation says, as tables and a chart.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

use super::LOGS;
use super::costs::{MEASURED, NATIVE, SECOND};
use super::flow::Flow;
use super::setup::{Load, Setup, Stores, USUAL};
use super::traffic::{ADMINS, ALL, Crowd, Room, Traffic, log_of, rooms_of};
use super::witness::Witness;
use super::world::Happened;
use crate::peers::chart::{Line, lines};
use crate::peers::figures::{grouped, shown};
use crate::peers::page::{CHARTS, line, table};

/// A row's size in the log of 90 days, from which offsets get their digits.
const ROWS_KEPT: f64 = 1e10;

/// The whole section, with its chart drawn into this folder.
pub(super) fn section(folder: &Path, worlds: u64, happened: Happened) -> Result<String> {
    let mut text = String::new();
    as_measured(&mut text);
    let most = by_logs(&mut text);
    let title = "most notifications a second, by logs";
    lines(&folder.join("split-most.svg"), title, "rows/s", "logs", true, &most.iter().collect::<Vec<_>>())?;
    let _ = writeln!(text, "\n![{title}]({CHARTS}/split-most.svg)");
    by_crowd(&mut text);
    by_nodes(&mut text);
    by_batch(&mut text);
    order(&mut text);
    clients(&mut text);
    lived(&mut text, worlds, happened);
    Ok(text)
}

fn with(logs: usize, stores: Stores) -> Setup {
    Setup { logs, stores, ..USUAL }
}

fn columns() -> Vec<String> {
    LOGS.iter().map(|logs| format!("P = {logs}")).collect()
}

fn heading(text: &mut String, title: &str, columns: &[String]) {
    text.push('\n');
    table(text, title, columns.iter().map(String::as_str));
}

fn thousands(rate: f64) -> String {
    grouped((rate / 1e3).round() * 1e3)
}

fn latency(mut witness: Witness) -> String {
    format!("{} / {}", shown(witness.push(0.5)), shown(witness.push(0.99)))
}

/// One log beside what was measured.
fn as_measured(text: &mut String) {
    let columns = ["publishers", "measured rows/s", "simulated", "measured p50 ms", "simulated"];
    heading(text, "disk", &columns.map(str::to_owned));
    for (costs, publishers, rate, p50) in MEASURED {
        let mut seen = Flow::run(USUAL.as_measured(costs, publishers));
        let (simulated, median) = (seen.rate(), seen.answer(0.5));
        let disk = if costs.flush == NATIVE.flush { "native" } else { "+ 2 ms" };
        let cells = [publishers as f64, rate, simulated].map(grouped).into_iter();
        line(text, disk, cells.chain([p50, median].map(shown)));
    }
}

/// One table of P heads, as rows of one database and as databases of their own; its lines for the chart.
fn by_logs(text: &mut String) -> Vec<Line> {
    heading(text, "rows/s, and publish to push p50 / p99 in ms", &columns());
    let mut all = Vec::new();
    for (name, stores) in [("heads in one database", Stores::One), ("a database each", Stores::Each)] {
        let most = LOGS.map(|logs| with(logs, stores).most());
        line(text, &format!("{name}: most"), most.iter().map(|most| thousands(*most)));
        let quarters = LOGS.iter().zip(most).map(|(logs, most)| with(*logs, stores).run_at(most * 0.75));
        line(text, &format!("{name}: at three quarters of that"), quarters.map(latency));
        let quiet = LOGS.iter().map(|logs| with(*logs, stores).run_at(20_000.0));
        line(text, &format!("{name}: at 20,000/s"), quiet.map(latency));
        let flood = LOGS.iter().map(|logs| with(*logs, stores).run_at(400_000.0).rate());
        line(text, &format!("{name}: through, of 400,000/s"), flood.map(thousands));
        let points = LOGS.iter().zip(most).map(|(logs, most)| (*logs as f64, most));
        all.push(Line { name: name.to_owned(), points: points.collect() });
    }
    let clinic = LOGS.map(|logs| Setup { crowd: Crowd::Clinic, ..with(logs, Stores::Each) }.most());
    let points = LOGS.iter().zip(clinic).map(|(logs, most)| (*logs as f64, most));
    all.push(Line { name: "a database each, the clinic's events".to_owned(), points: points.collect() });
    all
}

fn by_crowd(text: &mut String) {
    heading(text, "most rows/s, a database each", &columns());
    let crowds = [
        ("all users alike".to_owned(), Crowd::Even),
        ("users by Zipf, 1 in 20,000 to `all`".to_owned(), Crowd::Zipf),
    ];
    let hot =
        [5, 10, 20, 40].map(|share| (format!("and {share} of 100 rows to one room"), Crowd::Hot(share)));
    let clinic = [("the clinic's events, 40 of 100 rows to `role:admin`".to_owned(), Crowd::Clinic)];
    for (name, crowd) in crowds.into_iter().chain(hot).chain(clinic) {
        let most = LOGS.iter().map(|logs| Setup { crowd, ..with(*logs, Stores::Each) }.most());
        line(text, &name, most.map(thousands));
    }
}

fn by_nodes(text: &mut String) {
    heading(text, "most rows/s, a database each", &columns());
    for (nodes, cores) in [(1, 8), (4, 8), (16, 8), (4, 2), (16, 2)] {
        let most = LOGS.iter().map(|logs| Setup { nodes, cores, ..with(*logs, Stores::Each) }.most());
        line(text, &format!("nodes: {nodes}, of {cores} cores"), most.map(thousands));
    }
}

fn by_batch(text: &mut String) {
    heading(text, "request to answer, p50 / p99 in ms, at 20,000/s, a database each", &columns());
    for batch in [1, 10, 100, 1_000] {
        let setup = |logs| Setup { load: Load::Open { rate: 20_000.0, batch }, ..with(logs, Stores::Each) };
        let answers = LOGS.map(|logs| Flow::run(setup(logs)));
        let answers =
            answers.map(|mut seen| format!("{} / {}", shown(seen.answer(0.5)), shown(seen.answer(0.99))));
        line(text, &format!("publishes in a request: {batch}"), answers.into_iter());
    }
}

/// With requests of one publish each, whose answers come soonest.
fn order(text: &mut String) {
    heading(text, "of what a client hears, a database each", &columns());
    for (name, crowd) in [("by Zipf", Crowd::Zipf), ("the clinic's events", Crowd::Clinic)] {
        let setup = |logs| Setup { crowd, end: USUAL.warm + 4 * SECOND, ..with(logs, Stores::Each) };
        let singles = |rate| Load::Open { rate, batch: 1 };
        let share = |of: u64, heard: u64| shown(of as f64 * 1e3 / heard as f64);
        let quiet = LOGS.map(|logs| Flow::run(Setup { load: singles(20_000.0), ..setup(logs) }).order());
        let busy = LOGS.map(|logs| {
            let most = Setup { load: singles(0.0), end: USUAL.end, ..setup(logs) }.most();
            Flow::run(Setup { load: singles(most * 0.75), ..setup(logs) }).order()
        });
        for (load, seen) in [("at 20,000/s", quiet), ("at three quarters of the most", busy)] {
            let turned = seen.iter().map(|order| share(order.turned, order.heard));
            line(text, &format!("{name}, {load}: after something committed later, of 1,000"), turned);
            let surprising = seen.iter().map(|order| share(1_000 * order.surprising, order.heard));
            let title = "after something asked for once this was answered, of 1,000,000";
            line(text, &format!("{name}, {load}: {title}"), surprising);
        }
    }
}

/// How many logs these rooms are in.
fn spread(rooms: &[Room], logs: usize) -> usize {
    let mut of: Vec<usize> = rooms.iter().map(|room| log_of(*room, logs)).collect();
    of.sort_unstable();
    of.dedup();
    of.len()
}

/// What clients carry, and what their return and a publish of several rooms ask for.
fn clients(text: &mut String) {
    heading(text, "what P numbers are", &columns());
    let offsets = LOGS.map(offset_bytes);
    line(text, "an offset, bytes, in each frame", offsets.iter().map(ToString::to_string));
    let patients = LOGS.map(|logs| {
        let reads = (0..10_000).map(|user| {
            let [user, patient] = rooms_of(user);
            spread(&[ALL, user, patient, ADMINS], logs)
        });
        reads.sum::<usize>() as f64 / 1e4
    });
    line(text, "logs that hold a client's four rooms", patients.iter().map(|reads| shown(*reads)));
    let publishes = LOGS.map(|logs| {
        let (mut traffic, mut rooms) = (Traffic::new(Crowd::Clinic, 1), Vec::new());
        let split = (0..10_000).filter(|_| {
            traffic.next(&mut rooms);
            spread(&rooms, logs) > 1
        });
        split.count() as f64 / 1e2
    });
    line(text, "the clinic's publishes in several logs, of 100", publishes.iter().map(|split| shown(*split)));
}

/// `epoch.generation.place.place…` in base 36, which is what it may take of each frame.
pub(super) fn offset_bytes(logs: usize) -> usize {
    let digits = |number: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a dozen digits")]
        let digits = number.log(36.0).ceil() as usize;
        digits
    };
    let generation = if logs == 1 { 0 } else { 2 };
    digits(2_f64.powi(63)) + generation + logs * (1 + digits(ROWS_KEPT / logs as f64))
}

fn lived(text: &mut String, worlds: u64, happened: Happened) {
    let Happened { rows, deaths, resplits, orphaned, waited, known_before, replayed, across, cut, ahead } =
        happened;
    let number = |n: usize| grouped(n as f64);
    let _ = writeln!(
        text,
        "\nIn {} worlds of three nodes and six clients {} rows were kept while {} nodes died and the number of logs changed {} times, {} of these by a node that died between two \
         steps. {} appends found their log closed, {} repetitions were known to an earlier generation; {} rows were replayed, {} returns began in an earlier \
         generation, {} broke off, {} came to a node that was behind. Every row was kept once, and heard once by each client of its room, in the room's order.",
        grouped(worlds as f64),
        number(rows),
        number(deaths),
        number(resplits),
        number(orphaned),
        number(waited),
        number(known_before),
        number(replayed),
        number(across),
        number(cut),
        number(ahead),
    );
}
