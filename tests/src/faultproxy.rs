//! A TCP proxy between any two parties that misbehaves as the test tells it to, while it runs.
//!
//! ```text
//!   client ──▶ accepted ──▶ queue (latency) ──▶ rate ──▶ cut? ──▶ server      `Way::Up`
//!          ◀── cut? ◀── rate ◀── queue (latency) ◀──────────────              `Way::Down`
//! ```
//!
//! [`Weather`] is what the links of now and later suffer, [`Cut`]s wait for a place in a stream, and
//! [`FaultProxy::end_links`] ends the links of now. Each link is one task and holds at most `QUEUE` chunks a way.

mod link;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::PATIENCE;

/// Chunks (of at most 16 KiB) that wait out the latency of one way; while there are as many, no more is read.
const QUEUE: usize = 64;

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// What one direction suffers; nothing by default.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flow {
    /// How much later each byte arrives.
    pub latency: Duration,
    /// Bytes a second.
    pub rate: Option<u32>,
    /// Nothing is read or passed on: the sender's buffers fill.
    pub stalled: bool,
    /// All is read and nothing passed on: the sender notices nothing.
    pub swallowed: bool,
}

/// What the links suffer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// To the server.
    pub up: Flow,
    /// To the client.
    pub down: Flow,
}

impl Weather {
    /// Whatever is said is swallowed, in both directions; connections are made and stay.
    #[must_use]
    pub fn blackhole() -> Self {
        let swallowed = Flow { swallowed: true, ..Flow::default() };
        Self { up: swallowed, down: swallowed }
    }

    fn of(&self, way: Way) -> Flow {
        match way {
            Way::Up => self.up,
            Way::Down => self.down,
        }
    }
}

/// How a link ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Both sides are told in good order (FIN).
    Close,
    /// Both sides are told of a reset (RST).
    Reset,
    /// The client is reset, the server is told nothing: it keeps a connection to nobody.
    HalfOpen,
    /// Neither side is told anything.
    Silence,
}

/// Ends a link at a place in its stream: `times` links, the first that come to it.
#[derive(Debug, Clone)]
pub struct Cut {
    /// The stream.
    pub way: Way,
    /// The place.
    pub at: Place,
    /// How the link ends there.
    pub end: End,
    /// How often.
    pub times: u32,
}

/// A place in the stream of one link.
#[derive(Debug, Clone)]
pub enum Place {
    /// Exactly so many bytes have been passed on.
    After(u64),
    /// Before the last byte of the first chunk, as it was read, that has these bytes in it.
    Inside(&'static str),
    /// So many bytes after the HTTP request or answer that began the stream, where that has this text in it: between
    /// the frames of a WebSocket.
    PastHead(&'static str, u64),
}

/// What the proxy has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Connections taken.
    pub accepted: u64,
    /// Links that are up now.
    pub open: u64,
    /// Bytes passed on to the server.
    pub up: u64,
    /// Bytes passed on to the client.
    pub down: u64,
    /// Cuts made.
    pub cuts: u64,
}

/// The proxy; it ends with its links when dropped.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    orders: watch::Sender<Orders>,
    shared: Arc<Shared>,
    door: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

/// What every link obeys.
#[derive(Debug, Clone, Copy)]
struct Orders {
    weather: Weather,
    /// Links with a lower number end so.
    ended: (u64, End),
}

#[derive(Debug)]
struct Shared {
    target: Mutex<String>,
    cuts: Mutex<Vec<Cut>>,
    /// Sides that were told nothing of the end of their link.
    kept: Mutex<Vec<TcpStream>>,
    accepted: AtomicU64,
    open: AtomicU64,
    bytes: [AtomicU64; 2],
    cut: watch::Sender<u64>,
}

impl FaultProxy {
    /// A proxy on a free port in front of `target` (`127.0.0.1:PORT`).
    ///
    /// # Panics
    /// When it cannot listen; so does [`FaultProxy::accept`].
    pub async fn start(target: &str) -> Self {
        let listener = listen("127.0.0.1:0").await;
        let address = listener.local_addr().unwrap_or_else(|error| panic!("no address: {error}"));
        let shared = Arc::new(Shared {
            target: Mutex::new(target.to_owned()),
            cuts: Mutex::default(),
            kept: Mutex::default(),
            accepted: AtomicU64::new(0),
            open: AtomicU64::new(0),
            bytes: Default::default(),
            cut: watch::channel(0).0,
        });
        let (orders, _) = watch::channel(Orders { weather: Weather::default(), ended: (0, End::Close) });
        let door = tokio::spawn(serve(listener, Arc::clone(&shared), orders.subscribe()));
        Self { address, orders, shared, door: Some(door).into() }
    }

    /// Where it listens: `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Where it listens: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// New links go to another server.
    pub fn retarget(&self, target: &str) {
        *lock(&self.shared.target) = target.to_owned();
    }

    /// The weather from now on, for all links.
    pub fn weather(&self, weather: Weather) {
        self.orders.send_modify(|orders| orders.weather = weather);
    }

    /// Fair weather, and no cut waits any more; what has ended stays so.
    pub fn heal(&self) {
        lock(&self.shared.cuts).clear();
        self.weather(Weather::default());
    }

    /// Lets a cut wait for its place.
    pub fn arm(&self, cut: Cut) {
        lock(&self.shared.cuts).push(cut);
    }

    /// Ends every link of now.
    pub fn end_links(&self, end: End) {
        let below = self.shared.accepted.load(Relaxed);
        self.orders.send_modify(|orders| orders.ended = (below, end));
    }

    /// Takes no connection any more: whoever tries is refused. Links stay.
    pub async fn refuse(&self) {
        if let Some(door) = self.door.lock().await.take() {
            door.abort();
            // Cancelled: with it went the listener.
            drop(door.await);
        }
    }

    /// Takes connections again, at the same address.
    ///
    /// # Panics
    /// When another took the port.
    pub async fn accept(&self) {
        let mut door = self.door.lock().await;
        if door.is_none() {
            let listener = listen(&self.address.to_string()).await;
            let serving = serve(listener, Arc::clone(&self.shared), self.orders.subscribe());
            *door = Some(tokio::spawn(serving));
        }
    }

    /// What it has done so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let Shared { accepted, open, bytes: [up, down], cut, .. } = &*self.shared;
        let [accepted, open, up, down] = [accepted, open, up, down].map(|n| n.load(Relaxed));
        Counts { accepted, open, up, down, cuts: *cut.borrow() }
    }

    /// Waits until so many cuts have been made since it was started.
    ///
    /// # Panics
    /// When they are not made within [`PATIENCE`].
    pub async fn cuts(&self, number: u64) {
        let mut made = self.shared.cut.subscribe();
        let waited = timeout(PATIENCE, made.wait_for(|made| *made >= number)).await;
        assert!(waited.is_ok(), "no {number} cuts were made: {:?}", self.counts());
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Some(door) = self.door.get_mut().take() {
            door.abort();
        }
    }
}

async fn listen(address: &str) -> TcpListener {
    TcpListener::bind(address).await.unwrap_or_else(|error| panic!("listening on {address}: {error}"))
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, orders: watch::Receiver<Orders>) {
    while let Ok((client, _)) = listener.accept().await {
        let number = shared.accepted.fetch_add(1, Relaxed);
        let target = lock(&shared.target).clone();
        tokio::spawn(link::carry(number, client, target, Arc::clone(&shared), orders.clone()));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
