//! The outbox: each event is in one hand at a time, and nothing is forgotten before it is done.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join};
use uuid::Uuid;

use crate::Faults;
use crate::ports::{Outbox, Posted};

/// The ids of what was laid aside, and why each was.
pub type LaidAside = Vec<(Uuid, String)>;

/// An outbox under test.
pub struct UnderTest {
    /// The outbox.
    pub outbox: Arc<dyn Outbox>,
    /// Posts an event, in a transaction of its own.
    pub post: Arc<dyn Fn(String) -> BoxFuture<'static, Uuid> + Send + Sync>,
    /// What was laid aside, and why.
    pub refused: Arc<dyn Fn() -> BoxFuture<'static, LaidAside> + Send + Sync>,
}

/// Far longer than a case takes.
const LONG: Duration = Duration::from_secs(600);

impl UnderTest {
    async fn post_many(&self, many: usize) -> Vec<Uuid> {
        let mut ids = Vec::new();
        for n in 0..many {
            ids.push((self.post)(event(n)).await);
        }
        ids
    }

    async fn claim(&self, limit: u32, lease: Duration) -> Vec<Uuid> {
        let claimed = self.outbox.claim(limit, lease).await.unwrap();
        claimed.into_iter().map(|posted| posted.id).collect()
    }
}

fn event(n: usize) -> String {
    format!(r#"{{"data": {{"doctorId": "{n}", "scheduleId": "s"}}, "event": "schedule:updated"}}"#)
}

/// The first come first, no more than asked for, and as JSON that says what was said.
pub async fn what_was_posted_is_claimed_in_its_order(under: UnderTest) {
    assert!(under.claim(10, LONG).await.is_empty());
    let ids = under.post_many(5).await;
    let claimed: Vec<Posted> = under.outbox.claim(3, LONG).await.unwrap();
    assert_eq!(claimed.iter().map(|posted| posted.id).collect::<Vec<_>>(), ids[..3]);
    for (n, posted) in claimed.iter().enumerate() {
        let read: serde_json::Value = serde_json::from_str(&posted.event).unwrap();
        assert_eq!(read, serde_json::from_str::<serde_json::Value>(&event(n)).unwrap());
    }
    assert_eq!(under.claim(10, LONG).await, ids[3..]);
}

/// Two that claim at once share what there is, and what is claimed stays so.
pub async fn what_someone_has_in_hand_is_nobody_elses(under: UnderTest) {
    let ids = under.post_many(20).await;
    let (a, b) = join(under.claim(10, LONG), under.claim(10, LONG)).await;
    let mut all: Vec<Uuid> = a.iter().chain(&b).chain(&under.claim(20, LONG).await).copied().collect();
    assert!(a.iter().all(|id| !b.contains(id)), "claimed twice");
    all.sort_by_key(|id| ids.iter().position(|posted| posted == id));
    assert_eq!(all, ids);
    assert!(under.claim(20, LONG).await.is_empty());
}

/// A lease that is over leaves the event to the next.
pub async fn what_was_left_is_claimed_again(under: UnderTest) {
    let ids = under.post_many(3).await;
    assert_eq!(under.claim(2, Duration::ZERO).await, ids[..2]);
    assert_eq!(under.claim(10, LONG).await, ids);
}

/// Also what someone else has claimed again, and what is done already.
pub async fn what_is_done_is_forgotten(under: UnderTest) {
    let ids = under.post_many(3).await;
    under.claim(10, Duration::ZERO).await;
    under.outbox.done(&ids[..2]).await.unwrap();
    under.outbox.done(&ids[..1]).await.unwrap();
    under.outbox.done(&[]).await.unwrap();
    assert_eq!(under.claim(10, LONG).await, ids[2..]);
}

/// It is not claimed again, and kept with what was wrong.
pub async fn what_cannot_be_understood_is_laid_aside(under: UnderTest) {
    let ids = under.post_many(2).await;
    under.claim(10, Duration::ZERO).await;
    let faults = Faults::one("/data", "is missing");
    under.outbox.refuse(ids[0], &faults).await.unwrap();
    // Refused by two nodes, of which one was slow: once is enough.
    under.outbox.done(&[ids[0]]).await.unwrap();
    assert_eq!(under.claim(10, LONG).await, ids[1..]);
    assert_eq!((under.refused)().await, [(ids[0], "/data: is missing".to_owned())]);
}
