//! What a user may see: entitlement, visibility, listing.

use std::sync::Arc;

use super::Stores;
use super::desk::Desk;
use crate::testing::{instant, principal};
use crate::{ListQuery, Mark, Position, Principal, ReadStatus, Role};

fn since(who: &crate::Entitled) -> Vec<(&str, u64)> {
    who.rooms.iter().map(|e| (e.room.as_str(), e.since.get())).collect()
}

/// What was said to all before a user was first met is not theirs, and later visits change nothing about it.
pub async fn shared_rooms_begin_at_the_first_visit(stores: Stores) {
    let desk = Desk::new(stores);
    desk.say(&["all", "role:doctor", "role:admin"]).await;
    let doctor = desk.enter("d", Role::Doctor).await;
    assert_eq!(since(&doctor), [("all", 3), ("role:doctor", 3), ("user:d", 0), ("doctor:d", 0)]);
    assert_eq!(desk.ids(&doctor, ReadStatus::All).await, []);

    let news = desk.say(&["all", "role:doctor", "role:admin"]).await;
    assert_eq!(desk.enter("d", Role::Doctor).await, doctor);
    assert_eq!(desk.ids(&doctor, ReadStatus::All).await, [news[1], news[0]]);
    assert_eq!(since(&desk.enter("e", Role::Doctor).await)[..2], [("all", 6), ("role:doctor", 6)]);
}

/// What was said to a user alone waits for the first visit.
pub async fn own_rooms_begin_at_the_start(stores: Stores) {
    let desk = Desk::new(stores);
    let early = desk.say(&["user:p", "patient:p", "patient:profile", "patient:q"]).await;
    let id = |text: &str| text.parse().unwrap();
    let patient = Principal::new(id("p"), None, Role::Patient, Some(id("profile")), instant(9));
    let patient = desk.stores.inbox.enter(&patient).await.unwrap();
    let rooms = [("all", 4), ("role:patient", 4), ("user:p", 0), ("patient:p", 0), ("patient:profile", 0)];
    assert_eq!(since(&patient), rooms);
    assert_eq!(desk.ids(&patient, ReadStatus::All).await, [early[2], early[1], early[0]]);
    assert_eq!(desk.unread(&patient).await, 3);
}

/// Someone who becomes an admin sees what admins hear from then on; the old role's room is out of sight meanwhile.
pub async fn a_new_role_brings_its_room_from_now_on(stores: Stores) {
    let desk = Desk::new(stores);
    let doctor = desk.enter("d", Role::Doctor).await;
    let first = desk.say(&["all", "role:doctor", "role:admin"]).await;
    let admin = desk.enter("d", Role::Admin).await;
    assert_eq!(since(&admin), [("all", 0), ("role:admin", 3), ("user:d", 0)]);
    let second = desk.say(&["role:admin"]).await;
    assert_eq!(desk.ids(&admin, ReadStatus::All).await, [second[0], first[0]]);
    assert!(desk.get(&admin, first[1]).await.is_none());
    assert_eq!(desk.enter("d", Role::Doctor).await, doctor);
    assert_eq!(desk.enter("d", Role::SuperAdmin).await, admin);
}

/// Whoever comes together with others is let in, and has their unread counted, as by themselves: someone who was here, two
/// who are new, one of them twice.
pub async fn many_enter_as_one_does(stores: Stores) {
    let desk = Desk::new(stores);
    let known = desk.enter("1", Role::Doctor).await;
    desk.say(&["all", "role:doctor", "user:2", "user:2", "patient:3"]).await;
    let inbox = &desk.stores.inbox;
    let principals = [("2", Role::Patient), ("1", Role::Doctor), ("3", Role::Patient), ("2", Role::Patient)];
    let principals = principals.map(|(id, role)| principal(id, role));
    let entered = inbox.enter_all(&principals).await.unwrap();
    for (principal, entered) in principals.iter().zip(&entered) {
        assert_eq!(inbox.enter(principal).await.unwrap(), *entered);
    }
    assert_eq!(since(&entered[0]), [("all", 5), ("role:patient", 5), ("user:2", 0), ("patient:2", 0)]);
    assert_eq!((&entered[1], &entered[3]), (&known, &entered[0]));
    let last = desk.say(&["all", "user:3"]).await;
    desk.mark(&entered[2], Mark::Read(vec![last[0]]), 1).await;
    let up_to = [7, 2, 7, 3].map(|position| Position::new(position).unwrap());
    let asked: Vec<_> = entered.into_iter().map(Arc::new).zip(up_to).collect();
    let counts = inbox.unread_all(&asked, instant(2)).await.unwrap();
    assert_eq!(counts, [3, 2, 2, 1]);
    for ((who, up_to), count) in asked.iter().zip(counts) {
        assert_eq!(inbox.unread(who, *up_to, instant(2)).await.unwrap(), count);
    }
    assert!(inbox.enter_all(&[]).await.unwrap().is_empty());
    assert!(inbox.unread_all(&[], instant(2)).await.unwrap().is_empty());
}

/// Another's item, one from before and one that does not exist are all the same: not there.
pub async fn only_visible_items_are_found(stores: Stores) {
    let desk = Desk::new(stores);
    let early = desk.say(&["all"]).await;
    let user = desk.enter("1", Role::Patient).await;
    let mine = desk.say(&["user:1", "user:11", "doctor:1"]).await;
    let unknown = "01980000-0000-7000-8000-000000000000".parse().unwrap();

    let item = desk.get(&user, mine[0]).await.unwrap();
    assert_eq!((item.notification.id, item.read_at), (mine[0], None));
    for id in [early[0], mine[1], mine[2], unknown] {
        assert!(desk.get(&user, id).await.is_none());
        let query = ListQuery { before: Some(id), ..ListQuery::default() };
        assert!(desk.list(&user, query, instant(0)).await.is_none());
        for mark in [Mark::Read(vec![id]), Mark::Unread(vec![id]), Mark::ReadUpTo(id)] {
            assert!(desk.try_mark(&user, mark, 0).await.is_none());
        }
    }
    assert_eq!(desk.ids(&user, ReadStatus::All).await, [mine[0]]);
    assert_eq!(desk.unread(&user).await, 1);
}

/// An item is over at its end, not after it.
pub async fn expired_items_are_not_there(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    let (short, long) = (desk.say_until("user:1", 10).await, desk.say_until("all", 11).await);
    for (seconds, expected) in [(9, vec![long, short]), (10, vec![long]), (11, vec![])] {
        let now = instant(seconds);
        let listing = desk.list(&user, ListQuery::default(), now).await.unwrap();
        let ids: Vec<_> = listing.items.iter().map(|item| item.notification.id).collect();
        assert_eq!(ids, expected, "{seconds} s");
        let unread = desk.stores.inbox.unread(&user, Position::END, now).await.unwrap();
        assert_eq!(unread as usize, expected.len(), "{seconds} s");
        let found = desk.stores.inbox.get(&user, short, now).await.unwrap();
        assert_eq!(found.is_some(), seconds < 10);
        let query = ListQuery { before: Some(short), ..ListQuery::default() };
        assert_eq!(desk.list(&user, query, now).await.is_some(), seconds < 10);
    }
    assert!(desk.try_mark(&user, Mark::Read(vec![long, short]), 10).await.is_none());
    assert_eq!(desk.read_at(&user, long).await, None);
}

/// Paging gives every item once, newest first, whatever was created in the same millisecond.
pub async fn pages_cover_the_inbox_once(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Doctor).await;
    let mut expected = Vec::new();
    for _ in 0..5 {
        // One publish: four rows of the same instant, one of them not for this user.
        let ids = desk.say(&["user:1", "role:patient", "all", "doctor:1"]).await;
        expected.extend([ids[0], ids[2], ids[3]]);
    }
    expected.reverse();
    for limit in [1, 2, 5, 14, 15, 16, 100] {
        let (mut before, mut seen) = (None, Vec::new());
        loop {
            let query = ListQuery { limit, before, status: ReadStatus::All };
            let listing = desk.list(&user, query, instant(0)).await.unwrap();
            let ids: Vec<_> = listing.items.iter().map(|item| item.notification.id).collect();
            assert!(!ids.is_empty() && ids.len() <= limit as usize, "a page of {} for {limit}", ids.len());
            assert!(listing.next.is_none() || listing.next == ids.last().copied());
            seen.extend(ids);
            before = listing.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(seen, expected, "pages of {limit}");
    }
}

/// Read and unread are two halves of all, through read-up-to, single marks and items made unread again.
pub async fn a_listing_filters_by_state(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    let mut ids = Vec::new();
    for name in ["user:1", "all", "user:1", "patient:1", "all", "user:1", "all"] {
        ids.extend(desk.say(&[name]).await);
    }
    desk.mark(&user, Mark::ReadUpTo(ids[3]), 1).await;
    desk.mark(&user, Mark::Unread(vec![ids[0], ids[3]]), 2).await;
    desk.mark(&user, Mark::Read(vec![ids[5]]), 3).await;
    let read = [5, 2, 1].map(|n: usize| ids[n]);
    let unread = [6, 4, 3, 0].map(|n: usize| ids[n]);
    assert_eq!(desk.ids(&user, ReadStatus::Read).await, read);
    assert_eq!(desk.ids(&user, ReadStatus::Unread).await, unread);
    assert_eq!(desk.ids(&user, ReadStatus::All).await.len(), 7);

    // The same, one at a time: `before` may itself be in another state.
    for (status, all) in [(ReadStatus::Read, &read[..]), (ReadStatus::Unread, &unread)] {
        let mut seen = Vec::new();
        let mut before = None;
        for _ in 0..all.len() {
            let listing = desk.list(&user, ListQuery { limit: 1, before, status }, instant(0)).await.unwrap();
            seen.push(listing.items[0].notification.id);
            before = listing.next;
        }
        assert_eq!((&seen[..], before), (all, None));
    }
    let query = ListQuery { limit: 9, before: Some(ids[5]), status: ReadStatus::Unread };
    assert_eq!(desk.list(&user, query, instant(0)).await.unwrap().items.len(), 3);
}
