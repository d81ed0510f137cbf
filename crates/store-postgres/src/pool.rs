//! Connections, each used by one step at a time, and the time a step may take.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use carillon_domain::ports::PortError;
use deadpool::managed;
use diesel_async::AsyncPgConnection;
use tokio::time::timeout;

use crate::connect::Manager;
use crate::error::StepError;
use crate::settings::Settings;

/// How long a step may take, waiting for a connection included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience(Duration);

impl Patience {
    pub(crate) const fn of(total: Duration) -> Self {
        Self(total)
    }

    /// The server's limit on one statement: what is given up here has ended there.
    pub(crate) fn statement(self) -> Duration {
        self.0 * 9 / 10
    }

    /// The server's limit on waiting for a lock, so that its error names the lock.
    pub(crate) fn lock(self) -> Duration {
        self.0 * 8 / 10
    }
}

/// A few connections, opened as they are needed.
#[derive(Clone)]
pub(crate) struct Pool {
    inner: managed::Pool<Manager>,
    patience: Patience,
}

impl Pool {
    pub(crate) fn new(settings: &Settings, size: usize, patience: Patience) -> Self {
        // The connection used last is the one most likely to be good still.
        let pool = managed::Pool::builder(Manager::new(settings, patience))
            .max_size(size.max(1))
            .queue_mode(managed::QueueMode::Lifo);
        let inner =
            pool.build().unwrap_or_else(|_| unreachable!("it lacks timeouts, which alone need a runtime"));
        Self { inner, patience }
    }

    /// Does `step` on a connection of its own, within the pool's patience; once again, in what is left of it, if it fails
    /// for a passing reason. Every step of a port may be repeated.
    ///
    /// The step hands the connection back with its result, and keeps it (to be closed) when it fails.
    pub(crate) async fn run<T, F>(
        &self,
        port: &'static str,
        step: impl Fn(Lease) -> F,
    ) -> Result<T, PortError>
    where
        F: Future<Output = Result<(T, Lease), StepError>>,
    {
        let once = async || {
            let (done, lease) = step(Lease(Some(self.inner.get().await?))).await?;
            lease.keep();
            Ok::<T, StepError>(done)
        };
        let twice = async {
            match once().await {
                Err(fault) if fault.is_transient() => once().await,
                done => done,
            }
        };
        match timeout(self.patience.0, twice).await {
            Ok(done) => done.map_err(|fault| fault.on(port)),
            Err(late) => Err(PortError::Unavailable { port, source: late.into() }),
        }
    }
}

/// A connection in use. One that is not kept is closed: after a fault, or when whoever used it
/// has gone away in the middle, nobody need ask in what state it is.
pub(crate) struct Lease(Option<managed::Object<Manager>>);

impl Lease {
    fn keep(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(managed::Object::take(object));
        }
    }
}

impl Deref for Lease {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        match &self.0 {
            Some(object) => &object.inner,
            None => unreachable!("only keep() and drop() take it"),
        }
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        match &mut self.0 {
            Some(object) => &mut object.inner,
            None => unreachable!("only keep() and drop() take it"),
        }
    }
}
