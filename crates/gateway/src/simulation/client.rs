//! The official client (socket.io-client 4.8), as far as recovery goes, inside a page of a user.
//!
//! What it keeps, and when: the pid and its own id from the CONNECT answer; as offset the last argument of any event
//! that is a string, while it has a pid; on a new pid the old offset stays until the next event. It comes back by
//! itself from anything but `41` and `44`.

use bytestring::ByteString;
use carillon_domain::{NotificationId, Offset, Role};

use super::page::{Claim, Page};

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
    /// The role in the token that its pid was given out for, and when.
    pub(super) pid_role: Role,
    pub(super) pid_age: usize,
    pub(super) claim: Claim,
    /// Whether what it brought was tampered with.
    pub(super) is_forging: bool,
    /// Whether the CONNECT of this link was answered, and told it that it recovered.
    pub(super) connected: Option<bool>,
    /// Whether `inbox:state` came on this link.
    pub(super) is_told: bool,
    /// Rows heard on this link and on all before it.
    pub(super) heard: (usize, usize),
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
            pid_role: role,
            pid_age: 0,
            claim: Claim::Nothing,
            is_forging: false,
            connected: None,
            is_told: false,
            heard: (0, 0),
        }
    }

    /// The CONNECT packet: the official client merges pid and offset into what the page gives.
    pub(super) fn connect(&self) -> ByteString {
        let mut auth = format!("{{\"token\":\"{}|{}\"", self.page.user_id, self.role.as_str());
        let fields = [("pid", &self.pid), ("offset", &self.offset), ("since", &self.since)];
        for (name, value) in fields {
            // An offset goes with a pid only.
            if let Some(value) = value.as_ref().filter(|_| name != "offset" || self.pid.is_some()) {
                auth += &format!(",\"{name}\":\"{value}\"");
            }
        }
        format!("40{auth}}}").into()
    }

    /// Reads one message.
    pub(super) fn read(&mut self, text: &str) -> Word {
        let Some((kind, rest)) = text.split_at_checked(1) else { return Word::Bad };
        match kind {
            "0" => Word::Say(self.connect()),
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
                self.connected = Some(pid.is_some() && self.pid == pid);
                self.pid = pid;
                Word::Connected
            }
            "2" => self.event(rest),
            _ => Word::Bad,
        }
    }

    fn event(&mut self, args: &str) -> Word {
        let last = args.strip_suffix("\"]").and_then(|args| args.rsplit_once('"')).map(|(_, last)| last);
        if let Some(last) = last.filter(|_| self.pid.is_some()) {
            self.offset = Some(last.to_owned());
        }
        let offset = last.and_then(|last| last.parse().ok());
        let id = field(args, "\"id\":\"").and_then(|id| id.parse().ok());
        match (offset, id) {
            (Some(offset), Some(id)) if args.starts_with("[\"notification\",") => {
                self.heard.0 += 1;
                Word::Notification(offset, id)
            }
            (Some(offset), _) if args.starts_with("[\"inbox:state\",") => {
                Word::State(args.contains("\"recovered\":true"), offset)
            }
            _ => Word::Bad,
        }
    }
}

/// What follows `name`, up to the next quotation mark.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(name)?;
    rest.split_once('"').map(|(value, _)| value)
}
