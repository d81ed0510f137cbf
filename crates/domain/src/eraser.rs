//! Erasing what the log holds of one user.

use std::sync::Arc;

use crate::ports::{Audit, PortError};
use crate::{AuditAction, AuditNote, Data, Memo, PublishError, Publisher, Reader, UserId};

/// Why a user is not known to be erased. It may have begun; erasing again goes on.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The memo could not be kept.
    #[error("the erasure is not known to be kept")]
    Publish(#[from] PublishError),
    /// The store failed.
    #[error("the store cannot be changed")]
    Store(#[from] PortError),
}

/// Erases users.
#[derive(Clone)]
pub struct Eraser {
    reader: Reader,
    publisher: Arc<Publisher>,
    audit: Arc<dyn Audit>,
}

impl Eraser {
    /// One over these.
    pub fn new(reader: Reader, publisher: Arc<Publisher>, audit: Arc<dyn Audit>) -> Self {
        Self { reader, publisher, audit }
    }

    /// Deletes what was said to a user alone, and what is kept of their reading and their wishes. Nothing is pushed; each
    /// node that hears of it ([`Memo::Erased`]) ends the user's connections, whose clients come back and reload. Noted in
    /// the audit table in the name of `actor`.
    ///
    /// # Errors
    /// See [`EraseError`].
    pub async fn erase(&self, actor: String, user_id: UserId) -> Result<(), EraseError> {
        let rooms = loop {
            let erasing = self.reader.erase(&user_id).await?;
            if !erasing.has_more {
                break erasing.rooms;
            }
        };
        let subject = user_id.to_string();
        let event_id = self.publisher.note(Memo::Erased { user_id, rooms }).await?;
        let key = Some(event_id.as_uuid());
        let note =
            AuditNote { actor, action: AuditAction::UserErased, subject, detail: Data::default(), key };
        Ok(self.audit.note(&note).await?)
    }
}
