//! Engine.IO session ids to the tasks that drive them, for the HTTP requests of polling and upgrade.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::gauge;
use tokio::sync::mpsc;

use crate::application::Application;
use crate::bell::Bell;
use crate::drive::Link;

/// Requests that wait for one session's task. A client has one GET, one POST and one probe under way; more than
/// that is its own fault.
const LINKS: usize = 8;

/// All sessions of this node. An id is 24 or more characters, 15 bytes of them random: it is the secret by which
/// later requests of a session are known.
pub(crate) struct Directory<A: Application> {
    sessions: Mutex<HashMap<String, Entry<A>>>,
}

/// How a session can be reached.
pub(crate) enum Session<A: Application> {
    /// By requests.
    Polling(Polling<A>),
    /// By its own link alone, a WebSocket or a stream: requests that name it are refused.
    Direct,
}

/// How a session's task hears of what others want of it: by requests, if there are any, and that the node drains.
pub(crate) type Reach<A> = (Option<mpsc::Receiver<Link<A>>>, Arc<Bell>);

/// A session, and how its task is told that the node has begun to drain.
struct Entry<A: Application>(Session<A>, Arc<Bell>);

/// The way to a polling session's task.
pub(crate) struct Polling<A: Application> {
    pub(crate) links: mpsc::Sender<Link<A>>,
    /// Set while a POST is being read; another one meanwhile is an overlap.
    posting: Arc<AtomicBool>,
}

// Derived, these would ask the same of the application.

impl<A: Application> Default for Directory<A> {
    fn default() -> Self {
        Self { sessions: Mutex::default() }
    }
}

impl<A: Application> Clone for Session<A> {
    fn clone(&self) -> Self {
        match self {
            Self::Polling(polling) => Self::Polling(polling.clone()),
            Self::Direct => Self::Direct,
        }
    }
}

impl<A: Application> Clone for Polling<A> {
    fn clone(&self) -> Self {
        Self { links: self.links.clone(), posting: Arc::clone(&self.posting) }
    }
}

impl<A: Application> Directory<A> {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry<A>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a session that is reached by requests, unless `most` are here already.
    pub(crate) fn open_polling(&self, sid: &str, most: usize) -> Option<Reach<A>> {
        let (links, requests) = mpsc::channel(LINKS);
        let polling = Polling { links, posting: Arc::default() };
        Some((Some(requests), self.open(sid, Session::Polling(polling), most)?))
    }

    /// Notes a session that is reached by its own link alone, unless `most` are here already.
    pub(crate) fn open_direct(&self, sid: &str, most: usize) -> Option<Arc<Bell>> {
        self.open(sid, Session::Direct, most)
    }

    fn open(&self, sid: &str, session: Session<A>, most: usize) -> Option<Arc<Bell>> {
        let mut sessions = self.lock();
        let has_room = sessions.len() < most;
        has_room.then(|| {
            let bell = Arc::<Bell>::default();
            sessions.insert(sid.to_owned(), Entry(session, Arc::clone(&bell)));
            count(sessions.len());
            bell
        })
    }

    /// Has all sessions look whether the node drains.
    pub(crate) fn ring(&self) {
        self.lock().values().for_each(|Entry(_, bell)| bell.ring());
    }

    /// The WebSocket has taken over.
    pub(crate) fn upgraded(&self, sid: &str) {
        if let Some(Entry(session, _)) = self.lock().get_mut(sid) {
            *session = Session::Direct;
        }
    }

    /// Forgets a session.
    pub(crate) fn close(&self, sid: &str) {
        let mut sessions = self.lock();
        sessions.remove(sid);
        count(sessions.len());
    }

    /// How a session can be reached, if it exists.
    pub(crate) fn find(&self, sid: &str) -> Option<Session<A>> {
        self.lock().get(sid).map(|Entry(session, _)| session.clone())
    }

    /// How many sessions there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }
}

/// Set under the directory's lock, so that it never tells an older number after a newer one.
fn count(sessions: usize) {
    gauge!("carillon_sessions").set(sessions as f64);
}

impl<A: Application> Polling<A> {
    /// Claims the session's one POST; `None` while another is being read.
    pub(crate) fn begin_post(&self) -> Option<Post<A>> {
        let is_free = !self.posting.swap(true, Ordering::AcqRel);
        is_free.then(|| Post { polling: self.clone(), is_complete: false })
    }
}

/// A POST that is being read. Dropped before it is complete, it tells the session that it failed.
pub(crate) struct Post<A: Application> {
    polling: Polling<A>,
    is_complete: bool,
}

impl<A: Application> Post<A> {
    /// The body has been read to its end.
    pub(crate) fn complete(mut self) {
        self.is_complete = true;
    }
}

impl<A: Application> Drop for Post<A> {
    fn drop(&mut self) {
        self.polling.posting.store(false, Ordering::Release);
        if !self.is_complete {
            // A full channel means that the session has more than enough to fail over already.
            drop(self.polling.links.try_send(Link::BodyFailed));
        }
    }
}
