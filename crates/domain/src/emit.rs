//! What services say to sockets past the log: an event of their own, to whoever is here now.

use std::fmt;

use serde_json::value::RawValue;

/// An event as a back end emitted it. Nothing of it is kept.
pub struct Emit {
    /// Its name.
    pub name: String,
    /// Its arguments: a JSON array, in which the place of an attachment is held by `{"_placeholder":true,"num":n}`.
    pub args: Box<RawValue>,
    /// Binary arguments, by their numbers.
    pub attachments: Vec<Vec<u8>>,
    /// Who is to hear it.
    pub audience: Audience,
    /// Not for those who cannot take it now.
    pub is_volatile: bool,
}

/// Sockets by the names of rooms, or by their own ids. Nobody is in a room whose name means nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audience {
    /// Who is in any of these; everyone, if there is none.
    pub rooms: Vec<String>,
    /// But for who is in any of these.
    pub except: Vec<String>,
}

/// Without the content, for the same reason as a notification's.
impl fmt::Debug for Emit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emit").field("name", &self.name).finish_non_exhaustive()
    }
}
