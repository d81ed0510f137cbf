//! When users were last here, and what is connected now.

use async_trait::async_trait;

use super::PortError;
use crate::{Role, Timestamp, UserId};

/// When a user was last here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Who.
    pub user_id: UserId,
    /// Their role then.
    pub role: Role,
    /// The profile by which they were known then.
    pub profile_id: Option<UserId>,
    /// When their last connection ended.
    pub at: Timestamp,
}

/// Keeps when users were last here.
///
/// The latest time counts, in whatever order times are kept; keeping one again changes nothing.
#[async_trait]
pub trait LastSeen: Send + Sync {
    /// Keeps all of these, or none. No user is named twice.
    ///
    /// # Errors
    /// As all ports.
    async fn keep(&self, seen: &[Seen]) -> Result<(), PortError>;

    /// Those doctors among these ids, of users or of profiles, that have been seen, in any order.
    ///
    /// # Errors
    /// As all ports.
    async fn doctors(&self, ids: &[UserId]) -> Result<Vec<Seen>, PortError>;

    /// The first `limit` users who have been seen, by the bytes of their ids, after one, of one role or of all.
    ///
    /// # Errors
    /// As all ports.
    async fn users(
        &self,
        role: Option<Role>,
        after: Option<&UserId>,
        limit: u32,
    ) -> Result<Vec<Seen>, PortError>;
}

/// A socket of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// Its id.
    pub socket_id: String,
    /// Whose.
    pub user_id: UserId,
    /// Their role.
    pub role: Role,
    /// Since when it has been here.
    pub since: Timestamp,
}

/// Knows the sockets of this node.
pub trait Connections: Send + Sync {
    /// The first `limit` of them by id, after one.
    fn connected(&self, after: Option<&str>, limit: usize) -> Vec<Connected>;
}
