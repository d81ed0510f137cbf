//! One Socket.IO client without its socket: bytes in, bytes out, and what it heard. It answers pings and believes what the
//! server says.
//!
//! ```text
//! Open ── open packet ──▶ Joining ── CONNECT answered ──▶ Greeted ── inbox:state ──▶ Joined
//!                                            └── where the server sends no inbox:state ──▲
//! ```

use anyhow::{Context as _, Result, bail, ensure};
use memchr::memmem;

use super::{frames, http};

/// The key of RFC 6455's example, and the answer that proves a server has read it.
const UPGRADE: &str = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const POLLING: &str = "/socket.io/?EIO=4&transport=polling";
/// Between the packets of a polling answer.
const SEPARATOR: u8 = 0x1e;

/// How a client is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    WebSocket,
    Polling,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    Joining,
    Greeted,
    Joined,
}

/// What a client took from what it read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It is connected, and was told of its inbox where the server does that.
    Joined,
    /// A notification of this number, in an event of so many bytes.
    Notification { seq: usize, bytes: usize },
}

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    stage: Stage,
    transport: Transport,
    /// Of a WebSocket: whether the upgrade was answered.
    is_upgraded: bool,
    /// Whether the server tells of the inbox after CONNECT.
    has_inbox: bool,
    token: String,
    /// Of polling: the session's query.
    session: String,
}

impl Client {
    /// A client, and what it sends first.
    pub(crate) fn new(transport: Transport, has_inbox: bool, token: String) -> (Self, String) {
        let first = match transport {
            Transport::WebSocket => UPGRADE.to_owned(),
            Transport::Polling => get(""),
        };
        let (stage, session) = (Stage::Open, String::new());
        (Self { stage, transport, is_upgraded: false, has_inbox, token, session }, first)
    }

    /// Takes the whole messages of these bytes, and says how many bytes they were. What is to be sent is appended to `out`.
    ///
    /// # Errors
    /// When the server refuses, closes, or says what it should not.
    pub(crate) fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>, heard: &mut Vec<Heard>) -> Result<usize> {
        match self.transport {
            Transport::WebSocket => self.take_frames(bytes, out, heard),
            Transport::Polling => self.take_answers(bytes, out, heard),
        }
    }

    fn take_frames(&mut self, bytes: &[u8], out: &mut Vec<u8>, heard: &mut Vec<Heard>) -> Result<usize> {
        let mut taken = 0;
        if !self.is_upgraded {
            let Some(answer) = http::next(bytes)? else { return Ok(0) };
            ensure!(answer.status() == 101, "the upgrade was answered {}", answer.head);
            ensure!(http::header(answer.head, "sec-websocket-accept") == Some(ACCEPT), "{}", answer.head);
            self.is_upgraded = true;
            taken = answer.end;
        }
        while let Some((packet, length)) = frames::next(&bytes[taken..])? {
            if let Some(say) = self.packet(packet, heard)? {
                frames::masked(say.as_bytes(), out);
            }
            taken += length;
        }
        Ok(taken)
    }

    /// One request is under way at any time: what is to be said, else the next poll.
    fn take_answers(&mut self, bytes: &[u8], out: &mut Vec<u8>, heard: &mut Vec<Heard>) -> Result<usize> {
        let mut taken = 0;
        while let Some(answer) = http::next(&bytes[taken..])? {
            ensure!(answer.status() == 200, "a poll was answered {}", answer.head);
            let mut say = None;
            // A POST is answered `ok`.
            for packet in answer.body.split(|byte| *byte == SEPARATOR).filter(|packet| *packet != b"ok") {
                say = self.packet(packet, heard)?.or(say);
            }
            match say {
                Some(say) => http::post(&format!("{POLLING}{}", self.session), "", say.as_bytes(), out),
                None => out.extend_from_slice(get(&self.session).as_bytes()),
            }
            taken += answer.end;
        }
        Ok(taken)
    }

    /// Takes an Engine.IO packet: what is to be said to it.
    fn packet(&mut self, packet: &[u8], heard: &mut Vec<Heard>) -> Result<Option<String>> {
        match (packet, self.stage) {
            ([b'4', b'2', event @ ..], Stage::Joined) => {
                heard.push(notification(event, packet.len())?);
                Ok(None)
            }
            ([b'2'], _) => Ok(Some("3".to_owned())),
            ([b'6'], _) => Ok(None),
            ([b'0', open @ ..], Stage::Open) => {
                self.session = format!("&sid={}", text(open, "\"sid\":\"")?);
                self.stage = Stage::Joining;
                Ok(Some(format!("40{{\"token\":\"{}\"}}", self.token)))
            }
            ([b'4', b'0', ..], Stage::Joining) => {
                self.stage = Stage::Greeted;
                if !self.has_inbox {
                    self.join(heard);
                }
                Ok(None)
            }
            ([b'4', b'2', event @ ..], Stage::Greeted) if event.starts_with(b"[\"inbox:state\"") => {
                self.join(heard);
                Ok(None)
            }
            _ => bail!("{} in {:?}", String::from_utf8_lossy(packet), self.stage),
        }
    }

    fn join(&mut self, heard: &mut Vec<Heard>) {
        self.stage = Stage::Joined;
        heard.push(Heard::Joined);
    }
}

fn get(session: &str) -> String {
    format!("GET {POLLING}{session} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

/// Which one it is, by what the publisher put into its data.
fn notification(event: &[u8], bytes: usize) -> Result<Heard> {
    ensure!(event.starts_with(b"[\"notification\","), "an event {}", String::from_utf8_lossy(event));
    const SEQ: &[u8] = b"\"data\":{\"seq\":";
    let at = memmem::find(event, SEQ).context("a notification without a number")? + SEQ.len();
    let digits = event[at..].iter().take_while(|digit| digit.is_ascii_digit());
    let seq = digits.fold(0, |seq, digit| seq * 10 + usize::from(digit - b'0'));
    Ok(Heard::Notification { seq, bytes })
}

/// The text that follows `before`.
fn text<'a>(json: &'a [u8], before: &str) -> Result<&'a str> {
    let json = std::str::from_utf8(json)?;
    let rest = json.split_once(before).and_then(|(_, rest)| rest.split_once('"'));
    rest.map(|(text, _)| text).with_context(|| format!("no {before} in {json}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &[u8] = b"0{\"sid\":\"s1\",\"upgrades\":[],\"pingInterval\":25000}";
    const EVENT: &[u8] = b"42[\"notification\",{\"title\":\"7\",\"data\":{\"seq\":31},\"id\":9},\"a.b\"]";

    fn framed(packets: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        packets.iter().for_each(|packet| frames::unmasked(packet, &mut bytes));
        bytes
    }

    #[test]
    fn a_websocket_says_its_token_waits_for_its_inbox_and_hears() {
        let (mut client, _) = Client::new(Transport::WebSocket, true, "abc".into());
        let mut bytes = format!("HTTP/1.1 101 X\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n").into_bytes();
        let (mut out, mut heard) = (Vec::new(), Vec::new());
        bytes.extend(framed(&[OPEN]));
        assert_eq!(client.take(&bytes, &mut out, &mut heard).unwrap(), bytes.len());
        assert_eq!(frames::next(&out).unwrap().unwrap().0, b"40{\"token\":\"abc\"}");
        let bytes = framed(&[b"40{\"sid\":\"x\"}"]);
        client.take(&bytes, &mut out, &mut heard).unwrap();
        assert!(heard.is_empty());
        let bytes = framed(&[b"42[\"inbox:state\",{}]", EVENT, b"2", EVENT]);
        let cut = bytes.len() - 3;
        out.clear();
        let taken = client.take(&bytes[..cut], &mut out, &mut heard).unwrap();
        assert_eq!(taken + EVENT.len() + 2, bytes.len());
        let told = Heard::Notification { seq: 31, bytes: EVENT.len() };
        assert_eq!(
            (&heard[..], frames::next(&out).unwrap().unwrap().0),
            (&[Heard::Joined, told][..], &b"3"[..])
        );
    }

    #[test]
    fn polling_says_its_token_and_polls_again() {
        let (mut client, first) = Client::new(Transport::Polling, false, "abc".into());
        assert!(first.starts_with("GET /socket.io/?EIO=4&transport=polling HTTP"));
        let answer = |body: &[u8]| {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            [head.as_bytes(), body].concat()
        };
        let mut heard = Vec::new();
        let mut say = |body: &[u8]| {
            let mut out = Vec::new();
            client.take(&answer(body), &mut out, &mut heard).unwrap();
            String::from_utf8(out).unwrap()
        };
        let said = say(OPEN);
        assert!(
            said.starts_with("POST /socket.io/?EIO=4&transport=polling&sid=s1 ")
                && said.ends_with("40{\"token\":\"abc\"}")
        );
        for body in [&b"ok"[..], b"40{\"sid\":\"x\"}", &[EVENT, EVENT].join(&SEPARATOR)] {
            assert!(say(body).starts_with("GET /socket.io/?EIO=4&transport=polling&sid=s1 "));
        }
        assert_eq!(heard.len(), 3);
    }

    #[test]
    fn a_refusal_is_an_error() {
        let (mut client, _) = Client::new(Transport::Polling, false, "abc".into());
        client.packet(OPEN, &mut Vec::new()).unwrap();
        assert!(client.packet(b"44{\"message\":\"no\"}", &mut Vec::new()).is_err());
    }
}
