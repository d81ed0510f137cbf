//! Which broadcasts are asked for.

use serde_json::Value;

use super::BroadcastQuery;
use crate::Faults;
use crate::fault::{Fields, text};

impl BroadcastQuery {
    /// The most broadcasts at once.
    pub const MAX_LIMIT: u32 = 100;
    /// What is given unless asked.
    pub const DEFAULT_LIMIT: u32 = 20;

    /// Reads `{limit?, before?, kind?, status?}`.
    ///
    /// # Errors
    /// Every fault, each with its pointer.
    pub fn parse(argument: Value) -> Result<Self, Faults> {
        let mut fields = Fields::of(argument)?;
        let limit = fields.limit(Self::DEFAULT_LIMIT, Self::MAX_LIMIT);
        let before = fields.take("before");
        let before = fields.parse("before", before, |value| {
            text(value)?.parse().map_err(|_| "must be the id of a broadcast, a UUID")
        });
        let kind = fields.take("kind");
        let kind = fields.parse("kind", kind, |value| text(value)?.parse());
        let status = fields.take("status");
        let status = fields.parse("status", status, |value| text(value)?.parse());
        fields.finish()?;
        Ok(Self { limit, before, kind, status })
    }
}
