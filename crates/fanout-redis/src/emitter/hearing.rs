//! The task that hears: two connections, one loop.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{Context, SHA256};
use carillon_domain::ports::Clock;
use carillon_domain::{Emit, Posting};
use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClientLike as _, EventInterface as _, LuaInterface as _, PubsubInterface as _};
use fred::types::Message;
use fred::types::config::Options;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use metrics::{counter, gauge};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::read::{self, Request};
use super::turn::{LEASE, Turn};
use super::{EmitterSettings, Ignored, Waiting, Word};
use crate::seal::Seal;
use crate::settings::ANSWER_WITHIN;

/// The event that is kept first, where that is asked for.
const NOTIFICATION: &str = "notification";
/// What a beat's room begins with.
const BEAT: &str = "carillon-beat:";
/// How often it beats.
const EVERY: Duration = Duration::from_millis(500);
/// When no beat has come back for this long, the subscription is asked for again.
const RESUBSCRIBE: Duration = Duration::from_secs(3);
/// Commands that are not answered yet; one more is not sent. Answers to Node's servers, of whom anyone can ask any number, leave
/// room for what this node needs.
const UNDER_WAY: usize = 64;
const ANSWERS: usize = 32;
/// Bytes of the words that wait for the hub.
const WORD_BYTES: usize = 16 * 1024 * 1024;
/// Messages that wait to be read here: a burst must not be lost for want of a place.
const MESSAGES: usize = 8_192;

/// Grants or renews the lease of the one who asks, unless another one has it. One step, so that no two have it.
const GRANT: &str = "local holder = redis.call('GET', KEYS[1]) \
    if holder and holder ~= ARGV[1] then return 0 end \
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 1";
/// Gives it up, if one has it.
const RELEASE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// One node's ear.
pub(super) struct Hearing {
    broadcasts: String,
    requests: String,
    responses: String,
    /// The room of this process's beats.
    beat: String,
    /// The key of the lease.
    lease: String,
    name: String,
    subscriber: Client,
    commands: Client,
    is_stored: bool,
    started: Instant,
    words: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
    postings: mpsc::Sender<Posting>,
    turn: Turn,
    beats: u64,
    /// When a beat last came back.
    came_back: Option<Duration>,
    /// Whether postings cannot be brought to the log now.
    is_failing: Arc<AtomicBool>,
    /// Whether another node is to bring them.
    is_leaving: bool,
    clock: Arc<dyn Clock>,
    /// Whether it was said that something is not supported, and that something is no notification.
    warned: bool,
    warned_invalid: bool,
}

/// What a command came to.
enum Outcome {
    /// Asked for at that time: whether this node has it, if that is known. If not, it ends by itself.
    Lease(Option<bool>, Duration),
    Other,
}

type UnderWay = FuturesUnordered<BoxFuture<'static, Outcome>>;

impl Hearing {
    pub(super) fn new(
        settings: &EmitterSettings,
        words: mpsc::Sender<Waiting>,
        postings: mpsc::Sender<Posting>,
        is_failing: Arc<AtomicBool>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        let EmitterSettings { link, key, is_stored } = settings;
        let mut builder = link.url.builder();
        builder.with_performance_config(|performance| performance.broadcast_channel_capacity = MESSAGES);
        let name = format!("{}.{:08x}", link.node_id, rand::random::<u32>());
        gauge!("carillon_emitter_up").set(0);
        gauge!("carillon_emitter_intake").set(0);
        Ok(Self {
            broadcasts: format!("{key}#/#"),
            requests: format!("{key}-request#/#"),
            responses: format!("{key}-response#/#"),
            beat: format!("{BEAT}{name}"),
            lease: format!("carillon:{{{}}}:intake", Seal::new(&link.secret).namespace()),
            name,
            subscriber: builder.build()?,
            commands: builder.build()?,
            is_stored: *is_stored,
            started: Instant::now(),
            words,
            room: Arc::new(Semaphore::new(WORD_BYTES)),
            postings,
            turn: Turn::default(),
            beats: 0,
            came_back: None,
            is_failing,
            is_leaving: false,
            clock,
            warned: false,
            warned_invalid: false,
        })
    }

    /// Hears until it is closed.
    pub(super) async fn run(
        mut self,
        mut closing: oneshot::Receiver<()>,
        mut leaving: oneshot::Receiver<()>,
    ) {
        drop((self.commands.connect(), self.subscriber.connect()));
        let (mut messages, mut connects) = (self.subscriber.message_rx(), self.subscriber.reconnect_rx());
        let mut beats = tokio::time::interval(EVERY);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut doubts = tokio::time::interval(RESUBSCRIBE);
        doubts.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut under_way, outgoing) = (UnderWay::new(), self.postings.clone());
        loop {
            // Messages come last, since they alone can come without end: of all else there is little at a time.
            tokio::select! {
                biased;
                _ = &mut closing => break,
                _ = &mut leaving, if !self.is_leaving => self.hand_over(&under_way),
                _ = beats.tick() => self.beat(&under_way),
                Ok(_) = connects.recv() => self.subscribe(&under_way),
                _ = doubts.tick(), if !self.is_up() => self.subscribe(&under_way),
                Some(outcome) = under_way.next(), if !under_way.is_empty() => self.conclude(&outcome),
                Ok(place) = outgoing.reserve(), if self.turn.has_next() => {
                    if let Some(posting) = self.turn.next() {
                        place.send(posting);
                    }
                }
                message = messages.recv() => match message {
                    Ok(message) => self.take(&message, &under_way),
                    Err(RecvError::Lagged(lost)) => ignored(Ignored::Full, lost),
                    Err(RecvError::Closed) => return,
                },
            }
        }
        self.close().await;
    }

    /// Lets go of the lease for good.
    fn hand_over(&mut self, under_way: &UnderWay) {
        self.is_leaving = true;
        self.turn.denied();
        let release = self.release();
        spawn(under_way, UNDER_WAY, async move {
            release.await;
            Outcome::Other
        });
    }

    fn release(&self) -> impl Future<Output = ()> + Send + 'static {
        let (client, lease, name) = (self.commands.clone(), self.lease.clone(), self.name.clone());
        async move {
            let client = client.with_options(&options());
            drop(client.eval::<i64, _, _, _>(RELEASE, vec![lease], vec![name]).await);
        }
    }

    /// Lets go of the lease and of Redis, and hands on what waits.
    async fn close(mut self) {
        if self.is_stored {
            self.release().await;
        }
        drop(tokio::join!(self.commands.quit(), self.subscriber.quit()));
        while let Some(posting) = self.turn.next() {
            drop(self.postings.send(posting).await);
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn is_up(&self) -> bool {
        self.came_back.is_some_and(|at| self.now() < at + RESUBSCRIBE)
    }

    fn take(&mut self, message: &Message, under_way: &UnderWay) {
        let taken = match message.value.as_bytes() {
            None => Err(Ignored::Form),
            Some(bytes) if message.channel == self.requests.as_str() => self.requested(bytes, under_way),
            Some(bytes) => match message.channel.strip_prefix(self.broadcasts.as_str()) {
                Some(room) if room.starts_with(BEAT) => {
                    if room.strip_suffix('#') == Some(&self.beat) {
                        self.beat_came_back(under_way);
                    }
                    Ok(())
                }
                Some(_) => self.broadcast(bytes),
                None => Err(Ignored::Form),
            },
        };
        if let Err(why) = taken {
            ignored(why, 1);
        }
    }

    fn broadcast(&mut self, bytes: &[u8]) -> Result<(), Ignored> {
        let emit = read::broadcast(bytes)?;
        if !self.is_stored || emit.name != NOTIFICATION {
            return self.pass_on(Word::Emit(emit), bytes.len());
        }
        let minted = format!("{:032x}", rand::random::<u128>());
        let Ok(posting) = Posting::read(&emit, fingerprint(&emit), minted, self.clock.now()) else {
            if !std::mem::replace(&mut self.warned_invalid, true) {
                tracing::warn!(
                    "a back end emits notifications that are none: see carillon_emitter_ignored_total"
                );
            }
            return Err(Ignored::Invalid);
        };
        let (weight, now) = (posting.weight(), self.now());
        if self.turn.hear(posting, weight, now) { Ok(()) } else { Err(Ignored::Full) }
    }

    fn requested(&mut self, bytes: &[u8], under_way: &UnderWay) -> Result<(), Ignored> {
        match read::request(bytes)? {
            Request::Dismiss(audience) => self.pass_on(Word::Dismiss(audience), bytes.len()),
            Request::Answer(answer) => {
                let (client, channel) = (self.commands.clone(), self.responses.clone());
                spawn(under_way, ANSWERS, async move {
                    drop(client.with_options(&options()).publish::<i64, _, _>(channel, answer).await);
                    Outcome::Other
                });
                Ok(())
            }
            Request::Unsupported => {
                if !std::mem::replace(&mut self.warned, true) {
                    tracing::warn!(
                        "a back end asks for rooms to be joined or left, or for the like: not supported"
                    );
                }
                Err(Ignored::Unsupported)
            }
        }
    }

    fn pass_on(&self, word: Word, bytes: usize) -> Result<(), Ignored> {
        let bytes = u32::try_from(bytes).map_err(|_| Ignored::Size)?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(bytes).map_err(|_| Ignored::Full)?;
        self.words.try_send(Waiting { word, _room: room }).map_err(|_| Ignored::Full)
    }

    fn subscribe(&self, under_way: &UnderWay) {
        let (client, pattern, requests) =
            (self.subscriber.clone(), format!("{}*", self.broadcasts), self.requests.clone());
        spawn(under_way, UNDER_WAY, async move {
            let client = client.with_options(&options());
            // What fails is tried again when no beat comes back.
            drop(client.psubscribe(pattern).await);
            drop(client.subscribe(requests).await);
            Outcome::Other
        });
    }

    fn beat(&mut self, under_way: &UnderWay) {
        gauge!("carillon_emitter_up").set(u8::from(self.is_up()));
        gauge!("carillon_emitter_intake").set(u8::from(self.turn.holds(self.now())));
        self.beats += 1;
        let channel = format!("{}{}#", self.broadcasts, self.beat);
        let (client, beat) = (self.commands.clone(), self.beats.to_string());
        spawn(under_way, UNDER_WAY, async move {
            drop(client.with_options(&options()).publish::<i64, _, _>(channel, beat).await);
            Outcome::Other
        });
    }

    /// This node hears: it may have the lease, if it is to be had.
    fn beat_came_back(&mut self, under_way: &UnderWay) {
        let now = self.now();
        self.came_back = Some(now);
        let asks = self.turn.asks(self.is_failing.load(Ordering::Acquire), now);
        if !self.is_stored || self.is_leaving || !asks {
            return;
        }
        let (client, lease, name) = (self.commands.clone(), self.lease.clone(), self.name.clone());
        spawn(under_way, UNDER_WAY, async move {
            let millis = LEASE.as_millis().to_string();
            let client = client.with_options(&options());
            let granted = client.eval::<i64, _, _, _>(GRANT, vec![lease], vec![name, millis]).await;
            Outcome::Lease(granted.ok().map(|granted| granted == 1), now)
        });
    }

    fn conclude(&mut self, outcome: &Outcome) {
        let now = self.now();
        match outcome {
            // It was released after this was asked.
            Outcome::Lease(..) if self.is_leaving => {}
            Outcome::Lease(Some(true), asked) => {
                if !self.turn.holds(now) {
                    tracing::info!("this node brings to the log what back ends emit as notifications");
                }
                let lost = self.turn.granted(*asked, now);
                if lost > 0 {
                    ignored(Ignored::Full, lost);
                }
            }
            Outcome::Lease(Some(false), _) => self.turn.denied(),
            Outcome::Lease(None, _) | Outcome::Other => {}
        }
    }
}

/// What tells a notification from another one of the same id: its rooms and its body, whichever server emitted it.
fn fingerprint(emit: &Emit) -> [u8; 32] {
    let rooms: BTreeSet<&str> = emit.audience.rooms.iter().map(String::as_str).collect();
    let mut context = Context::new(&SHA256);
    for room in rooms {
        context.update(room.as_bytes());
        // No room's name has one, and no JSON.
        context.update(&[0]);
    }
    context.update(emit.args.get().as_bytes());
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(context.finish().as_ref());
    fingerprint
}

/// Begins a command, unless so many are under way already, as when Redis hangs.
fn spawn(under_way: &UnderWay, most: usize, command: impl Future<Output = Outcome> + Send + 'static) {
    if under_way.len() < most {
        under_way.push(Box::pin(command));
    }
}

fn options() -> Options {
    Options { timeout: Some(ANSWER_WITHIN), fail_fast: true, ..Options::default() }
}

fn ignored(why: Ignored, count: u64) {
    counter!("carillon_emitter_ignored_total", "reason" => why.as_str()).increment(count);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_is_the_same_whichever_server_emits_it() {
        let print = |uid: u8, rooms: &[u8], title: u8| {
            let body = [&b"\x91\x81\xa5title\xa1"[..], &[title]].concat();
            let parts = [
                &b"\x93\xa1"[..],
                &[uid],
                b"\x82\xa4type\x02\xa4data\x92\xa1x",
                &body,
                b"\x81\xa5rooms",
                rooms,
            ];
            fingerprint(&read::broadcast(&parts.concat()).unwrap())
        };
        let first = print(b'a', b"\x92\xa1x\xa1y", b't');
        assert_eq!(first, print(b'b', b"\x93\xa1y\xa1x\xa1y", b't'));
        assert_ne!(first, print(b'a', b"\x91\xa1x", b't'));
        assert_ne!(first, print(b'a', b"\x91\xa2xy", b't'));
        assert_ne!(first, print(b'a', b"\x92\xa1x\xa1y", b'u'));
    }
}
