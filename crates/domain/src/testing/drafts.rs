//! Builders: publishes and principals of which a test states only what it is about.
#![expect(clippy::unwrap_used, reason = "a test that misspells an id stops here")]

use serde_json::{Map, json};

use super::CountingIds;
use crate::ports::{MintIds, Publish};
use crate::{
    Data, Draft, EventName, IdempotencyKey, Memo, Notification, Principal, Priority, Role, Room, Timestamp,
};

/// `seconds` after the moment at which the tests take place, 2026-11-22T12:00:00Z.
#[must_use]
pub fn instant(seconds: i64) -> Timestamp {
    Timestamp::from_millis((1_795_348_800 + seconds) * 1_000).unwrap()
}

/// The room of this name.
#[must_use]
pub fn room(name: &str) -> Room {
    name.parse().unwrap()
}

/// A principal without a profile, whose token ends in an hour.
#[must_use]
pub fn principal(user_id: &str, role: Role) -> Principal {
    Principal::new(user_id.parse().unwrap(), None, role, None, instant(3_600))
}

/// Makes drafts and publishes, each with ids of its own.
#[derive(Debug, Default)]
pub struct Drafts {
    ids: CountingIds,
}

impl Drafts {
    /// A source of drafts.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A draft for these rooms, as posted to the API.
    #[must_use]
    pub fn draft(&self, rooms: &[&str]) -> Draft {
        let body = json!({"to": rooms, "type": "NEWS", "title": "News", "message": "There is news."});
        Draft::parse_notification(body, instant(0)).unwrap()
    }

    /// A publish at [`instant`] 0 for these rooms; change its fields at will.
    #[must_use]
    pub fn publish(&self, rooms: &[&str]) -> Publish {
        let at = instant(0);
        let rows = rooms.iter().map(|name| (room(name), self.notification(at))).collect();
        Publish { event_id: self.ids.event_id(), key: None, at, rows }
    }

    /// A publish with a caller's key; `body` stands for the digest of the request.
    #[must_use]
    pub fn keyed(&self, rooms: &[&str], scope: &str, key: &str, body: u8) -> Publish {
        let key = IdempotencyKey { scope: scope.into(), key: key.into(), fingerprint: [body; 32] };
        Publish { key: Some(key), ..self.publish(rooms) }
    }

    /// A publish of `user:status_changed`.
    #[must_use]
    pub fn status(&self, user_id: &str, status: &str) -> Publish {
        let mut publish = self.publish(&[&format!("user:{user_id}")]);
        let data = json!({"userId": user_id, "status": status});
        publish.rows[0].1.event = Some(EventName::UserStatusChanged);
        publish.rows[0].1.data = Data::new(data.as_object().unwrap()).unwrap();
        publish
    }

    /// A publish of what a user mutes from then on.
    #[must_use]
    pub fn muted(&self, user_id: &str, kinds: &[&str]) -> Publish {
        let kinds = kinds.iter().map(|kind| kind.parse().unwrap()).collect();
        let memo = Memo::Muted { user_id: user_id.parse().unwrap(), kinds };
        let at = instant(0);
        let rows = vec![memo.row(self.ids.notification_id(), at)];
        Publish { event_id: self.ids.event_id(), key: None, at, rows }
    }

    /// A publish that erases a user, and these rooms.
    #[must_use]
    pub fn erased(&self, user_id: &str, rooms: Vec<Room>) -> Publish {
        let (memo, at) = (Memo::Erased { user_id: user_id.parse().unwrap(), rooms }, instant(0));
        let rows = vec![memo.row(self.ids.notification_id(), at)];
        Publish { event_id: self.ids.event_id(), key: None, at, rows }
    }

    fn notification(&self, created_at: Timestamp) -> Notification {
        Notification {
            id: self.ids.notification_id(),
            event: None,
            kind: "NEWS".parse().unwrap(),
            title: "News".into(),
            message: "There is news.".into(),
            data: Data::new(&Map::new()).unwrap(),
            priority: Priority::Medium,
            action_url: None,
            created_at,
            expires_at: None,
        }
    }
}
