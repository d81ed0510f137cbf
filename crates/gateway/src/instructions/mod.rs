//! Work whose instructions and allocations are counted; no time is measured. `./just instructions` lets callgrind see each of
//! these tests alone and holds what it counts against `baseline.txt`. Among all other tests each shows that the work is done
//! right.
//!
//! They stand here and not in a bench since a bench sees only what is public. The simulation's mutants are compiled in, a load
//! and a comparison at each of seven places.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use carillon_domain::ports::MintIds as _;
use carillon_domain::testing::{CountingIds, FixedClock, instant, principal, room};
use carillon_domain::{
    Data, Entitled, Entitlement, Epoch, Head, Notification, Position, Priority, Role, Row,
};
use carillon_protocol::engine::Transport;
use carillon_protocol::{Config, Connection};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::json;

use crate::hub::{CaughtUp, Hub, Joining, Place};

mod codec;
mod follower;
mod hub;
mod socket;

const EPOCH: Epoch = Epoch::new(0xCA11);

/// As a node opens them: their figures are there once for all.
fn open() -> Connection {
    static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(Arc::default);
    Connection::open(Arc::clone(&CONFIG), "n1.0123456789abcdefghij", Transport::Websocket, Duration::ZERO)
}

/// Callgrind collects from where this begins to where it returns, by its name.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
}

/// Works on each of these, of which the second half is counted: by then tables have their size, and figures were looked up.
/// What the node tells to Prometheus is part of the work.
fn count<I>(inputs: impl IntoIterator<Item = I>, mut work: impl FnMut(I)) {
    let mut inputs: Vec<I> = inputs.into_iter().collect();
    let second = inputs.split_off(inputs.len() / 2);
    println!("counted {} times", second.len());
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        inputs.into_iter().for_each(&mut work);
        let mut second = second.into_iter();
        counted(&mut || second.by_ref().for_each(&mut work));
    });
}

fn at(n: u64) -> Position {
    Position::new(n).unwrap()
}

fn head(position: u64) -> Head {
    Head { epoch: EPOCH, position: at(position), trimmed: Position::START }
}

/// Rows of some 500 bytes as events, after this place, each for the room of this name.
fn rows(after: u64, names: impl IntoIterator<Item = String>) -> Vec<Arc<Row>> {
    let (ids, data) =
        (CountingIds::after(after), json!({"appointmentId": "7", "doctorId": "d-17", "room": 4}));
    let row = |(position, name): (u64, String)| {
        let notification = Notification {
            id: ids.notification_id(),
            event: None,
            kind: "APPOINTMENT_CREATED".parse().unwrap(),
            title: "New appointment".into(),
            message: "A patient has booked an appointment: \"Tuesday, ten o'clock\".".into(),
            data: Data::new(data.as_object().unwrap()).unwrap(),
            priority: Priority::High,
            action_url: Some("/appointments/7".parse().unwrap()),
            created_at: instant(0),
            expires_at: Some(instant(60)),
        };
        Arc::new(Row { position: at(position), room: room(&name), event_id: ids.event_id(), notification })
    };
    (after + 1..).zip(names).map(row).collect()
}

/// A hub that has delivered as many rows as it keeps, and this many patients, `p0` and on, who hear the log.
struct Stage {
    hub: Hub,
    patients: Vec<Place>,
    /// The last row.
    last: u64,
}

impl Stage {
    fn new(patients: usize) -> Self {
        let last = crate::recent::ROWS as u64;
        let old = rows(0, (0..last).map(|_| "role:doctor".into()));
        let hub = Hub::new(head(last), Position::START, old, Arc::default(), Arc::default());
        let hub = hub.with_clock(Arc::new(FixedClock::default()));
        let patients = (0..patients).map(|n| arrive(&hub, &patient(n))).collect();
        Self { hub, patients, last }
    }
}

fn patient(n: usize) -> Arc<Entitled> {
    let principal = principal(&format!("p{n}"), Role::Patient);
    let rooms =
        principal.rooms().iter().map(|room| Entitlement { room: room.clone(), since: Position::START });
    Arc::new(Entitled { user_id: principal.user_id().clone(), rooms: rooms.collect() })
}

fn join(hub: &Hub, who: &Arc<Entitled>) -> Place {
    let joining = Joining {
        who: Arc::clone(who),
        socket_id: "0123456789abcdefghij".into(),
        claim: 7,
        epoch: EPOCH,
        from: None,
        is_replay: false,
        hears_emits: true,
        bound: 64 * 1024,
        most: 10,
    };
    hub.join(joining).unwrap_or_else(|barred| panic!("{barred:?}"))
}

/// Joins, and hears the log from now on.
fn arrive(hub: &Hub, who: &Arc<Entitled>) -> Place {
    let place = join(hub, who);
    assert!(place.mailbox.announced(place.start.position));
    assert_eq!(hub.catch_up(who, &place.mailbox, instant(0)), CaughtUp::Done);
    place
}
