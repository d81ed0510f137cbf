//! Rows that say something to the nodes and nothing to any reader.
//!
//! What must take effect on every node, at one place of the log and before anything that comes after it, is a row of the
//! log itself: ordered, repeated and caught up with as all rows are. A memo lies in its user's own room and has *always
//! been over*, so no listing, count or replay shows it, and the hub offers it to nobody. No draft can be one, since a draft
//! ends in the future if it ends at all.

use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;

use crate::{Data, Kind, Notification, NotificationId, Priority, Room, Timestamp, UserId};

/// What a memo says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Memo {
    /// From here on this user wants no word of these types, and of all others again.
    Muted {
        /// Who.
        user_id: UserId,
        /// All that they mute now.
        kinds: Vec<Kind>,
    },
    /// What was said to this user alone up to here, and all that is kept of their reading, is no more.
    Erased {
        /// Who.
        user_id: UserId,
        /// The rooms whose rows are gone.
        rooms: Vec<Room>,
    },
}

/// The `type`s by which the stores' triggers know them.
const MUTED: &str = "CARILLON_MUTED";
pub(crate) const ERASED: &str = "CARILLON_ERASED";

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Said {
    Muted { muted: Vec<Kind> },
    Erased { rooms: Vec<Room> },
}

impl Memo {
    /// The row that says so.
    #[must_use]
    pub fn row(self, id: NotificationId, at: Timestamp) -> (Room, Notification) {
        let (user_id, kind, said) = match self {
            Self::Muted { user_id, kinds } => (user_id, MUTED, Said::Muted { muted: kinds }),
            Self::Erased { user_id, rooms } => (user_id, ERASED, Said::Erased { rooms }),
        };
        #[expect(clippy::expect_used, reason = "our own types always serialise, and a type's name is a type")]
        let (data, kind) = (to_raw_value(&said).expect("a list of words"), kind.parse().expect("a type"));
        let notification = Notification {
            id,
            event: None,
            kind,
            title: String::new(),
            message: String::new(),
            data: Data::from(data),
            priority: Priority::Low,
            action_url: None,
            created_at: at,
            expires_at: Some(Timestamp::UNIX_EPOCH),
        };
        (Room::user(&user_id), notification)
    }

    /// What a row says to the nodes, if that is what it is for. The room names the user.
    #[must_use]
    pub fn read(room: &Room, notification: &Notification) -> Option<Self> {
        if notification.expires_at != Some(Timestamp::UNIX_EPOCH)
            || ![MUTED, ERASED].contains(&notification.kind.as_str())
        {
            return None;
        }
        let user_id = room.user_id()?;
        match serde_json::from_str(notification.data.as_str()).ok()? {
            Said::Muted { muted: kinds } => Some(Self::Muted { user_id, kinds }),
            Said::Erased { rooms } => Some(Self::Erased { user_id, rooms }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::MintIds as _;
    use crate::testing::{CountingIds, Drafts, instant, room};

    #[test]
    fn a_memo_is_read_back_and_shown_to_nobody() {
        let kinds = vec!["NEWS".parse().unwrap(), "REVIEW_CREATED".parse().unwrap()];
        let (user_id, rooms) = ("a:1".parse::<UserId>().unwrap(), vec![room("user:a:1"), room("patient:7")]);
        for memo in [Memo::Muted { user_id: user_id.clone(), kinds }, Memo::Erased { user_id, rooms }] {
            let (place, notification) = memo.clone().row(CountingIds::new().notification_id(), instant(0));
            assert_eq!(Memo::read(&place, &notification), Some(memo));
            assert_eq!(place, room("user:a:1"));
            // Whatever a node's clock shows.
            assert!(notification.is_expired(Timestamp::UNIX_EPOCH));
        }
    }

    #[test]
    fn nothing_that_is_published_is_a_memo() {
        let (place, notification) = Drafts::new().publish(&["user:1"]).rows.remove(0);
        let forged = Notification {
            kind: MUTED.parse().unwrap(),
            data: Data::from(to_raw_value(&Said::Muted { muted: Vec::new() }).unwrap()),
            ..notification
        };
        assert_eq!(Memo::read(&place, &forged), None);
    }
}
