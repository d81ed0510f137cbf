//! The log's other promises: all or nothing, repetition, keys, pages, replay, trimming.

use std::sync::Arc;

use serde_json::json;

use super::Stores;
use super::desk::Desk;
use crate::ports::{Outcome, PortError, Stored, Trim};
use crate::testing::{instant, room};
use crate::{Data, Entitlement, EventName, ListQuery, Page, Position, Priority, ReadStatus, Role, Row};

fn ids(rows: &[Arc<Row>]) -> Vec<u64> {
    rows.iter().map(|row| row.position.get()).collect()
}

fn at(n: u64) -> Position {
    Position::new(n).unwrap()
}

fn stored(outcome: &Outcome) -> Stored {
    let Outcome::Stored(stored) = outcome else { panic!("{outcome:?}") };
    stored.clone()
}

/// A log of its own epoch, at the start.
pub async fn an_empty_log_has_a_head(stores: Stores) {
    let head = stores.log.head().await.unwrap();
    assert_eq!((head.position, head.trimmed), (Position::START, Position::START));
    let page = stores.log.read(Position::START, 10).await.unwrap();
    assert_eq!((page.head, page.rows.len(), page.through), (head, 0, Position::START));
    let appended = stores.log.append(&[]).await.unwrap();
    assert_eq!((appended.epoch, appended.from, appended.rows.len()), (head.epoch, Position::START, 0));
}

/// One bad publish takes the whole batch along, its keys included.
pub async fn a_batch_is_kept_whole_or_not_at_all(stores: Stores) {
    let desk = Desk::new(stores);
    desk.say(&["all"]).await;
    let good = desk.drafts.keyed(&["all"], "lab", "k", 1);
    let mut bad = desk.drafts.publish(&["all", "user:1"]);
    bad.rows[1].1.id = bad.rows[0].1.id;
    let refused = desk.stores.log.append(&[good.clone(), bad]).await;
    assert!(matches!(refused, Err(PortError::Rejected { .. })), "{refused:?}");
    assert_eq!(desk.head().await.get(), 1);
    assert_eq!(desk.stores.log.read(Position::START, 10).await.unwrap().rows.len(), 1);

    // Nothing of it was kept, so all of it may be sent again.
    let appended = desk.append(&[good]).await;
    assert!(matches!(appended.outcomes[..], [Outcome::Stored(_)]));
    assert_eq!(ids(&appended.rows), [2]);
}

/// A publish sent twice, in one batch or in two, with a key or without, is kept once and answered alike.
pub async fn a_repeated_event_id_adds_nothing(stores: Stores) {
    let desk = Desk::new(stores);
    let (plain, keyed) =
        (desk.drafts.publish(&["user:1", "all"]), desk.drafts.keyed(&["all"], "lab", "k", 1));
    let first = desk.append(&[plain.clone(), keyed.clone(), plain.clone()]).await;
    assert_eq!((ids(&first.rows), &first.outcomes[2]), (vec![1, 2, 3], &first.outcomes[0]));

    let news = desk.drafts.publish(&["all"]);
    let again = desk.append(&[keyed, news, plain]).await;
    assert_eq!((again.from.get(), ids(&again.rows)), (3, vec![4]));
    let expected = [&first.outcomes[1], &again.outcomes[1], &first.outcomes[0]];
    assert_eq!(again.outcomes.iter().collect::<Vec<_>>(), expected);
    assert_eq!(stored(&first.outcomes[0]).notifications.len(), 2);
    assert_eq!(desk.head().await.get(), 4);
}

/// A publish without rows takes no position; its key is bound all the same, and may be claimed again for the same body.
pub async fn a_key_is_claimed_without_rows(stores: Stores) {
    let desk = Desk::new(stores);
    let claim = |body| {
        let mut publish = desk.drafts.keyed(&["all"], "lab", "k", body);
        publish.rows.clear();
        publish
    };
    for _ in 0..2 {
        let claimed = desk.append(&[claim(7)]).await;
        assert_eq!((claimed.from, claimed.rows.len()), (Position::START, 0));
        assert!(stored(&claimed.outcomes[0]).notifications.is_empty());
    }
    let appended = desk.append(&[claim(8), desk.drafts.keyed(&["all"], "lab", "k", 8), claim(7)]).await;
    assert_eq!(appended.outcomes[..2], [Outcome::Mismatch, Outcome::Mismatch]);
    assert!(matches!(appended.outcomes[2], Outcome::Stored(_)));
    assert_eq!(desk.head().await, Position::START);
}

/// A key used again for the same body answers what happened then, in one batch as in two.
pub async fn a_key_answers_as_the_first_time(stores: Stores) {
    let desk = Desk::new(stores);
    let rooms = ["user:2", "all", "user:1"];
    let key = |body| desk.drafts.keyed(&rooms, "lab", "k", body);
    let appended = desk.append(&[key(7), key(7)]).await;
    let first = stored(&appended.outcomes[0]);
    assert_eq!(first.notifications.iter().map(|(_, room)| room.as_str()).collect::<Vec<_>>(), rooms);
    assert_eq!((appended.rows.len(), &appended.outcomes[1]), (3, &Outcome::Replayed(first.clone())));

    let later = desk.append(&[key(7)]).await;
    assert_eq!((later.rows.len(), later.from.get()), (0, 3));
    assert_eq!(later.outcomes, [Outcome::Replayed(first)]);
}

/// The same key for another body is the caller's mistake, and nobody else's trouble.
pub async fn a_key_with_another_body_is_refused_and_spares_the_rest(stores: Stores) {
    let desk = Desk::new(stores);
    let key = |body| desk.drafts.keyed(&["all"], "lab", "k", body);
    let appended = desk.append(&[key(1), key(2), desk.drafts.publish(&["all"])]).await;
    assert_eq!((ids(&appended.rows), &appended.outcomes[1]), (vec![1, 2], &Outcome::Mismatch));
    let later = desk.append(&[key(3), desk.drafts.publish(&["all"]), key(1)]).await;
    assert_eq!((ids(&later.rows), &later.outcomes[0]), (vec![3], &Outcome::Mismatch));
    assert_eq!(later.outcomes[2], Outcome::Replayed(stored(&appended.outcomes[0])));
}

/// Two callers may use the same text; one caller may use texts that look alike.
pub async fn a_key_belongs_to_its_scope(stores: Stores) {
    let desk = Desk::new(stores);
    let places = [("lab", "k"), ("desk", "k"), ("lab", "K"), ("lab", "k "), ("labk", "")];
    let batch = places.map(|(scope, key)| desk.drafts.keyed(&["all"], scope, key, 1));
    let appended = desk.append(&batch).await;
    assert_eq!(appended.rows.len(), places.len());
    assert!(appended.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Stored(_))));
}

/// A key is forgotten after its time, and with its rows at the latest.
pub async fn keys_are_forgotten_in_time(stores: Stores) {
    let desk = Desk::new(stores);
    let publish = |key: &str, seconds| {
        let mut publish = desk.drafts.keyed(&["all"], "lab", key, 1);
        publish.at = instant(seconds);
        publish.rows[0].1.created_at = publish.at;
        publish
    };
    desk.append(&[publish("a", 0), publish("b", 10), publish("c", 20)]).await;
    let trim = |rows, keys| Trim { rows_before: instant(rows), keys_before: instant(keys) };
    assert!(!desk.stores.log.trim(trim(0, 10)).await.unwrap());
    let outcomes = desk.append(&[publish("a", 30), publish("b", 30)]).await.outcomes;
    assert!(matches!(outcomes[..], [Outcome::Stored(_), Outcome::Replayed(_)]), "{outcomes:?}");

    assert!(!desk.stores.log.trim(trim(20, 0)).await.unwrap());
    let outcomes = desk.append(&[publish("b", 40), publish("c", 40)]).await.outcomes;
    assert!(matches!(outcomes[..], [Outcome::Stored(_), Outcome::Replayed(_)]), "{outcomes:?}");
}

/// Whatever a notification can hold comes back as it went in.
pub async fn every_field_comes_back(stores: Stores) {
    let desk = Desk::new(stores);
    let mut full = desk.drafts.publish(&["patient:pät|1", "all"]);
    let at = crate::Timestamp::from_millis(1_795_348_800_123).unwrap();
    (full.at, full.rows[0].1.created_at) = (at, at);
    let n = &mut full.rows[0].1;
    n.event = Some(EventName::UserStatusChanged);
    n.kind = "A_1".parse().unwrap();
    n.title = "Ünïcode \u{202e}\u{1f3e5} 'quoted' \"twice\" \\ % _ ; --\u{7f}".into();
    n.message = String::new();
    let data = json!({"z": 1.0, "a": [null, true, "\u{0}\u{2028}é"], "big": 18_446_744_073_709_551_615_u64});
    n.data = Data::new(data.as_object().unwrap()).unwrap();
    n.priority = Priority::Urgent;
    n.action_url = Some("/über?x=1#y".parse().unwrap());
    n.expires_at = Some(instant(5));
    let mut plain = desk.drafts.publish(&["role:patient"; 3]);
    for ((_, n), p) in plain.rows.iter_mut().zip([Priority::Low, Priority::Medium, Priority::High]) {
        n.priority = p;
    }
    // Written as a publisher wrote it: neither sorted nor spaced anew.
    plain.rows[0].1.data = Data::from_stored(r#"{"b":1e2, "a":0.10}"#.into()).unwrap();

    let appended = desk.append(&[full.clone(), plain.clone()]).await;
    let page = desk.stores.log.read(Position::START, 10).await.unwrap();
    assert!(page.rows == appended.rows, "the rows answered and the rows read differ");
    let sent = [full, plain];
    let sent = sent.iter().flat_map(|p| p.rows.iter().map(move |row| (p.event_id, row)));
    for ((event_id, (room, notification)), row) in sent.zip(&page.rows) {
        assert_eq!((row.event_id, &row.room), (event_id, room));
        assert!(row.notification == *notification, "{} came back changed", row.position.get());
    }
}

/// A page cut by its limit speaks up to its last row, another up to the head.
pub async fn a_page_says_how_far_it_speaks(stores: Stores) {
    let desk = Desk::new(stores);
    desk.say_many("all", 5).await;
    let read = async |after, limit| {
        let Page { head, rows, through } = desk.stores.log.read(at(after), limit).await.unwrap();
        assert_eq!(head.position, at(5));
        (ids(&rows), through.get())
    };
    assert_eq!(read(0, 2).await, (vec![1, 2], 2));
    assert_eq!(read(2, 2).await, (vec![3, 4], 4));
    assert_eq!(read(4, 2).await, (vec![5], 5));
    assert_eq!(read(5, 2).await, (vec![], 5));
    assert_eq!(read(1, 100).await, (vec![2, 3, 4, 5], 5));
}

/// The rooms asked for, each from its place on, up to another place, without what is over.
pub async fn a_replay_takes_what_was_missed(stores: Stores) {
    let desk = Desk::new(stores);
    for name in ["all", "user:1", "role:admin", "user:2", "all", "user:1", "all"] {
        desk.say(&[name]).await;
    }
    desk.say_until("all", 10).await;
    let entitled = |name: &str, since| Entitlement { room: room(name), since: at(since) };
    let rooms = [entitled("all", 2), entitled("user:1", 0)];
    let replay = async |rooms: &[Entitlement], after, up_to, seconds| {
        let page = desk.stores.log.replay(rooms, at(after), up_to, 100, instant(seconds)).await.unwrap();
        assert_eq!(page.head.position, at(8));
        (ids(&page.rows), page.through.get())
    };
    assert_eq!(replay(&rooms, 0, Position::END, 0).await, (vec![2, 5, 6, 7, 8], 8));
    assert_eq!(replay(&rooms, 0, Position::END, 10).await, (vec![2, 5, 6, 7], 8));
    assert_eq!(replay(&rooms, 5, Position::END, 0).await, (vec![6, 7, 8], 8));
    assert_eq!(replay(&rooms, 2, at(6), 0).await, (vec![5, 6], 6));
    assert_eq!(replay(&rooms[1..], 0, at(4), 0).await, (vec![2], 4));
    assert_eq!(replay(&[], 0, Position::END, 0).await, (vec![], 8));
}

/// What was missed is counted as a replay would find it, up to a bound.
pub async fn what_was_missed_is_counted_to_a_bound(stores: Stores) {
    let desk = Desk::new(stores);
    for rooms in [&["all", "user:1"][..], &["user:2"], &["all"], &["user:1"]] {
        desk.say(rooms).await;
    }
    desk.say_until("user:1", 10).await;
    let rooms =
        [("all", 1), ("user:1", 0)].map(|(name, since)| Entitlement { room: room(name), since: at(since) });
    let missed = async |after, most, seconds| {
        let missed = desk.stores.log.missed(&rooms, at(after), most, instant(seconds)).await.unwrap();
        assert_eq!((missed.head.position, missed.head.trimmed), (at(6), Position::START));
        missed.rows
    };
    // Theirs are 2, 4, 5 and, until it ends, 6; 1 came before the user did.
    assert_eq!(missed(0, 100, 0).await, 4);
    assert_eq!(missed(0, 100, 10).await, 3);
    assert_eq!(missed(4, 100, 0).await, 2);
    assert_eq!(missed(0, 3, 0).await, 3);
    assert_eq!(missed(6, 100, 0).await, 0);
}

/// A log has its secret from the beginning, and keeps it; another log has another.
pub async fn a_log_keeps_its_secret(stores: Stores) {
    let secret = stores.log.secret().await.unwrap();
    let stores = stores.reopen().await;
    assert_eq!(stores.log.secret().await.unwrap(), secret);
    assert!(secret.0.iter().any(|byte| *byte != secret.0[0]), "32 equal bytes are not random");
    assert_eq!(format!("{secret:?}"), "Secret(..)");
}

/// Who is blocked is known as soon as the row is, and a batch that is not kept blocks nobody.
pub async fn a_block_is_kept_with_its_row(stores: Stores) {
    let desk = Desk::new(stores);
    assert_eq!(blocked(&desk).await, (0, Vec::new()));
    let mut block = desk.drafts.status("a:1\u{e9}", "BLOCKED");
    let data = json!({"more": {"status": "ACTIVE"}, "note": "\0\0 \\u0000 \\\0", "status": "BLOCKED"});
    block.rows[0].1.data = Data::new(data.as_object().unwrap()).unwrap();
    desk.append(&[desk.drafts.publish(&["user:b"]), block]).await;
    assert_eq!(blocked(&desk).await, (2, vec!["a:1\u{e9}".to_owned()]));
    let mut bad = desk.drafts.publish(&["all", "user:1"]);
    bad.rows[1].1.id = bad.rows[0].1.id;
    desk.stores.log.append(&[desk.drafts.status("c", "BLOCKED"), bad]).await.unwrap_err();
    // Another notification may carry the same data, and blocks nobody.
    let mut other = desk.drafts.status("d", "BLOCKED");
    other.rows[0].1.event = None;
    desk.append(&[other]).await;
    assert_eq!(blocked(&desk).await, (3, vec!["a:1\u{e9}".to_owned()]));
}

/// The order of the log decides, within a batch as between two, and a repetition changes nothing.
pub async fn the_newest_status_counts(stores: Stores) {
    let desk = Desk::new(stores);
    let status = |user: &str, status: &str| desk.drafts.status(user, status);
    let first = status("a", "BLOCKED");
    desk.append(&[status("b", "BLOCKED"), first.clone(), status("b", "ACTIVE")]).await;
    assert_eq!(blocked(&desk).await.1, ["a"]);
    desk.append(&[
        status("a", "ACTIVE"),
        status("b", "ACTIVE"),
        status("b", "BLOCKED"),
        status("b", "BLOCKED"),
    ])
    .await;
    assert_eq!(blocked(&desk).await.1, ["b"]);
    desk.append(&[first]).await;
    assert_eq!(blocked(&desk).await, (7, vec!["b".to_owned()]));
}

/// The row that blocked someone goes with its age, the block does not.
pub async fn a_block_outlives_its_row_and_a_reopening(stores: Stores) {
    let desk = Desk::new(stores);
    desk.append(&[desk.drafts.status("a", "BLOCKED"), desk.drafts.status("b", "BLOCKED")]).await;
    desk.append(&[desk.drafts.status("b", "ACTIVE")]).await;
    let trim = Trim { rows_before: instant(1), keys_before: instant(1) };
    while desk.stores.log.trim(trim).await.unwrap() {}
    assert!(desk.stores.log.read(Position::START, 10).await.unwrap().rows.is_empty());
    assert_eq!(blocked(&desk).await, (3, vec!["a".to_owned()]));
    let desk = Desk::new(desk.stores.reopen().await);
    assert_eq!(blocked(&desk).await, (3, vec!["a".to_owned()]));
}

async fn blocked(desk: &Desk) -> (u64, Vec<String>) {
    let blocked = desk.stores.log.blocked().await.unwrap();
    assert_eq!(blocked.epoch, desk.stores.log.head().await.unwrap().epoch);
    let mut users: Vec<_> = blocked.users.iter().map(ToString::to_string).collect();
    users.sort();
    (blocked.as_of.get(), users)
}

/// The limit takes the first rows of all rooms together.
pub async fn a_replay_is_cut_at_its_limit(stores: Stores) {
    let desk = Desk::new(stores);
    for n in 0..20 {
        desk.say(&[["all", "user:1", "user:2", "role:doctor"][n % 4]]).await;
    }
    let rooms = ["role:doctor", "all", "user:1"].map(|name| Entitlement { room: room(name), since: at(0) });
    let (mut cursor, mut seen) = (Position::START, Vec::new());
    for _ in 0..10 {
        let page = desk.stores.log.replay(&rooms, cursor, at(18), 4, instant(0)).await.unwrap();
        let cut = page.rows.len() == 4;
        assert_eq!(page.through, if cut { page.rows[3].position } else { at(18) });
        seen.extend(ids(&page.rows));
        cursor = page.through;
    }
    assert_eq!(seen, (1..=18).filter(|n| n % 4 != 3).collect::<Vec<_>>());
}

/// What is too old is gone from the log and from every inbox, and the head says so; positions are not used again.
pub async fn trim_deletes_what_is_old(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    let publish = |seconds| {
        let mut publish = desk.drafts.publish(&["user:1"]);
        publish.rows[0].1.created_at = instant(seconds);
        publish
    };
    desk.append(&[publish(0), publish(1), publish(2), publish(3)]).await;
    let listed = desk.ids(&user, ReadStatus::All).await;
    desk.mark(&user, crate::Mark::Read(vec![listed[3], listed[0]]), 5).await;
    let trim = Trim { rows_before: instant(2), keys_before: instant(0) };
    assert!(!desk.stores.log.trim(trim).await.unwrap());

    let page = desk.stores.log.read(Position::START, 10).await.unwrap();
    assert_eq!((page.head.trimmed, page.head.position, ids(&page.rows)), (at(2), at(4), vec![3, 4]));
    assert_eq!(desk.ids(&user, ReadStatus::All).await, listed[..2]);
    assert_eq!(desk.ids(&user, ReadStatus::Read).await, listed[..1]);
    assert!(desk.get(&user, listed[3]).await.is_none());
    assert_eq!(desk.unread(&user).await, 1);
    let query = ListQuery { before: Some(listed[2]), ..ListQuery::default() };
    assert!(desk.list(&user, query, instant(0)).await.is_none());

    let all = Trim { rows_before: instant(100), keys_before: instant(100) };
    assert!(!desk.stores.log.trim(all).await.unwrap());
    assert_eq!(desk.stores.log.head().await.unwrap().trimmed, at(4));
    assert_eq!(ids(&desk.append(&[publish(200)]).await.rows), [5]);
}

/// Trimming much takes several calls, so that no single one holds up the appends.
pub async fn trim_deletes_a_bounded_number_at_a_time(stores: Stores) {
    let desk = Desk::new(stores);
    let most = Trim::MAX_ROWS as usize;
    desk.say_many("all", 2 * most + 1).await;
    let all = Trim { rows_before: instant(100), keys_before: instant(100) };
    let (mut calls, mut left) = (0, 2 * most + 1);
    loop {
        let more = desk.stores.log.trim(all).await.unwrap();
        let page = desk.stores.log.read(Position::START, u32::MAX).await.unwrap();
        assert!(left - page.rows.len() <= most, "{} rows went in one call", left - page.rows.len());
        (calls, left) = (calls + 1, page.rows.len());
        assert_eq!(more, left > 0, "whether there is more, with {left} left");
        if !more {
            break;
        }
        assert!(calls < 10, "it comes to an end");
    }
    assert_eq!(desk.stores.log.head().await.unwrap().trimmed, at(2 * most as u64 + 1));
}

/// Rows, keys, marks, entitlements and the epoch are still there after a restart.
pub async fn everything_outlives_a_reopening(stores: Stores) {
    let mut desk = Desk::new(stores);
    let user = desk.enter("1", Role::Doctor).await;
    let keyed = desk.drafts.keyed(&["all", "user:1"], "lab", "k", 1);
    let first = desk.append(&[keyed]).await;
    desk.mark(&user, crate::Mark::Read(vec![first.rows[0].notification.id]), 1).await;
    let before = desk.stores.log.read(Position::START, 10).await.unwrap();

    desk.stores = desk.stores.reopen().await;
    let after = desk.stores.log.read(Position::START, 10).await.unwrap();
    assert!((after.head, after.rows) == (before.head, before.rows));
    assert_eq!(desk.enter("1", Role::Doctor).await, user);
    assert_eq!(desk.read_at(&user, first.rows[0].notification.id).await, Some(instant(1)));
    assert_eq!(desk.unread(&user).await, 1);
    let again = desk.append(&[desk.drafts.keyed(&["all"], "lab", "k", 1)]).await;
    assert_eq!(again.outcomes, [Outcome::Replayed(stored(&first.outcomes[0]))]);
}
