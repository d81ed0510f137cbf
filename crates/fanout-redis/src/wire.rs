//! What nodes say to each other, as JSON below the [`seal`](crate::seal). Short names: the rows of a hint go to every
//! node.
//!
//! What is read is checked as if anyone had written it: ids and rooms parse, data is an object of the size it may have,
//! a hint holds every row that it speaks for or none.

use std::sync::Arc;

use carillon_domain::ports::{MarkNews, Resumed, Signal};
use carillon_domain::{
    ActionUrl, Data, Epoch, EventId, EventName, Hint, Kind, Notification, NotificationId, Position, Priority,
    Row, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::presence::Told;
use crate::seal::Ignored;

/// Rows travel with their hint up to about this size; beyond it, each node reads them from the store.
const MOST_HINT_BYTES: usize = 128 * 1024;

/// One node's word to all.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Message<S, B> {
    /// Which process says it.
    pub(crate) from: S,
    /// What.
    pub(crate) body: B,
}

/// What is said.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Body<R> {
    /// "I am here": comes back to who said it, too.
    Beat(u64),
    /// "I go."
    Bye,
    Hint(HintWords<R>),
    Marked(MarkWords),
    Resumed {
        user: UserId,
        socket: String,
        claim: u64,
    },
    Presence(Told),
}

/// What is heard.
pub(crate) type Heard = Message<String, Body<HeardRow>>;
type HeardRow = RowWords<String, Box<RawValue>>;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HintWords<R> {
    epoch: u64,
    from: u64,
    to: u64,
    rows: Vec<R>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MarkWords {
    user: UserId,
    except: Option<String>,
    read: bool,
    ids: Vec<Uuid>,
    up_to: Option<Uuid>,
    unread: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RowWords<S, D> {
    at: u64,
    room: S,
    event_id: Uuid,
    id: Uuid,
    event: Option<S>,
    kind: S,
    title: S,
    message: S,
    data: D,
    priority: S,
    url: Option<S>,
    created: i64,
    expires: Option<i64>,
}

/// A body as JSON.
pub(crate) fn write(from: &str, body: &Body<impl Serialize>) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "texts and numbers always serialise")]
    serde_json::to_vec(&Message { from, body }).expect("a message of ours serialises")
}

/// What the other nodes are told of a signal; `None` for what is this node's own affair.
pub(crate) fn write_signal(from: &str, signal: &Signal) -> Option<Vec<u8>> {
    let body = match signal {
        Signal::Hint(hint) => return Some(write_hint(from, hint)),
        Signal::Marked(news) => Body::Marked(MarkWords {
            user: news.user_id.clone(),
            except: news.except.clone(),
            read: news.read,
            ids: news.ids.iter().map(|id| id.as_uuid()).collect(),
            up_to: news.up_to.map(NotificationId::as_uuid),
            unread: news.unread,
        }),
        Signal::Resumed(resumed) => Body::Resumed {
            user: resumed.user_id.clone(),
            socket: resumed.socket_id.clone(),
            claim: resumed.claim,
        },
        Signal::Lagged => return None,
    };
    Some(write(from, &body as &Body<()>))
}

fn write_hint(from: &str, hint: &Hint) -> Vec<u8> {
    let size = |row: &Arc<Row>| {
        let said = &row.notification;
        256 + said.title.len() + said.message.len() + said.data.as_str().len()
    };
    let fits = hint.rows.iter().map(size).sum::<usize>() <= MOST_HINT_BYTES;
    let rows = if fits { hint.rows.iter().map(|row| RowWords::of(row)).collect() } else { Vec::new() };
    let words = HintWords { epoch: hint.epoch.get(), from: hint.from.get(), to: hint.to.get(), rows };
    write(from, &Body::Hint(words))
}

/// Reads a message.
pub(crate) fn read(json: &[u8]) -> Result<Heard, Ignored> {
    serde_json::from_slice(json).map_err(|_| Ignored::Form)
}

/// The signal that another node's words are, if they are one.
pub(crate) fn signal(body: Body<HeardRow>) -> Result<Option<Signal>, Ignored> {
    Ok(Some(match body {
        Body::Hint(words) => Signal::Hint(Arc::new(words.read().ok_or(Ignored::Form)?)),
        Body::Marked(words) => Signal::Marked(Arc::new(MarkNews {
            user_id: words.user,
            except: words.except,
            read: words.read,
            ids: words.ids.into_iter().map(NotificationId::from_uuid).collect(),
            up_to: words.up_to.map(NotificationId::from_uuid),
            unread: words.unread,
        })),
        Body::Resumed { user, socket, claim } => {
            Signal::Resumed(Arc::new(Resumed { user_id: user, socket_id: socket, claim }))
        }
        Body::Beat(_) | Body::Bye | Body::Presence(_) => return Ok(None),
    }))
}

impl HintWords<HeardRow> {
    fn read(self) -> Option<Hint> {
        let (from, to) = (Position::new(self.from)?, Position::new(self.to)?);
        let epoch = Epoch::new(self.epoch);
        if self.rows.is_empty() {
            // Whoever is not there yet must read the store: for a hint that is what a hole is.
            return Some(Hint { epoch, from: to, to, rows: Vec::new() });
        }
        let rows = self.rows.into_iter().map(|row| row.read().map(Arc::new)).collect::<Option<Vec<_>>>()?;
        let is_whole =
            rows.iter().zip(1..).all(|(row, n)| row.position == from.plus(n)) && from.plus(rows.len()) == to;
        is_whole.then_some(Hint { epoch, from, to, rows })
    }
}

impl<'a> RowWords<&'a str, &'a Data> {
    fn of(Row { position, room, event_id, notification: said }: &'a Row) -> Self {
        Self {
            at: position.get(),
            room: room.as_str(),
            event_id: event_id.as_uuid(),
            id: said.id.as_uuid(),
            event: said.event.map(EventName::as_str),
            kind: said.kind.as_str(),
            title: &said.title,
            message: &said.message,
            data: &said.data,
            priority: said.priority.as_str(),
            url: said.action_url.as_ref().map(ActionUrl::as_str),
            created: said.created_at.as_millis(),
            expires: said.expires_at.map(Timestamp::as_millis),
        }
    }
}

impl HeardRow {
    fn read(self) -> Option<Row> {
        // An optional word that is there must be understood.
        fn optional<T, U>(word: Option<T>, read: impl FnOnce(T) -> Option<U>) -> Option<Option<U>> {
            word.map_or(Some(None), |word| read(word).map(Some))
        }
        Some(Row {
            position: Position::new(self.at)?,
            room: self.room.parse().ok()?,
            event_id: EventId::from_uuid(self.event_id),
            notification: Notification {
                id: NotificationId::from_uuid(self.id),
                event: optional(self.event, |name| EventName::find(&name))?,
                kind: self.kind.parse::<Kind>().ok()?,
                title: self.title,
                message: self.message,
                data: data(&self.data)?,
                priority: self.priority.parse::<Priority>().ok()?,
                action_url: optional(self.url, |url| url.parse().ok())?,
                created_at: Timestamp::from_millis(self.created)?,
                expires_at: optional(self.expires, Timestamp::from_millis)?,
            },
        })
    }
}

/// Data that a publisher could have sent.
fn data(raw: &RawValue) -> Option<Data> {
    let text = raw.get();
    let is_data = text.starts_with('{') && text.len() <= Data::MAX_BYTES;
    is_data.then(|| Data::from_stored(text.to_owned()).ok()).flatten()
}

#[cfg(test)]
mod tests;
