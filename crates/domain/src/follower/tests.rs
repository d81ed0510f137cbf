use uuid::Uuid;

use super::*;
use crate::{Data, EventId, Notification, NotificationId, Priority, Room, Timestamp};

const EPOCH: Epoch = Epoch::new(7);

fn at(n: u64) -> Position {
    Position::new(n).unwrap()
}

fn rows(range: std::ops::RangeInclusive<u64>) -> Vec<Arc<Row>> {
    range
        .map(|n| {
            let uuid = Uuid::from_u128(u128::from(n));
            let notification = Notification {
                id: NotificationId::from_uuid(uuid),
                event: None,
                kind: "NEWS".parse().unwrap(),
                title: "t".into(),
                message: String::new(),
                data: Data::new(&serde_json::Map::new()).unwrap(),
                priority: Priority::Low,
                action_url: None,
                created_at: Timestamp::from_millis(0).unwrap(),
                expires_at: None,
            };
            Arc::new(Row {
                position: at(n),
                room: Room::all(),
                event_id: EventId::from_uuid(uuid),
                notification,
            })
        })
        .collect()
}

/// The hint of the commit that wrote these rows.
fn hint(range: std::ops::RangeInclusive<u64>) -> Hint {
    Hint { epoch: EPOCH, from: at(range.start() - 1), to: at(*range.end()), rows: rows(range) }
}

fn head(epoch: Epoch, position: u64) -> Head {
    Head { epoch, position: at(position), trimmed: Position::START }
}

fn follower(position: u64) -> Follower {
    Follower::new(head(EPOCH, position))
}

#[test]
fn hints_in_order_are_applied_as_they_come() {
    let mut follower = follower(10);
    assert_eq!(follower.hint(hint(11..=12)), Step::Apply(rows(11..=12)));
    assert_eq!(follower.hint(hint(13..=13)), Step::Apply(rows(13..=13)));
    assert_eq!(follower.cursor(), at(13));
}

#[test]
fn a_repeated_or_overlapping_hint_brings_only_what_is_new() {
    let mut follower = follower(10);
    assert_eq!(follower.hint(hint(9..=12)), Step::Apply(rows(11..=12)));
    assert_eq!(follower.hint(hint(11..=12)), Step::Nothing);
}

#[test]
fn a_hole_is_read_from_the_store_and_the_cursor_waits_for_it() {
    let mut follower = follower(10);
    assert_eq!(follower.hint(hint(12..=12)), Step::Read(at(10)));
    assert_eq!(follower.cursor(), at(10));
    let page = Page { head: head(EPOCH, 12), rows: rows(11..=12), through: at(12) };
    assert_eq!(follower.page(page), Step::Apply(rows(11..=12)));
}

#[test]
fn the_head_alone_tells_of_lost_hints_and_a_cut_page_of_the_rest() {
    let mut follower = follower(10);
    assert_eq!(follower.head(head(EPOCH, 10)), Step::Nothing);
    assert_eq!(follower.head(head(EPOCH, 14)), Step::Read(at(10)));
    let cut = Page { head: head(EPOCH, 14), rows: rows(11..=12), through: at(12) };
    assert_eq!(follower.page(cut), Step::Apply(rows(11..=12)));
    assert_eq!(follower.head(head(EPOCH, 14)), Step::Read(at(12)));
}

#[test]
fn an_old_page_moves_nothing_back() {
    let mut follower = follower(10);
    follower.hint(hint(11..=14));
    let old = Page { head: head(EPOCH, 12), rows: rows(11..=12), through: at(12) };
    assert_eq!(follower.page(old), Step::Nothing);
    assert_eq!(follower.cursor(), at(14));
    // A head read before the hint was heard is older than the cursor.
    assert_eq!(follower.head(head(EPOCH, 12)), Step::Nothing);
}

#[test]
fn trimmed_rows_leave_no_hole_to_wait_for() {
    let mut follower = follower(10);
    // Rows 11 and 12 were deleted before this node could read them.
    let page = Page { head: head(EPOCH, 13), rows: rows(13..=13), through: at(13) };
    assert_eq!(follower.page(page), Step::Apply(rows(13..=13)));
    assert_eq!(follower.cursor(), at(13));
}

#[test]
fn a_restored_backup_is_noticed_by_the_store_and_not_by_hearsay() {
    let mut follower = follower(10);
    let other = Epoch::new(8);
    let foreign = Hint { epoch: other, ..hint(11..=11) };
    assert_eq!(follower.hint(foreign), Step::Read(at(10)));
    assert_eq!(follower.epoch(), EPOCH);
    assert_eq!(follower.head(head(other, 4)), Step::Replaced);
    assert_eq!((follower.epoch(), follower.cursor()), (other, at(4)));
    let page = Page { head: head(EPOCH, 20), rows: rows(5..=6), through: at(6) };
    assert_eq!(follower.page(page), Step::Replaced);
    assert_eq!((follower.epoch(), follower.cursor()), (EPOCH, at(20)));
}

#[test]
fn rows_deleted_before_they_were_read_are_not_passed_over_in_silence() {
    let mut follower = follower(10);
    let page = |trimmed: u64, through: u64| Page {
        head: Head { trimmed: at(trimmed), ..head(EPOCH, 20) },
        rows: rows(trimmed + 1..=through),
        through: at(through),
    };
    assert_eq!(follower.page(page(10, 12)), Step::Apply(rows(11..=12)));
    assert_eq!(follower.page(page(13, 20)), Step::Replaced);
    assert_eq!(follower.cursor(), at(20));
}
