//! The server under load: one that runs, or one started for the occasion.

use anyhow::{Context as _, Result, bail};
use carillon_tests::node::PUBLISH_KEY;
use carillon_tests::users::JWT_SECRET;
use carillon_tests::{Node, NodeSettings};
use reqwest::Url;

use crate::Bench;

/// Where to connect, and with what.
pub(crate) struct Target {
    pub(crate) url: String,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    pub(crate) jwt_secret: String,
    pub(crate) publish_key: String,
    pub(crate) pid: Option<u32>,
    /// Ended when this is dropped.
    _node: Option<Node>,
}

impl Target {
    pub(crate) async fn find(options: &Bench) -> Result<Self> {
        if let Some(url) = &options.url {
            let env =
                |name| std::env::var(name).with_context(|| format!("--url needs {name} in the environment"));
            return Ok(Self {
                address: loopback(url)?,
                url: url.trim_end_matches('/').to_owned(),
                jwt_secret: env("JWT_SECRET")?,
                publish_key: env("PUBLISH_KEY")?,
                pid: options.pid,
                _node: None,
            });
        }
        // What is measured is the server, not its limiter.
        let settings = NodeSettings::default()
            .set("MAX_CONNECTIONS", options.clients + 16)
            .set("PUBLISH_RATE", 1_000_000)
            .set("PUBLISH_BURST", 1_000_000)
            .set("RUST_LOG", "warn");
        let settings = match &options.dir {
            Some(dir) => settings.below(dir),
            None => settings,
        };
        Ok(Self::started(Node::start(settings).await))
    }

    /// A node of the tests' settings that was started here.
    pub(crate) fn started(node: Node) -> Self {
        Self {
            url: node.url().to_owned(),
            address: node.address().to_owned(),
            jwt_secret: JWT_SECRET.to_owned(),
            publish_key: PUBLISH_KEY.to_owned(),
            pid: Some(node.pid()),
            _node: Some(node),
        }
    }
}

/// The address behind a URL, if that is this machine's own: nobody else's server is to be put under load by mistake.
fn loopback(url: &str) -> Result<String> {
    let parsed: Url = url.parse().with_context(|| format!("{url:?} is no URL"))?;
    if parsed.scheme() != "http" {
        bail!("{url:?} does not begin with http://");
    }
    let addresses = parsed.socket_addrs(|| None).with_context(|| format!("{url:?} names no host"))?;
    if !addresses.iter().all(|address| address.ip().is_loopback()) {
        bail!("{url:?} is not on the loopback interface, and no other server is put under load");
    }
    let v4 = addresses.iter().find(|address| address.is_ipv4());
    Ok(v4.with_context(|| format!("{url:?} has no IPv4 address"))?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_put_under_load() {
        assert_eq!(loopback("http://127.0.0.1:5000/").unwrap(), "127.0.0.1:5000");
        assert_eq!(loopback("http://localhost:5000").unwrap(), "127.0.0.1:5000");
        for foreign in
            ["http://192.0.2.1:5000", "http://0.0.0.0:5000", "https://127.0.0.1:5000", "ftp://x", "x"]
        {
            assert!(loopback(foreign).is_err(), "{foreign}");
        }
    }
}
