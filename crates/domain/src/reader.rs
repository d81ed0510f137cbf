//! What a user does with their inbox, over HTTP as over a socket.

use std::sync::Arc;

use crate::ports::{Clock, Erasing, Fanout, Inbox, MarkNews, PortError, Signal};
use crate::{
    Entitled, InboxItem, ListQuery, Listing, Mark, Muting, Mutings, NotificationId, Position, Principal,
    UserId,
};

/// Why a reader did not get what they asked for.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No such notification, or not theirs: which of the two is not said.
    #[error("no such notification")]
    NotFound,
    /// The store failed.
    #[error("the inbox cannot be read")]
    Store(#[from] PortError),
}

/// Lists, counts and marks.
#[derive(Clone)]
pub struct Reader {
    inbox: Arc<dyn Inbox>,
    fanout: Arc<dyn Fanout>,
    clock: Arc<dyn Clock>,
}

impl Reader {
    /// A reader over these ports.
    pub fn new(inbox: Arc<dyn Inbox>, fanout: Arc<dyn Fanout>, clock: Arc<dyn Clock>) -> Self {
        Self { inbox, fanout, clock }
    }

    /// Lets a principal in, for the calls below. A connection does this once, a request each time.
    ///
    /// # Errors
    /// The store failed.
    pub async fn enter(&self, principal: &Principal) -> Result<Entitled, PortError> {
        self.inbox.enter(principal).await
    }

    /// [`Reader::enter`] for several, in their order.
    ///
    /// # Errors
    /// The store failed.
    pub async fn enter_all(&self, principals: &[Principal]) -> Result<Vec<Entitled>, PortError> {
        self.inbox.enter_all(principals).await
    }

    /// A page of the inbox, and how many are unread in all of it.
    ///
    /// # Errors
    /// [`ReadError::NotFound`] when `before` is not theirs.
    pub async fn list(&self, who: &Entitled, query: ListQuery) -> Result<(Listing, u32), ReadError> {
        let now = self.clock.now();
        let listing = self.inbox.list(who, query, now).await?.ok_or(ReadError::NotFound)?;
        let unread = self.inbox.unread(who, Position::END, now).await?;
        Ok((listing, unread))
    }

    /// One notification.
    ///
    /// # Errors
    /// [`ReadError::NotFound`] when it is not theirs.
    pub async fn get(&self, who: &Entitled, id: NotificationId) -> Result<InboxItem, ReadError> {
        self.inbox.get(who, id, self.clock.now()).await?.ok_or(ReadError::NotFound)
    }

    /// How many are unread at or below a place.
    ///
    /// # Errors
    /// The store failed.
    pub async fn unread(&self, who: &Entitled, up_to: Position) -> Result<u32, PortError> {
        self.inbox.unread(who, up_to, self.clock.now()).await
    }

    /// [`Reader::unread`] for several, in their order.
    ///
    /// # Errors
    /// The store failed.
    pub async fn unread_all(&self, all: &[(Arc<Entitled>, Position)]) -> Result<Vec<u32>, PortError> {
        self.inbox.unread_all(all, self.clock.now()).await
    }

    /// Erases a bounded part of what was said to a user alone, and of what they marked.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn erase(&self, user_id: &UserId) -> Result<Erasing, PortError> {
        self.inbox.erase(user_id).await
    }

    /// What a user mutes and has muted.
    ///
    /// # Errors
    /// The store failed.
    pub async fn muting(&self, user: &Principal) -> Result<Muting, PortError> {
        self.inbox.muting(user.user_id()).await
    }

    /// What all users mute: what a node begins with.
    ///
    /// # Errors
    /// The store failed.
    pub async fn mutings(&self) -> Result<Mutings, PortError> {
        self.inbox.mutings().await
    }

    /// Marks, tells the user's other sockets (all but the one named), and answers what is unread now.
    ///
    /// # Errors
    /// [`ReadError::NotFound`], with nothing changed, when one of the ids is not theirs.
    pub async fn mark(&self, who: &Entitled, mark: Mark, except: Option<&str>) -> Result<u32, ReadError> {
        let marked = self.inbox.mark(who, &mark, self.clock.now()).await?.ok_or(ReadError::NotFound)?;
        let read = !matches!(mark, Mark::Unread(_));
        let (ids, up_to) = match mark {
            Mark::Read(ids) | Mark::Unread(ids) => (ids, None),
            Mark::ReadUpTo(id) => (Vec::new(), Some(id)),
            Mark::ReadAll => (Vec::new(), marked.newest),
        };
        let (user_id, except) = (who.user_id.clone(), except.map(str::to_owned));
        let news = MarkNews { user_id, except, read, ids, up_to, unread: marked.unread };
        self.fanout.publish(Signal::Marked(Arc::new(news)));
        Ok(marked.unread)
    }
}
