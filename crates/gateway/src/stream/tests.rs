//! A stream in virtual time, and how its events are written.

use std::num::NonZeroU32;

use carillon_domain::ports::{AuthError, Authenticate, Log as _, Loopback, MarkNews, Pids};
use carillon_domain::testing::{
    Drafts, FixedClock, MemoryAudit, MemoryBroadcasts, MemoryLog, MemorySeen, instant, principal, room,
};
use carillon_domain::{
    Admission, Epoch, Offset, Pid, Position, Presence, Reader, Reception, Role, Row, Timestamp,
};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::*;
use crate::gateway::STORE_TURNS;
use crate::origin::AllowedOrigins;
use crate::recovery::{Auth, arrive};
use crate::server::ServerSettings;
use crate::{Backend, GatewaySettings, frames};

struct Nobody;

impl Authenticate for Nobody {
    fn authenticate(&self, _: &str, _: Timestamp) -> Result<Principal, AuthError> {
        Err(AuthError::Expired)
    }

    fn leeway(&self) -> Duration {
        Duration::ZERO
    }
}

impl Pids for Nobody {
    fn seal(&self, _: &Pid) -> String {
        String::new()
    }

    fn open(&self, _: &str) -> Option<Pid> {
        None
    }
}

const DRAIN: Duration = Duration::from_secs(10);

async fn server(log: &MemoryLog) -> Arc<Server<Gateway>> {
    let one = NonZeroU32::MIN;
    let server = ServerSettings {
        protocol: carillon_protocol::Config::default(),
        node_id: "n1".into(),
        allowed_origins: AllowedOrigins::Any,
        max_connections: 2,
        control_rate: one,
        control_burst: one,
        handshake_rate: one,
        handshake_burst: one,
        drain: DRAIN,
    };
    let settings = GatewaySettings {
        server,
        max_connections_per_user: 1,
        event_rate: one,
        event_burst: one,
        mailbox_bytes: 1_000,
        recovery_limit: 10,
        kind_rules: Arc::default(),
        recovery_age: DRAIN,
    };
    let (clock, fanout) = (Arc::new(FixedClock::default()), Arc::new(Loopback::new()));
    let backend = Backend {
        admission: Admission::new(Arc::new(Nobody), Arc::clone(&clock) as _),
        reader: Reader::new(Arc::new(log.inbox()), Arc::clone(&fanout) as _, Arc::clone(&clock) as _),
        broadcaster: MemoryBroadcasts::new(log.clone(), MemoryAudit::new())
            .broadcaster(Arc::clone(&fanout) as _),
        log: Arc::new(log.clone()),
        explain: Arc::new(log.clone()),
        fanout,
        reception: Reception::new(Presence::new(DRAIN), Arc::new(MemorySeen::default())),
        pids: Arc::new(Nobody),
        clock,
    };
    Gateway::start(settings, backend).await.unwrap().0
}

struct Heard(BoxStream<'static, Bytes>, Instant);

impl Heard {
    /// Opens a stream for a patient whose token ends in an hour, and hears its first words.
    async fn open(server: &Arc<Server<Gateway>>, user: &str) -> Self {
        let mut heard = Self::ask(server, user).await.unwrap();
        assert!(heard.next().await.unwrap().1.starts_with("event: inbox:state\n"));
        heard
    }

    async fn ask(server: &Arc<Server<Gateway>>, user: &str) -> Result<Self, TooManyConnections> {
        let stream = server.stream(&principal(user, Role::Patient), None).await?;
        let mut heard = Self(stream, Instant::now());
        assert!(heard.next().await.unwrap().1.starts_with("retry: "));
        Ok(heard)
    }

    /// The next chunk, and how many seconds after the opening it came.
    async fn next(&mut self) -> Option<(u64, String)> {
        let chunk = self.0.next().await?;
        Some((self.1.elapsed().as_secs(), String::from_utf8(chunk.to_vec()).unwrap()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_has_a_heartbeat_and_ends_with_its_token() {
    let log = MemoryLog::new();
    let server = server(&log).await;
    let mut heard = Heard::open(&server, "1").await;
    let beat = |seconds| Some((seconds, ":\n\n".to_owned()));
    assert_eq!(heard.next().await, beat(15));
    // Whatever is sent is as good as one.
    tokio::time::advance(Duration::from_secs(5)).await;
    let appended = log.append(&[Drafts::new().publish(&["user:1"])]).await.unwrap();
    server.application.hub.deliver(appended.epoch, appended.rows);
    assert!(heard.next().await.unwrap().1.starts_with("event: notification\n"));
    assert_eq!(heard.next().await, beat(35));
    let mut last = 35;
    while let Some((seconds, _)) = heard.next().await {
        assert_eq!(seconds - last, 15);
        last = seconds;
    }
    assert_eq!(heard.1.elapsed().as_secs(), 3_600);
}

#[tokio::test(start_paused = true)]
async fn so_many_come_to_the_store_at_once_and_the_others_wait() {
    let server = server(&MemoryLog::new()).await;
    let gateway = &server.application;
    let turns = || futures_util::future::join_all((0..STORE_TURNS).map(|_| gateway.store_turn()));
    let (patient, auth) = (principal("1", Role::Patient), Auth::default());
    let steps: [(_, BoxFuture<'_, ()>); 2] = [
        ("the places it is entitled to", arrive(gateway, &patient, &auth).map(drop).boxed()),
        ("what is unread", Heard::open(&server, "1").map(drop).boxed()),
    ];
    for (what, mut step) in steps {
        let mut turns = turns().await;
        let waited = tokio::time::timeout(Duration::from_secs(5), &mut step).await;
        assert!(waited.is_err(), "{what} came from the store without a turn");
        turns.pop();
        step.await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_every_stream_in_time_and_frees_its_place() {
    let server = server(&MemoryLog::new()).await;
    let mut one = Heard::open(&server, "1").await;
    assert!(Heard::ask(&server, "1").await.is_err(), "one is all that a user may have");
    let mut two = Heard::open(&server, "2").await;
    assert_eq!(server.connections(), 2);
    let why = |mut heard: Heard| async move { (heard.next().await.unwrap().1, heard.next().await) };
    let full = why(Heard::ask(&server, "3").await.ok().unwrap()).await;
    assert_eq!(full, (": too many connections on this node\n\n".to_owned(), None));
    let started = Instant::now();
    let end = async |heard: &mut Heard| assert_eq!(heard.next().await, None);
    tokio::join!(server.drain(), async move { end(&mut one).await }, async move { end(&mut two).await });
    assert!(started.elapsed() < DRAIN, "the drain waited in vain");
    let draining = why(Heard::ask(&server, "1").await.ok().unwrap()).await;
    assert_eq!(draining, (": the server is draining\n\n".to_owned(), None));
}

fn written(frame: &carillon_protocol::Frame) -> String {
    let mut chunk = BytesMut::new();
    write(frame.text(), &mut chunk);
    String::from_utf8(chunk.to_vec()).unwrap()
}

#[test]
fn an_event_is_its_name_its_id_and_its_data() {
    let (epoch, position) = (Epoch::new(35), Position::new(36).unwrap());
    let publish = Drafts::new().publish(&["all"]);
    let mut notification = publish.rows[0].1.clone();
    notification.title = "a\n\r\"],\",\"z.1\"".to_owned();
    let json = serde_json::to_string(&notification).unwrap();
    let row = Row { position, room: room("all"), event_id: publish.event_id, notification };
    let text = written(&frames::notification(epoch, &row, &carillon_domain::KindRules::default()));
    assert_eq!(text, format!("event: notification\nid: z.10\ndata: {json}\n\n"));

    let state = frames::inbox_state(2, instant(0), true, Offset { epoch, position });
    let expected = r#"{"unread":2,"serverTime":"2026-11-22T12:00:00.000Z","recovered":true}"#;
    assert_eq!(written(&state), format!("event: inbox:state\nid: z.10\ndata: {expected}\n\n"));

    let (ids, user_id) = (vec![row.notification.id], "1".parse().unwrap());
    let mut news = MarkNews { user_id, except: None, read: false, ids, up_to: None, unread: 1 };
    let expected = format!(r#"{{"ids":["{}"],"unread":1}}"#, row.notification.id);
    assert_eq!(written(&frames::marked(&news)), format!("event: notification:unread\ndata: {expected}\n\n"));
    news.ids.clear();
    news.up_to = Some(row.notification.id);
    assert!(written(&frames::marked(&news)).ends_with(",\"unread\":1}\n\n"));
}
