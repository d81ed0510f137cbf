//! Where Redis is, and how patient this crate is with it.

use std::fmt;
use std::time::Duration;

use carillon_domain::ports::Secret;
use fred::types::Builder;
use fred::types::config::{Config, ReconnectPolicy, UnresponsiveConfig};
use url::Url;

/// The longest wait for one command's answer.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// Commands that wait for the connection, and messages that wait for their reader: fred bounds neither by itself.
const COMMANDS: usize = 1_024;
const MESSAGES: usize = 256;

/// What a node needs to know to meet the others at Redis.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where.
    pub url: RedisUrl,
    /// This node's name.
    pub node_id: String,
    /// What the nodes over one log share: messages are signed with it, and names of keys follow from it.
    pub secret: Secret,
}

/// The address of a Redis server, Sentinel group or Cluster, credentials included. Neither `Debug` nor `Display` shows
/// those.
#[derive(Clone)]
pub struct RedisUrl {
    shown: String,
    config: Config,
}

/// Why a text is no address of a Redis. It repeats nothing of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Not one of the schemes.
    #[error("must begin with redis://, rediss://, redis-cluster:// or redis-sentinel://")]
    Scheme,
    /// The scheme is known, the rest is not understood.
    #[error("is no Redis URL: {0}")]
    Form(String),
}

impl RedisUrl {
    /// Reads `redis://[[USER:]PASSWORD@]HOST[:PORT][/DATABASE]`, or the same with `rediss` (TLS), `redis-cluster`,
    /// `redis-sentinel`, `rediss-cluster` or `rediss-sentinel`. More nodes of a Cluster and more Sentinels follow as
    /// `?node=HOST:PORT`; Sentinel needs `&sentinelServiceName=NAME`.
    ///
    /// # Errors
    /// See [`BadUrl`].
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let (scheme, _) = text.split_once("://").ok_or(BadUrl::Scheme)?;
        let base = scheme.strip_suffix("-cluster").or(scheme.strip_suffix("-sentinel")).unwrap_or(scheme);
        if !matches!(base, "redis" | "rediss") {
            return Err(BadUrl::Scheme);
        }
        let url = Url::parse(text).map_err(|fault| BadUrl::Form(fault.to_string()))?;
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| BadUrl::Form("it names no host".to_owned()))?;
        if scheme.ends_with("-sentinel") && !url.query_pairs().any(|(name, _)| name == "sentinelServiceName")
        {
            return Err(BadUrl::Form("Sentinel needs ?sentinelServiceName=NAME".to_owned()));
        }
        // fred's words could hold a part of the password.
        let mut config = Config::from_url(text)
            .map_err(|fault| BadUrl::Form(format!("{:?} error", fault.kind()).to_lowercase()))?;
        // A node starts without Redis, and finds it when it comes.
        config.fail_fast = false;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Self { shown: format!("{scheme}://{host}{port}"), config })
    }

    /// How clients of this address are made: nothing waits or grows without a bound, and reconnecting never ends.
    pub(crate) fn builder(&self) -> Builder {
        let mut builder = Builder::from_config(self.config.clone());
        builder
            .with_connection_config(|connection| {
                connection.connection_timeout = ANSWER_WITHIN * 2;
                connection.internal_command_timeout = ANSWER_WITHIN * 2;
                connection.max_command_attempts = 1;
                connection.max_command_buffer_len = COMMANDS;
                connection.reconnect_on_auth_error = true;
                connection.unresponsive =
                    UnresponsiveConfig { max_timeout: Some(ANSWER_WITHIN * 3), interval: ANSWER_WITHIN };
            })
            .with_performance_config(|performance| {
                performance.default_command_timeout = ANSWER_WITHIN;
                performance.broadcast_channel_capacity = MESSAGES;
            })
            .set_policy(ReconnectPolicy::new_exponential(0, 50, 1_000, 2));
        builder
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_redis_has_an_address() {
        for (text, shown) in [
            ("redis://127.0.0.1", "redis://127.0.0.1"),
            ("redis://:secret@redis.internal:6380/3", "redis://redis.internal:6380"),
            ("rediss://user:secret@redis.internal:6380", "rediss://redis.internal:6380"),
            ("redis-cluster://c1:7000?node=c2:7000&node=c3:7000", "redis-cluster://c1:7000"),
            ("redis-sentinel://s1:26379?node=s2:26379&sentinelServiceName=main", "redis-sentinel://s1:26379"),
        ] {
            let url = RedisUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("secret"));
            assert_eq!(url.config.server.is_clustered(), text.contains("cluster"), "{text}");
            assert_eq!(url.config.server.is_sentinel(), text.contains("sentinel:"), "{text}");
            assert_eq!(url.config.tls.is_some(), text.starts_with("rediss"), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for bad in [
            "",
            "redis",
            "http://hush@localhost",
            "redis://",
            "redis://hush@:6379",
            "redis://:hush@host:66666",
            "redis-sentinel://:hush@host:26379",
            "redis-cluster://:hush@host?node=hush",
        ] {
            let fault = RedisUrl::parse(bad).expect_err(bad);
            assert!(!fault.to_string().contains("hush"), "{fault}");
        }
    }
}
