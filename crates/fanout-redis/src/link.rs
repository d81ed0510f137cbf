//! One node's link to the others: two connections, three tasks.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use carillon_domain::Presence;
use carillon_domain::ports::{Fanout, Loopback, Signal, Subscription};
use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClientLike as _, EventInterface as _, PubsubInterface as _};
use fred::types::Message;
use fred::types::config::Options;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use metrics::{counter, gauge};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use crate::presence::{self, Exchange, RedisShelf, Word};
use crate::pulse::{self, Pulse};
use crate::seal::{Ignored, Seal};
use crate::settings::{ANSWER_WITHIN, Settings};
use crate::wire::{self, Body};

/// Signals that wait to be sent. Each hint holds a batch of rows, so this bounds memory to some hundred batches.
const OUTBOX: usize = 256;
/// Words of presence that wait to be taken up.
const WORDS: usize = 1_024;
/// Messages that are sent and not answered yet.
const UNDER_WAY: usize = 16;
/// How often the state of the link is looked at.
const REVIEW: Duration = Duration::from_millis(100);
/// When beats are sent and none has come back for this long, the subscription is asked for again.
const RESUBSCRIBE: Duration = Duration::from_secs(3);

/// A node's way to the others over Redis. Cheap to clone.
#[derive(Clone)]
pub struct Redis(Arc<Link>);

pub(crate) struct Link {
    /// This process among all: its node's name, and what tells it from the one before it.
    name: String,
    channel: String,
    seal: Seal,
    publisher: Client,
    subscriber: Client,
    here: Loopback,
    outbox: mpsc::Sender<Outgoing>,
    words: mpsc::Sender<Word>,
    close: mpsc::Sender<oneshot::Sender<()>>,
    pulse: Mutex<Pulse>,
    started: Instant,
    is_linked: AtomicBool,
    reaches_all: AtomicBool,
}

impl Redis {
    /// A link that does not work yet, and the task that makes it work and keeps it so, for as long as the node lives. It
    /// tells the other nodes of those who are in `presence`, and puts there who is on theirs.
    ///
    /// # Errors
    /// The address cannot be used at all, such as TLS without any certificate to trust.
    pub fn new(
        settings: &Settings,
        presence: Presence,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), Error> {
        let builder = settings.url.builder();
        let (outbox, waiting) = mpsc::channel(OUTBOX);
        let (words, heard) = mpsc::channel(WORDS);
        let (close, closing) = mpsc::channel(1);
        let seal = Seal::new(&settings.secret);
        let link = Arc::new(Link {
            name: format!("{}.{:08x}", settings.node_id, rand::random::<u32>()),
            channel: format!("carillon:{{{}}}:signals", seal.namespace()),
            seal,
            publisher: builder.build()?,
            subscriber: builder.build()?,
            here: Loopback::new(),
            outbox,
            words,
            close,
            pulse: Mutex::default(),
            started: Instant::now(),
            is_linked: AtomicBool::new(false),
            reaches_all: AtomicBool::new(false),
        });
        tracing::info!(redis = %settings.url, name = link.name, "meeting the other nodes at Redis");
        gauge!("carillon_redis_up").set(0);
        let running = Arc::clone(&link);
        let exchange = Exchange::new(link.name.clone(), presence, RedisShelf(Arc::clone(&link)));
        let task = async move {
            drop((running.publisher.connect(), running.subscriber.connect()));
            let exchange = presence::run(exchange, heard, closing);
            tokio::join!(running.receive(), running.beat(), running.send(waiting), exchange);
        };
        Ok((Self(link), task))
    }

    /// The fanout over this link.
    #[must_use]
    pub fn fanout(&self) -> Arc<dyn Fanout> {
        Arc::new(self.clone())
    }

    /// Whether this node is heard by others and hears them.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.0.is_linked()
    }

    /// Says goodbye, so that nobody waits for this node's word, and lets go of Redis.
    pub async fn close(&self) {
        if self.is_up() {
            let (closed, done) = oneshot::channel();
            if self.0.close.send(closed).await.is_ok() {
                drop(done.await);
            }
            let bye = wire::write(&self.0.name, &Body::<()>::Bye);
            drop(self.0.publish(&bye).await);
        }
        drop(tokio::join!(self.0.publisher.quit(), self.0.subscriber.quit()));
    }
}

impl Fanout for Redis {
    fn publish(&self, signal: Signal) {
        if !matches!(signal, Signal::Lagged) {
            self.0.post(Outgoing::Signal(signal.clone()));
        }
        self.0.here.publish(signal);
    }

    fn subscribe(&self) -> Subscription {
        self.0.here.subscribe()
    }

    fn reaches_all(&self) -> bool {
        self.0.reaches_all.load(Ordering::Acquire)
    }
}

/// What waits to be sent.
pub(crate) enum Outgoing {
    /// It is written when its turn comes.
    Signal(Signal),
    /// Written already.
    Body(Vec<u8>),
}

impl Link {
    /// This process's name among all.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What its keys begin with.
    pub(crate) fn namespace(&self) -> &str {
        self.seal.namespace()
    }

    pub(crate) fn client(&self) -> &Client {
        &self.publisher
    }

    pub(crate) fn is_linked(&self) -> bool {
        self.is_linked.load(Ordering::Acquire)
    }

    /// Sends to all, if there is any point in it.
    pub(crate) fn post(&self, outgoing: Outgoing) {
        match self.is_linked() {
            false => dropped("away"),
            true if self.outbox.try_send(outgoing).is_err() => dropped("full"),
            true => {}
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Changes what is known of the link, and says so where it matters.
    fn know(&self, change: impl FnOnce(&mut Pulse, Duration)) {
        let now = self.now();
        let mut pulse = self.pulse.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut pulse, now);
        let (is_linked, reaches_all) = (pulse.is_linked(now), pulse.reaches_all(now));
        // Under the lock, so that nobody undoes a change that came after theirs.
        let was_linked = self.is_linked.swap(is_linked, Ordering::AcqRel);
        let reached_all = self.reaches_all.swap(reaches_all, Ordering::AcqRel);
        drop(pulse);
        if was_linked != is_linked {
            gauge!("carillon_redis_up").set(u8::from(is_linked));
            match is_linked {
                true => tracing::info!("the other nodes are reached over Redis"),
                false => tracing::warn!("Redis is lost: other nodes are heard of by the log's head alone"),
            }
        }
        if reached_all != reaches_all {
            self.here.publish(Signal::Lagged);
        }
    }

    /// Publishes a sealed body; an error, too, when the connection is not there.
    async fn publish(&self, body: &[u8]) -> Result<(), Error> {
        let options = Options { timeout: Some(ANSWER_WITHIN), fail_fast: true, ..Options::default() };
        let message = Bytes::from(self.seal.close(body));
        self.publisher.with_options(&options).publish(self.channel.as_str(), message).await
    }

    /// Sends what is published here, in its order.
    async fn send(&self, mut waiting: mpsc::Receiver<Outgoing>) {
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                outgoing = waiting.recv(), if under_way.len() < UNDER_WAY => {
                    let body = match outgoing {
                        Some(Outgoing::Signal(signal)) => wire::write_signal(&self.name, &signal),
                        Some(Outgoing::Body(body)) => Some(body),
                        None => return,
                    };
                    let Some(body) = body else { continue };
                    if self.is_linked() {
                        under_way.push(async move { self.publish(&body).await });
                    } else {
                        dropped("away");
                    }
                }
                Some(outcome) = under_way.next(), if !under_way.is_empty() => match outcome {
                    Ok(()) => counter!("carillon_fanout_sent_total").increment(1),
                    Err(fault) => {
                        dropped("failed");
                        self.broke(&fault);
                    }
                },
            }
        }
    }

    /// Beats for as long as the node lives, and watches over what comes back.
    async fn beat(&self) {
        let mut reviews = tokio::time::interval(REVIEW);
        let mut beats = tokio::time::interval(pulse::EVERY);
        reviews.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut under_way: Option<BoxFuture<'_, Result<(), Error>>> = None;
        loop {
            tokio::select! {
                _ = reviews.tick() => self.know(|_, _| {}),
                _ = beats.tick(), if under_way.is_none() => {
                    let mut beat = 0;
                    self.know(|pulse, now| beat = pulse.beat(now));
                    let body = wire::write(&self.name, &Body::<()>::Beat(beat));
                    under_way = Some(Box::pin(async move { self.publish(&body).await }));
                }
                outcome = async { match &mut under_way { Some(beat) => beat.await, None => pending().await } } => {
                    under_way = None;
                    if let Err(fault) = outcome {
                        self.broke(&fault);
                    }
                }
            }
        }
    }

    /// Hears, and subscribes anew whenever that may be needed.
    async fn receive(&self) {
        let mut messages = self.subscriber.message_rx();
        let (mut connects, mut errors) = (self.subscriber.reconnect_rx(), self.subscriber.error_rx());
        let mut doubts = tokio::time::interval(RESUBSCRIBE);
        let mut subscribing: Option<BoxFuture<'_, Result<(), Error>>> = None;
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Ok(message) => self.take(&message),
                    Err(RecvError::Lagged(_)) => {
                        dropped("lagged");
                        self.here.publish(Signal::Lagged);
                    }
                    // fred ends its channels when a client quits.
                    Err(RecvError::Closed) => return,
                },
                error = errors.recv() => if let Ok((fault, _)) = error { self.broke(&fault) },
                _ = connects.recv() => subscribing = Some(Box::pin(self.subscribe())),
                _ = doubts.tick(), if !self.is_linked() && subscribing.is_none() => {
                    subscribing = Some(Box::pin(self.subscribe()));
                }
                outcome = async { match &mut subscribing { Some(asked) => asked.await, None => pending().await } } => {
                    subscribing = None;
                    if let Err(fault) = outcome {
                        self.broke(&fault);
                    }
                }
            }
        }
    }

    async fn subscribe(&self) -> Result<(), Error> {
        let options = Options { timeout: Some(ANSWER_WITHIN), fail_fast: true, ..Options::default() };
        self.subscriber.with_options(&options).subscribe(self.channel.as_str()).await
    }

    /// A word for the exchange of presence. One that is lost is noticed by its number.
    fn pass_on(&self, word: Word) {
        if self.words.try_send(word).is_err() {
            dropped("presence");
        }
    }

    /// Something failed: until a beat of after this comes back, the link does not count as working.
    fn broke(&self, fault: &Error) {
        tracing::debug!(error = %fault, "Redis failed");
        self.know(|pulse, _| pulse.broke());
    }

    fn take(&self, message: &Message) {
        let heard = message.value.as_bytes().ok_or(Ignored::Form).and_then(|bytes| self.hear(bytes));
        if let Err(why) = heard {
            counter!("carillon_fanout_ignored_total", "reason" => why.as_str()).increment(1);
        }
    }

    fn hear(&self, bytes: &[u8]) -> Result<(), Ignored> {
        let message = wire::read(self.seal.open(bytes)?)?;
        let (from, body) = (message.from.as_str(), message.body);
        if from == self.name {
            if let Body::Beat(beat) = body {
                self.know(|pulse, _| pulse.came_back(beat));
            }
            return Ok(());
        }
        match body {
            Body::Bye => {
                self.know(|pulse, _| pulse.gone(from));
                self.pass_on(Word::Bye(message.from));
            }
            Body::Presence(told) => self.pass_on(Word::Told(message.from, told)),
            Body::Beat(_) => self.know(|pulse, now| pulse.heard(from, now)),
            body => {
                counter!("carillon_fanout_received_total").increment(1);
                if let Some(signal) = wire::signal(body)? {
                    self.here.publish(signal);
                }
            }
        }
        Ok(())
    }
}

/// A signal that does not reach the other nodes; the head poll makes up for it.
fn dropped(why: &'static str) {
    counter!("carillon_fanout_dropped_total", "reason" => why).increment(1);
}
