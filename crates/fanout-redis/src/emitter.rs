//! What Node services emit with the official `@socket.io/redis-emitter`, heard on connections of their own.
//!
//! ```text
//!   PSUBSCRIBE {key}#/#*          ─▶ read ─┬─ live: an event for sockets ──────▶ the node's hub
//!   SUBSCRIBE  {key}-request#/#   ─▶ read ─┘   (queue: 1,024, 16 MiB)
//!                                          └─ stored: a notification ─▶ turn ──▶ the node's intake
//! ```
//!
//! Redis delivers to whoever is subscribed, once, and remembers nothing. So a node sends itself a beat by the same way, in
//! a room that nobody is in: while none comes back it subscribes anew, and while beats come back, and only then, it may
//! have the lease by which one node of all brings notifications to the log.

mod hearing;
mod msgpack;
mod read;
mod turn;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use carillon_domain::ports::Clock;
use carillon_domain::{Audience, Emit, Posting};
use fred::error::Error;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::settings::Settings;
use hearing::Hearing;
use read::Request;

/// Words that wait for the hub.
const WORDS: usize = 1_024;
/// Postings that wait for the intake, beside those that wait for their turn.
const POSTINGS: usize = 256;

/// How back ends are heard.
#[derive(Debug, Clone)]
pub struct EmitterSettings {
    /// Where, and by whom.
    pub link: Settings,
    /// What their channels begin with: the emitter's option `key`.
    pub key: String,
    /// Whether notifications are kept first.
    pub is_stored: bool,
}

/// A word for this node's sockets.
#[derive(Debug)]
pub enum Word {
    /// To be told to them.
    Emit(Emit),
    /// They are to be ended.
    Dismiss(Audience),
}

/// A word in its queue.
#[derive(Debug)]
pub struct Waiting {
    /// What.
    pub word: Word,
    _room: OwnedSemaphorePermit,
}

/// Where what was heard comes out.
pub struct Heard {
    /// For this node's sockets, in the order in which Redis delivered it.
    pub words: mpsc::Receiver<Waiting>,
    /// For the log, while this node brings it there.
    pub postings: mpsc::Receiver<Posting>,
    /// Set while postings cannot be brought to the log: another node may then have the lease.
    pub is_failing: Arc<AtomicBool>,
    /// Lets another node take over at once, and goes on hearing.
    pub hand_over: oneshot::Sender<()>,
    /// Ends the hearing; `postings` ends after the last.
    pub close: oneshot::Sender<()>,
}

/// Why a message is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// Too long, too deep, or for too many rooms.
    Size,
    /// Not what an emitter writes.
    Form,
    /// For another namespace than the main one.
    Namespace,
    /// With more binary arguments than the official client takes.
    Attachments,
    /// A request for something that there is not.
    Unsupported,
    /// More came than could be taken.
    Full,
    /// A notification that is none.
    Invalid,
}

impl Ignored {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Form => "form",
            Self::Namespace => "namespace",
            Self::Attachments => "attachments",
            Self::Unsupported => "unsupported",
            Self::Full => "full",
            Self::Invalid => "invalid",
        }
    }
}

/// Reads the message of a broadcast channel: MessagePack, by anyone.
///
/// # Errors
/// See [`Ignored`].
pub fn read_emit(message: &[u8]) -> Result<Emit, Ignored> {
    read::broadcast(message)
}

/// Reads the message of the request channel, by anyone: whether there is anything to do or to answer.
///
/// # Errors
/// See [`Ignored`].
pub fn read_request(message: &[u8]) -> Result<bool, Ignored> {
    read::request(message).map(|request| request != Request::Unsupported)
}

/// Hears back ends, for as long as the returned task runs.
///
/// # Errors
/// The address cannot be used at all.
pub fn hear(
    settings: &EmitterSettings,
    clock: Arc<dyn Clock>,
) -> Result<(Heard, impl Future<Output = ()> + Send + 'static), Error> {
    let (words_in, words) = mpsc::channel(WORDS);
    let (postings_in, postings) = mpsc::channel(POSTINGS);
    let ((close, closing), (hand_over, leaving)) = (oneshot::channel(), oneshot::channel());
    let is_failing = Arc::new(AtomicBool::new(false));
    let hearing = Hearing::new(settings, words_in, postings_in, Arc::clone(&is_failing), clock)?;
    Ok((Heard { words, postings, is_failing, hand_over, close }, hearing.run(closing, leaving)))
}
