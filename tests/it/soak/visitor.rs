//! One connection of the soak, from its opening to its end.

use carillon_tests::raw::{Heard, Raw, RawSocket, frame, sid};
use carillon_tests::{Http, User};
use serde_json::{Value, json};

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Polling,
    Upgraded,
    WebSocket,
}

impl Way {
    pub(super) const ALL: [Self; 3] = [Self::Polling, Self::Upgraded, Self::WebSocket];
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The client says so.
    ByClient,
    /// The server says so: its user is blocked.
    ByServer,
    /// With a reset; a polling client leaves in the middle of its GET.
    Abort,
    /// The client falls silent.
    Silence,
    /// With a packet that is none.
    BadPacket,
    /// The client is gone and the server is told nothing.
    HalfOpen,
}

impl Ending {
    pub(super) const ALL: [Self; 6] =
        [Self::ByClient, Self::ByServer, Self::Abort, Self::Silence, Self::BadPacket, Self::HalfOpen];
}

/// A client that is connected, or was.
pub(super) struct Visitor {
    pub(super) user: User,
    pub(super) ending: Ending,
    address: String,
    link: Link,
    sid: String,
    pid: Value,
    offset: Value,
}

enum Link {
    /// The path with the sid, and what was polled and not yet heard.
    Polling(String, Vec<String>),
    Socket(RawSocket),
    Gone,
}

impl Visitor {
    pub(super) async fn open(address: &str, user: &User, way: Way, ending: Ending) -> Self {
        let link = match way {
            Way::WebSocket => Link::Socket(RawSocket::open(address).await.expect("a WebSocket").0),
            Way::Polling | Way::Upgraded => {
                let mut tcp = Raw::connect(address).await;
                let open = tcp.ask("GET", POLLING, "", "").await.expect("a session");
                Link::Polling(format!("{POLLING}&sid={}", sid(&open.body).expect("a sid")), Vec::new())
            }
        };
        let (user, address) = (user.clone(), address.to_owned());
        let (sid, pid, offset) = (String::new(), Value::Null, Value::Null);
        let mut visitor = Self { user, ending, address, link, sid, pid, offset };
        let auth = json!({"token": visitor.user.token()});
        visitor.join(&auth).await;
        if way == Way::Upgraded {
            visitor.upgrade().await;
        }
        visitor
    }

    /// CONNECT, up to `inbox:state`, which it returns.
    async fn join(&mut self, auth: &Value) -> Value {
        self.say(&format!("40{auth}")).await;
        let connected = self.hear().await;
        let connected: Value =
            serde_json::from_str(connected.strip_prefix("40").expect("CONNECT")).expect("JSON");
        self.sid = connected["sid"].as_str().expect("a sid").to_owned();
        self.pid = connected["pid"].clone();
        self.event("inbox:state").await
    }

    async fn upgrade(&mut self) {
        let Link::Polling(path, _) = &self.link else { unreachable!("it polls") };
        let (_, sid) = path.split_once("&sid=").expect("a sid");
        let mut socket =
            RawSocket::upgrade(&self.address, &format!("&sid={sid}")).await.expect("a WebSocket");
        socket.text("2probe").await.expect("a probe");
        assert_eq!(socket.hear().await, Heard::Text("3probe".into()));
        socket.text("5").await.expect("an upgrade");
        self.link = Link::Socket(socket);
    }

    /// Up to a notification with this title.
    pub(super) async fn hears(&mut self, title: &str) {
        while self.event("notification").await["title"] != title {}
    }

    /// Loses its connection and comes back as who it was, by WebSocket.
    pub(super) async fn breaks_and_is_resumed(mut self) -> Self {
        let (socket, _) = RawSocket::open(&self.address).await.expect("a WebSocket");
        let mut lost = match std::mem::replace(&mut self.link, Link::Socket(socket)) {
            Link::Socket(lost) => {
                lost.tcp.reset();
                Link::Gone
            }
            polled => polled,
        };
        let auth = json!({"token": self.user.token(), "pid": self.pid, "offset": self.offset});
        let sid = self.sid.clone();
        let state = self.join(&auth).await;
        assert_eq!(
            (state["recovered"].as_bool(), &self.sid),
            (Some(true), &sid),
            "{} is not resumed",
            self.user.id
        );
        // A session that is polled is told that a newer one has taken its place, and waits half a minute for someone to tell.
        std::mem::swap(&mut self.link, &mut lost);
        self.is_ended().await;
        self.link = lost;
        self
    }

    /// Ends as it should; what is returned keeps those open that say nothing.
    pub(super) async fn ends(mut self, http: &Http) -> Self {
        match (self.ending, &mut self.link) {
            (Ending::ByClient, Link::Socket(socket)) => {
                drop(socket.tcp.send(frame(0x88, &1000_u16.to_be_bytes())).await);
            }
            (Ending::ByClient, _) => self.say("1").await,
            (Ending::BadPacket, _) => {
                self.say("4x").await;
                self.is_ended().await;
            }
            (Ending::Abort, Link::Polling(path, _)) => {
                let mut tcp = Raw::connect(&self.address).await;
                drop(tcp.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await);
                tcp.reset();
            }
            (Ending::Abort, _) => {
                if let Link::Socket(socket) = std::mem::replace(&mut self.link, Link::Gone) {
                    socket.tcp.reset();
                }
            }
            (Ending::ByServer, _) => {
                self.is_now(http, "BLOCKED").await;
                self.is_ended().await;
                self.is_now(http, "ACTIVE").await;
            }
            (Ending::Silence | Ending::HalfOpen, _) => {}
        }
        self
    }

    async fn is_now(&self, http: &Http, status: &str) {
        let body =
            json!({"event": "user:status_changed", "data": {"userId": self.user.id, "status": status}});
        http.post("/api/v1/events", &body).with_key().send().await.expect(201);
    }

    /// That the server ends it.
    async fn is_ended(&mut self) {
        match &mut self.link {
            Link::Socket(socket) => drop(socket.end().await),
            Link::Polling(..) => while self.poll().await {},
            Link::Gone => {}
        }
    }

    async fn say(&mut self, packet: &str) {
        match &mut self.link {
            Link::Socket(socket) => drop(socket.text(packet).await),
            Link::Polling(path, _) => {
                // A packet that is none is answered 400, or not at all.
                drop(Raw::connect(&self.address).await.ask("POST", path, "", packet).await);
            }
            Link::Gone => {}
        }
    }

    /// The arguments of the next event of this name; others are passed over. An offset is noted.
    async fn event(&mut self, name: &str) -> Value {
        loop {
            let packet = self.hear().await;
            let Some(event) = packet.strip_prefix("42") else { panic!("{}: {packet}", self.user.id) };
            let event: Value = serde_json::from_str(event).expect("JSON");
            if event[2].is_string() {
                self.offset = event[2].clone();
            }
            if event[0] == name {
                return event[1].clone();
            }
        }
    }

    async fn hear(&mut self) -> String {
        loop {
            match &mut self.link {
                Link::Socket(socket) => match socket.hear().await {
                    Heard::Text(packet) if packet == "6" => {}
                    Heard::Text(packet) => return packet,
                    end => panic!("{} heard {end:?}", self.user.id),
                },
                Link::Polling(_, heard) if !heard.is_empty() => return heard.remove(0),
                Link::Polling(..) => assert!(self.poll().await, "{}'s session is gone", self.user.id),
                Link::Gone => panic!("{} has left", self.user.id),
            }
        }
    }

    /// One GET, and an answer to a ping; whether the session is still there.
    async fn poll(&mut self) -> bool {
        let Link::Polling(path, heard) = &mut self.link else { unreachable!("it polls") };
        let answer = Raw::connect(&self.address).await.ask("GET", path, "", "").await.expect("an answer");
        let mut is_pinged = false;
        for packet in answer.body.split('\u{1e}') {
            match packet {
                "2" => is_pinged = true,
                packet => heard.push(packet.to_owned()),
            }
        }
        if is_pinged {
            self.say("3").await;
        }
        answer.status == 200 && !answer.body.split('\u{1e}').any(|packet| packet == "1")
    }
}
