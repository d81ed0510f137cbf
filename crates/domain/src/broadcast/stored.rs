//! What is said, as stores keep it: one text beside the kind and the time, which they look at themselves.

use serde::{Deserialize, Serialize};

use super::{BroadcastDraft, BroadcastKind};
use crate::{ActionUrl, Timestamp};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    title: String,
    message: String,
    audience: Vec<String>,
    action_url: Option<String>,
    starts_at: Option<String>,
    ends_at: Option<String>,
    expires_at: Option<String>,
}

impl BroadcastDraft {
    /// All but the kind and the time of publishing, as JSON.
    ///
    /// # Errors
    /// None that a draft could cause.
    pub fn to_stored(&self) -> Result<String, serde_json::Error> {
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        serde_json::to_string(&Stored {
            title: self.title.clone(),
            message: self.message.clone(),
            audience: self.audience.iter().map(|room| room.as_str().to_owned()).collect(),
            action_url: self.action_url.as_ref().map(|url| url.as_str().to_owned()),
            starts_at: text(self.starts_at),
            ends_at: text(self.ends_at),
            expires_at: text(self.expires_at),
        })
    }

    /// Takes back what a store kept; `None` where it is none of ours.
    #[must_use]
    pub fn from_stored(kind: BroadcastKind, publish_at: Timestamp, stored: &str) -> Option<Self> {
        let stored: Stored = serde_json::from_str(stored).ok()?;
        let instant = |text: Option<String>| text.map(|text| text.parse::<Timestamp>()).transpose().ok();
        let rooms = stored.audience.iter().map(|room| room.parse());
        Some(Self {
            kind,
            title: stored.title,
            message: stored.message,
            audience: rooms.collect::<Result<_, _>>().ok()?,
            action_url: stored.action_url.map(|url| url.parse::<ActionUrl>()).transpose().ok()?,
            publish_at: Some(publish_at),
            starts_at: instant(stored.starts_at)?,
            ends_at: instant(stored.ends_at)?,
            expires_at: instant(stored.expires_at)?,
        })
    }
}
