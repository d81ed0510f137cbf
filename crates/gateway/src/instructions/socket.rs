//! The whole of a connection but its link: peer and machine, over the hub and the memory store.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use carillon_domain::ports::{AuthError, Authenticate, Clock, Loopback, Pids};
use carillon_domain::testing::{
    FixedClock, MemoryAudit, MemoryBroadcasts, MemoryLog, MemorySeen, block_on, principal,
};
use carillon_domain::{Admission, Pid, Presence, Principal, Reader, Reception, Role, Timestamp};
use carillon_protocol::engine::{Input, Message};
use carillon_protocol::{Config, Connection, Output};
use serde_json::json;

use super::{EPOCH, at, count, rows};
use crate::application::Peer as _;
use crate::gateway::{Backend, Gateway, GatewaySettings};
use crate::origin::AllowedOrigins;
use crate::server::ServerSettings;
use crate::socket::Socket;
use crate::transport::gather;

const NOW: Duration = Duration::ZERO;

/// Tokens are the names of patients, and pids are of the usual length.
struct Believing;

impl Authenticate for Believing {
    fn authenticate(&self, token: &str, _: Timestamp) -> Result<Principal, AuthError> {
        Ok(principal(token, Role::Patient))
    }

    fn leeway(&self) -> Duration {
        Duration::ZERO
    }
}

impl Pids for Believing {
    fn seal(&self, _: &Pid) -> String {
        "x".repeat(300)
    }

    fn open(&self, _: &str) -> Option<Pid> {
        None
    }
}

fn gateway() -> Arc<Gateway> {
    let many = NonZeroU32::MAX;
    let server = ServerSettings {
        protocol: Config::default(),
        node_id: "n1".into(),
        allowed_origins: AllowedOrigins::Any,
        max_connections: usize::MAX,
        control_rate: many,
        control_burst: many,
        handshake_rate: many,
        handshake_burst: many,
        drain: Duration::ZERO,
    };
    let settings = GatewaySettings {
        server,
        max_connections_per_user: 10,
        event_rate: many,
        event_burst: many,
        mailbox_bytes: 64 * 1024,
        recovery_limit: 1_000,
        kind_rules: Arc::default(),
        recovery_age: Duration::from_secs(3_600),
    };
    let (log, clock, fanout) =
        (MemoryLog::with_epoch(EPOCH), Arc::new(FixedClock::default()), Arc::new(Loopback::new()));
    let backend = Backend {
        admission: Admission::new(Arc::new(Believing), Arc::clone(&clock) as Arc<dyn Clock>),
        reader: Reader::new(Arc::new(log.inbox()), Arc::clone(&fanout) as _, Arc::clone(&clock) as _),
        broadcaster: MemoryBroadcasts::new(log.clone(), MemoryAudit::new())
            .broadcaster(Arc::clone(&fanout) as _),
        log: Arc::new(log.clone()),
        explain: Arc::new(log),
        fanout,
        reception: Reception::new(Presence::new(Duration::ZERO), Arc::new(MemorySeen::default())),
        pids: Arc::new(Believing),
        clock,
    };
    let (gateway, _) =
        block_on(Gateway::assemble(settings, backend)).unwrap_or_else(|fault| panic!("{fault}"));
    Arc::new(gateway)
}

/// A connection, and what it has said since that was last looked at.
struct Session {
    peer: Socket,
    machine: Connection,
    said: Vec<u8>,
}

impl Session {
    fn open(gateway: &Arc<Gateway>, connect: Message) -> Self {
        let machine = super::open();
        let mut session =
            Self { peer: Socket::new(Arc::clone(gateway), None), machine, said: Vec::with_capacity(2_048) };
        session.machine.handle(Input::Socket(connect), NOW);
        session.turn();
        assert!(session.has_said());
        session
    }

    /// Goes on until it waits, as `Driver::drive` does.
    fn turn(&mut self) {
        let Self { peer, machine, said } = self;
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            peer.pump(machine);
            while let Some(output) = machine.poll_output() {
                match output {
                    Output::Socket(message) => gather(&message, said),
                    Output::Event(event) => peer.hear(event, machine, NOW),
                    other => panic!("{other:?}"),
                }
            }
            let Poll::Ready(step) = peer.poll_next(&mut cx) else { return };
            peer.take(step, machine, NOW);
        }
    }

    /// What was said last ends in an offset, as `inbox:state` and notifications do.
    fn has_said(&self) -> bool {
        self.said.ends_with(b"\"]")
    }
}

fn connect(n: usize) -> Message {
    Message::Text(format!("40{}", json!({"token": format!("p{n}")})).into())
}

#[test]
fn a_first_visit() {
    let gateway = gateway();
    let mut here = Vec::with_capacity(400);
    count((0..400).map(connect), |connect| here.push(Session::open(&gateway, connect)));
    let said = |session: &Session| String::from_utf8_lossy(&session.said).contains("42[\"inbox:state\"");
    assert!(here.len() == 400 && here.iter().all(said));
}

#[test]
fn a_row_is_said_to_1_000() {
    let gateway = gateway();
    let mut here: Vec<_> = (0..1_000).map(|n| Session::open(&gateway, connect(n))).collect();
    here.iter_mut().for_each(|session| session.said.clear());
    count(rows(0, (0..20).map(|_| "all".into())), |row| {
        gateway.hub.deliver(EPOCH, vec![row]);
        for session in &mut here {
            session.turn();
            assert!(session.has_said());
            session.said.clear();
        }
    });
    assert_eq!(gateway.hub.offset().position, at(20));
}
