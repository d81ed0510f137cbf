//! One connection through the proxy: two streams that share an end.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Cut, End, Orders, Place, QUEUE, Shared, Way, lock};

const CHUNK: usize = 16 * 1024;

/// Carries one link to its end.
pub(super) async fn carry(
    number: u64,
    mut client: TcpStream,
    target: String,
    shared: Arc<Shared>,
    orders: watch::Receiver<Orders>,
) {
    let Ok(mut server) = TcpStream::connect(target).await else {
        return reset_when_dropped(&client);
    };
    // A proxy that gathers would itself be a fault.
    if client.set_nodelay(true).and(server.set_nodelay(true)).is_err() {
        return;
    }
    shared.open.fetch_add(1, Relaxed);
    let end = {
        let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
        let stream = |way| Stream { way, shared: &shared, orders: orders.clone(), passed: 0, head: None };
        tokio::select! {
            end = ordered(number, &orders) => end,
            end = async {
                let (up, down) = (stream(Way::Up), stream(Way::Down));
                tokio::try_join!(up.run(from_client, to_server), down.run(from_server, to_client)).err().unwrap_or(End::Close)
            } => end,
        }
    };
    shared.open.fetch_sub(1, Relaxed);
    match end {
        End::Close => {}
        End::Reset => {
            reset_when_dropped(&client);
            reset_when_dropped(&server);
        }
        End::HalfOpen => {
            reset_when_dropped(&client);
            lock(&shared.kept).push(server);
        }
        End::Silence => lock(&shared.kept).extend([client, server]),
    }
}

fn reset_when_dropped(stream: &TcpStream) {
    // Where it fails the peer has gone already.
    drop(stream.set_zero_linger());
}

/// Waits for the order to end, or for the end of the proxy.
async fn ordered(number: u64, orders: &watch::Receiver<Orders>) -> End {
    match orders.clone().wait_for(|orders| number < orders.ended.0).await {
        Ok(orders) => orders.ended.1,
        Err(_) => End::Close,
    }
}

/// One direction of a link.
struct Stream<'a> {
    way: Way,
    shared: &'a Shared,
    orders: watch::Receiver<Orders>,
    passed: u64,
    /// The HTTP head that the stream began with, and where it ended.
    head: Option<(String, u64)>,
}

impl Stream<'_> {
    /// Passes everything on until the sender has said all, or the link is to end.
    async fn run(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> Result<(), End> {
        let mut queue: VecDeque<(Instant, Vec<u8>)> = VecDeque::new();
        let mut has_more = true;
        let mut chunk = vec![0; CHUNK];
        while has_more || !queue.is_empty() {
            let flow = self.orders.borrow_and_update().weather.of(self.way);
            let next = queue.front().map(|(due, _)| *due).filter(|_| !flow.stalled);
            tokio::select! {
                read = from.read(&mut chunk), if has_more && !flow.stalled && queue.len() < QUEUE => match read {
                    Ok(0) => has_more = false,
                    Ok(_) if flow.swallowed => {}
                    Ok(count) => queue.push_back((Instant::now() + flow.latency, chunk[..count].to_vec())),
                    Err(error) => return Err(of(&error)),
                },
                () = async { match next { Some(due) => sleep_until(due).await, None => pending().await } } => {
                    let Some((_, bytes)) = queue.pop_front() else { continue };
                    self.pass(&bytes, flow.rate, &mut to).await?;
                }
                changed = self.orders.changed() => if changed.is_err() { return Err(End::Close) },
            }
        }
        // The other direction may still have something to say.
        drop(to.shutdown().await);
        Ok(())
    }

    async fn pass(&mut self, bytes: &[u8], rate: Option<u32>, to: &mut WriteHalf<'_>) -> Result<(), End> {
        let cut = self.cut(bytes);
        if self.passed == 0 {
            self.head = head(bytes);
        }
        let bytes = cut.map_or(bytes, |(count, _)| &bytes[..count]);
        // A tenth of a second's worth at a time, so that a slow stream is slow and not merely late.
        let piece = rate.map_or(CHUNK, |rate| (rate as usize / 10).max(1));
        for piece in bytes.chunks(piece) {
            to.write_all(piece).await.map_err(|error| of(&error))?;
            self.passed += piece.len() as u64;
            self.shared.bytes[self.way as usize].fetch_add(piece.len() as u64, Relaxed);
            if let Some(rate) = rate {
                sleep(Duration::from_secs_f64(piece.len() as f64 / f64::from(rate))).await;
            }
        }
        match cut {
            Some((_, end)) => Err(end),
            None => Ok(()),
        }
    }

    /// Takes a cut that lies in this chunk: how many of its bytes still pass, and what then.
    fn cut(&self, bytes: &[u8]) -> Option<(usize, End)> {
        let mut cuts = lock(&self.shared.cuts);
        let (at, count) =
            cuts.iter().enumerate().find_map(|(at, cut)| Some((at, self.place(cut, bytes)?)))?;
        let end = cuts[at].end;
        cuts[at].times -= 1;
        if cuts[at].times == 0 {
            cuts.remove(at);
        }
        self.shared.cut.send_modify(|made| *made += 1);
        Some((count, end))
    }

    /// How many of these bytes still pass, if the place is among them.
    fn within(&self, place: u64, bytes: &[u8]) -> Option<usize> {
        let count = usize::try_from(place.checked_sub(self.passed)?).ok()?;
        (count <= bytes.len()).then_some(count)
    }

    fn place(&self, cut: &Cut, bytes: &[u8]) -> Option<usize> {
        if cut.way != self.way {
            return None;
        }
        match cut.at {
            Place::After(place) => self.within(place, bytes),
            Place::PastHead(text, count) => {
                let (head, end) = self.head.as_ref()?;
                self.within(end + count, bytes).filter(|_| head.contains(text))
            }
            Place::Inside(text) => {
                let is_inside = bytes.windows(text.len()).any(|window| window == text.as_bytes());
                is_inside.then(|| bytes.len() - 1)
            }
        }
    }
}

/// The HTTP head in the first chunk of a stream, which is the whole of it, and its length.
fn head(bytes: &[u8]) -> Option<(String, u64)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    Some((String::from_utf8_lossy(&bytes[..end]).into_owned(), end as u64))
}

/// What one side's end means for the other.
fn of(error: &io::Error) -> End {
    if error.kind() == io::ErrorKind::ConnectionReset { End::Reset } else { End::Close }
}
