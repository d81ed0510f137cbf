//! What those in charge have done.

use async_trait::async_trait;

use super::PortError;
use crate::{AuditEntry, AuditNote, AuditQuery};

/// The audit table: entries are added, and never changed or deleted. Broadcasts are noted by their own port, in the step
/// that changes them.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Adds an entry, unless one has the same key.
    ///
    /// # Errors
    /// As all ports.
    async fn note(&self, note: &AuditNote) -> Result<(), PortError>;

    /// The first entries of a place, in their order. Whoever has been given an entry will meet no new one before it.
    ///
    /// # Errors
    /// As all ports.
    async fn entries(&self, query: AuditQuery) -> Result<Vec<AuditEntry>, PortError>;
}
