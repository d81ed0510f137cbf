//! From word of the log to rows in order.

use std::sync::Arc;

use carillon_domain::{Follower, Hint, Page, Row, Step};

use super::{EPOCH, at, count, head, rows};

const ROWS: u64 = 100;

/// The `n`th hundred of rows, and where it begins and ends.
fn batch(n: u64) -> (u64, Vec<Arc<Row>>, u64) {
    let from = n * ROWS;
    (from, rows(from, (0..ROWS).map(|n| format!("user:p{n}"))), from + ROWS)
}

/// Where rows are handed on to; they are not dropped while instructions are counted.
struct Handed(Vec<Vec<Arc<Row>>>);

impl Handed {
    fn take(&mut self, step: Step) {
        let Step::Apply(rows) = step else { panic!("nothing to apply") };
        assert_eq!(rows.len() as u64, ROWS);
        self.0.push(rows);
    }
}

#[test]
fn a_hint_of_100_rows() {
    let (mut follower, mut handed) = (Follower::new(head(0)), Handed(Vec::with_capacity(200)));
    let hints = (0..200).map(|n| {
        let (from, rows, to) = batch(n);
        Hint { epoch: EPOCH, from: at(from), to: at(to), rows }
    });
    count(hints, |hint| handed.take(follower.hint(hint)));
}

/// It was asked for at a head that has moved since.
#[test]
fn a_hole_of_100_rows_is_read() {
    let (mut follower, mut handed) = (Follower::new(head(0)), Handed(Vec::with_capacity(200)));
    let pages = (0..200).map(|n| {
        let (_, rows, to) = batch(n);
        Page { head: head(to), rows, through: at(to) }
    });
    count(pages, |page| {
        let head = page.head;
        assert!(matches!(follower.head(head), Step::Read(_)));
        handed.take(follower.page(page));
        assert_eq!(follower.head(head), Step::Nothing);
    });
}
