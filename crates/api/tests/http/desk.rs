//! The API on a desk: its parts, a way to call it, and a store that fails when told to.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use actix_web::http::header::{self, HeaderMap};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, rt};
use async_trait::async_trait;
use bytes::Bytes;
use carillon_api::{Api, ApiParts, ApiSettings};
use carillon_domain::ports::{
    Appended, Audit, AuthError, Authenticate, Clock, Connected, Connections, Erasing, Explain, Inbox, Log,
    Missed, PortError, Publish, Secret, Trim,
};
use carillon_domain::testing::{
    CountingIds, Cuttable, FixedClock, MemoryAudit, MemoryBroadcasts, MemoryInbox, MemoryLog, MemorySeen,
    instant,
};
use carillon_domain::{
    Admission, AppendLimits, AuditEntry, AuditNote, AuditQuery, Blocked, Entitled, Entitlement, Eraser,
    EventId, Explained, Head, InboxItem, Kind, ListQuery, Listing, Mark, Marked, Muting, Mutings,
    NotificationId, Page, Position, Preferences, Presence, Principal, Publisher, Reader, Reception, Role,
    Timestamp, UserId,
};
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use serde_json::{Value, json};

use crate::document::{self, Asked};

pub(crate) const KEY: &str = "a-key-of-24-characters-or-more";
pub(crate) const OTHER_KEY: &str = "another-key-of-24-characters";

pub(crate) struct Desk {
    pub(crate) log: MemoryLog,
    pub(crate) audit: MemoryAudit,
    pub(crate) broadcasts: MemoryBroadcasts,
    pub(crate) mood: Arc<Mood>,
    pub(crate) draining: Arc<AtomicBool>,
    pub(crate) fanout: Arc<Cuttable>,
    pub(crate) reception: Reception,
    pub(crate) publisher: Arc<Publisher>,
    api: Api,
}

impl Desk {
    pub(crate) fn new() -> Self {
        let user_burst = NonZeroU32::new(10_000).unwrap();
        Self::with(&ApiSettings { user_burst, ..ApiSettings::default() })
    }

    /// One whose store never answers and is not waited for.
    pub(crate) fn hanging() -> Self {
        let desk =
            Self::with(&ApiSettings { answer_within: Duration::from_millis(1), ..ApiSettings::default() });
        desk.mood.hangs.store(true, Ordering::SeqCst);
        desk
    }

    pub(crate) fn limited(rate: u32, burst: u32) -> Self {
        let number = |n| NonZeroU32::new(n).unwrap();
        let (publish_rate, publish_burst) = (number(rate), number(burst));
        let (user_rate, user_burst) = (publish_rate, publish_burst);
        Self::with(&ApiSettings {
            publish_rate,
            publish_burst,
            user_rate,
            user_burst,
            ..ApiSettings::default()
        })
    }

    fn with(settings: &ApiSettings) -> Self {
        let publish_keys = [("booking", KEY), ("billing", OTHER_KEY)].into_iter().collect();
        let (log, audit, mood) = (MemoryLog::new(), MemoryAudit::new(), Arc::new(Mood::default()));
        let moody_log: Arc<dyn Log> = Arc::new(Moody { inner: log.clone(), mood: Arc::clone(&mood) });
        let moody_inbox = Arc::new(Moody { inner: log.inbox(), mood: Arc::clone(&mood) });
        let fanout = Arc::new(Cuttable::default());
        let clock: Arc<dyn Clock> = Arc::new(FixedClock::default());
        let (publisher, appender) = Publisher::new(
            Arc::clone(&moody_log),
            Arc::clone(&fanout) as _,
            Arc::clone(&clock),
            Arc::new(CountingIds::new()),
            AppendLimits::default(),
        );
        rt::spawn(appender.run());
        let (publisher, draining) = (Arc::new(publisher), Arc::new(AtomicBool::new(false)));
        let presence = Presence::new(Duration::ZERO);
        let reception = Reception::new(presence, Arc::new(MemorySeen::default()));
        let broadcasts = MemoryBroadcasts::new(log.clone(), audit.clone());
        let reader = Reader::new(moody_inbox, Arc::clone(&fanout) as _, Arc::clone(&clock));
        let others = vec!["LAB_RESULT".parse().unwrap()];
        let parts = ApiParts {
            publisher: Arc::clone(&publisher),
            eraser: Eraser::new(reader.clone(), Arc::clone(&publisher), Arc::new(audit.clone())),
            preferences: Preferences::new(reader.clone(), Arc::clone(&publisher), others),
            reader,
            admission: Admission::new(Arc::new(Tokens), Arc::clone(&clock)),
            log: moody_log,
            explain: Arc::new(Moody { inner: log.clone(), mood: Arc::clone(&mood) }),
            reception: reception.clone(),
            connections: Arc::new(Sockets),
            fanout: Arc::clone(&fanout) as _,
            broadcaster: broadcasts.broadcaster(Arc::clone(&fanout) as _),
            audit: Arc::new(Moody { inner: audit.clone(), mood: Arc::clone(&mood) }),
            clock,
            open_stream: Arc::new(|user, since| Box::pin(async move { told(&user, since.as_deref()) })),
            draining: Arc::clone(&draining),
        };
        let api = Api::new(ApiSettings { publish_keys, ..settings.clone() }, parts);
        Self { log, audit, broadcasts, mood, draining, fanout, reception, publisher, api }
    }

    pub(crate) async fn call(&self, request: TestRequest) -> Answer {
        self.send(request, true).await
    }

    /// Sends a request, with its `Content-Length` or without.
    pub(crate) async fn send(&self, request: TestRequest, announced: bool) -> Answer {
        let mut request = request.to_request();
        if !announced {
            request.headers_mut().remove(header::CONTENT_LENGTH);
        }
        let (asked, request) = Asked::of(request).await;
        let app = init_service(App::new().configure(self.api.configure())).await;
        let answer = call_service(&app, request).await;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = read_body(answer).await;
        let text = String::from_utf8_lossy(&body).into_owned();
        let answer =
            Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) };
        document::check(&asked, &answer);
        answer
    }

    /// Publishes to rooms and returns the ids of the notifications.
    pub(crate) async fn publish(&self, rooms: &[&str]) -> Vec<String> {
        let answer = self.call(post("/api/v1/notifications", KEY).set_json(notification(rooms))).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let places = answer.body["notifications"].as_array().unwrap();
        places.iter().map(|place| place["id"].as_str().unwrap().to_owned()).collect()
    }

    /// How many rows the log holds.
    pub(crate) async fn rows(&self) -> u64 {
        self.log.head().await.unwrap().position.get()
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("")
    }

    pub(crate) fn pointers(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().into_iter().flatten();
        errors.map(|error| error["pointer"].as_str().unwrap()).collect()
    }
}

pub(crate) fn get(uri: &str, token: &str) -> TestRequest {
    TestRequest::get().uri(uri).insert_header(("Authorization", format!("Bearer {token}")))
}

pub(crate) fn post(uri: &str, token: &str) -> TestRequest {
    TestRequest::post().uri(uri).insert_header(("Authorization", format!("Bearer {token}")))
}

pub(crate) fn notification(rooms: &[&str]) -> Value {
    json!({"to": rooms, "type": "NEWS", "title": "t", "message": "m"})
}

/// A stream that tells how it was opened and ends. Number 9 has too many.
fn told(user: &Principal, since: Option<&str>) -> Option<BoxStream<'static, Bytes>> {
    let text = format!("data: {} {since:?}\n\n", user.user_id());
    let is_many = user.user_id().as_str() == "9";
    (!is_many).then(|| stream::once(async { Bytes::from(text) }).boxed())
}

/// Sockets `s1` to `s5` of one doctor.
struct Sockets;

impl Connections for Sockets {
    fn connected(&self, after: Option<&str>, limit: usize) -> Vec<Connected> {
        let socket = |n| Connected {
            socket_id: format!("s{n}"),
            user_id: "7".parse().unwrap(),
            role: Role::Doctor,
            since: instant(n),
        };
        let all =
            (1..=5).map(socket).filter(|socket| after.is_none_or(|after| socket.socket_id.as_str() > after));
        all.take(limit).collect()
    }
}

/// Tokens of the form `ROLE.ID`; `expired` was one.
struct Tokens;

impl Authenticate for Tokens {
    fn authenticate(&self, token: &str, now: Timestamp) -> Result<Principal, AuthError> {
        if token == "expired" {
            return Err(AuthError::Expired);
        }
        let invalid = AuthError::Invalid { reason: "not ROLE.ID" };
        let (role, id) = token.split_once('.').ok_or(invalid)?;
        let (role, id) = (role.parse().map_err(|_| invalid)?, id.parse().map_err(|_| invalid)?);
        Ok(Principal::new(id, None, role, None, now.saturating_add(Duration::from_secs(60))))
    }

    fn leeway(&self) -> Duration {
        Duration::ZERO
    }
}

/// How the stores behave.
pub(crate) struct Mood {
    /// Appends that still work; further ones and all else fail once it is 0.
    pub(crate) works_for: AtomicU32,
    /// Whether they never answer.
    pub(crate) hangs: AtomicBool,
}

impl Default for Mood {
    fn default() -> Self {
        Self { works_for: AtomicU32::new(u32::MAX), hangs: AtomicBool::new(false) }
    }
}

impl Mood {
    pub(crate) fn fail_after(&self, appends: u32) {
        self.works_for.store(appends, Ordering::SeqCst);
    }

    async fn check(&self) -> Result<(), PortError> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.works_for.load(Ordering::SeqCst) == 0 {
            return Err(PortError::Unavailable { port: "store", source: "it is away".into() });
        }
        Ok(())
    }
}

struct Moody<T> {
    inner: T,
    mood: Arc<Mood>,
}

#[async_trait]
impl Log for Moody<MemoryLog> {
    async fn append(&self, batch: &[Publish]) -> Result<Appended, PortError> {
        self.mood.check().await?;
        self.mood.works_for.fetch_sub(1, Ordering::SeqCst);
        self.inner.append(batch).await
    }

    async fn head(&self) -> Result<Head, PortError> {
        self.mood.check().await?;
        self.inner.head().await
    }

    async fn read(&self, after: Position, limit: u32) -> Result<Page, PortError> {
        self.inner.read(after, limit).await
    }

    async fn replay(
        &self,
        rooms: &[Entitlement],
        after: Position,
        up_to: Position,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, PortError> {
        self.inner.replay(rooms, after, up_to, limit, now).await
    }

    async fn missed(
        &self,
        rooms: &[Entitlement],
        after: Position,
        most: u32,
        now: Timestamp,
    ) -> Result<Missed, PortError> {
        self.inner.missed(rooms, after, most, now).await
    }

    async fn secret(&self) -> Result<Secret, PortError> {
        self.inner.secret().await
    }

    async fn blocked(&self) -> Result<Blocked, PortError> {
        self.inner.blocked().await
    }

    async fn trim_kind(&self, kind: &Kind, before: Timestamp) -> Result<bool, PortError> {
        self.inner.trim_kind(kind, before).await
    }

    async fn trim(&self, trim: Trim) -> Result<bool, PortError> {
        self.inner.trim(trim).await
    }
}

#[async_trait]
impl Explain for Moody<MemoryLog> {
    async fn explain(&self, event_id: EventId) -> Result<Option<Explained>, PortError> {
        self.mood.check().await?;
        self.inner.explain(event_id).await
    }

    async fn reached(&self, node: &str, sockets: &[(Position, u32)]) -> Result<(), PortError> {
        self.inner.reached(node, sockets).await
    }
}

#[async_trait]
impl Audit for Moody<MemoryAudit> {
    async fn note(&self, note: &AuditNote) -> Result<(), PortError> {
        self.mood.check().await?;
        self.inner.note(note).await
    }

    async fn entries(&self, query: AuditQuery) -> Result<Vec<AuditEntry>, PortError> {
        self.mood.check().await?;
        self.inner.entries(query).await
    }
}

#[async_trait]
impl Inbox for Moody<MemoryInbox> {
    async fn enter(&self, principal: &Principal) -> Result<Entitled, PortError> {
        self.mood.check().await?;
        self.inner.enter(principal).await
    }

    async fn list(
        &self,
        who: &Entitled,
        query: ListQuery,
        now: Timestamp,
    ) -> Result<Option<Listing>, PortError> {
        self.inner.list(who, query, now).await
    }

    async fn get(
        &self,
        who: &Entitled,
        id: NotificationId,
        now: Timestamp,
    ) -> Result<Option<InboxItem>, PortError> {
        self.inner.get(who, id, now).await
    }

    async fn unread(&self, who: &Entitled, up_to: Position, now: Timestamp) -> Result<u32, PortError> {
        self.inner.unread(who, up_to, now).await
    }

    async fn mark(&self, who: &Entitled, mark: &Mark, now: Timestamp) -> Result<Option<Marked>, PortError> {
        self.inner.mark(who, mark, now).await
    }
    async fn erase(&self, user_id: &UserId) -> Result<Erasing, PortError> {
        self.mood.check().await?;
        self.inner.erase(user_id).await
    }

    async fn muting(&self, user_id: &UserId) -> Result<Muting, PortError> {
        self.mood.check().await?;
        self.inner.muting(user_id).await
    }

    async fn mutings(&self) -> Result<Mutings, PortError> {
        self.inner.mutings().await
    }
}
