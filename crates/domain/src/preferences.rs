//! What a user wants to hear of.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::fault::{Fields, text};
use crate::ports::PortError;
use crate::{Faults, Kind, Memo, Muting, Principal, PublishError, Publisher, ROUTES, Reader};

/// Types of what admins say to everyone; the other known types are those of [`ROUTES`].
const BROADCASTS: [&str; 3] = ["ANNOUNCEMENT", "MAINTENANCE", "EMERGENCY"];

/// Why preferences were not changed.
#[derive(Debug, thiserror::Error)]
pub enum PreferencesError {
    /// They were changed too often ([`Muting::MOST_SPANS`]).
    #[error("the preferences were changed too often")]
    TooOften,
    /// The change could not be kept.
    #[error("the preferences are not known to be kept")]
    Publish(#[from] PublishError),
    /// The store failed.
    #[error("the preferences cannot be read")]
    Store(#[from] PortError),
}

/// Reads and changes preferences. A change is a memo in the log ([`Memo::Muted`]): it holds on every node, for each row
/// after it.
#[derive(Clone)]
pub struct Preferences {
    reader: Reader,
    publisher: Arc<Publisher>,
    /// What may be muted beside the types of our own catalogue.
    others: Arc<[Kind]>,
}

impl Preferences {
    /// Preferences over these. `others` are the types that services use in notifications of their own making.
    pub fn new(reader: Reader, publisher: Arc<Publisher>, others: Vec<Kind>) -> Self {
        Self { reader, publisher, others: others.into() }
    }

    /// Reads `{muted: [type]}`. Repeated types count once.
    ///
    /// # Errors
    /// Every fault, each with its pointer: a type that nobody knows would be muted in vain.
    pub fn parse(&self, body: Value) -> Result<Vec<Kind>, Faults> {
        let mut fields = Fields::of(body)?;
        let mut kinds = BTreeMap::new();
        match fields.require("muted") {
            Some(Value::Array(items)) if items.len() <= self.most() => {
                for (i, item) in items.into_iter().enumerate() {
                    let kind = fields.parse(&format!("muted/{i}"), Some(item), |item| self.kind(item));
                    kinds.extend(kind.map(|kind| (kind.as_str().to_owned(), kind)));
                }
            }
            Some(_) => fields.fault("/muted", format!("must be a list of at most {} types", self.most())),
            None => {}
        }
        fields.finish()?;
        Ok(kinds.into_values().collect())
    }

    fn kind(&self, item: Value) -> Result<Kind, &'static str> {
        let name = text(item)?;
        let ours = ROUTES.iter().map(|route| route.kind).chain(BROADCASTS);
        let mut known = ours.chain(self.others.iter().map(Kind::as_str));
        if known.any(|kind| kind == name) { name.parse() } else { Err("is no known type") }
    }

    /// As many as there are.
    fn most(&self) -> usize {
        ROUTES.len() + BROADCASTS.len() + self.others.len()
    }

    /// What a user mutes.
    ///
    /// # Errors
    /// The store failed.
    pub async fn muted(&self, user: &Principal) -> Result<Vec<Kind>, PortError> {
        Ok(self.reader.muting(user).await?.kinds())
    }

    /// Mutes these types, as [`Preferences::parse`] read them, and no others. What was muted before stays as it is.
    ///
    /// # Errors
    /// See [`PreferencesError`].
    pub async fn mute(&self, user: &Principal, kinds: &[Kind]) -> Result<(), PreferencesError> {
        let muting = self.reader.muting(user).await?;
        let muted = muting.kinds();
        if muted == kinds {
            return Ok(());
        }
        let fresh = kinds.iter().filter(|kind| !muted.contains(kind)).count();
        if muting.spans().len() + fresh > Muting::MOST_SPANS {
            return Err(PreferencesError::TooOften);
        }
        let memo = Memo::Muted { user_id: user.user_id().clone(), kinds: kinds.to_vec() };
        self.publisher.note(memo).await?;
        Ok(())
    }
}
