//! Instants, to the millisecond.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// An instant in milliseconds since 1970-01-01T00:00:00Z, written as RFC 3339 with three decimals
/// (`2026-11-22T19:27:00.123Z`). Milliseconds, because that is what JavaScript's `Date` keeps: a finer instant would
/// not survive its trip through a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Self = Self(jiff::Timestamp::UNIX_EPOCH);

    /// The instant `millis` after the Unix epoch, or `None` outside the years -9999 to 9999.
    #[must_use]
    pub fn from_millis(millis: i64) -> Option<Self> {
        jiff::Timestamp::from_millisecond(millis).ok().map(Self)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// This instant and `by` more, stopping at the last instant there is.
    #[must_use]
    pub fn saturating_add(self, by: Duration) -> Self {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.as_millis().saturating_add(millis)).unwrap_or(Self(jiff::Timestamp::MAX))
    }

    /// This instant less `by`, stopping at the first instant there is.
    #[must_use]
    pub fn saturating_sub(self, by: Duration) -> Self {
        let millis = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.as_millis().saturating_sub(millis)).unwrap_or(Self(jiff::Timestamp::MIN))
    }
}

impl From<jiff::Timestamp> for Timestamp {
    /// Drops what is finer than a millisecond.
    fn from(at: jiff::Timestamp) -> Self {
        Self(jiff::Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(jiff::Timestamp::MIN))
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    /// Any RFC 3339 date-time with a zone or offset.
    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        text.parse::<jiff::Timestamp>().map(Self::from)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_browsers_write_it() {
        let at: Timestamp = "2026-11-22T21:27:00.123987+02:00".parse().unwrap();
        assert_eq!(at.to_string(), "2026-11-22T19:27:00.123Z");
        let whole: Timestamp = "2026-11-22T19:27:00Z".parse().unwrap();
        assert_eq!(whole.to_string(), "2026-11-22T19:27:00.000Z");
        assert_eq!(Timestamp::from_millis(at.as_millis()), Some(at));
    }

    #[test]
    fn a_date_that_is_none_is_refused() {
        assert!("2026-02-30T00:00:00Z".parse::<Timestamp>().is_err());
        assert!("2026-11-22".parse::<Timestamp>().is_err());
    }
}
