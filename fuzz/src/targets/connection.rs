//! A whole session: a client, the network and the application do as the input says, a line each.
//!
//! ```text
//!   the first line: W for a session on a WebSocket, anything else for one on polling; then by a line's first letter
//!   g  GET              w…  a text message over the WebSocket    t…  so many milliseconds pass
//!   p… POST (| is 0x1e) x…  a binary one                         s…  the application sends this
//!   u  WebSocket        c   it closes       f  it breaks         e…  the same, and asks for an acknowledgement
//!   a  the GET is gone  b   a POST is gone                       d   it ends the socket     z  it closes the session
//! ```

use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use carillon_protocol::engine::{Input, Message, Packet, Request, Transport, payload};
use carillon_protocol::socket::Event;
use carillon_protocol::{Config, Connection, Frame, Output, Reason};

use super::protocol::text;

const BUFFER: usize = 256;

/// Whatever happens, the end is said once and in order, nothing follows it, links are used only while they are there,
/// and no more is kept than was agreed.
pub fn connection(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let transport = match lines.next() {
        Some([b'W', ..]) => Transport::Websocket,
        _ => Transport::Polling,
    };
    let mut driver = Driver::open(transport, data.len());
    for line in lines {
        if let Some((letter, rest)) = line.split_first() {
            driver.step(*letter, rest);
        }
    }
    driver.end();
}

/// What a driver knows of its links, and what it has been told.
struct Driver {
    connection: Connection,
    now: Duration,
    input_bytes: usize,
    has_get: bool,
    has_socket: bool,
    // The peer has closed it; the connection may still ask for that.
    lost_socket: bool,
    joined: Vec<ByteString>,
    closed: bool,
    finished: bool,
}

impl Driver {
    fn open(transport: Transport, input_bytes: usize) -> Self {
        let config =
            Config { max_payload: 1_000, buffer_bytes: BUFFER, max_namespaces: 4, ..Config::default() };
        let is_polling = transport == Transport::Polling;
        let mut driver = Self {
            connection: Connection::open(config, "sid", transport, Duration::ZERO),
            now: Duration::ZERO,
            input_bytes,
            has_get: is_polling,
            has_socket: !is_polling,
            lost_socket: false,
            joined: Vec::new(),
            closed: false,
            finished: false,
        };
        driver.drain();
        driver
    }

    fn step(&mut self, letter: u8, rest: &[u8]) {
        match letter {
            b'g' | b'p' | b'u' => self.request(letter, rest),
            b'w' => self.input(Input::Socket(Message::Text(text(rest).unwrap_or_default()))),
            b'x' => self.input(Input::Socket(Message::Binary(Bytes::copy_from_slice(rest)))),
            b'c' | b'f' if self.has_socket => {
                (self.has_socket, self.lost_socket) = (false, true);
                self.input(if letter == b'c' { Input::SocketClosed } else { Input::SocketFailed });
            }
            b'a' if self.has_get => {
                self.has_get = false;
                self.input(Input::PollAborted);
            }
            b'b' => self.input(Input::BodyFailed),
            b't' => {
                let ms = std::str::from_utf8(rest).ok().and_then(|rest| rest.parse::<u32>().ok());
                self.pass(Duration::from_millis(ms.unwrap_or(1).min(100_000).into()));
            }
            b's' | b'e' => self.send(letter == b'e', rest),
            b'd' => drop(self.connection.disconnect("/")),
            b'z' => self.connection.close(Reason::ForcedClose, None, self.now),
            _ => {}
        }
        self.drain();
    }

    fn request(&mut self, letter: u8, rest: &[u8]) {
        let request = match letter {
            b'g' => Request::Poll,
            b'u' => Request::Probe,
            _ => Request::Body(rest.iter().map(|byte| if *byte == b'|' { 0x1e } else { *byte }).collect()),
        };
        let is_accepted = self.connection.request(request, self.now).is_ok();
        if is_accepted && letter == b'g' {
            assert!(!self.has_get, "two GETs are pending");
            self.has_get = true;
        }
        if is_accepted && letter == b'u' {
            assert!(!self.has_socket, "two WebSockets are attached");
            (self.has_socket, self.lost_socket) = (true, false);
        }
    }

    fn send(&mut self, wants_ack: bool, rest: &[u8]) {
        let arg = [String::from_utf8_lossy(rest)];
        if wants_ack {
            let _ = self.connection.emit_with_ack("/", "ask", &arg, &[]);
        } else if let Ok(frame) = Frame::event("/", "tell", &arg) {
            let _ = self.connection.send(&frame);
        }
    }

    fn input(&mut self, input: Input) {
        self.connection.handle(input, self.now);
    }

    /// Lets time pass, with every timer on the way.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        self.drain();
        while let Some(due) = self.connection.deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.input(Input::Timer);
            self.drain();
            assert_ne!(self.connection.deadline(), Some(due), "a timer that does not move");
        }
        self.now = until;
    }

    fn end(mut self) {
        self.connection.close(Reason::ForcedClose, None, self.now);
        self.drain();
        assert!(self.closed, "a closed connection has not said so");
        self.pass(Duration::from_secs(60));
        assert!(self.finished, "the end never came");
        assert_eq!(self.connection.deadline(), None);
        self.step(b'g', b"");
        self.step(b'w', b"40");
    }

    fn drain(&mut self) {
        while let Some(output) = self.connection.poll_output() {
            assert!(!self.finished, "{output:?} after the end");
            match output {
                Output::Poll(body) => self.on_poll(&body),
                Output::Socket(message) => {
                    assert!(self.has_socket, "{message:?} for no WebSocket");
                    Packet::decode(message).expect("we write what can be read");
                }
                Output::CloseSocket(_) => {
                    assert!(self.has_socket || self.lost_socket, "no WebSocket to close");
                    (self.has_socket, self.lost_socket) = (false, false);
                }
                Output::Upgraded => assert!(self.has_socket),
                Output::Event(event) => self.on_event(event),
                Output::Closed(_) => {
                    assert!(self.joined.is_empty(), "{:?} have not been told", self.joined);
                    assert!(!std::mem::replace(&mut self.closed, true), "closed twice");
                }
                Output::Finished => {
                    assert!(self.closed, "finished and not closed");
                    assert!(!self.has_get && !self.has_socket, "finished with a link left");
                    self.finished = true;
                }
            }
        }
    }

    fn on_poll(&mut self, body: &ByteString) {
        assert!(std::mem::take(&mut self.has_get), "an answer to no GET");
        assert!(payload::decode(body).all(|packet| packet.is_ok()), "we write what can be read: {body:?}");
        // Replies may use the buffer twice over, one packet may be larger than that, and base64 takes a third more.
        assert!(body.len() <= 4 * BUFFER + 2 * self.input_bytes + 1_000, "{} bytes were kept", body.len());
    }

    /// The application: it lets everyone in but for `/no`, and answers with what it was asked.
    fn on_event(&mut self, event: Event) {
        assert!(!self.closed, "{event:?} after the end");
        match event {
            Event::Connect { nsp, .. } if nsp == "/no" => drop(self.connection.refuse(&nsp, "no", None)),
            Event::Connect { nsp, .. } => {
                if self.connection.accept(&nsp, "id", None) {
                    self.joined.push(nsp);
                }
            }
            Event::Emitted { nsp, args, ack: Some(id), .. } => {
                assert!(self.joined.contains(&nsp));
                let _ = self.connection.ack(&nsp, id, &args, args.attachments());
            }
            Event::Emitted { nsp, .. } | Event::Acked { nsp, .. } => assert!(self.joined.contains(&nsp)),
            Event::Disconnected { nsp, .. } => {
                let place = self.joined.iter().position(|joined| *joined == nsp);
                self.joined.remove(place.expect("told twice, or never let in"));
            }
        }
    }
}
