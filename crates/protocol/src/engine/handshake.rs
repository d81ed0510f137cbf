//! The HTTP side of a session: what a request asks for, how it is refused, and the open packet.
//!
//! The order of checks is that of engine.io 6.6: transport, then session, then method, then version. Only
//! the checks that need no look-up are here; the look-up's own refusals are the constants of
//! [`HandshakeError`].

use std::borrow::Cow;

use bytestring::ByteString;
use serde::Serialize;

use super::Packet;
use crate::Config;

/// How packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// GET to receive, POST to send.
    Polling,
    /// A WebSocket.
    Websocket,
}

/// What a well-formed request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A new session.
    Open(Transport),
    /// GET: packets of this session.
    Poll(String),
    /// POST: packets for this session.
    Post(String),
    /// A WebSocket for this polling session.
    Upgrade(String),
}

/// A refused request. `Display` is the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct HandshakeError {
    code: u8,
    message: Cow<'static, str>,
}

impl HandshakeError {
    /// Code 0.
    pub const TRANSPORT_UNKNOWN: Self = Self::new(0, "Transport unknown");
    /// Code 1: no session of that id, or no longer.
    pub const SESSION_UNKNOWN: Self = Self::new(1, "Session ID unknown");
    /// Code 2.
    pub const BAD_METHOD: Self = Self::new(2, "Bad handshake method");
    /// Code 3: among others a poll of a session that has upgraded, or a second GET while one is pending.
    pub const BAD_REQUEST: Self = Self::new(3, "Bad request");
    /// Code 4: the caller may not open a session.
    pub const FORBIDDEN: Self = Self::new(4, "Forbidden");
    /// Code 5.
    pub const UNSUPPORTED_VERSION: Self = Self::new(5, "Unsupported protocol version");

    const fn new(code: u8, message: &'static str) -> Self {
        Self { code, message: Cow::Borrowed(message) }
    }

    /// Code 4 with another message.
    #[must_use]
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self { code: 4, message: message.into() }
    }

    /// The Engine.IO code, 0 to 5.
    #[must_use]
    pub fn code(&self) -> u8 {
        self.code
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        if self.code == 4 { 403 } else { 400 }
    }

    /// The JSON body; its content type is `application/json`.
    #[must_use]
    pub fn body(&self) -> String {
        format!(r#"{{"code":{},"message":{}}}"#, self.code, serde_json::Value::from(&*self.message))
    }
}

/// Reads a request: its method, its raw query string (without `?`), and whether it asks for a WebSocket.
/// Other parameters (`t`, `b64`, `j` and the application's own) are ignored.
///
/// # Errors
/// The refusal to answer with. `sid`, `transport` or `EIO` given twice is code 3.
pub fn parse(method: &str, query: &str, wants_websocket: bool) -> Result<Asked, HandshakeError> {
    let (mut version, mut transport, mut sid) = (None, None, None);
    for (name, value) in pairs(query) {
        let slot = match &*name {
            "EIO" => &mut version,
            "transport" => &mut transport,
            "sid" => &mut sid,
            _ => continue,
        };
        if slot.replace(value).is_some() {
            return Err(HandshakeError::BAD_REQUEST);
        }
    }
    let transport = match transport.as_deref() {
        Some("polling") => Transport::Polling,
        Some("websocket") => Transport::Websocket,
        _ => return Err(HandshakeError::TRANSPORT_UNKNOWN),
    };
    let is_v4 = version.as_deref() == Some("4");
    match sid.filter(|sid| !sid.is_empty()) {
        Some(sid) => parse_for_session(method, transport, wants_websocket, is_v4, sid.into_owned()),
        None if method != "GET" => Err(HandshakeError::BAD_METHOD),
        None if wants_websocket != (transport == Transport::Websocket) => Err(HandshakeError::BAD_REQUEST),
        None if !is_v4 => Err(HandshakeError::UNSUPPORTED_VERSION),
        None => Ok(Asked::Open(transport)),
    }
}

fn parse_for_session(
    method: &str,
    transport: Transport,
    wants_websocket: bool,
    is_v4: bool,
    sid: String,
) -> Result<Asked, HandshakeError> {
    if !is_v4 {
        return Err(HandshakeError::BAD_REQUEST);
    }
    match (method, transport, wants_websocket) {
        ("GET", Transport::Polling, false) => Ok(Asked::Poll(sid)),
        ("POST", Transport::Polling, false) => Ok(Asked::Post(sid)),
        ("GET", Transport::Websocket, true) => Ok(Asked::Upgrade(sid)),
        (_, Transport::Polling, false) => Err(HandshakeError::BAD_METHOD),
        _ => Err(HandshakeError::BAD_REQUEST),
    }
}

/// The decoded pairs of a query string. What is no escape stays as it is, and bytes that are no UTF-8 become
/// U+FFFD, as in Node.
pub fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (unescape(name), unescape(value))
    })
}

fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The fields in the order in which the official server writes them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Open<'a> {
    sid: &'a str,
    upgrades: &'a [&'a str],
    ping_interval: u128,
    ping_timeout: u128,
    max_payload: usize,
}

/// The first packet of a session. Upgrades are offered on polling alone, and only if allowed.
#[must_use]
pub fn open_packet(config: &Config, sid: &str, transport: Transport) -> Packet {
    let upgrades: &[&str] =
        if config.allow_upgrades && transport == Transport::Polling { &["websocket"] } else { &[] };
    let open = Open {
        sid,
        upgrades,
        ping_interval: config.ping_interval.as_millis(),
        ping_timeout: config.ping_timeout.as_millis(),
        max_payload: config.max_payload,
    };
    #[expect(clippy::expect_used, reason = "strings and integers always serialise")]
    let json = serde_json::to_string(&open).expect("the open packet serialises");
    Packet::Open(ByteString::from(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: &str, query: &str, ws: bool) -> (u8, u16, String) {
        let error = parse(method, query, ws).unwrap_err();
        (error.code(), error.status(), error.body())
    }

    #[test]
    fn each_request_is_read() {
        let sid = || "a.b".to_owned();
        for (method, query, ws, asked) in [
            ("GET", "EIO=4&transport=polling&t=abc&b64=1&j=0", false, Asked::Open(Transport::Polling)),
            ("GET", "transport=websocket&EIO=4", true, Asked::Open(Transport::Websocket)),
            ("GET", "EIO=4&transport=polling&sid=", false, Asked::Open(Transport::Polling)),
            ("GET", "EIO=4&transport=polling&sid=a%2Eb", false, Asked::Poll(sid())),
            ("POST", "EIO=4&transport=polling&sid=a.b", false, Asked::Post(sid())),
            ("GET", "EIO=4&transport=websocket&sid=a.b", true, Asked::Upgrade(sid())),
        ] {
            assert_eq!(parse(method, query, ws), Ok(asked), "{method} {query}");
        }
    }

    #[test]
    fn each_refusal_has_its_code() {
        let body = r#"{"code":0,"message":"Transport unknown"}"#;
        assert_eq!(refused("GET", "EIO=4", false), (0, 400, body.into()));
        for (method, query, ws, code) in [
            ("GET", "", false, 0),
            ("GET", "EIO=4&transport=webtransport", false, 0),
            ("GET", "EIO=4&transport=__proto__", false, 0),
            ("POST", "EIO=4", false, 0),
            ("POST", "EIO=4&transport=polling", false, 2),
            ("HEAD", "EIO=4&transport=polling", false, 2),
            ("PUT", "EIO=4&transport=polling&sid=a", false, 2),
            ("GET", "EIO=4&transport=websocket", false, 3),
            ("GET", "EIO=4&transport=polling", true, 3),
            ("GET", "EIO=4&transport=websocket&sid=a", false, 3),
            ("GET", "EIO=3&transport=polling&sid=a", false, 3),
            ("GET", "EIO=4&transport=polling&sid=a&sid=b", false, 3),
            ("GET", "EIO=4&EIO=4&transport=polling", false, 3),
            ("GET", "transport=polling", false, 5),
            ("GET", "EIO=3&transport=polling", false, 5),
            ("GET", "EIO=04&transport=polling", false, 5),
            ("GET", "EIO=3&transport=websocket", true, 5),
        ] {
            assert_eq!(refused(method, query, ws).0, code, "{method} {query}");
        }
    }

    #[test]
    fn a_custom_refusal_is_403_and_escaped() {
        let error = HandshakeError::forbidden("no \"you\"");
        assert_eq!((error.code(), error.status()), (4, 403));
        assert_eq!(error.body(), r#"{"code":4,"message":"no \"you\""}"#);
    }

    #[test]
    fn a_query_is_decoded_as_node_does() {
        let decoded: Vec<_> = pairs("a=1+2&b=%C3%A9&&c&d=%zz%4&e=%ff=x").collect();
        let text: Vec<_> = decoded.iter().map(|(k, v)| format!("{k}:{v}")).collect();
        assert_eq!(text, ["a:1 2", "b:é", "c:", "d:%zz%4", "e:\u{fffd}=x"]);
    }

    #[test]
    fn the_open_packet_keeps_the_official_order() {
        let config = Config::default();
        let Packet::Open(json) = open_packet(&config, "s", Transport::Polling) else { panic!() };
        let rest = r#""pingInterval":25000,"pingTimeout":60000,"maxPayload":100000}"#;
        assert_eq!(json, format!(r#"{{"sid":"s","upgrades":["websocket"],{rest}"#));
        let Packet::Open(json) = open_packet(&config, "s", Transport::Websocket) else { panic!() };
        assert_eq!(json, format!(r#"{{"sid":"s","upgrades":[],{rest}"#));
    }
}
