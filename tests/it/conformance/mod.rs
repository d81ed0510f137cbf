//! The protocol layers without the product: each mode of the conformance server, driven by the official clients through
//! what it promises, over polling, a WebSocket and the way from one to the other; and by raw packets, through what the two
//! protocols' own suites look at.

mod engine;
mod raw;
mod socket;

use std::path::Path;
use std::process::Stdio;

use carillon_tests::PATIENCE;
use carillon_tests::users::ann;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A conformance server on a free port, killed when dropped.
struct Server {
    url: String,
    _child: Child,
}

impl Server {
    /// With the mode's own figures, which suit those who look at them.
    async fn start(mode: &str) -> Self {
        Self::start_with(mode, &[]).await
    }

    /// With time for a pong however busy the machine is; the modes' own 200 ms end sessions that a loaded one neglects.
    async fn patient(mode: &str) -> Self {
        Self::start_with(mode, &["--ping-timeout", "10000"]).await
    }

    async fn start_with(mode: &str, figures: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conformance_server"));
        command.args(["--mode", mode]).args(figures).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        Self { url, _child: child }
    }
}

async fn satisfies(mode: &str) {
    satisfies_version(mode, "socket.io-client").await;
}

/// The same with another version of the official client, by its alias in tests/js/package.json.
async fn satisfies_version(mode: &str, version: &str) {
    let server = Server::patient(mode).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("js/conformance.mjs");
    let run = Command::new("node")
        .arg(script)
        .args([mode, &server.url, &ann().token(), version])
        .kill_on_drop(true)
        .output();
    let output = timeout(6 * PATIENCE, run).await.unwrap().unwrap();
    assert!(output.status.success(), "{version}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn the_engine_alone_echoes_and_beats() {
    satisfies("engine").await;
}

#[tokio::test]
async fn the_engine_client_finds_its_server() {
    satisfies("engine-client").await;
}

#[tokio::test]
async fn the_protocol_suite_finds_its_server() {
    satisfies("socket").await;
}

#[tokio::test]
async fn the_official_client_finds_its_server() {
    satisfies("client").await;
}

#[tokio::test]
async fn the_battery_has_tokens_rooms_and_recovery() {
    satisfies("battery").await;
}

/// Binary events and acks both ways, which Carillon's own events never are, with every client it promises to serve.
#[tokio::test]
async fn older_clients_find_their_servers_too() {
    for version in ["sio31", "sio40", "sio45", "sio47"] {
        for mode in ["socket", "client", "battery"] {
            satisfies_version(mode, version).await;
        }
    }
}
