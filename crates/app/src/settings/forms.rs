//! The forms single settings take: origins, publish keys, node names, database and Redis addresses.
//!
//! Each parser says what is wrong in words that fit behind `NAME: `, and never repeats what may be a secret.

use std::path::PathBuf;
use std::time::Duration;

use carillon_domain::Kind;
use carillon_fanout_redis::RedisUrl;
use secrecy::SecretString;
use serde::{Serialize, Serializer};
use url::Url;

const MIN_PUBLISH_KEY: usize = 24;

/// Where notifications are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Database {
    /// The embedded store, in this file.
    Sqlite(PathBuf),
    /// A PostgreSQL server.
    Postgres(Box<carillon_store_postgres::Settings>),
}

/// What stands in for a setting that is refused anyway.
impl Default for Database {
    fn default() -> Self {
        Self::Sqlite(PathBuf::new())
    }
}

/// One who may publish.
#[derive(Debug, Clone)]
pub(crate) struct PublishKey {
    /// 1 to 32 of `a-z0-9-`; what logs and rate limits call the publisher.
    pub(crate) name: String,
    /// At least 24 visible ASCII characters.
    pub(crate) key: SecretString,
}

/// What becomes of what back ends emit over Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EmitterMode {
    /// It is not heard.
    #[default]
    Off,
    /// Told to whoever is here.
    Live,
    /// The same, but notifications are kept first.
    Stored,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// `sqlite://FILE` or `postgres://…`.
pub(super) fn database(text: &str) -> Result<Database, String> {
    match text.split_once("://") {
        Some(("sqlite", _)) => (carillon_store_sqlite::Settings::from_url(text))
            .map(|store| Database::Sqlite(store.path))
            .map_err(|fault| fault.to_string()),
        Some(("postgres" | "postgresql", _)) => (carillon_store_postgres::Settings::from_url(text))
            .map(|store| Database::Postgres(Box::new(store)))
            .map_err(|fault| fault.to_string()),
        _ => Err("must begin with sqlite:// or postgres://".to_owned()),
    }
}

/// `redis://`, `rediss://`, `redis-cluster://` or `redis-sentinel://` and a host.
pub(super) fn redis(text: &str) -> Result<RedisUrl, String> {
    RedisUrl::parse(text).map_err(|fault| fault.to_string())
}

/// `off`, `live` or `stored`.
pub(super) fn emitter_mode(text: &str) -> Result<EmitterMode, String> {
    match text {
        "off" => Ok(EmitterMode::Off),
        "live" => Ok(EmitterMode::Live),
        "stored" => Ok(EmitterMode::Stored),
        other => Err(format!("must be off, live or stored, not {other:?}")),
    }
}

/// What names of channels begin with: nothing that a pattern would take for more than itself.
pub(super) fn emitter_key(text: &str) -> Result<String, String> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._:/-".contains(&b);
    let is_key = (1..=64).contains(&text.len()) && text.bytes().all(is_plain);
    is_key
        .then(|| text.to_owned())
        .ok_or_else(|| format!("must be 1 to 64 of a-z, A-Z, 0-9 and . _ : / -, not {text:?}"))
}

/// A node's name: 1 to 16 of `a-z0-9-`.
pub(super) fn node_id(text: &str) -> Result<String, String> {
    named(text, 16)
        .then(|| text.to_owned())
        .ok_or_else(|| format!("must be 1 to 16 of a-z, 0-9 and -, not {text:?}"))
}

/// An origin as a browser sends it: `scheme://host[:port]`, lower case, no default port, nothing after it.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is no origin: write scheme://host or scheme://host:port, http or https");
    let url = Url::parse(text).map_err(|_| wrong())?;
    let plain =
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
    let exact = url.origin().ascii_serialization();
    match () {
        () if !plain => Err(wrong()),
        () if exact == text => Ok(exact),
        () => Err(format!("{text:?} is not what a browser sends as its origin: write {exact:?}")),
    }
}

/// Where an OTLP collector is. Without TLS: it is meant to be on the machine, or beside it.
pub(super) fn collector(text: &str) -> Result<String, String> {
    let url = Url::parse(text).ok().filter(|url| url.scheme() == "http" && url.has_host());
    url.map(|_| text.to_owned()).ok_or_else(|| format!("must be http://HOST:PORT, not {text:?}"))
}

/// A share, from 0 to 1.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let share = text.trim().parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("must be a number from 0 to 1, not {text:?}"))
}

/// `name:key`. `place` is the entry's number in the list, since the entry itself must not be told.
pub(super) fn publish_key(place: usize, text: &str) -> Result<PublishKey, String> {
    let Some((name, key)) = text.split_once(':') else {
        return Err(format!("entry {place} is not of the form name:key"));
    };
    if !named(name, 32) {
        return Err(format!("the name of entry {place} must be 1 to 32 of a-z, 0-9 and -"));
    }
    if key.chars().count() < MIN_PUBLISH_KEY {
        return Err(format!("the key of {name} has fewer than {MIN_PUBLISH_KEY} characters"));
    }
    if !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!(
            "the key of {name} must be of visible ASCII characters, since a header carries it"
        ));
    }
    Ok(PublishKey { name: name.to_owned(), key: key.into() })
}

/// `TYPE:DAYS`.
pub(super) fn kind_days(text: &str) -> Result<(Kind, Duration), String> {
    let wrong = || format!("{text:?} is not of the form TYPE:DAYS, with 1 to 36500 days");
    let (kind, days) = text.split_once(':').ok_or_else(wrong)?;
    let kind = kind.trim().parse().map_err(|e| format!("{kind:?} {e}"))?;
    let days =
        days.trim().parse::<u64>().ok().filter(|days| (1..=36_500).contains(days)).ok_or_else(wrong)?;
    Ok((kind, Duration::from_secs(days * 86_400)))
}

/// `text` or `json`.
pub(super) fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        other => Err(format!("must be text or json, not {other:?}")),
    }
}

fn named(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl Serialize for PublishKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}:[redacted]", self.name))
    }
}

impl Serialize for Database {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Sqlite(file) => serializer.collect_str(&format_args!("sqlite://{}", file.display())),
            Self::Postgres(store) => serializer.collect_str(store),
        }
    }
}
