//! Abuse beside the load: one client of each bad kind, which begins again whenever it is thrown out, so that the figures
//! are those of the well-behaved while it lasts.

use anyhow::Result;
use carillon_tests::raw::{Raw, RawSocket, announce, frame, sid};
use tokio::task::JoinSet;

use crate::target::Target;

const POLLING: &str = "/socket.io/?EIO=4&transport=polling";

/// The abusers; they end when this is dropped.
pub(crate) struct Abuse {
    _abusers: JoinSet<()>,
}

impl Abuse {
    /// Lets all kinds loose on a server.
    pub(crate) fn start(target: &Target) -> Self {
        let mut abusers = JoinSet::new();
        let address = || target.address.clone();
        abusers.spawn(again(address(), async |address| oversized(address).await));
        abusers.spawn(again(address(), async |address| fragments(address).await));
        abusers.spawn(again(address(), async |address| packets(address).await));
        abusers.spawn(again(address(), async |address| half_open(address).await));
        abusers.spawn(again(address(), async |address| bomb(address).await));
        Self { _abusers: abusers }
    }
}

/// Being thrown out is what abusers are for.
async fn again(address: String, abuse: impl AsyncFn(&str) -> Result<()>) {
    loop {
        drop(abuse(&address).await);
        tokio::task::yield_now().await;
    }
}

/// A frame that announces 8 GiB, and what of it is taken.
async fn oversized(address: &str) -> Result<()> {
    let mut socket = RawSocket::upgrade(address, "").await?;
    socket.tcp.send(announce(0x82, 8 << 30)).await?;
    loop {
        socket.tcp.send([0; 16 * 1024]).await?;
    }
}

/// A message in 900,000 fragments of a byte each.
async fn fragments(address: &str) -> Result<()> {
    let mut socket = RawSocket::upgrade(address, "").await?;
    socket.tcp.send(frame(0x01, b"4")).await?;
    let thousand = frame(0x00, b"x").repeat(1000);
    for _ in 0..900 {
        socket.tcp.send(&thousand).await?;
    }
    Ok(())
}

/// A polling body of 10,000 packets.
async fn packets(address: &str) -> Result<()> {
    let mut tcp = Raw::connect(address).await;
    let open = tcp.ask("GET", POLLING, "", "").await?;
    let path = format!("{POLLING}&sid={}", sid(&open.body)?);
    tcp.ask("POST", &path, "", &vec!["3"; 10_000].join("\u{1e}")).await?;
    Ok(())
}

/// Sessions that never say CONNECT: 2,000, half of them WebSockets.
async fn half_open(address: &str) -> Result<()> {
    const CLIENT: &str = "X-Forwarded-For: 198.51.100.7\r\n";
    let mut sockets = Vec::new();
    let mut tcp = Raw::connect(address).await;
    for _ in 0..1000 {
        sockets.extend(RawSocket::upgrade_with(address, "", CLIENT).await.ok());
        tcp.ask("GET", POLLING, CLIENT, "").await?;
    }
    Ok(())
}

/// A body that says it is compressed.
async fn bomb(address: &str) -> Result<()> {
    let mut tcp = Raw::connect(address).await;
    let headers = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
    tcp.ask("POST", "/api/v1/events", headers, &"x".repeat(100_000)).await?;
    Ok(())
}
