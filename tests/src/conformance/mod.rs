//! Servers that the official suites of Engine.IO and Socket.IO expect, on the interface that Carillon itself uses
//! ([`carillon_gateway::Application`]) and with nothing else of the product.
//!
//! `engine` and `engine-client` speak Engine.IO alone (`engine`), `socket` is the protocol suite's server, `client` that of
//! the official client's own tests, `battery` has tokens, rooms and recovery. The last two share a `hall`: rooms, and the
//! events that a client missed, in memory. `line` is one connection's side of it.

mod battery;
mod client;
mod engine;
mod hall;
mod line;
mod seen;
mod socket;

use std::io::Write as _;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use carillon_gateway::{AllowedOrigins, Application, Protocol, Server, ServerSettings};
use clap::{Parser, ValueEnum};

/// What to serve, and the figures that differ from the mode's own. Times are in milliseconds.
#[derive(Debug, Parser)]
#[command(about)]
pub struct Options {
    /// Whose expectations to meet.
    #[arg(long, value_enum)]
    pub mode: Mode,
    /// Where to listen on 127.0.0.1; 0 is any free port.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// From the open packet, or the last pong, to the next ping.
    #[arg(long)]
    pub ping_interval: Option<u64>,
    /// From a ping to the end of a silent session.
    #[arg(long)]
    pub ping_timeout: Option<u64>,
    /// Bytes in one client message or polling body.
    #[arg(long)]
    pub max_payload: Option<usize>,
    /// From the open packet to the first accepted CONNECT.
    #[arg(long)]
    pub connect_timeout: Option<u64>,
}

/// Whose expectations to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// The Engine.IO protocol suite: `/engine.io/`, every message is sent back.
    Engine,
    /// The Socket.IO protocol suite.
    Socket,
    /// The tests of socket.io-client.
    Client,
    /// The tests of engine.io-client.
    EngineClient,
    /// Tokens, rooms and recovery. Tokens are HS256 with the secret in `JWT_SECRET`, or the tests' own.
    Battery,
}

impl Options {
    /// The official server's defaults, but for what each mode says.
    fn protocol(&self) -> Protocol {
        let (ping_interval, ping_timeout, max_payload, connect_timeout) = match self.mode {
            Mode::Engine => (300, 200, 1_000_000, 45_000),
            Mode::Socket => (300, 200, 1_000_000, 1_000),
            Mode::Client => (2_000, 20_000, 1_000_000, 45_000),
            Mode::EngineClient => (500, 20_000, 100, 45_000),
            Mode::Battery => (25_000, 20_000, 1_000_000, 1_500),
        };
        let max_payload = self.max_payload.unwrap_or(max_payload);
        Protocol {
            ping_interval: Duration::from_millis(self.ping_interval.unwrap_or(ping_interval)),
            ping_timeout: Duration::from_millis(self.ping_timeout.unwrap_or(ping_timeout)),
            connect_timeout: Duration::from_millis(self.connect_timeout.unwrap_or(connect_timeout)),
            max_payload,
            // What a client may send in one body is sent back to it in one body.
            buffer_bytes: max_payload.saturating_mul(4).max(1 << 20),
            ..Protocol::default()
        }
    }
}

/// Serves until it is told to stop. Prints `listening on http://127.0.0.1:PORT` when it listens.
///
/// # Errors
/// The port cannot be had.
pub fn run(options: &Options) -> anyhow::Result<()> {
    actix_web::rt::System::new().block_on(async {
        match options.mode {
            Mode::Engine => serve(options, engine::Echo).await,
            Mode::EngineClient => serve(options, engine::Asked).await,
            Mode::Socket => serve(options, socket::Suite).await,
            Mode::Client => serve(options, client::Client::default()).await,
            Mode::Battery => serve(options, battery::Battery::from_env()).await,
        }
    })
}

async fn serve<A: Application>(options: &Options, application: A) -> anyhow::Result<()> {
    let settings = ServerSettings {
        protocol: options.protocol(),
        node_id: "conformance".into(),
        allowed_origins: AllowedOrigins::Any,
        max_connections: 10_000,
        control_rate: NonZeroU32::MAX,
        control_burst: NonZeroU32::MAX,
        handshake_rate: NonZeroU32::MAX,
        handshake_burst: NonZeroU32::MAX,
        drain: Duration::ZERO,
    };
    let server = Server::new(settings, Arc::new(application));
    let (running, address) = carillon_gateway::listen(("127.0.0.1", options.port), server, |_| {})
        .with_context(|| format!("listening on 127.0.0.1:{}", options.port))?;
    writeln!(std::io::stdout(), "listening on http://{address}")?;
    Ok(running.await?)
}
