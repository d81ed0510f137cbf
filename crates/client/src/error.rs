//! What can go wrong, by what can be done about it.

use std::time::Duration;

use crate::Problem;

/// Why something is not known to be published.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A [`Client`](crate::Client) is made with `http://…` or `https://…`.
    #[error("a Carillon's address begins with http:// or https://")]
    Address,
    /// The publish key, or an idempotency key, is none.
    #[error("{0}")]
    Key(&'static str),
    /// It cannot be written as JSON.
    #[error("the data cannot be written as JSON")]
    Data(#[source] serde_json::Error),
    /// The same will not be published another time. Nor was it now, unless an earlier try of this call was, whose answer was lost, and the
    /// key was taken away since.
    #[error("Carillon refused it: {0}")]
    Refused(Problem),
    /// It may or may not be published. Publish it again under this key: it will be once.
    #[error("not known to be published after {tries} tries in {waited:?}; its key is {key:?}")]
    Unavailable {
        /// The idempotency key it was sent under.
        key: String,
        /// How often it was sent.
        tries: u32,
        /// For how long.
        waited: Duration,
        /// What went wrong the last time.
        #[source]
        last: Trouble,
    },
    /// It was answered as if it were published, but by something that is no Carillon.
    #[error("the answer is none of Carillon's")]
    Unreadable(#[source] serde_json::Error),
}

/// What passes, as far as anyone knows.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// There was no connection, or no whole answer.
    #[error("no answer")]
    Connection(#[source] reqwest::Error),
    /// The gateway, or a proxy in front of it, was not able to.
    #[error("{0}")]
    Answer(Box<Problem>),
}
