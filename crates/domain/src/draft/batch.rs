//! Many drafts in one body.

use serde_json::Value;

use super::Draft;
use crate::fault::Fields;
use crate::{Faults, Timestamp};

impl Draft {
    /// The most publishes one batch may hold.
    pub const MAX_BATCH: usize = 1_000;

    /// Reads the body of `POST /api/v1/notifications/batch`: `{items: [1 to 1,000]}`, each item as
    /// [`Draft::parse_notification`] takes it. A faulty item does not spoil the others: its faults stand in
    /// its place, with pointers into the item.
    ///
    /// # Errors
    /// Every fault of the body around the items.
    pub fn parse_batch(body: Value, now: Timestamp) -> Result<Vec<Result<Self, Faults>>, Faults> {
        let mut fields = Fields::of(body)?;
        let items = fields.require("items");
        let items = fields.parse("items", items, |value| match value {
            Value::Array(items) if (1..=Self::MAX_BATCH).contains(&items.len()) => Ok(items),
            _ => Err(format!("must be a list of 1 to {} notifications", Self::MAX_BATCH)),
        });
        fields.finish()?;
        Ok(items.into_iter().flatten().map(|item| Self::parse_notification(item, now)).collect())
    }
}
