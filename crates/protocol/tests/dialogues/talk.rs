//! A conversation in virtual time: what each side does, and then everything that the machine wants done.

use std::time::Duration;

use bytes::Bytes;
use carillon_protocol::engine::{HandshakeError, Input, Message, Request, Transport};
use carillon_protocol::socket::{Args, Event};
use carillon_protocol::{Config, Connection, Output};

/// Round figures that differ from each other: pings 1000/400, connect 5000, upgrade 700, close 3000,
/// attachments 250; 4 packets in a body.
pub(crate) fn config() -> Config {
    let ms = Duration::from_millis;
    Config {
        ping_interval: ms(1000),
        ping_timeout: ms(400),
        connect_timeout: ms(5000),
        upgrade_timeout: ms(700),
        close_timeout: ms(3000),
        attachment_timeout: ms(250),
        max_payload: 1000,
        max_packets: 4,
        buffer_bytes: 100,
        max_namespaces: 3,
        max_pending_acks: 2,
        allow_upgrades: true,
    }
}

pub(crate) struct Talk {
    pub(crate) connection: Connection,
    now: Duration,
    heard: Vec<String>,
}

impl Talk {
    /// A fresh connection whose open packet was checked.
    pub(crate) fn over(transport: Transport, config: Config) -> Self {
        let connection = Connection::open(config, "s", transport, Duration::ZERO);
        let mut talk = Self { connection, now: Duration::ZERO, heard: Vec::new() };
        let rest = r#""pingInterval":1000,"pingTimeout":400,"maxPayload":1000}"#;
        match transport {
            Transport::Polling => {
                talk.then(&[&format!(r#"poll: 0{{"sid":"s","upgrades":["websocket"],{rest}"#)])
            }
            Transport::Websocket => talk.then(&[&format!(r#"ws: 0{{"sid":"s","upgrades":[],{rest}"#)]),
        };
        talk
    }

    pub(crate) fn polling() -> Self {
        Self::over(Transport::Polling, config())
    }

    pub(crate) fn websocket() -> Self {
        Self::over(Transport::Websocket, config())
    }

    /// A websocket on which `/` is joined.
    pub(crate) fn joined() -> Self {
        let mut talk = Self::websocket();
        talk.join();
        talk
    }

    pub(crate) fn join(&mut self) -> &mut Self {
        self.ws("40").then(&["connect / -"]);
        assert!(self.connection.accept("/", "id", None));
        self.then(&[r#"ws: 40{"sid":"id"}"#])
    }

    /// Lets time pass, with every timer on the way.
    pub(crate) fn at(&mut self, ms: u64) -> &mut Self {
        let until = Duration::from_millis(ms);
        assert!(until >= self.now, "time runs forward");
        while let Some(due) = self.connection.deadline().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.input(Input::Timer);
            assert!(self.connection.deadline() != Some(due), "a timer that does not move");
        }
        self.now = until;
        self
    }

    pub(crate) fn ws(&mut self, text: &str) -> &mut Self {
        self.input(Input::Socket(Message::Text(text.into())))
    }

    pub(crate) fn ws_bytes(&mut self, bytes: &'static [u8]) -> &mut Self {
        self.input(Input::Socket(Message::Binary(Bytes::from_static(bytes))))
    }

    pub(crate) fn ws_closed(&mut self) -> &mut Self {
        self.input(Input::SocketClosed)
    }

    pub(crate) fn input(&mut self, input: Input) -> &mut Self {
        self.connection.handle(input, self.now);
        self.drain()
    }

    /// A GET that is accepted.
    pub(crate) fn get(&mut self) -> &mut Self {
        self.request(Request::Poll, &Ok(()))
    }

    /// A POST that is answered `ok`; `|` stands for the separator.
    pub(crate) fn post(&mut self, body: &str) -> &mut Self {
        self.request(Request::Body(body.replace('|', "\x1e").into()), &Ok(()))
    }

    pub(crate) fn probe(&mut self) -> &mut Self {
        self.request(Request::Probe, &Ok(()))
    }

    pub(crate) fn refused(&mut self, request: Request, error: HandshakeError) -> &mut Self {
        self.request(request, &Err(error))
    }

    fn request(&mut self, request: Request, answer: &Result<(), HandshakeError>) -> &mut Self {
        assert_eq!(&self.connection.request(request, self.now), answer);
        self.drain()
    }

    /// The application does something; all of it in one turn.
    pub(crate) fn app(&mut self, act: impl FnOnce(&mut Connection, Duration)) -> &mut Self {
        act(&mut self.connection, self.now);
        self.drain()
    }

    /// Everything said since the last `then`.
    #[track_caller]
    pub(crate) fn then(&mut self, expected: &[&str]) -> &mut Self {
        self.drain();
        assert_eq!(std::mem::take(&mut self.heard), expected, "at {:?}", self.now);
        self
    }

    /// The same, to look at otherwise.
    pub(crate) fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.heard)
    }

    #[track_caller]
    pub(crate) fn nothing(&mut self) -> &mut Self {
        self.then(&[])
    }

    fn drain(&mut self) -> &mut Self {
        while let Some(output) = self.connection.poll_output() {
            self.heard.push(describe(&output));
        }
        self
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.heard.is_empty(), "said and not checked: {:?}", self.heard);
        }
    }
}

fn describe(output: &Output<Event>) -> String {
    match output {
        Output::Poll(body) => format!("poll: {}", body.replace('\x1e', "|")),
        Output::Socket(Message::Text(text)) => format!("ws: {text}"),
        Output::Socket(Message::Binary(bytes)) => format!("ws: {bytes:?}"),
        Output::CloseSocket(None) => "ws closed".into(),
        Output::CloseSocket(Some(code)) => format!("ws closed {code}"),
        Output::Upgraded => "upgraded".into(),
        Output::Closed(why) => format!("closed: {why}"),
        Output::Finished => "finished".into(),
        Output::Event(event) => match event {
            Event::Connect { nsp, auth } => format!("connect {nsp} {}", auth.as_deref().unwrap_or("-")),
            Event::Emitted { nsp, name, args, ack: None } => format!("{nsp} {name}{}", list(args)),
            Event::Emitted { nsp, name, args, ack: Some(id) } => {
                format!("{nsp} {name}{} ack {id}", list(args))
            }
            Event::Acked { nsp, id, args } => format!("{nsp} acked {id}{}", list(args)),
            Event::Disconnected { nsp, reason } => format!("left {nsp}: {reason}"),
        },
    }
}

fn list(args: &Args) -> String {
    let mut text = String::new();
    for index in 0..args.len() {
        text += &format!(" {}", args.raw(index).unwrap());
    }
    args.attachments().iter().for_each(|part| text += &format!(" {part:?}"));
    text
}
