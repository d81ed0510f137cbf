//! Random walks: the adapter and the memory adapter do the same things in the same order and must give the same
//! answers. What no case thought of, a walk may stumble on; the step in the message finds it again.

use std::sync::Arc;

use super::Stores;
use super::desk::Desk;
use crate::testing::{MemoryLog, instant};
use crate::{Entitled, EventId, ListQuery, Mark, NotificationId, Position, Priority, ReadStatus, Role};

/// A walk.
pub async fn a_random_walk_agrees_with_the_memory_adapter(stores: Stores) {
    walk(stores, 1).await;
}

/// Another.
pub async fn another_random_walk_agrees(stores: Stores) {
    walk(stores, 2).await;
}

/// And one more.
pub async fn a_third_random_walk_agrees(stores: Stores) {
    walk(stores, 3).await;
}

/// Steps of a walk: enough for a hundred items, far below the bound on unread.
const STEPS: i64 = 160;
const ROOMS: [&str; 6] = ["all", "role:patient", "role:doctor", "user:1", "user:2", "patient:1"];
const USERS: [(&str, Role); 3] = [("1", Role::Patient), ("2", Role::Doctor), ("1", Role::Doctor)];

/// A small linear congruential generator (Knuth's MMIX constants): the same walk everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % sides as u64) as usize
    }
}

async fn walk(stores: Stores, seed: u64) {
    let model = Stores::open(|| {
        let log = MemoryLog::new();
        let inbox = log.inbox();
        async move { (Arc::new(log.clone()) as _, Arc::new(inbox) as _, Arc::new(log) as _) }
    });
    let (tried, model) = (Desk::new(stores), Desk::new(model.await));
    let mut dice = Dice(seed);
    let (mut ids, mut event_ids): (Vec<NotificationId>, Vec<EventId>) = Default::default();
    for step in 0..STEPS {
        let (user, role) = USERS[dice.roll(USERS.len())];
        let (who, same) = (tried.enter(user, role).await, model.enter(user, role).await);
        assert_eq!(who, same, "walk {seed}, step {step}");
        if dice.roll(8) == 0 {
            let memo =
                model.drafts.muted(user, [&[][..], &["NEWS"], &["CARE"], &["NEWS", "CARE"]][dice.roll(4)]);
            assert_eq!(
                model.append(std::slice::from_ref(&memo)).await.rows,
                tried.append(&[memo]).await.rows
            );
            let (muting, same) =
                (tried.stores.inbox.muting(&who.user_id), model.stores.inbox.muting(&who.user_id));
            assert_eq!(
                muting.await.unwrap().kinds(),
                same.await.unwrap().kinds(),
                "walk {seed}, step {step}"
            );
        } else if dice.roll(3) == 0 {
            // One desk's publishes for both, so that the ids agree.
            let rooms: Vec<&str> = (0..=dice.roll(3)).map(|_| ROOMS[dice.roll(ROOMS.len())]).collect();
            let mut publish = model.drafts.publish(&rooms);
            let life = [None, None, Some(20), Some(90)][dice.roll(4)];
            for (_, notification) in &mut publish.rows {
                notification.kind = ["NEWS", "CARE"][dice.roll(2)].parse().unwrap();
                notification.priority = [Priority::Low, Priority::Medium, Priority::High][dice.roll(3)];
            }
            publish.rows[0].1.expires_at = life.map(|seconds| instant(step + seconds));
            let appended = model.append(&[publish.clone()]).await;
            event_ids.push(publish.event_id);
            assert_eq!(tried.append(&[publish]).await.rows, appended.rows);
            ids.extend(appended.rows.iter().map(|row| row.notification.id));
        } else {
            let mark = any_mark(&mut dice, &ids);
            let marked = tried.try_mark(&who, mark.clone(), step).await;
            assert_eq!(
                marked,
                model.try_mark(&who, mark.clone(), step).await,
                "walk {seed}, step {step}: {mark:?}"
            );
        }
        compare(&tried, &model, &who, &mut dice, step, ids.len()).await;
    }
    for event_id in event_ids {
        assert_eq!(tried.explain(event_id).await, model.explain(event_id).await, "walk {seed}");
    }
    assert!(ids.len() > 50, "a walk of some length: {}", ids.len());
}

fn any_mark(dice: &mut Dice, ids: &[NotificationId]) -> Mark {
    let recent = |dice: &mut Dice| ids[ids.len() - 1 - dice.roll(ids.len().min(40))];
    if ids.is_empty() {
        return Mark::ReadAll;
    }
    match dice.roll(12) {
        0 => Mark::ReadAll,
        1 => Mark::ReadUpTo(recent(dice)),
        2..=7 => Mark::Read((0..=dice.roll(2)).map(|_| recent(dice)).collect()),
        _ => Mark::Unread(vec![recent(dice)]),
    }
}

async fn compare(tried: &Desk, model: &Desk, who: &Entitled, dice: &mut Dice, step: i64, ids_so_far: usize) {
    let now = instant(step);
    let place = Position::START.plus(dice.roll(ids_so_far + 2));
    for up_to in [place, Position::END] {
        let (a, b) = (tried.stores.inbox.unread(who, up_to, now), model.stores.inbox.unread(who, up_to, now));
        assert_eq!(a.await.unwrap(), b.await.unwrap(), "unread up to {} at step {step}", up_to.get());
    }
    for status in [ReadStatus::All, ReadStatus::Unread, ReadStatus::Read] {
        let mut query = ListQuery { limit: [1, 3, 100][dice.roll(3)], before: None, status };
        loop {
            let (a, b) = (tried.list(who, query, now).await, model.list(who, query, now).await);
            assert!(a == b, "{query:?} at step {step}");
            query.before = b.and_then(|listing| listing.next);
            if query.before.is_none() || dice.roll(3) == 0 {
                break;
            }
        }
    }
    let (after, rooms) = (place, &who.rooms);
    let limit = [2, 100][dice.roll(2)];
    let page = model.stores.log.replay(rooms, after, Position::END, limit, now).await.unwrap();
    let replay = tried.stores.log.replay(rooms, after, Position::END, limit, now).await.unwrap();
    assert_eq!((replay.rows, replay.through), (page.rows, page.through), "replay at step {step}");
}
