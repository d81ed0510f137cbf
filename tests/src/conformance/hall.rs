//! What the sockets of a mode share: rooms, why each socket left, and connection state recovery in this process's memory.
//!
//! Every event that is not volatile is numbered, ends with its number as the client's offset, and is kept a while. A
//! socket that was lost without leaving keeps its place here; who comes back with its pid and an offset that is
//! still known has its id, its rooms and what it missed.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use bytestring::ByteString;
use carillon_protocol::{EncodeError, Frame, Reason};
use serde_json::Value;
use tokio::sync::mpsc;

/// Sockets that have left and are remembered.
const DEPARTED: usize = 1_000;
/// Events that are kept, and their bytes.
const KEPT: usize = 10_000;
const KEPT_BYTES: usize = 16 * 1024 * 1024;

/// See the module.
#[derive(Default)]
pub(super) struct Hall {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    sockets: HashMap<String, Socket>,
    departed: VecDeque<String>,
    /// The number of the last event.
    last: u64,
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    /// The last number that is not kept any more.
    before: u64,
    tickets: u64,
}

struct Socket {
    nsp: ByteString,
    /// `None` once it left of its own will, or was sent away: there is nothing to recover.
    pid: Option<String>,
    owner: String,
    rooms: BTreeSet<String>,
    /// Its connection, by the ticket it was seated with.
    link: Option<(u64, mpsc::Sender<Word>)>,
    reason: Option<Reason>,
}

struct Kept {
    number: u64,
    room: String,
    frame: Frame,
}

/// An event from elsewhere for one connection.
#[derive(Clone)]
pub(super) struct Word {
    pub(super) frame: Frame,
    /// Dropped unless the client can take it at once.
    pub(super) volatile: bool,
}

/// A socket's place.
pub(super) struct Seat {
    pub(super) nsp: ByteString,
    pub(super) sid: String,
    pub(super) pid: String,
    ticket: u64,
}

/// 128 random bits.
pub(super) fn random() -> String {
    format!("{:032x}", rand::random::<u128>())
}

impl Hall {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seats a new socket; it is in the room of its own id as well.
    pub(super) fn join(
        &self,
        nsp: &ByteString,
        owner: &str,
        rooms: &[String],
        link: mpsc::Sender<Word>,
    ) -> Seat {
        let mut inner = self.lock();
        let (sid, pid, ticket) = (random(), random(), inner.ticket());
        let rooms = rooms.iter().chain([&sid]).cloned().collect();
        let socket = Socket {
            nsp: nsp.clone(),
            pid: Some(pid.clone()),
            owner: owner.into(),
            rooms,
            link: Some((ticket, link)),
            reason: None,
        };
        inner.sockets.insert(sid.clone(), socket);
        Seat { nsp: nsp.clone(), sid, pid, ticket }
    }

    /// Seats a socket that was here before, with what it missed. `None` if it is not known, another's, or so long gone
    /// that something it missed is not kept.
    pub(super) fn recover(
        &self,
        nsp: &ByteString,
        pid: &str,
        offset: u64,
        owner: &str,
        link: mpsc::Sender<Word>,
    ) -> Option<(Seat, Vec<Frame>)> {
        let mut inner = self.lock();
        if offset < inner.before || offset > inner.last {
            return None;
        }
        let ticket = inner.ticket();
        let is_it = |socket: &Socket| {
            socket.pid.as_deref() == Some(pid) && socket.nsp == *nsp && socket.owner == owner
        };
        let (sid, socket) = inner.sockets.iter_mut().find(|(_, socket)| is_it(socket))?;
        socket.link = Some((ticket, link));
        socket.reason = None;
        let (sid, rooms) = (sid.clone(), socket.rooms.clone());
        inner.departed.retain(|departed| *departed != sid);
        let missed = inner
            .kept
            .iter()
            .filter(|kept| kept.number > offset && kept.frame.nsp() == &**nsp && rooms.contains(&kept.room));
        let missed = missed.map(|kept| kept.frame.clone()).collect();
        Some((Seat { nsp: nsp.clone(), sid, pid: pid.into(), ticket }, missed))
    }

    /// A socket is gone. A later one in the same seat stays.
    pub(super) fn leave(&self, seat: &Seat, reason: Reason) {
        let mut inner = self.lock();
        let Some(socket) = inner.sockets.get_mut(&seat.sid) else { return };
        if socket.link.as_ref().is_none_or(|(ticket, _)| *ticket != seat.ticket) {
            return;
        }
        socket.link = None;
        socket.reason = Some(reason);
        if matches!(reason, Reason::ClientNamespaceDisconnect | Reason::ServerNamespaceDisconnect) {
            socket.pid = None;
        }
        inner.departed.push_back(seat.sid.clone());
        if inner.departed.len() > DEPARTED
            && let Some(oldest) = inner.departed.pop_front()
        {
            inner.sockets.remove(&oldest);
        }
    }

    /// Numbers, encodes and keeps an event for one room.
    pub(super) fn emit(
        &self,
        nsp: &str,
        room: &str,
        name: &str,
        mut args: Vec<Value>,
        attachments: &[Bytes],
    ) -> Result<Frame, EncodeError> {
        let mut inner = self.lock();
        let number = inner.last + 1;
        args.push(number.to_string().into());
        let frame = Frame::binary_event(nsp, name, &args, attachments)?;
        inner.last = number;
        inner.keep(Kept { number, room: room.into(), frame: frame.clone() });
        Ok(frame)
    }

    /// Hands a word to every connection with a socket in the room: to how many. A connection whose queue is full
    /// goes without.
    pub(super) fn spread(&self, nsp: &str, room: &str, word: &Word) -> usize {
        let inner = self.lock();
        let here = inner.sockets.values().filter(|socket| socket.nsp == nsp && socket.rooms.contains(room));
        here.filter(|socket| {
            socket.link.as_ref().is_some_and(|(_, link)| link.try_send(word.clone()).is_ok())
        })
        .count()
    }

    /// A socket's rooms.
    pub(super) fn rooms(&self, sid: &str) -> BTreeSet<String> {
        self.lock().sockets.get(sid).map(|socket| socket.rooms.clone()).unwrap_or_default()
    }

    /// Why a socket left, if it has and is remembered.
    pub(super) fn reason(&self, sid: &str) -> Option<Reason> {
        self.lock().sockets.get(sid).and_then(|socket| socket.reason)
    }
}

impl Inner {
    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    fn keep(&mut self, kept: Kept) {
        self.kept_bytes += kept.frame.len();
        self.kept.push_back(kept);
        while self.kept.len() > KEPT || self.kept_bytes > KEPT_BYTES {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.kept_bytes -= oldest.frame.len();
            self.before = oldest.number;
        }
    }
}
