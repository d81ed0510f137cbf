use super::costs::{MEASURED, MOST_ROWS, NATIVE, SECOND};
use super::flow::Flow;
use super::generations::Mutant;
use super::setup::{Load, Setup, Stores, USUAL};
use super::traffic::Crowd;
use super::witness::Order;
use super::world::{Happened, World};
use super::*;

/// To a tenth; with 16 publishers on the native disk, where the threads' own waking counts, to a fifth and a quarter.
#[test]
fn one_log_takes_what_was_measured() {
    for (costs, publishers, rate, p50) in MEASURED {
        let mut seen = Flow::run(USUAL.as_measured(costs, publishers));
        let (got_rate, got_p50) = (seen.rate() / rate, seen.answer(0.5) / p50);
        let is_lively = publishers == 16 && costs.flush == NATIVE.flush;
        let (off_rate, off_p50) = if is_lively { (0.2, 0.25) } else { (0.1, 0.1) };
        let told = format!("{publishers} publishers: {got_rate:.2} of the rate, {got_p50:.2} of the p50");
        assert!((got_rate - 1.0).abs() < off_rate && (got_p50 - 1.0).abs() < off_p50, "{told}");
    }
}

fn short(logs: usize, crowd: Crowd) -> Setup {
    Setup { logs, crowd, warm: SECOND / 10, end: SECOND / 2, ..USUAL }
}

#[test]
fn what_is_taken_in_is_answered_and_pushed() {
    for logs in [1, 8] {
        let seen = Flow::run(short(logs, Crowd::Even).at(20_000.0));
        assert!(seen.is_whole() && seen.rows > 5_000);
        // Each room has one reader there.
        assert_eq!(seen.pushes.len(), seen.rows);
        assert!(!Flow::run(short(logs, Crowd::Even).at(900_000.0)).is_whole());
    }
}

#[test]
fn more_logs_take_more_until_one_room_is_too_much_for_its_own() {
    let rate = |logs, crowd| Flow::run(short(logs, crowd).at(250_000.0)).rate();
    let one = rate(1, Crowd::Even);
    assert!(one < 40_000.0, "{one}");
    assert!(rate(4, Crowd::Even) > 3.5 * one);
    assert!(rate(16, Crowd::Even) > 6.0 * one);
    // One room with two fifths of all rows: its log bounds what the publishers get through.
    let setup = |rate| short(16, Crowd::Hot(40)).at(rate);
    assert!(setup(60_000.0).takes(60_000.0) && !setup(120_000.0).takes(120_000.0));
}

#[test]
fn heads_in_one_database_share_its_cores() {
    let rate = |stores| Flow::run(Setup { stores, cores: 4, ..short(16, Crowd::Even) }.at(160_000.0));
    assert!(rate(Stores::One).push(0.99) > 3.0 * rate(Stores::Each).push(0.99));
}

#[test]
fn one_log_is_heard_in_order_and_several_are_not() {
    // Small batches follow each other so closely that hints of the later ones come first.
    let load = Load::Open { rate: 10_000.0, batch: 1 };
    let order = |logs| Flow::run(Setup { load, ..short(logs, Crowd::Clinic) }).order();
    let Order { heard, turned, surprising } = order(1);
    assert!(heard > 10_000 && (turned, surprising) == (0, 0));
    let several = order(8);
    assert!(several.turned > 0 && several.surprising < several.turned, "{several:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    let seen = || {
        let mut seen = Flow::run(short(4, Crowd::Zipf).at(40_000.0));
        (seen.rate(), seen.push(0.99), seen.order())
    };
    assert_eq!(seen(), seen());
}

#[test]
fn nothing_is_lost_or_twice_whatever_dies_and_however_logs_change() {
    let Happened { rows, deaths, resplits, waited, known_before, replayed, across, cut, ahead, orphaned } =
        live(500).unwrap();
    for happened in [rows, deaths, resplits, waited, known_before, replayed, across, cut, ahead, orphaned] {
        assert!(happened > 200, "too little has happened");
    }
}

#[test]
fn each_wrong_design_is_caught() {
    for mutant in
        [Mutant::OpenEarly, Mutant::Impatient, Mutant::BlindRetry, Mutant::LetInAhead, Mutant::ReplayAhead]
    {
        let caught = (0..40).filter(|seed| World::live(*seed, Some(mutant)).1.is_err()).count();
        assert!(caught >= 8, "{mutant:?}: {caught} of 40");
    }
}

#[test]
fn an_offset_has_a_number_for_each_log() {
    // Our own of today: 13 digits of an epoch, a dot, and 7 digits.
    assert_eq!(tables::offset_bytes(1), 21);
    assert!(tables::offset_bytes(16) > 100);
    assert_eq!(MOST_ROWS, carillon_limits());
}

/// The domain's own bound of a batch, as docs/architecture.md says it.
fn carillon_limits() -> usize {
    let page = include_str!("../../../../docs/architecture.md");
    let (_, rest) = page.split_once("at most ").unwrap();
    rest.split(' ').next().unwrap().parse().unwrap()
}
