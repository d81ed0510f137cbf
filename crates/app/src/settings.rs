//! The settings: read from three layers, checked all at once, typed from then on.
//!
//! `carillon.default.toml` is the reference for names, defaults and meanings; this file says which values are allowed. A
//! process starts with a [`Settings`] or tells every fault, one a line, and ends with exit code 2.

mod forms;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use carillon_auth_jwt::{JwtConfig, KeySource};
use carillon_domain::{Kind, KindRules};
use carillon_fanout_redis::RedisUrl;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Serialize, Serializer};
use tracing_subscriber::EnvFilter;

pub(crate) use forms::{Database, EmitterMode, LogFormat, PublishKey};
pub(crate) use read::Faults;
use read::Reader;

const DEFAULTS: &str = include_str!("carillon.default.toml");

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// A mailbox must hold the largest notification (16 KiB of data, 2,200 characters escaped, the rest) with room to spare.
const MIN_MAILBOX: usize = 65_536;

/// Whether the caller can do without a key to check tokens by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tokens {
    /// No source of keys is a fault: `serve`.
    Required,
    /// The demo makes its own secret; `config` and `migrate` need none.
    Optional,
}

/// Everything that can be set. Serialized, it is a settings file with the secrets redacted.
#[derive(Debug, Serialize)]
pub(crate) struct Settings {
    pub(crate) socket_host: String,
    /// 0: any free port.
    pub(crate) socket_port: u16,
    pub(crate) metrics_port: Option<u16>,
    #[serde(rename = "database_url")]
    pub(crate) database: Database,
    /// Where the nodes meet; unset: there is one node.
    #[serde(rename = "redis_url", serialize_with = "shown")]
    pub(crate) redis: Option<RedisUrl>,
    /// Whether back ends are heard there.
    pub(crate) redis_emitter: EmitterMode,
    /// What their channels begin with.
    pub(crate) redis_emitter_key: String,
    /// 1 to 16 of `a-z0-9-`.
    pub(crate) node_id: String,
    #[serde(flatten)]
    pub(crate) jwt_source: Option<JwtSource>,
    pub(crate) jwt_issuer: Option<String>,
    pub(crate) jwt_audience: Option<String>,
    #[serde(rename = "jwt_leeway_seconds", serialize_with = "seconds")]
    pub(crate) jwt_leeway: Duration,
    /// Origins as browsers send them, beside the gateway's own.
    #[serde(rename = "frontend_url")]
    pub(crate) frontend_origins: Vec<String>,
    pub(crate) publish_keys: Vec<PublishKey>,
    /// Types that services use beside those of our own events.
    pub(crate) notification_types: Vec<Kind>,
    #[serde(flatten, serialize_with = "kind_rules_as_set")]
    pub(crate) kind_rules: KindRules,
    #[serde(rename = "ping_interval_ms", serialize_with = "millis")]
    pub(crate) ping_interval: Duration,
    #[serde(rename = "ping_timeout_ms", serialize_with = "millis")]
    pub(crate) ping_timeout: Duration,
    #[serde(rename = "connect_timeout_ms", serialize_with = "millis")]
    pub(crate) connect_timeout: Duration,
    #[serde(rename = "upgrade_timeout_ms", serialize_with = "millis")]
    pub(crate) upgrade_timeout: Duration,
    pub(crate) max_payload_bytes: usize,
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_user: usize,
    /// Client events a second, per connection.
    pub(crate) event_rate: u32,
    pub(crate) event_burst: u32,
    /// Publishes a second, per key.
    pub(crate) publish_rate: u32,
    pub(crate) publish_burst: u32,
    /// Other requests a second, per user.
    pub(crate) user_rate: u32,
    pub(crate) user_burst: u32,
    /// New sessions a second, per address.
    pub(crate) handshake_rate: u32,
    pub(crate) handshake_burst: u32,
    pub(crate) mailbox_bytes: usize,
    pub(crate) recovery_limit: u32,
    pub(crate) retention_days: u32,
    #[serde(rename = "presence_grace_ms", serialize_with = "millis")]
    pub(crate) presence_grace: Duration,
    #[serde(rename = "drain_seconds", serialize_with = "seconds")]
    pub(crate) drain: Duration,
    pub(crate) log_format: LogFormat,
    /// A filter that parses.
    pub(crate) rust_log: String,
    /// Where traces are sent; unset: there are none.
    pub(crate) otel_exporter_otlp_endpoint: Option<String>,
    /// The share of publishes that are traced, from 0 to 1.
    #[serde(serialize_with = "text")]
    pub(crate) otel_traces_sampler_arg: f64,
}

/// The one place the keys come from. Serialized, it is the setting that names it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::enum_variant_names, reason = "they are the names of the settings")]
pub(crate) enum JwtSource {
    /// HS256, at least 32 bytes.
    #[serde(serialize_with = "redacted")]
    JwtSecret(SecretString),
    /// A public key that has been read and understood.
    JwtPublicKeyFile(PublicKeyFile),
    /// A key set that can be read now; it is read again when it changes.
    JwtJwksFile(PathBuf),
}

/// A PEM file and what it held at the start.
#[derive(Debug, Clone, Serialize)]
#[serde(into = "PathBuf")]
pub(crate) struct PublicKeyFile {
    path: PathBuf,
    pem: String,
}

impl Settings {
    /// Reads the defaults, `file` and the process's environment.
    ///
    /// # Errors
    /// All that is wrong, at once.
    pub(crate) fn load(file: Option<&Path>, tokens: Tokens) -> Result<Self, Faults> {
        let lossy = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let environment = std::env::vars_os().map(|(name, value)| (lossy(name), lossy(value)));
        let mut reader = Reader::new(DEFAULTS, file, environment)?;
        let settings = Self::read(&mut reader, tokens);
        reader.finish(settings)
    }

    /// How long the log keeps its rows.
    pub(crate) fn retention(&self) -> Duration {
        Duration::from_secs(u64::from(self.retention_days) * 24 * 3_600)
    }

    fn read(from: &mut Reader, tokens: Tokens) -> Self {
        let settings = Self {
            socket_host: from.text("socket_host").unwrap_or_default(),
            socket_port: from.number("socket_port", 0..=u16::MAX),
            metrics_port: from.optional_number("metrics_port", 0..=u16::MAX),
            database: from.parsed("database_url", forms::database).unwrap_or_default(),
            redis: redis(from),
            redis_emitter: from.parsed("redis_emitter", forms::emitter_mode).unwrap_or_default(),
            redis_emitter_key: from.parsed("redis_emitter_key", forms::emitter_key).unwrap_or_default(),
            node_id: from.parsed("node_id", forms::node_id).unwrap_or_else(random_node_id),
            jwt_source: jwt_source(from, tokens),
            jwt_issuer: from.text("jwt_issuer"),
            jwt_audience: from.text("jwt_audience"),
            jwt_leeway: Duration::from_secs(from.number("jwt_leeway_seconds", 0..=600)),
            frontend_origins: frontend_origins(from),
            publish_keys: publish_keys(from),
            ping_interval: Duration::from_millis(from.number("ping_interval_ms", 1..=DAY_MS)),
            ping_timeout: Duration::from_millis(from.number("ping_timeout_ms", 1..=DAY_MS)),
            connect_timeout: Duration::from_millis(from.number("connect_timeout_ms", 1..=DAY_MS)),
            upgrade_timeout: Duration::from_millis(from.number("upgrade_timeout_ms", 1..=DAY_MS)),
            max_payload_bytes: from.number("max_payload_bytes", 256..=64 << 20),
            max_connections: from.number("max_connections", 1..=10_000_000),
            max_connections_per_user: from.number("max_connections_per_user", 1..=10_000_000),
            event_rate: from.number("event_rate", 1..=1_000_000),
            event_burst: from.number("event_burst", 1..=1_000_000),
            publish_rate: from.number("publish_rate", 1..=1_000_000),
            publish_burst: from.number("publish_burst", 1..=1_000_000),
            user_rate: from.number("user_rate", 1..=1_000_000),
            user_burst: from.number("user_burst", 1..=1_000_000),
            handshake_rate: from.number("handshake_rate", 1..=1_000_000),
            handshake_burst: from.number("handshake_burst", 1..=1_000_000),
            mailbox_bytes: from.number("mailbox_bytes", MIN_MAILBOX..=1 << 30),
            recovery_limit: from.number("recovery_limit", 0..=1_000_000),
            notification_types: kinds(from, "notification_types"),
            kind_rules: kind_rules(from),
            retention_days: from.number("retention_days", 1..=36_500),
            presence_grace: Duration::from_millis(from.number("presence_grace_ms", 0..=DAY_MS)),
            drain: Duration::from_secs(from.number("drain_seconds", 0..=3_600)),
            log_format: from.parsed("log_format", forms::log_format).unwrap_or(LogFormat::Text),
            rust_log: from.parsed("rust_log", log_filter).unwrap_or_default(),
            otel_exporter_otlp_endpoint: from.parsed("otel_exporter_otlp_endpoint", forms::collector),
            otel_traces_sampler_arg: from.parsed("otel_traces_sampler_arg", forms::share).unwrap_or(1.0),
        };
        settings.check_together(from);
        settings
    }

    /// What single settings cannot tell.
    fn check_together(&self, from: &mut Reader) {
        if self.socket_host.trim().is_empty() {
            from.fault("socket_host", "must not be empty");
        }
        if self.socket_port != 0 && self.metrics_port == Some(self.socket_port) {
            from.fault("metrics_port", "must differ from SOCKET_PORT");
        }
        if self.redis_emitter != EmitterMode::Off && self.redis.is_none() {
            from.fault("redis_emitter", "needs REDIS_URL: it is where back ends are heard");
        }
    }

    /// How tokens are checked; `None` where no source of keys is set.
    pub(crate) fn jwt(&self) -> Option<JwtConfig> {
        Some(JwtConfig {
            source: self.jwt_source.as_ref()?.key_source(),
            issuer: self.jwt_issuer.clone(),
            audience: self.jwt_audience.clone(),
            leeway: self.jwt_leeway,
        })
    }

    /// These settings as a settings file, secrets redacted.
    ///
    /// # Errors
    /// None that a valid `Settings` could cause.
    pub(crate) fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

/// One address, or host and port.
fn redis(from: &mut Reader) -> Option<RedisUrl> {
    let url = from.parsed("redis_url", forms::redis);
    let host = from.text("redis_host");
    let port = from.optional_number("redis_port", 1..=u16::MAX);
    match (host, port) {
        (None, None) => return url,
        (Some(_), None) => from.fault("redis_port", "must be set beside REDIS_HOST"),
        (None, Some(_)) => from.fault("redis_host", "must be set beside REDIS_PORT"),
        (Some(_), Some(_)) if from.text("redis_url").is_some() => {
            from.fault("redis_host", "set either REDIS_URL or REDIS_HOST and REDIS_PORT, not both");
        }
        (Some(host), Some(port)) => {
            let url = forms::redis(&format!("redis://{host}:{port}"));
            return url.map_err(|what| from.fault("redis_host", what)).ok();
        }
    }
    None
}

fn jwt_source(from: &mut Reader, tokens: Tokens) -> Option<JwtSource> {
    let secret = from.secret("jwt_secret");
    let file = from.text("jwt_public_key_file");
    let jwks = from.text("jwt_jwks_file");
    let sources = [secret.is_some(), file.is_some(), jwks.is_some()];
    match sources.into_iter().filter(|set| *set).count() {
        0 if tokens == Tokens::Optional => return None,
        0 => from.fault(
            "jwt_secret",
            "is required (or JWT_PUBLIC_KEY_FILE, or JWT_JWKS_FILE): nothing else can check a token",
        ),
        1 => {}
        _ => from.fault("jwt_secret", "set exactly one of JWT_SECRET, JWT_PUBLIC_KEY_FILE and JWT_JWKS_FILE"),
    }
    if let Some(Err(what)) = secret.as_ref().map(|secret| KeySource::Secret(secret.clone()).check()) {
        from.fault("jwt_secret", what.to_string());
    }
    let file = file.and_then(|path| {
        PublicKeyFile::read(path.into()).map_err(|what| from.fault("jwt_public_key_file", what)).ok()
    });
    let jwks = jwks.map(PathBuf::from).filter(|path| {
        let checked = KeySource::JwksFile(path.clone()).check();
        checked.map_err(|what| from.fault("jwt_jwks_file", format!("{}: {what}", path.display()))).is_ok()
    });
    let public = file.map(JwtSource::JwtPublicKeyFile).or(jwks.map(JwtSource::JwtJwksFile));
    secret.map(JwtSource::JwtSecret).or(public)
}

fn frontend_origins(from: &mut Reader) -> Vec<String> {
    let texts = from.list("frontend_url");
    texts
        .iter()
        .filter_map(|text| forms::origin(text).map_err(|e| from.fault("frontend_url", e)).ok())
        .collect()
}

fn kinds(from: &mut Reader, key: &'static str) -> Vec<Kind> {
    let texts = from.list(key);
    let kind = |text: &String| text.parse().map_err(|e| from.fault(key, format!("{text:?} {e}"))).ok();
    texts.iter().filter_map(kind).collect()
}

fn kind_rules(from: &mut Reader) -> KindRules {
    let mut rules =
        KindRules { sensitive: kinds(from, "sensitive_types").into_iter().collect(), ..KindRules::default() };
    for text in from.list("retention_days_by_type") {
        match forms::kind_days(&text) {
            Ok((kind, days)) => drop(rules.retention.insert(kind, days)),
            Err(what) => from.fault("retention_days_by_type", what),
        }
    }
    rules
}

/// As a settings file has them.
fn kind_rules_as_set<S: Serializer>(rules: &KindRules, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct AsSet {
        sensitive_types: BTreeSet<String>,
        retention_days_by_type: BTreeSet<String>,
    }
    let days = |(kind, kept): (&Kind, &Duration)| format!("{}:{}", kind.as_str(), kept.as_secs() / 86_400);
    AsSet {
        sensitive_types: rules.sensitive.iter().map(|kind| kind.as_str().to_owned()).collect(),
        retention_days_by_type: rules.retention.iter().map(days).collect(),
    }
    .serialize(serializer)
}

fn publish_keys(from: &mut Reader) -> Vec<PublishKey> {
    let mut keys: Vec<PublishKey> = Vec::new();
    for (n, text) in from.list("publish_keys").iter().enumerate() {
        match forms::publish_key(n + 1, text) {
            Err(what) => from.fault("publish_keys", what),
            Ok(PublishKey { name, .. }) if keys.iter().any(|k| k.name == name) => {
                from.fault("publish_keys", format!("the name {name} occurs twice"));
            }
            Ok(PublishKey { name, key })
                if keys.iter().any(|k| k.key.expose_secret() == key.expose_secret()) =>
            {
                from.fault("publish_keys", format!("the key of {name} is another's too"));
            }
            Ok(key) => keys.push(key),
        }
    }
    keys
}

fn log_filter(text: &str) -> Result<String, String> {
    EnvFilter::builder()
        .parse(text)
        .map(|_| text.to_owned())
        .map_err(|e| format!("{text:?} is no log filter: {e}"))
}

fn random_node_id() -> String {
    format!("{:08x}", rand::random::<u32>())
}

impl JwtSource {
    fn key_source(&self) -> KeySource {
        match self {
            Self::JwtSecret(secret) => KeySource::Secret(secret.clone()),
            Self::JwtPublicKeyFile(file) => KeySource::PublicKeyPem(file.pem.clone()),
            Self::JwtJwksFile(path) => KeySource::JwksFile(path.clone()),
        }
    }
}

impl PublicKeyFile {
    fn read(path: PathBuf) -> Result<Self, String> {
        let pem =
            std::fs::read_to_string(&path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        KeySource::PublicKeyPem(pem.clone()).check().map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self { path, pem })
    }
}

impl From<PublicKeyFile> for PathBuf {
    fn from(file: PublicKeyFile) -> Self {
        file.path
    }
}

/// Without credentials.
fn shown<S: Serializer>(url: &Option<RedisUrl>, serializer: S) -> Result<S::Ok, S::Error> {
    match url {
        Some(url) => serializer.collect_str(url),
        None => serializer.serialize_none(),
    }
}

fn redacted<S: Serializer>(_: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("[redacted]")
}

fn text<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn seconds<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(value.as_secs())
}

fn millis<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
}
