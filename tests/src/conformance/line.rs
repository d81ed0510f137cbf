//! One connection's sockets in a [`Hall`].

use std::sync::Arc;
use std::task::{Context, Poll};

use anyhow::Context as _;
use bytes::Bytes;
use bytestring::ByteString;
use carillon_protocol::socket::Args;
use carillon_protocol::{Connection, Reason};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::hall::{Hall, Seat, Word};

/// Words that wait for one connection.
const WAITING: usize = 1_024;

/// See the module.
pub(super) struct Line {
    pub(super) hall: Arc<Hall>,
    words: (mpsc::Sender<Word>, mpsc::Receiver<Word>),
    seats: Vec<Seat>,
}

/// What a client that comes back says in its CONNECT.
#[derive(Default, Deserialize)]
struct Back {
    pid: Option<String>,
    offset: Option<String>,
}

impl Line {
    pub(super) fn new(hall: &Arc<Hall>) -> Self {
        Self { hall: Arc::clone(hall), words: mpsc::channel(WAITING), seats: Vec::new() }
    }

    /// Lets a socket in, recovered if it can be: whether it was. First comes the answer, then what it missed.
    pub(super) fn accept(
        &mut self,
        machine: &mut Connection,
        nsp: &ByteString,
        auth: Option<&ByteString>,
        owner: &str,
        rooms: &[String],
    ) -> anyhow::Result<bool> {
        // A pid of any other shape is not one of ours, and no fault.
        let back: Back = auth.and_then(|auth| serde_json::from_str(auth).ok()).unwrap_or_default();
        let offset = back.offset.and_then(|offset| offset.parse().ok());
        let recovered = back
            .pid
            .zip(offset)
            .and_then(|(pid, offset)| self.hall.recover(nsp, &pid, offset, owner, self.words.0.clone()));
        let is_recovered = recovered.is_some();
        let (seat, missed) = recovered
            .unwrap_or_else(|| (self.hall.join(nsp, owner, rooms, self.words.0.clone()), Vec::new()));
        machine.accept(nsp, &seat.sid, Some(&seat.pid));
        self.seats.push(seat);
        missed.iter().try_for_each(|frame| machine.send(frame))?;
        Ok(is_recovered)
    }

    /// Emits to this connection's own socket. Each value of `attachments` has its placeholder in `args`.
    pub(super) fn emit(
        &self,
        machine: &mut Connection,
        nsp: &str,
        name: &str,
        args: Vec<Value>,
        attachments: &[Bytes],
    ) -> anyhow::Result<()> {
        let sid = self.sid(nsp).context("not joined")?;
        let frame = self.hall.emit(nsp, sid, name, args, attachments)?;
        Ok(machine.send(&frame)?)
    }

    /// The id of the socket in this namespace.
    pub(super) fn sid(&self, nsp: &str) -> Option<&str> {
        self.seats.iter().find(|seat| seat.nsp == nsp).map(|seat| seat.sid.as_str())
    }

    /// A socket has left.
    pub(super) fn leave(&mut self, nsp: &str, reason: Reason) {
        if let Some(index) = self.seats.iter().position(|seat| seat.nsp == nsp) {
            self.hall.leave(&self.seats.swap_remove(index), reason);
        }
    }

    /// The next word from elsewhere.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Word>> {
        // This line holds a sender itself, so it is never `None`.
        self.words.1.poll_recv(cx)
    }

    /// Passes a word on. A client that does not take what is kept is closed, and finds it when it comes back.
    pub(super) fn take(word: Option<Word>, machine: &mut Connection) -> anyhow::Result<()> {
        let Some(word) = word else { return Ok(()) };
        if word.volatile && !machine.is_listening() {
            return Ok(());
        }
        Ok(machine.send(&word.frame)?)
    }
}

/// Arguments as values, to be sent on with the attachments they came with.
pub(super) fn values(args: &Args) -> anyhow::Result<Vec<Value>> {
    Ok((0..args.len()).map(|index| args.get(index)).collect::<Result<_, _>>()?)
}

/// What stands for the first attachment.
pub(super) fn placeholder() -> Value {
    json!({"_placeholder": true, "num": 0})
}
