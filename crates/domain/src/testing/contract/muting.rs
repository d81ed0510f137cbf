//! What is muted is read from the start, for ever, and for its reader alone.

use super::Stores;
use super::desk::Desk;
use crate::ports::Trim;
use crate::testing::{instant, principal};
use crate::{Entitled, Mark, NotificationId, Position, Priority, ReadStatus, Role, Timestamp};

impl Desk {
    /// From here on the user mutes these types.
    pub(super) async fn mute(&self, user_id: &str, kinds: &[&str]) {
        self.append(&[self.drafts.muted(user_id, kinds)]).await;
    }

    async fn say_as(&self, kind: &str, priority: Priority) -> NotificationId {
        let mut publish = self.drafts.publish(&["all"]);
        let notification = &mut publish.rows[0].1;
        (notification.kind, notification.priority) = (kind.parse().unwrap(), priority);
        self.append(&[publish]).await.rows[0].notification.id
    }

    async fn read_times(&self, who: &Entitled, ids: &[NotificationId]) -> Vec<Option<Timestamp>> {
        let mut times = Vec::new();
        for id in ids {
            times.push(self.read_at(who, *id).await);
        }
        times
    }
}

/// Before, during and after; in each listing, and in the count.
pub async fn a_muted_item_is_read_and_stays_so(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    let before = desk.say(&["all", "user:1"]).await;
    desk.mute("1", &["NEWS"]).await;
    let muted = desk.say(&["all", "user:1"]).await;
    let other = desk.say_as("CARE", Priority::Low).await;
    let check = async |unread: &[NotificationId]| {
        assert_eq!(desk.unread(&user).await, u32::try_from(unread.len()).unwrap());
        assert_eq!(desk.ids(&user, ReadStatus::Unread).await, unread);
        assert_eq!(desk.ids(&user, ReadStatus::Read).await, [muted[1], muted[0]]);
        // Read since it was accepted.
        assert_eq!(desk.read_times(&user, &muted).await, [Some(instant(0)); 2]);
    };
    check(&[other, before[1], before[0]]).await;
    desk.mute("1", &["CARE"]).await;
    check(&[other, before[1], before[0]]).await;
    let after = desk.say(&["all"]).await;
    check(&[after[0], other, before[1], before[0]]).await;
    let place = desk.head().await.minus(1);
    assert_eq!(desk.stores.inbox.unread(&user, place, instant(0)).await.unwrap(), 3);
}

/// Priority decides, not type.
pub async fn what_is_high_or_urgent_is_not_muted(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    desk.mute("1", &["NEWS"]).await;
    let mut ids = Vec::new();
    for priority in [Priority::Low, Priority::Medium, Priority::High, Priority::Urgent] {
        ids.push(desk.say_as("NEWS", priority).await);
    }
    assert_eq!(desk.ids(&user, ReadStatus::Unread).await, [ids[3], ids[2]]);
    assert_eq!(desk.ids(&user, ReadStatus::Read).await, [ids[1], ids[0]]);
    assert_eq!(desk.unread(&user).await, 2);
}

/// Whoever shares the room has it unread.
pub async fn muting_belongs_to_one_reader(stores: Stores) {
    let desk = Desk::new(stores);
    let (one, two) = (desk.enter("1", Role::Patient).await, desk.enter("2", Role::Patient).await);
    desk.mute("1", &["NEWS"]).await;
    desk.say(&["all"]).await;
    assert_eq!((desk.unread(&one).await, desk.unread(&two).await), (0, 1));
    assert_eq!(desk.ids(&two, ReadStatus::Read).await, []);
}

/// A reader's own word counts more, beyond what was read up to as below it.
pub async fn a_muted_item_may_be_made_unread_and_read_again(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    let first = desk.say(&["all"]).await[0];
    desk.mute("1", &["NEWS"]).await;
    let ids = desk.say_many("all", 4).await;
    assert_eq!(desk.mark(&user, Mark::Unread(vec![ids[1], ids[2]]), 1).await, 3);
    assert_eq!(desk.ids(&user, ReadStatus::Unread).await, [ids[2], ids[1], first]);
    assert_eq!(desk.ids(&user, ReadStatus::Read).await, [ids[3], ids[0]]);
    // Now it was read at some time; the other still since it came.
    assert_eq!(desk.mark(&user, Mark::Read(vec![ids[1], ids[0]]), 2).await, 2);
    let times = desk.read_times(&user, &ids).await;
    assert_eq!(times, [Some(instant(0)), Some(instant(2)), None, Some(instant(0))]);
    // All before it is read, and it is not.
    assert_eq!(desk.mark(&user, Mark::Read(vec![first]), 3).await, 1);
    assert_eq!(desk.ids(&user, ReadStatus::Unread).await, [ids[2]]);
    assert_eq!(desk.mark(&user, Mark::ReadAll, 4).await, 0);
    assert_eq!(desk.read_at(&user, ids[2]).await, Some(instant(4)));
    assert_eq!(desk.mark(&user, Mark::Unread(vec![ids[3]]), 5).await, 1);
    assert_eq!(desk.mark(&user, Mark::Unread(vec![ids[3]]), 6).await, 1);
    assert_eq!(desk.ids(&user, ReadStatus::Unread).await, [ids[3]]);
}

/// Reading all does not read it again, nor does what is read around it.
pub async fn a_muted_item_keeps_its_time_whatever_is_read_after_it(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    desk.mute("1", &["NEWS"]).await;
    let muted = desk.say(&["all"]).await[0];
    desk.mute("1", &[]).await;
    let plain = desk.say(&["all"]).await[0];
    assert_eq!(desk.mark(&user, Mark::Read(vec![plain]), 1).await, 0);
    assert_eq!(desk.mark(&user, Mark::ReadAll, 2).await, 0);
    assert_eq!(desk.read_times(&user, &[muted, plain]).await, [Some(instant(0)), Some(instant(1))]);
}

/// It takes a place in the log, and none in an inbox.
pub async fn a_memo_is_shown_to_nobody(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    let appended = desk.append(&[desk.drafts.muted("1", &["NEWS"])]).await;
    assert_eq!(appended.rows.len(), 1);
    assert_eq!((desk.unread(&user).await, desk.ids(&user, ReadStatus::All).await), (0, vec![]));
    assert_eq!(desk.get(&user, appended.rows[0].notification.id).await, None);
    let (log, start, now) = (&desk.stores.log, Position::START, Timestamp::UNIX_EPOCH);
    assert_eq!(log.replay(&user.rooms, start, Position::END, 9, now).await.unwrap().rows, []);
    assert_eq!(log.missed(&user.rooms, start, 9, now).await.unwrap().rows, 0);
    // Those who follow the log get it as it was said.
    assert_eq!(log.read(start, 9).await.unwrap().rows, appended.rows);
}

/// Thousands of muted rows, and the few others are counted.
pub async fn what_is_muted_does_not_fill_the_bound(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    desk.mute("1", &["NEWS"]).await;
    desk.say_many("all", 2_500).await;
    let other = desk.say_as("CARE", Priority::Low).await;
    desk.say_many("all", 300).await;
    assert_eq!(desk.unread(&user).await, 1);
    assert_eq!(desk.ids(&user, ReadStatus::Unread).await, [other]);
    assert_eq!(desk.mark(&user, Mark::Read(vec![other]), 1).await, 0);
    desk.say_many("all", 1_500).await;
    assert_eq!(desk.mark(&user, Mark::Unread(vec![other]), 2).await, 1);
}

/// Nobody has looked at it.
pub async fn one_who_muted_it_is_no_reader(stores: Stores) {
    let desk = Desk::new(stores);
    let (one, two) = (desk.enter("1", Role::Patient).await, desk.enter("2", Role::Patient).await);
    desk.mute("1", &["NEWS"]).await;
    let publish = desk.drafts.publish(&["all"]);
    desk.append(std::slice::from_ref(&publish)).await;
    let care = desk.say_as("CARE", Priority::Low).await;
    for who in [&one, &two] {
        desk.mark(who, Mark::ReadUpTo(care), 1).await;
    }
    let explained = desk.explain(publish.event_id).await.unwrap();
    assert_eq!(explained.notifications[0].read_by.users, [two.user_id]);
}

/// For one user, and for all at once.
pub async fn muting_outlives_a_reopening(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    desk.mute("1", &["NEWS", "CARE"]).await;
    desk.mute("2", &["NEWS"]).await;
    desk.mute("1", &["CARE"]).await;
    let stores = desk.stores.reopen().await;
    let (head, of_all) = (stores.log.head().await.unwrap(), stores.inbox.mutings().await.unwrap());
    assert_eq!((of_all.epoch, of_all.as_of), (head.epoch, head.position));
    assert_eq!(of_all.users.len(), 2);
    let muting = stores.inbox.muting(&user.user_id).await.unwrap();
    assert_eq!(of_all.users[&user.user_id], muting);
    let spans: Vec<_> = muting.spans().iter().map(|s| (s.kind.as_str(), s.since.get(), s.until)).collect();
    let third = Position::START.plus(3);
    assert_eq!(spans, [("CARE", 1, Position::END), ("NEWS", 1, third)]);
    let nobody = principal("3", Role::Patient);
    assert_eq!(stores.inbox.muting(nobody.user_id()).await.unwrap().spans(), []);
}

/// One in which no row is left, and none will be.
pub async fn spans_before_all_rows_are_forgotten(stores: Stores) {
    let desk = Desk::new(stores);
    let user = desk.enter("1", Role::Patient).await;
    desk.mute("1", &["NEWS"]).await;
    desk.mute("1", &["CARE"]).await;
    let mut last = desk.drafts.publish(&["all"]);
    last.rows[0].1.created_at = instant(60);
    desk.append(&[last]).await;
    let trim = Trim { rows_before: instant(30), keys_before: instant(30) };
    while desk.stores.log.trim(trim).await.unwrap() {}
    let muting = desk.stores.inbox.muting(&user.user_id).await.unwrap();
    let kinds: Vec<_> = muting.spans().iter().map(|span| span.kind.as_str()).collect();
    assert_eq!(kinds, ["CARE"]);
}
