//! A user's notifications as server-sent events (WHATWG HTML, "Server-sent events"): the same log as on a socket, without
//! one.
//!
//! ```text
//!   retry: 2041
//!
//!   event: notification          what was missed after `since`, if it can be given
//!   id: 1x4k.2c
//!   data: {"id":"0198…",…}
//!
//!   event: inbox:state           once
//!   id: 1x4k.2d
//!   data: {"unread":3,"serverTime":"…","recovered":true}
//!
//!   event: notification, or notification:read and notification:unread, which have no id
//!
//!   :                            when nothing else was sent for a while
//! ```
//!
//! A client that knows the standard comes back by itself, with the last id, when a stream ends; an answer other than
//! 200 makes it give up. So whatever passes (a drain, trouble with the store, a full node) is a stream that ends. actix
//! asks for the next chunk only while less than 32 KiB of the last ones wait for the client; all else waits in the
//! mailbox.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use carillon_domain::Principal;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, future};
use metrics::counter;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout};

use crate::counted::{Counted, STREAM};
use crate::frames;
use crate::gateway::Gateway;
use crate::hub::Barred;
use crate::ids;
use crate::reading::{End, Reading};
use crate::recovery::{self, Auth};
use crate::server::Server;

/// After so long without anything to say, a comment: proxies keep the connection, and one whose client is gone is found
/// out.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// In how many milliseconds the client is to come back, at random, so that not all do at once.
const RETRY: std::ops::Range<u16> = 1_000..3_000;
/// Bytes gathered before they are sent: what waits leaves in one system call.
const CHUNK: usize = 16 * 1024;

/// The user has as many connections as one may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyConnections;

impl Server<Gateway> {
    /// Opens a stream for a user: the body of a `text/event-stream`. `since` is the last id that the client heard. It
    /// counts as one of the user's connections and as a session of this node, for as long as it is not dropped.
    ///
    /// # Errors
    /// The user has too many connections.
    pub async fn stream(
        self: &Arc<Self>,
        user: &Principal,
        since: Option<String>,
    ) -> Result<BoxStream<'static, Bytes>, TooManyConnections> {
        let retry = format!("retry: {}\n\n", rand::random_range(RETRY));
        let hello = stream::once(future::ready(Bytes::from(retry)));
        let events = match self.begin(user, since).await {
            Ok(events) => {
                let next = async |mut events: Events| Some((events.next().await?, events));
                stream::unfold(events, next).boxed()
            }
            Err(None) => return Err(TooManyConnections),
            Err(Some(why)) => stream::once(future::ready(Bytes::from(format!(": {why}\n\n")))).boxed(),
        };
        Ok(hello.chain(events).boxed())
    }

    /// What the stream is read from. Otherwise why not now; if nothing is given, its user has too many connections.
    async fn begin(
        self: &Arc<Self>,
        user: &Principal,
        since: Option<String>,
    ) -> Result<Events, Option<&'static str>> {
        if self.is_draining() {
            return Err(Some("the server is draining"));
        }
        let seat = Seat::take(self).ok_or(Some("too many connections on this node"))?;
        let (gateway, auth) = (&self.application, Auth::since(since));
        let arrival = timeout(self.settings.protocol.connect_timeout, recovery::arrive(gateway, user, &auth));
        let arrival = match arrival.await {
            Ok(Ok(arrival)) => arrival,
            Ok(Err(fault)) => {
                tracing::warn!(error = %fault, "a stream was not begun because the store failed");
                return Err(Some(AWAY));
            }
            Err(_elapsed) => return Err(Some(AWAY)),
        };
        let reading = match Reading::begin(gateway, &arrival, &ids::random(), false) {
            Ok(reading) => reading,
            Err(Barred::Replaced) => return Err(Some(AWAY)),
            // When its client comes back, the API says so.
            Err(Barred::Blocked) => return Err(Some("the user is blocked")),
            Err(Barred::TooMany) => {
                counter!("carillon_connects_total", "outcome" => "too_many_connections").increment(1);
                return Err(None);
            }
        };
        counter!("carillon_connects_total", "outcome" => "accepted").increment(1);
        tracing::debug!(user = %user.user_id(), role = user.role().as_str(), "stream opened");
        let now = gateway.wall_clock.now();
        let ends_at = gateway.admission.ends_at(user);
        let left = u64::try_from(ends_at.as_millis() - now.as_millis()).unwrap_or(0);
        let mut beat = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Events {
            reading,
            _counted: Counted::new(STREAM, user.role()),
            beat,
            ends_at: Instant::now().checked_add(Duration::from_millis(left)),
            draining: self.draining(),
            is_leaving: false,
            seat,
        })
    }
}

const AWAY: &str = "the store is not available";

/// A stream's place among the sessions of its node.
struct Seat {
    server: Arc<Server<Gateway>>,
    id: String,
}

impl Seat {
    fn take(server: &Arc<Server<Gateway>>) -> Option<Self> {
        let id = ids::random();
        server.directory.open_direct(&id, server.settings.max_connections)?;
        Some(Self { server: Arc::clone(server), id })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.server.directory.close(&self.id);
    }
}

/// An open stream.
struct Events {
    reading: Reading,
    _counted: Counted,
    beat: Interval,
    /// When the token ends, or before that the connection for a drain.
    ends_at: Option<Instant>,
    draining: watch::Receiver<bool>,
    is_leaving: bool,
    seat: Seat,
}

impl Events {
    /// The next chunk; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let chunk = self.gather();
            if !chunk.is_empty() {
                self.beat.reset();
                return Some(chunk);
            }
            let Self { reading, beat, ends_at, draining, is_leaving, seat, .. } = self;
            tokio::select! {
                step = poll_fn(|cx| reading.poll_next(cx)) => match reading.heed(step) {
                    Ok(()) => {}
                    Err(End::Over(_) | End::Trimmed) => return None,
                    Err(End::Unavailable(fault)) => {
                        tracing::warn!(error = %fault, "a stream was ended because the store failed");
                        return None;
                    }
                },
                _ = beat.tick() => return Some(Bytes::from_static(b":\n\n")),
                () = async { match ends_at { Some(at) => sleep_until(*at).await, None => pending().await } } => return None,
                () = async { drop(draining.wait_for(|draining| *draining).await) }, if !*is_leaving => {
                    *is_leaving = true;
                    let leave_at = Instant::now() + seat.server.moment_to_leave();
                    *ends_at = Some(ends_at.map_or(leave_at, |at| at.min(leave_at)));
                }
            }
        }
    }

    /// What waits, as far as it fits.
    fn gather(&mut self) -> Bytes {
        let mut chunk = BytesMut::new();
        while chunk.len() < CHUNK
            && let Some(frame) = self.reading.take()
        {
            write(frame.text(), &mut chunk);
        }
        self.reading.go_on();
        chunk.freeze()
    }
}

/// Writes a frame's event as one of a stream: its name and its one or two arguments are slices of the frame, which
/// all recipients share. The second one is the offset, and no argument but an offset is a string (`frames`). JSON as it is
/// made here has no line breaks. What back ends emit is for sockets: it may have any arguments, and a stream one.
fn write(frame: &str, chunk: &mut BytesMut) {
    let event = frame.strip_prefix("42[\"").and_then(|event| event.strip_suffix(']'));
    let event = event.and_then(|event| event.split_once("\",")).filter(|(name, _)| frames::is_ours(name));
    let Some((name, arguments)) = event else { return };
    let ends_in_offset = arguments.strip_suffix('"').and_then(|arguments| arguments.rsplit_once(",\""));
    let (data, id) = ends_in_offset.map_or((arguments, None), |(data, id)| (data, Some(id)));
    let mut put = |parts: [&str; 3]| parts.iter().for_each(|part| chunk.extend_from_slice(part.as_bytes()));
    put(["event: ", name, "\n"]);
    if let Some(id) = id {
        put(["id: ", id, "\n"]);
    }
    put(["data: ", data, "\n\n"]);
}

#[cfg(test)]
mod tests;
