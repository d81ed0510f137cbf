//! What `@socket.io/redis-emitter` 5 and `@socket.io/redis-adapter` 8 put on their channels, read as if anyone had written it.
//!
//! | channel | what |
//! | --- | --- |
//! | `{key}#/#`, `{key}#/#{room}#` | MessagePack: `[uid, {type: 2, data: [event, …], nsp}, {rooms, flags, except}]` |
//! | `{key}-request#/#` | JSON, or MessagePack where there may be binary: `{type, requestId?, opts?, …}` |
//! | `{key}-response#/#` | answers to requests that have an id |

use carillon_domain::{Audience, Emit};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::{RawValue, to_raw_value};

use super::Ignored;
use super::msgpack::{self, MOST_BYTES};

/// The one namespace there is.
const NAMESPACE: &str = "/";
/// The most names of rooms: each is looked up while the hub stands still.
const MOST_NAMES: usize = 1_000;
/// The longest id of a request that is answered.
const MOST_REQUEST_ID: usize = 64;

/// A request to all Socket.IO servers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Ends sockets.
    Dismiss(Audience),
    /// Asks for something that is not here; this is how one says so.
    Answer(String),
    /// Nothing that one could do or say.
    Unsupported,
}

#[derive(Deserialize)]
struct Packet {
    #[serde(rename = "type")]
    kind: u8,
    data: Vec<Box<RawValue>>,
    nsp: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Options {
    rooms: Vec<Name>,
    except: Vec<Name>,
    flags: Flags,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Flags {
    volatile: Option<bool>,
}

/// A room's name. JavaScript's rooms may be numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Name {
    Text(String),
    Number(serde_json::Number),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestWords {
    #[serde(rename = "type")]
    kind: u8,
    request_id: Option<String>,
    opts: Option<Options>,
}

/// Reads a broadcast.
pub(super) fn broadcast(message: &[u8]) -> Result<Emit, Ignored> {
    let json = msgpack::to_json(message)?;
    let words: (IgnoredAny, Packet, Options) = serde_json::from_str(&json.text).map_err(|_| Ignored::Form)?;
    let (_, Packet { kind, data, nsp }, options) = words;
    if nsp.is_some_and(|nsp| nsp != NAMESPACE) {
        return Err(Ignored::Namespace);
    }
    // EVENT, or BINARY_EVENT by those who look into the arguments.
    if !matches!(kind, 2 | 5) {
        return Err(Ignored::Form);
    }
    let (name, args) = data.split_first().ok_or(Ignored::Form)?;
    Ok(Emit {
        name: serde_json::from_str(name.get()).map_err(|_| Ignored::Form)?,
        args: to_raw_value(args).map_err(|_| Ignored::Form)?,
        attachments: json.attachments,
        is_volatile: options.flags.volatile.unwrap_or_default(),
        audience: options.audience()?,
    })
}

/// Reads a request.
pub(super) fn request(message: &[u8]) -> Result<Request, Ignored> {
    if message.len() > MOST_BYTES {
        return Err(Ignored::Size);
    }
    let words: Result<RequestWords, _> = match message.first() {
        Some(b'{') => serde_json::from_slice(message),
        _ => serde_json::from_str(&msgpack::to_json(message)?.text),
    };
    let RequestWords { kind, request_id, opts } = words.map_err(|_| Ignored::Form)?;
    let id = request_id.filter(|id| id.len() <= MOST_REQUEST_ID);
    let answer = |more: serde_json::Value| {
        let Some(id) = &id else { return Request::Unsupported };
        let mut answer = more;
        answer["requestId"] = id.as_str().into();
        Request::Answer(answer.to_string())
    };
    Ok(match kind {
        // Node's servers wait for a word from each subscriber: our sockets are none of theirs.
        0 | 5 => answer(serde_json::json!({"sockets": []})),
        1 => answer(serde_json::json!({"rooms": []})),
        6 => answer(serde_json::json!({"type": 6, "data": null})),
        7 => answer(serde_json::json!({"type": 8, "clientCount": 0})),
        4 => match opts {
            Some(options) => Request::Dismiss(options.audience()?),
            None => Request::Unsupported,
        },
        2 | 3 => Request::Unsupported,
        _ => return Err(Ignored::Form),
    })
}

impl Options {
    fn audience(self) -> Result<Audience, Ignored> {
        if self.rooms.len() + self.except.len() > MOST_NAMES {
            return Err(Ignored::Size);
        }
        let names = |names: Vec<Name>| names.into_iter().map(Name::text).collect();
        Ok(Audience { rooms: names(self.rooms), except: names(self.except) })
    }
}

impl Name {
    fn text(self) -> String {
        match self {
            Self::Text(name) => name,
            Self::Number(name) => name.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
