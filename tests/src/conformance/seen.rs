//! What a server saw of a session's first request, in the words of the official server's `socket.handshake`.

use std::collections::BTreeMap;
use std::time::SystemTime;

use actix_web::http::header::{self, HeaderMap, HttpDate};
use carillon_gateway::Handshake;
use serde_json::{Map, Value, json};

/// Headers by name; what is said twice is joined.
pub(super) fn headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::<_, String>::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        seen.entry(name.to_string())
            .and_modify(|known| known.extend([", ", &*value]))
            .or_insert_with(|| value.into_owned());
    }
    seen
}

/// All but `auth`, which each CONNECT brings.
pub(super) fn handshake(handshake: &Handshake<'_>) -> Map<String, Value> {
    let now = SystemTime::now();
    let issued = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let seen = json!({
        "headers": headers(handshake.headers),
        "time": HttpDate::from(now).to_string(),
        "address": handshake.address.map(|address| address.ip().to_string()),
        "xdomain": handshake.headers.contains_key(header::ORIGIN),
        // This server ends no TLS.
        "secure": false,
        "issued": u64::try_from(issued).unwrap_or(u64::MAX),
        "url": handshake.uri.to_string(),
        "query": query(handshake),
    });
    if let Value::Object(seen) = seen { seen } else { Map::new() }
}

/// By name; what is said twice is a list, as in Node.
fn query(handshake: &Handshake<'_>) -> Map<String, Value> {
    let mut seen = Map::new();
    for (name, value) in handshake.query() {
        match seen.get_mut(&*name) {
            None => drop(seen.insert(name.into_owned(), value.into())),
            Some(Value::Array(known)) => known.push(value.into()),
            Some(known) => *known = json!([known.take(), value]),
        }
    }
    seen
}
