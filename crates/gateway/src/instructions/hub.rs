//! From a row to the mailboxes of those who hear it, and out of them.

use std::hint::black_box;
use std::sync::Arc;

use carillon_domain::Row;

use super::{EPOCH, Place, Stage, arrive, count, patient, rows};
use crate::hub::Hub;
use crate::mailbox;

/// Delivers one row, and takes it from the mailboxes of these as a driver does. Nobody else gets it.
fn deliver(hub: &Hub, row: Arc<Row>, hearing: &[Place]) {
    let position = row.position;
    assert!(hub.deliver(EPOCH, vec![row]).is_empty());
    for Place { mailbox, .. } in hearing {
        black_box(mailbox.take().unwrap());
        assert!(mailbox.take().is_none());
        assert_eq!(mailbox.drained(), Some((mailbox::Stage::Live, position)));
    }
}

#[test]
fn a_row_for_one_of_10_000() {
    let Stage { hub, patients, last } = Stage::new(10_000);
    let each = (0..200).map(|n| n * 49);
    let rows = rows(last, each.clone().map(|n| format!("user:p{n}")));
    count(rows.into_iter().zip(each), |(row, n)| deliver(&hub, row, &patients[n..=n]));
    assert!(patients.iter().all(|place| place.mailbox.take().is_none()));
}

#[test]
fn a_row_for_1_000() {
    let Stage { hub, patients, last } = Stage::new(1_000);
    let rows = rows(last, (0..20).map(|_| "all".into()));
    count(rows, |row| deliver(&hub, row, &patients));
}

#[test]
fn one_joins_10_000_and_leaves() {
    let Stage { hub, .. } = Stage::new(10_000);
    count((10_000..10_200).map(patient), |who| {
        let place = black_box(arrive(&hub, &who));
        hub.leave(&who, place.id);
    });
}
