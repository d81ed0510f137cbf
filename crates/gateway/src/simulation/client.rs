//! The official client (socket.io-client 4.8), as far as recovery goes, inside a page of a user.
//!
//! What it keeps, and when: the pid and its own id from the CONNECT answer; as offset the last argument of any event
//! that is a string, while it has a pid; on a new pid the old offset stays until the next event. It comes back by
//! itself from anything but `41` and `44`.

use bytestring::ByteString;
use carillon_domain::ports::Pids as _;
use carillon_domain::testing::principal;
use carillon_domain::{NotificationId, Offset, Position, Role, Timestamp};

use super::coverage::Seen;
use super::node::{RECOVERY_AGE, Table};
use super::page::{Claim, Page, Why};

pub(super) struct Client {
    pub(super) role: Role,
    pub(super) page: Page,
    /// The node and the session it is connected to.
    pub(super) link: Option<(usize, u64)>,
    /// The node it was connected to last.
    pub(super) last_node: Option<usize>,
    pub(super) pid: Option<String>,
    pub(super) offset: Option<String>,
    /// The offset that the page noted before it was loaded again; sent with the token each time.
    pub(super) since: Option<String>,
    pub(super) claim: Claim,
    /// The role of the present link's token.
    link_role: Role,
    /// Whether its node was not yet as far as it was itself.
    is_ahead: bool,
    /// The node it was connected to before, if this is another one.
    is_elsewhere: bool,
    /// Whether the CONNECT of this link was answered with the pid it had.
    is_resumed: bool,
    /// Whether `inbox:state` came on this link.
    pub(super) is_told: bool,
    /// Rows that its page heard.
    heard: usize,
    /// Of these, on this link.
    pub(super) heard_now: usize,
    /// What its node had read from the store when it connected.
    pub(super) replays: usize,
}

/// What came, as far as the world cares.
#[derive(Debug)]
pub(super) enum Word {
    Nothing,
    /// Send this.
    Say(ByteString),
    Connected,
    Notification(Offset, NotificationId),
    State(bool, Offset),
    /// Something that makes the client stop for good, or that it cannot read.
    Bad,
}

impl Client {
    pub(super) fn new(role: Role, page: Page) -> Self {
        Self {
            role,
            page,
            link: None,
            last_node: None,
            pid: None,
            offset: None,
            since: None,
            claim: Claim::Nothing,
            link_role: role,
            is_ahead: false,
            is_elsewhere: false,
            is_resumed: false,
            is_told: false,
            heard: 0,
            heard_now: 0,
            replays: 0,
        }
    }

    /// Connects to a node that has come as far as `cursor`.
    pub(super) fn begin(&mut self, link: (usize, u64), cursor: Position, pids: &Table, now: Timestamp) {
        self.is_elsewhere = self.last_node.is_some_and(|node| node != link.0);
        (self.link, self.last_node) = (Some(link), Some(link.0));
        self.is_ahead = self.page.at.is_some_and(|at| at.position > cursor);
        (self.is_resumed, self.is_told, self.heard_now) = (false, false, 0);
        self.link_role = self.role;
        let user = principal(self.page.user_id.as_str(), self.role);
        self.page.rooms = user.rooms().to_vec();
        self.claim = self.claim(pids, now);
    }

    /// What it may ask for with what it brings.
    fn claim(&self, pids: &Table, now: Timestamp) -> Claim {
        let parse = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok());
        let Some(pid) = &self.pid else {
            return parse(&self.since).map_or(Claim::Nothing, |from| Claim::From { from, doubt: None });
        };
        let Some(pid) = pids.open(pid).filter(|pid| pid.who.user_id == self.page.user_id) else {
            return Claim::Unsound(Why::Stranger);
        };
        if pid.who.rooms.iter().map(|entitlement| &entitlement.room).ne(&self.page.rooms) {
            return Claim::Unsound(Why::Rooms);
        }
        let is_old = pid.issued_at.saturating_add(RECOVERY_AGE.mul_f64(0.9)) < now;
        match parse(&self.offset) {
            None => Claim::Nothing,
            Some(from) if pid.held == Some(from) => Claim::From { from, doubt: Some(Why::Held) },
            Some(from) => Claim::From { from, doubt: is_old.then_some(Why::Old) },
        }
    }

    /// What was seen of the world when `inbox:state` came, and said that there is a reason to reload, or none.
    pub(super) fn seen(&mut self, why: Option<Why>) -> Vec<Seen> {
        self.is_told = true;
        let Some(why) = why else {
            let seen = [
                (self.is_resumed, Seen::Recovered),
                (!self.is_resumed, Seen::Resumed),
                (self.is_elsewhere, Seen::RecoveredElsewhere),
                (self.heard == 0, Seen::RecoveredWithNothing),
                (self.is_ahead, Seen::RecoveredAhead),
            ];
            return seen.into_iter().filter(|(is_so, _)| *is_so).map(|(_, seen)| seen).collect();
        };
        vec![match why {
            Why::First => Seen::FreshStart,
            Why::Epoch => Seen::RefusedEpoch,
            Why::Trimmed => Seen::RefusedTrimmed,
            Why::Limit => Seen::RefusedLimit,
            Why::Old => Seen::RefusedOld,
            Why::Held => Seen::RefusedHeld,
            Why::Stranger => Seen::RefusedStranger,
            Why::Rooms => Seen::RefusedRooms,
        }]
    }

    /// The CONNECT packet: the official client merges pid and offset into what the page gives. A server that claims to
    /// know better what arrived puts its own offset there.
    pub(super) fn connect(&self, known: Option<&String>) -> ByteString {
        let mut auth = format!("{{\"token\":\"{}|{}\"", self.page.user_id, self.link_role.as_str());
        let offset = known.or(self.offset.as_ref());
        let fields = [("pid", self.pid.as_ref()), ("offset", offset), ("since", self.since.as_ref())];
        for (name, value) in fields {
            // An offset goes with a pid only.
            if let Some(value) = value.filter(|_| name != "offset" || self.pid.is_some()) {
                auth += &format!(",\"{name}\":\"{value}\"");
            }
        }
        format!("40{auth}}}").into()
    }

    /// Reads one message.
    pub(super) fn read(&mut self, text: &str, known: Option<&String>) -> Word {
        let Some((kind, rest)) = text.split_at_checked(1) else { return Word::Bad };
        match kind {
            "0" => Word::Say(self.connect(known)),
            "2" => Word::Say("3".into()),
            "4" => self.packet(rest),
            "6" => Word::Nothing,
            _ => Word::Bad,
        }
    }

    fn packet(&mut self, packet: &str) -> Word {
        let Some((kind, rest)) = packet.split_at_checked(1) else { return Word::Bad };
        match kind {
            "0" => {
                let pid = field(rest, "\"pid\":\"").map(str::to_owned);
                self.is_resumed = pid.is_some() && self.pid == pid;
                self.pid = pid;
                Word::Connected
            }
            "2" => self.event(rest),
            _ => Word::Bad,
        }
    }

    fn event(&mut self, args: &str) -> Word {
        let last = last_text(args);
        if let Some(last) = last.filter(|_| self.pid.is_some()) {
            self.offset = Some(last.to_owned());
        }
        let offset = last.and_then(|last| last.parse().ok());
        let id = field(args, "\"id\":\"").and_then(|id| id.parse().ok());
        match (offset, id) {
            (Some(offset), Some(id)) if args.starts_with("[\"notification\",") => {
                (self.heard, self.heard_now) = (self.heard + 1, self.heard_now + 1);
                Word::Notification(offset, id)
            }
            (Some(offset), _) if args.starts_with("[\"inbox:state\",") => {
                Word::State(args.contains("\"recovered\":true"), offset)
            }
            _ => Word::Bad,
        }
    }
}

/// The last argument of an event, if it is a text without escapes.
pub(super) fn last_text(args: &str) -> Option<&str> {
    args.strip_suffix("\"]")?.rsplit_once('"').map(|(_, last)| last)
}

/// What follows `name`, up to the next quotation mark.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(name)?;
    rest.split_once('"').map(|(value, _)| value)
}
