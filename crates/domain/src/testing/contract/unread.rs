//! Counting what is unread, exactly within the bound and never beyond it.

use super::Stores;
use super::desk::Desk;
use crate::testing::instant;
use crate::{Mark, ReadStatus, Role, UNREAD_BOUND};

/// Items above the place do not count, read or not.
pub async fn an_inbox_is_counted_up_to_a_place(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    let ids = desk.say(&["all", "user:1", "user:2", "all", "user:1"]).await;
    desk.mark(&user, Mark::Read(vec![ids[1]]), 1).await;
    for (place, expected) in [0, 1, 1, 1, 2, 3, 3].into_iter().enumerate() {
        let place = crate::Position::START.plus(place);
        let unread = desk.stores.inbox.unread(&user, place, instant(0)).await.unwrap();
        assert_eq!(unread, expected, "up to {}", place.get());
    }
}

/// 999, 1,000, and then no more; in one room and in several together.
pub async fn a_room_is_counted_up_to_the_bound(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    let ids = desk.say_many("user:1", 999).await;
    assert_eq!(desk.unread(&user).await, 999);
    desk.say_many("user:1", 1).await;
    assert_eq!(desk.unread(&user).await, UNREAD_BOUND);
    desk.say_many("user:1", 50).await;
    assert_eq!(desk.unread(&user).await, UNREAD_BOUND);
    assert_eq!(desk.mark(&user, Mark::ReadUpTo(ids[49]), 1).await, UNREAD_BOUND);
    assert_eq!(desk.mark(&user, Mark::ReadUpTo(ids[50]), 2).await, 999);
    assert_eq!(desk.mark(&user, Mark::ReadAll, 3).await, 0);
}

/// No room is over the bound, and together they are.
pub async fn rooms_together_are_counted_up_to_the_bound(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    for name in ["user:1", "all", "patient:1"] {
        desk.say_many(name, 400).await;
    }
    assert_eq!(desk.unread(&user).await, UNREAD_BOUND);
    let last = desk.say(&["user:1"]).await;
    assert_eq!(desk.mark(&user, Mark::Read(last), 1).await, UNREAD_BOUND);
    let newest = desk.ids(&user, ReadStatus::All).await;
    assert_eq!(desk.mark(&user, Mark::Unread(newest), 2).await, UNREAD_BOUND);
}

/// Someone who reads each item by itself, from the oldest on, has an exact count however many they have read.
pub async fn single_marks_keep_a_long_inbox_exact(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    let ids = desk.say_many("user:1", 1_600).await;
    for chunk in ids[..1_500].chunks(100) {
        desk.mark(&user, Mark::Read(chunk.to_vec()), 1).await;
    }
    assert_eq!(desk.unread(&user).await, 100);
    assert_eq!(desk.mark(&user, Mark::Unread(vec![ids[3], ids[1_400]]), 2).await, 102);
    assert_eq!(desk.ids(&user, ReadStatus::Unread).await.len(), 100);
    assert_eq!(desk.mark(&user, Mark::Read(ids[1_500..].to_vec()), 3).await, 2);
    desk.say_many("user:1", 5).await;
    assert_eq!(desk.unread(&user).await, 7);
}

/// Not those that ended unread, not those that ended read, and not in the way of those after them.
pub async fn expired_items_do_not_count(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    let count = async |seconds| {
        desk.stores.inbox.unread(&user, crate::Position::END, instant(seconds)).await.unwrap()
    };
    let first = desk.say(&["user:1"]).await;
    let (over, read) = (desk.say_until("user:1", 10).await, desk.say_until("user:1", 10).await);
    let last = desk.say(&["user:1", "all"]).await;
    desk.mark(&user, Mark::Read(vec![read]), 1).await;
    assert_eq!((count(9).await, count(10).await), (4, 3));
    // Read past the one that is over.
    assert_eq!(desk.mark(&user, Mark::Read(vec![first[0], last[0]]), 11).await, 1);
    assert_eq!(count(12).await, 1);
    assert_eq!(desk.mark(&user, Mark::ReadAll, 12).await, 0);
    assert!(desk.stores.inbox.get(&user, over, instant(12)).await.unwrap().is_none());
    // Made unread, and then over.
    let brief = desk.say_until("all", 20).await;
    desk.mark(&user, Mark::ReadAll, 13).await;
    desk.mark(&user, Mark::Unread(vec![brief, first[0]]), 14).await;
    assert_eq!((count(19).await, count(20).await), (2, 1));
}

/// An item made unread below what was read up to counts for the places above it alone.
pub async fn items_made_unread_count_up_to_a_place_too(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    let ids = desk.say_many("all", 4).await;
    desk.mark(&user, Mark::ReadAll, 1).await;
    desk.mark(&user, Mark::Unread(vec![ids[1], ids[3]]), 2).await;
    for (place, expected) in [0, 0, 1, 1, 2].into_iter().enumerate() {
        let place = crate::Position::START.plus(place);
        assert_eq!(desk.stores.inbox.unread(&user, place, instant(3)).await.unwrap(), expected);
    }
}
