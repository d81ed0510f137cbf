//! Refusals that pass. The official client comes back by itself after an answer of HTTP, whatever it is, as it would not
//! after a refusal in Socket.IO.

use std::num::NonZeroU32;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::{DRAINING, FULL};
use crate::counted;

/// Why a new session is not begun now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotNow {
    /// Trouble of this node's, in these words: another may do better, and a proxy asks one.
    Trouble(&'static str),
    /// The client's address has come too often. It is told so in a status that proxies hand on: elsewhere it would be
    /// one flood more.
    TooOften {
        /// As many might have come at once.
        burst: NonZeroU32,
        /// How long until one more may.
        wait: Duration,
    },
}

impl NotNow {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Trouble(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooOften { .. } => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Trouble(why) => why,
            Self::TooOften { .. } => "too many handshakes",
        }
    }

    /// Counts the refusal; once for each.
    pub(crate) fn count(self) {
        counted::handshake(match self {
            Self::Trouble(DRAINING) => "draining",
            Self::Trouble(FULL) => "full",
            Self::Trouble(_) => "crowded",
            Self::TooOften { .. } => "too_often",
        });
        if matches!(self, Self::TooOften { .. }) {
            counted::rate_limited("handshake");
        }
    }

    /// When to come back; and of a limit the same fields as the API's limits have.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        let mut put = |name, value: u64| drop(headers.insert(name, value.into()));
        let Self::TooOften { burst, wait } = self else { return put(header::RETRY_AFTER, 1) };
        let seconds = (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1);
        put(header::RETRY_AFTER, seconds);
        put(HeaderName::from_static("ratelimit-limit"), burst.get().into());
        put(HeaderName::from_static("ratelimit-remaining"), 0);
        put(HeaderName::from_static("ratelimit-reset"), seconds);
    }
}

impl From<NotNow> for HttpResponse {
    fn from(not_now: NotNow) -> Self {
        not_now.count();
        let mut answer = Self::build(not_now.status()).body(not_now.words());
        let plain = HeaderValue::from_static("text/plain; charset=UTF-8");
        answer.headers_mut().insert(header::CONTENT_TYPE, plain);
        not_now.write(answer.headers_mut());
        answer
    }
}
