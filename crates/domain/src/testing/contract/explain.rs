//! What became of a publish: its rows, who has read them, and how many sockets they were queued for.

use super::Stores;
use super::desk::Desk;
use crate::ports::{MOST_REACHED, Trim};
use crate::testing::instant;
use crate::{EventId, EventName, Mark, Readers, Role, Trace};

impl Desk {
    /// The names of those who have read a publish's first row, and the count of them.
    async fn readers(&self, event_id: EventId) -> (Vec<String>, u32) {
        let explained = self.explain(event_id).await.unwrap();
        let Readers { count, users } = &explained.notifications[0].read_by;
        (users.iter().map(ToString::to_string).collect(), *count)
    }

    /// How many sockets of each node each row of a publish was queued for.
    async fn counts(&self, event_id: EventId) -> Vec<Vec<(String, u64)>> {
        let explained = self.explain(event_id).await.unwrap();
        explained.notifications.into_iter().map(|trace| trace.reached.into_iter().collect()).collect()
    }
}

/// Its rows in the log's order, its event and its time; an unknown one has no explanation.
pub async fn a_publish_is_explained_by_its_rows(stores: Stores) {
    let desk = Desk::new(stores);
    let mut publish = desk.drafts.publish(&["role:admin", "user:1", "all"]);
    for (_, notification) in &mut publish.rows {
        notification.event = Some(EventName::ReviewCreated);
        notification.created_at = instant(5);
    }
    let (other, never) = (desk.drafts.publish(&["all"]), desk.drafts.publish(&["all"]));
    let appended = desk.append(&[other.clone(), publish.clone()]).await;
    let explained = desk.explain(publish.event_id).await.unwrap();
    assert_eq!((explained.event_id, explained.event), (publish.event_id, Some(EventName::ReviewCreated)));
    assert_eq!(explained.created_at, instant(5));
    let trace = |row: &crate::Row| Trace {
        id: row.notification.id,
        room: row.room.clone(),
        read_by: Readers::default(),
        reached: Default::default(),
    };
    assert_eq!(explained.notifications, appended.rows[1..].iter().map(|row| trace(row)).collect::<Vec<_>>());
    let plain = desk.explain(other.event_id).await.unwrap();
    assert_eq!((plain.event, plain.notifications.len()), (None, 1));
    assert_eq!(desk.explain(never.event_id).await, None);
}

/// However it came to be read: by itself, with all up to it or beyond it, or again; and not when it was made unread,
/// when another room was read, or when its reader was entitled to later rows alone.
pub async fn readers_are_those_whose_inbox_says_so(stores: Stores) {
    let desk = Desk::new(stores);
    let names = ["f", "e", "d", "c", "b", "a"];
    let mut users = Vec::new();
    for name in names {
        users.push(desk.enter(name, Role::Doctor).await);
    }
    let [f, e, d, c, b, a] = &users[..] else { panic!("six") };
    let publish = desk.drafts.publish(&["all", "role:doctor"]);
    let ids: Vec<_> = desk
        .append(std::slice::from_ref(&publish))
        .await
        .rows
        .iter()
        .map(|row| row.notification.id)
        .collect();
    assert_eq!(desk.readers(publish.event_id).await, (vec![], 0));
    let late = desk.enter("late", Role::Doctor).await;
    let next = desk.say(&["all"]).await[0];
    desk.mark(a, Mark::Read(vec![ids[0]]), 1).await;
    desk.mark(b, Mark::ReadUpTo(ids[0]), 1).await;
    desk.mark(c, Mark::ReadAll, 1).await;
    desk.mark(&late, Mark::ReadAll, 1).await;
    desk.mark(d, Mark::ReadAll, 1).await;
    desk.mark(d, Mark::Unread(vec![ids[0]]), 2).await;
    desk.mark(e, Mark::Read(vec![ids[1], next]), 1).await;
    assert_eq!(desk.readers(publish.event_id).await, (vec!["a".into(), "b".into(), "c".into()], 3));
    desk.mark(d, Mark::Read(vec![ids[0]]), 3).await;
    desk.mark(a, Mark::Unread(vec![ids[0]]), 3).await;
    desk.mark(e, Mark::Read(vec![ids[0]]), 3).await;
    desk.mark(f, Mark::Read(vec![ids[0], next]), 3).await;
    let expected = ["b", "c", "d", "e", "f"].map(str::to_owned).to_vec();
    assert_eq!(desk.readers(publish.event_id).await, (expected, 5));
    // The other room has readers of its own.
    let second = &desk.explain(publish.event_id).await.unwrap().notifications[1].read_by;
    let named: Vec<_> = second.users.iter().map(ToString::to_string).collect();
    assert_eq!((named, second.count), (["c", "d", "e"].map(str::to_owned).to_vec(), 3));
}

/// What had expired when a user read all the rest was not read; what expires afterwards was.
pub async fn one_who_came_too_late_is_no_reader(stores: Stores) {
    let desk = Desk::new(stores);
    let (early, late) = (desk.enter("early", Role::Admin).await, desk.enter("late", Role::Admin).await);
    let single = desk.enter("single", Role::Admin).await;
    let mut brief = desk.drafts.publish(&["all"]);
    brief.rows[0].1.expires_at = Some(instant(10));
    desk.append(std::slice::from_ref(&brief)).await;
    let lasting = desk.say(&["all"]).await;
    desk.mark(&early, Mark::ReadAll, 9).await;
    desk.mark(&late, Mark::ReadAll, 10).await;
    desk.mark(&single, Mark::Read(lasting), 11).await;
    assert_eq!(desk.readers(brief.event_id).await, (vec!["early".into()], 1));
}

/// All are counted, and a hundred are named.
pub async fn no_more_readers_are_named_than_may_be(stores: Stores) {
    let desk = Desk::new(stores);
    let publish = desk.drafts.publish(&["role:patient"]);
    let mut users = Vec::new();
    for n in 0..=Readers::NAMED {
        users.push(desk.enter(&format!("{n:03}"), Role::Patient).await);
    }
    let id = desk.append(std::slice::from_ref(&publish)).await.rows[0].notification.id;
    for (n, user) in users.iter().enumerate() {
        let mark = if n % 2 == 0 { Mark::ReadAll } else { Mark::Read(vec![id]) };
        desk.mark(user, mark, 1).await;
    }
    let (mut named, count) = desk.readers(publish.event_id).await;
    assert_eq!((named.len(), count as usize), (Readers::NAMED, Readers::NAMED + 1));
    named.dedup();
    assert!(named.len() == Readers::NAMED && named.is_sorted());
}

/// Each row and each node by itself; and as many at once as may be.
pub async fn sockets_add_up_by_node(stores: Stores) {
    let desk = Desk::new(stores);
    let publish = desk.drafts.publish(&["all", "user:1"]);
    let rows = desk.append(std::slice::from_ref(&publish)).await.rows;
    let (first, second) = (rows[0].position, rows[1].position);
    let explain = &desk.stores.explain;
    explain.reached("n1", &[(first, 2), (second, 1)]).await.unwrap();
    explain.reached("n2", &[(first, u32::MAX)]).await.unwrap();
    explain.reached("n2", &[(first, 3)]).await.unwrap();
    explain.reached("n2", &[]).await.unwrap();
    let of_first = vec![("n1".to_owned(), 2), ("n2".to_owned(), u64::from(u32::MAX) + 3)];
    assert_eq!(desk.counts(publish.event_id).await, [of_first, vec![("n1".to_owned(), 1)]]);

    desk.say_many("all", MOST_REACHED - 1).await;
    let last = desk.drafts.publish(&["all"]);
    desk.append(std::slice::from_ref(&last)).await;
    let all: Vec<_> = (1..=MOST_REACHED).map(|n| (second.plus(n), 1)).collect();
    explain.reached("n1", &all).await.unwrap();
    assert_eq!(desk.counts(last.event_id).await, [vec![("n1".to_owned(), 1)]]);
}

/// The counts go with their row. What is counted for a row that is gone, or was never there, is passed over, and the
/// rest is kept.
pub async fn what_is_trimmed_is_forgotten(stores: Stores) {
    let desk = Desk::new(stores);
    let mut old = desk.drafts.publish(&["all"]);
    old.rows[0].1.created_at = instant(-60);
    let new = desk.drafts.publish(&["all"]);
    let rows = desk.append(&[old.clone(), new.clone()]).await.rows;
    let all = [(rows[0].position, 1), (rows[1].position, 1), (rows[1].position.plus(9), 1)];
    desk.stores.explain.reached("n1", &all).await.unwrap();
    let trim = Trim { rows_before: instant(-30), keys_before: instant(-30) };
    desk.stores.log.trim(trim).await.unwrap();
    desk.stores.explain.reached("n1", &all).await.unwrap();
    assert_eq!(desk.explain(old.event_id).await, None);
    assert_eq!(desk.counts(new.event_id).await, [vec![("n1".to_owned(), 2)]]);
    // Everything outlives a reopening.
    let desk = Desk { stores: desk.stores.reopen().await, drafts: desk.drafts };
    assert_eq!(desk.counts(new.event_id).await, [vec![("n1".to_owned(), 2)]]);
}
