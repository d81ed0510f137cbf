//! The figures both layers run by.

use std::time::Duration;

/// Times and bounds of one session. `Default` gives the gateway's documented defaults.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// From the open packet, or the last pong, to the next ping.
    pub ping_interval: Duration,
    /// From a ping to the end of a session that stays silent.
    pub ping_timeout: Duration,
    /// From the session's opening to its first accepted CONNECT; a refused one does not count.
    pub connect_timeout: Duration,
    /// From a probing WebSocket's arrival to its upgrade packet.
    pub upgrade_timeout: Duration,
    /// How long a closed polling session waits for one more GET, to tell it so.
    pub close_timeout: Duration,
    /// From a binary packet's header to its last attachment.
    pub attachment_timeout: Duration,
    /// Bytes in one client message or polling body; also in one binary packet with all its attachments.
    pub max_payload: usize,
    /// Packets in one polling body: far more than a client that keeps to its event rate gathers.
    pub max_packets: usize,
    /// Bytes of encoded packets that wait for the next GET. See [`crate::engine::Session::send`].
    pub buffer_bytes: usize,
    /// Namespaces of one connection, joined and asked for. One more closes the connection.
    pub max_namespaces: usize,
    /// Acknowledgements that one connection may owe us.
    pub max_pending_acks: usize,
    /// Whether a polling session is offered the WebSocket.
    pub allow_upgrades: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(10),
            upgrade_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(30),
            attachment_timeout: Duration::from_secs(10),
            max_payload: 100_000,
            max_packets: 1_000,
            buffer_bytes: 262_144,
            max_namespaces: 32,
            max_pending_acks: 256,
            allow_upgrades: true,
        }
    }
}
