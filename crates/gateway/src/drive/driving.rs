//! A driver at work: the task of one connection.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

use carillon_protocol::Machine as _;
use carillon_protocol::engine::{Input, Request};

use super::{Driver, GATHERED, Link};
use crate::application::Application;

thread_local! {
    /// Where what is to be sent is gathered, by one connection at a time.
    static GATHERING: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A driver at work: the task of its connection.
pub(crate) struct Driving<A: Application>(Option<Box<Driver<A>>>);

impl<A: Application> Future for Driving<A> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(driver) = &mut self.0 else { return Poll::Ready(()) };
            let mut gathered = GATHERING.take();
            let driven = driver.drive(&mut gathered, cx);
            // One long message does not make the buffer a large one for good.
            gathered.clear();
            gathered.shrink_to(4 * GATHERED);
            GATHERING.set(gathered);
            match driven {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => {
                    #[cfg(leak_sessions)]
                    self.0.take().map(leak);
                    self.0 = None;
                }
                Poll::Ready(Some(link)) => self.move_on(link),
            }
        }
    }
}

impl<A: Application> Driving<A> {
    pub(super) fn new(driver: Box<Driver<A>>) -> Self {
        Self(Some(driver))
    }

    /// Gives the driver to the WebSocket that asks for it, if that is allowed.
    fn move_on(&mut self, link: Link<A>) {
        let (Link::Upgrade(reply), Some(driver)) = (link, &mut self.0) else { return };
        if let Err(refusal) = driver.machine.request(Request::Probe, driver.server.now()) {
            return drop(reply.send(Err(refusal)));
        }
        if let Some(driver) = self.0.take()
            && let Err(Ok(mut driver)) = reply.send(Ok(driver))
        {
            // The WebSocket has gone already.
            driver.machine.handle(Input::SocketFailed, driver.server.now());
            self.0 = Some(driver);
        }
    }
}

/// What the soak must notice: one session in 1,000 that is gone from every list and still in memory.
#[cfg(leak_sessions)]
fn leak<A: Application>(driver: Box<Driver<A>>) {
    static ENDED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);
    if ENDED.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 1_000 == 0 {
        driver.server.directory.close(&driver.sid);
        std::mem::forget(driver);
    }
}
