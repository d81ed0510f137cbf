//! Reading, unreading, and what stays as it was.

use super::Stores;
use super::desk::Desk;
use crate::testing::instant;
use crate::{Mark, Marked, ReadStatus, Role};

/// Marking again, in whatever way, does not change when an item was read.
pub async fn a_mark_is_kept_and_keeps_its_first_time(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    let ids = desk.say(&["user:1", "all", "patient:1"]).await;
    let marked = desk.try_mark(&user, Mark::Read(vec![ids[1], ids[1]]), 1).await;
    assert_eq!(marked, Some(Marked { unread: 2, newest: None }));
    assert_eq!(desk.mark(&user, Mark::Read(vec![ids[1], ids[0]]), 2).await, 1);
    assert_eq!(desk.mark(&user, Mark::ReadUpTo(ids[2]), 3).await, 0);
    assert_eq!(desk.mark(&user, Mark::ReadAll, 4).await, 0);
    assert_eq!(desk.mark(&user, Mark::Read(ids.clone()), 5).await, 0);
    for (id, seconds) in ids.iter().zip([2, 1, 3]) {
        assert_eq!(desk.read_at(&user, *id).await, Some(instant(seconds)));
    }
    // Nothing named, nothing changed.
    assert_eq!(desk.mark(&user, Mark::Unread(vec![]), 6).await, 0);
}

/// All of a mark's items or none: neither the ones before the stranger's nor the ones after it.
pub async fn a_strangers_id_stops_the_whole_mark(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    let ids = desk.say(&["user:1", "user:2", "all"]).await;
    assert_eq!(desk.try_mark(&user, Mark::Read(ids.clone()), 1).await, None);
    assert_eq!(desk.unread(&user).await, 2);
    desk.mark(&user, Mark::ReadAll, 2).await;
    assert_eq!(desk.try_mark(&user, Mark::Unread(ids.clone()), 3).await, None);
    assert_eq!(desk.unread(&user).await, 0);
    assert_eq!(desk.read_at(&user, ids[0]).await, Some(instant(2)));
}

/// Unread again, below what was read up to as beyond it; read anew, an item has the new time.
pub async fn an_item_made_unread_may_be_read_again(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    let ids = desk.say_many("user:1", 6).await;
    desk.mark(&user, Mark::ReadUpTo(ids[2]), 1).await;
    desk.mark(&user, Mark::Read(vec![ids[4]]), 2).await;
    let again = vec![ids[0], ids[1], ids[4], ids[5]];
    assert_eq!(desk.mark(&user, Mark::Unread(again.clone()), 3).await, 5);
    assert_eq!(desk.mark(&user, Mark::Unread(again), 3).await, 5);
    assert_eq!(desk.read_at(&user, ids[0]).await, None);

    assert_eq!(desk.mark(&user, Mark::Read(vec![ids[0]]), 4).await, 4);
    assert_eq!(desk.mark(&user, Mark::ReadUpTo(ids[4]), 5).await, 1);
    for (id, seconds) in ids.iter().zip([4, 5, 1, 5, 5]) {
        assert_eq!(desk.read_at(&user, *id).await, Some(instant(seconds)));
    }
    assert_eq!(desk.read_at(&user, ids[5]).await, None);
    assert_eq!(desk.mark(&user, Mark::Unread(vec![ids[1], ids[4]]), 6).await, 3);
    assert_eq!(desk.mark(&user, Mark::ReadAll, 7).await, 0);
    for (id, seconds) in ids.iter().zip([4, 7, 1, 5, 7, 7]) {
        assert_eq!(desk.read_at(&user, *id).await, Some(instant(seconds)));
    }
}

/// "Read up to here" covers the older items of all rooms, and neither a newcomer nor a newer item of another room.
pub async fn read_up_to_leaves_what_is_newer(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    let ids = desk.say(&["all", "user:1", "patient:1", "all"]).await;
    let newcomer = desk.say(&["user:1"]).await;
    assert_eq!(desk.mark(&user, Mark::ReadUpTo(ids[1]), 1).await, 3);
    assert_eq!(desk.ids(&user, ReadStatus::Unread).await, [newcomer[0], ids[3], ids[2]]);
    assert_eq!(desk.ids(&user, ReadStatus::Read).await, [ids[1], ids[0]]);
    // Going back reads nothing more.
    assert_eq!(desk.mark(&user, Mark::ReadUpTo(ids[0]), 2).await, 3);
    let late = desk.say(&["all"]).await;
    assert_eq!(desk.mark(&user, Mark::ReadUpTo(newcomer[0]), 3).await, 1);
    assert_eq!(desk.ids(&user, ReadStatus::Unread).await, late);
}

/// What was read one by one before keeps its time; what was made unread below is read now.
pub async fn read_up_to_leaves_what_was_read_before(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    let ids = desk.say_many("all", 5).await;
    desk.mark(&user, Mark::Read(vec![ids[3], ids[1]]), 1).await;
    desk.mark(&user, Mark::ReadUpTo(ids[2]), 2).await;
    desk.mark(&user, Mark::ReadUpTo(ids[4]), 3).await;
    for (id, seconds) in ids.iter().zip([2, 1, 2, 1, 3]) {
        assert_eq!(desk.read_at(&user, *id).await, Some(instant(seconds)));
    }
}

/// `ReadAll` names the newest visible item it covered, and leaves what comes later.
pub async fn read_all_answers_the_newest(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    assert_eq!(desk.try_mark(&user, Mark::ReadAll, 1).await, Some(Marked { unread: 0, newest: None }));
    let ids = desk.say(&["all", "user:1", "user:2"]).await;
    let marked = desk.try_mark(&user, Mark::ReadAll, 2).await;
    assert_eq!(marked, Some(Marked { unread: 0, newest: Some(ids[1]) }));
    let late = desk.say(&["user:1"]).await;
    assert_eq!(desk.ids(&user, ReadStatus::Unread).await, late);
    desk.say_until("all", 5).await;
    let marked = desk.try_mark(&user, Mark::ReadAll, 5).await;
    assert_eq!(marked, Some(Marked { unread: 0, newest: Some(late[0]) }));
}

/// A shared item read by one is unread for the other.
pub async fn marks_belong_to_one_reader(stores: Stores) {
    let desk = Desk::new(stores);
    let (one, two) = (desk.enter("1", Role::Admin).await, desk.enter("2", Role::Admin).await);
    let ids = desk.say(&["role:admin", "all", "role:admin"]).await;
    desk.mark(&one, Mark::Read(vec![ids[0]]), 1).await;
    desk.mark(&one, Mark::ReadAll, 2).await;
    desk.mark(&one, Mark::Unread(vec![ids[1]]), 3).await;
    assert_eq!((desk.unread(&one).await, desk.unread(&two).await), (1, 3));
    desk.mark(&two, Mark::Read(vec![ids[1]]), 4).await;
    assert_eq!((desk.unread(&one).await, desk.unread(&two).await), (1, 2));
    assert_eq!(desk.read_at(&two, ids[0]).await, None);
    assert_eq!(desk.read_at(&one, ids[1]).await, None);
}

/// Reading one by one, newest first, oldest first or from the middle, ends with nothing unread and each its time.
pub async fn single_marks_in_any_order_add_up(stores: Stores) {
    let desk = Desk::new(stores);
    for (user, order) in [("1", [0, 1, 2, 3, 4]), ("2", [4, 3, 2, 1, 0]), ("3", [2, 0, 4, 1, 3])] {
        let who = desk.enter(user, Role::Patient).await;
        let ids = desk.say(&["all", &format!("user:{user}"), "all", "role:patient", "all"]).await;
        for (done, n) in order.into_iter().enumerate() {
            let seconds = i64::try_from(n).unwrap();
            let unread = desk.mark(&who, Mark::Read(vec![ids[n]]), seconds).await;
            assert_eq!(unread as usize, 4 - done);
        }
        for (n, id) in (0..).zip(&ids) {
            assert_eq!(desk.read_at(&who, *id).await, Some(instant(n)), "user {user}, item {n}");
        }
        let news = desk.say(&["all"]).await;
        assert_eq!(desk.ids(&who, ReadStatus::Unread).await, news);
        desk.mark(&who, Mark::Unread(vec![ids[1]]), 9).await;
        assert_eq!(desk.ids(&who, ReadStatus::Unread).await, [news[0], ids[1]]);
    }
}
