//! What is erased for one user, and what is trimmed of one type: rows go out of the middle, and nobody misses a row for it.

use super::Stores;
use super::desk::Desk;
use crate::testing::{instant, principal, room};
use crate::{Entitled, Mark, NotificationId, Position, Principal, ReadStatus, Role, Room, UserId};

impl Desk {
    /// As `Eraser` does it.
    async fn erase(&self, user_id: &str) {
        let user: UserId = user_id.parse().unwrap();
        let mut steps = 0;
        let rooms = loop {
            let erasing = self.stores.inbox.erase(&user).await.unwrap();
            steps += 1;
            assert!(steps < 100, "it never ends");
            if !erasing.has_more {
                break erasing.rooms;
            }
        };
        self.append(&[self.drafts.erased(user_id, rooms)]).await;
    }

    /// The rows of the log.
    async fn rows(&self) -> Vec<(u64, Room)> {
        let page = self.stores.log.read(Position::START, 10_000).await.unwrap();
        page.rows.iter().map(|row| (row.position.get(), row.room.clone())).collect()
    }
}

/// In the rooms that bear the user's id, and in those of a profile they came with.
pub async fn what_was_said_to_one_alone_goes_and_nothing_else(stores: Stores) {
    let desk = Desk::new(stores);
    let profile = Some("p9".parse().unwrap());
    let user = Principal::new("1".parse().unwrap(), None, Role::Patient, profile, instant(3_600));
    let who = desk.stores.inbox.enter(&user).await.unwrap();
    let rooms = ["user:1", "all", "patient:1", "user:2", "patient:p9", "role:patient", "doctor:1", "user:11"];
    let ids = desk.say(&rooms).await;
    let other = desk.enter("2", Role::Patient).await;
    desk.mark(&who, Mark::Read(ids[..2].to_vec()), 1).await;
    desk.mark(&other, Mark::Read(vec![ids[3]]), 1).await;
    let before = desk.stores.log.head().await.unwrap();
    desk.erase("1").await;
    let kept = ["all", "user:2", "role:patient", "user:11", "user:1"].map(room);
    let rows = desk.rows().await;
    assert_eq!(rows.iter().map(|(_, room)| room.clone()).collect::<Vec<_>>(), kept);
    assert_eq!(rows.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [2, 4, 6, 8, 9]);
    // As rows vanish that end: nobody who comes back has missed a part of the log.
    let head = desk.stores.log.head().await.unwrap();
    assert_eq!((head.trimmed, head.position), (before.trimmed, before.position.plus(1)));
    assert_eq!(desk.get(&who, ids[0]).await, None);
    assert!(desk.read_at(&other, ids[3]).await.is_some());
    // Said after it, it is there.
    let after = desk.say(&["user:1"]).await;
    assert_eq!(desk.ids(&who, ReadStatus::Unread).await.first(), after.first());
}

/// Of the shared rooms too, and with all types unmuted; every node can know.
pub async fn one_who_was_erased_begins_anew(stores: Stores) {
    let desk = Desk::new(stores);
    let old: Entitled = desk.enter("1", Role::Patient).await;
    desk.say(&["all"]).await;
    desk.mute("1", &["NEWS"]).await;
    desk.erase("1").await;
    let new = desk.enter("1", Role::Patient).await;
    assert_eq!((old.rooms[0].since, new.rooms[0].since), (Position::START, desk.head().await));
    assert_eq!(
        (desk.unread(&new).await, desk.ids(&new, ReadStatus::All).await),
        (0, Vec::<NotificationId>::new())
    );
    let muting = desk.stores.inbox.muting(&old.user_id).await.unwrap();
    assert_eq!((muting.kinds(), muting.erased()), (Vec::new(), Some(desk.head().await)));
    assert_eq!(desk.stores.inbox.mutings().await.unwrap().users[&old.user_id], muting);
    desk.say(&["all"]).await;
    assert_eq!(desk.unread(&new).await, 1);
}

/// Thousands of rows and of marks.
pub async fn much_is_erased_in_bounded_steps(stores: Stores) {
    let desk = Desk::new(stores);
    let who = desk.enter("1", Role::Patient).await;
    let ids = desk.say_many("user:1", 2_300).await;
    desk.say_many("all", 3).await;
    for chunk in ids[..1_500].chunks(500) {
        desk.mark(&who, Mark::Read(chunk.iter().step_by(2).copied().collect()), 1).await;
    }
    desk.erase("1").await;
    assert_eq!(desk.rows().await.len(), 4);
    assert_eq!(desk.ids(&who, ReadStatus::Read).await, []);
}

/// Its old rows alone, without a word in the head; the marks of others stay.
pub async fn one_type_is_trimmed_by_itself(stores: Stores) {
    let desk = Desk::new(stores);
    let who = desk.enter("1", Role::Patient).await;
    let mut ids = Vec::new();
    for n in 0..12 {
        let mut publish = desk.drafts.publish(&["all"]);
        let notification = &mut publish.rows[0].1;
        notification.created_at = instant(n);
        notification.kind = if n % 2 == 0 { "CARE" } else { "NEWS" }.parse().unwrap();
        ids.push(desk.append(&[publish]).await.rows[0].notification.id);
    }
    let log = &desk.stores.log;
    for (before, left) in [(4, 10), (4, 10), (8, 8), (3, 8)] {
        while log.trim_kind(&"CARE".parse().unwrap(), instant(before)).await.unwrap() {}
        assert_eq!(desk.rows().await.len(), left, "before {before}");
    }
    while log.trim_kind(&"OTHER".parse().unwrap(), instant(99)).await.unwrap() {}
    let left: Vec<_> = [1, 3, 5, 7, 8, 9, 10, 11].into_iter().rev().map(|n: usize| ids[n]).collect();
    assert_eq!((desk.ids(&who, ReadStatus::All).await, desk.unread(&who).await), (left, 8));
    assert_eq!(log.head().await.unwrap().trimmed, Position::START);
    let missed = log.missed(&who.rooms, Position::START, 99, instant(0)).await.unwrap();
    assert_eq!(missed.check(missed.head.epoch, Position::START, 99), Ok(()));
    assert_eq!(missed.rows, 8);
    // Entering again is entering as before.
    let again = desk.stores.inbox.enter(&principal("1", Role::Patient)).await.unwrap();
    assert_eq!(again, who);
}
