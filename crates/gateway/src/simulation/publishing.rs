//! Services that publish: under a key they try until they are answered, at whichever node; without one they try once.

use std::sync::Arc;

use carillon_domain::{Draft, IdempotencyKey, PublishError, Published, Timestamp};
use futures_util::future::BoxFuture;
use serde_json::json;

use super::chronicle::Lives;
use super::coverage::{Coverage, Seen};
use super::dice::turn;
use super::node::Node;

type Answer = Result<Published, PublishError>;

/// One publish, from a service's side.
pub(super) struct Job {
    draft: Draft,
    key: Option<IdempotencyKey>,
    /// The node that was asked last, and what it is yet to answer.
    asked: Option<(usize, BoxFuture<'static, Answer>)>,
    is_done: bool,
}

impl Job {
    /// A publish for these rooms, the `n`th of all.
    pub(super) fn new(n: usize, rooms: &[String], is_keyed: bool, expires_at: Option<Timestamp>) -> Self {
        let now = Timestamp::from_millis(0).unwrap_or_else(|| unreachable!("1970 was"));
        let mut body = json!({"to": rooms, "type": "NEWS", "title": "t", "message": n.to_string()});
        if let Some(end) = expires_at {
            body["expiresAt"] = json!(end);
        }
        let fingerprint = [u8::try_from(n % 251).unwrap_or_default(); 32];
        let key = IdempotencyKey { scope: "service".into(), key: n.to_string(), fingerprint };
        let draft = Draft::parse_notification(body, now);
        let draft = draft.unwrap_or_else(|faults| unreachable!("a good draft: {faults}"));
        Self { draft, key: is_keyed.then_some(key), asked: None, is_done: false }
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.is_done && self.asked.is_none()
    }

    pub(super) fn is_done(&self) -> bool {
        self.is_done
    }

    pub(super) fn ask(&mut self, place: usize, node: &Node) {
        let (publisher, draft, key) = (Arc::clone(&node.publisher), self.draft.clone(), self.key.clone());
        let asked = async move { publisher.publish(&draft, key).await };
        self.asked = Some((place, Box::pin(asked)));
    }

    /// The node is gone, and with it the answer.
    pub(super) fn lose(&mut self, place: usize) {
        if self.asked.as_ref().is_some_and(|(node, _)| *node == place) {
            self.asked = None;
            self.is_done = self.key.is_none();
        }
    }

    /// Looks for the answer.
    pub(super) fn look(&mut self, lives: &mut Lives, coverage: &Coverage) {
        let Some(answer) = self.asked.as_mut().and_then(|(_, asked)| turn(asked)) else { return };
        self.asked = None;
        match answer {
            Ok(published) => {
                self.is_done = true;
                lives.acknowledged(&published.stored.notifications);
                if published.replayed {
                    coverage.saw(Seen::KeyReplayed);
                }
            }
            Err(PublishError::Mismatch) => lives.blame("I1: a key was taken for another's".into()),
            Err(PublishError::Full | PublishError::Store(_) | PublishError::Stopped) => {
                coverage.saw(Seen::PublishRefused);
                self.is_done = self.key.is_none();
            }
        }
    }
}
