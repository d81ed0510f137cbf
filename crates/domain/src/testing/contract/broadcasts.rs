//! Broadcasts: each is sent once or never, and as it was last changed.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use serde_json::json;
use uuid::Uuid;

use crate::ports::{
    Acks, Audit, Broadcasts, Change, Creation, Fired, Firing, Inbox, Log, MintIds as _, NewBroadcast, Publish,
};
use crate::testing::{CountingIds, principal};
use crate::{
    AuditAction, AuditNote, AuditQuery, AuditSince, Broadcast, BroadcastDraft, BroadcastId, BroadcastKind,
    BroadcastQuery, BroadcastStatus, Data, Entitled, IdempotencyKey, Position, Role, Room, Row, Timestamp,
};

/// A store under test.
pub struct Stage {
    /// The broadcasts.
    pub broadcasts: Arc<dyn Broadcasts>,
    /// Their acknowledgements.
    pub acks: Arc<dyn Acks>,
    /// The log that they go to.
    pub log: Arc<dyn Log>,
    /// The inboxes over it.
    pub inbox: Arc<dyn Inbox>,
    /// Where changes are noted.
    pub audit: Arc<dyn Audit>,
}

const ALL: BroadcastQuery = BroadcastQuery { limit: 100, before: None, kind: None, status: None };

pub(super) fn id(n: u128) -> BroadcastId {
    BroadcastId::from_uuid(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0000 + n))
}

pub(super) fn draft(kind: BroadcastKind, audience: &[&str], publish_at: Option<Timestamp>) -> BroadcastDraft {
    let audience = audience.iter().map(|room| room.parse().unwrap()).collect();
    let (title, message) = ("Title".to_owned(), "Message".to_owned());
    let (action_url, starts_at, ends_at, expires_at) = (None, None, None, None);
    BroadcastDraft { kind, title, message, audience, action_url, publish_at, starts_at, ends_at, expires_at }
}

fn note(action: AuditAction, id: BroadcastId, by: &str) -> AuditNote {
    let detail = json!({"by": by});
    let detail = Data::new(detail.as_object().unwrap()).unwrap();
    AuditNote { actor: by.to_owned(), action, subject: id.to_string(), detail, key: None }
}

pub(super) fn shifted(at: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_millis(at.as_millis() + seconds * 1_000).unwrap()
}

impl Stage {
    pub(super) async fn now(&self) -> Timestamp {
        self.broadcasts.now().await.unwrap()
    }

    async fn try_create(
        &self,
        id: BroadcastId,
        draft: BroadcastDraft,
        key: Option<IdempotencyKey>,
    ) -> Creation {
        let note =
            AuditNote { key: Some(id.as_uuid()), ..note(AuditAction::BroadcastCreated, id, "user:ada") };
        self.broadcasts.create(&NewBroadcast { id, draft, by: "user:ada".into(), key, note }).await.unwrap()
    }

    pub(super) async fn create(&self, n: u128, draft: BroadcastDraft) -> Broadcast {
        match self.try_create(id(n), draft, None).await {
            Creation::Created(broadcast) => broadcast,
            other => panic!("{other:?}"),
        }
    }

    /// One for everyone that has been due for so many seconds.
    async fn create_due(&self, n: u128, seconds: i64) -> Broadcast {
        let at = shifted(self.now().await, -seconds);
        self.create(n, draft(BroadcastKind::Announcement, &["all"], Some(at))).await
    }

    async fn cancel(&self, id: BroadcastId, version: Option<u32>) -> Change {
        let note = note(AuditAction::BroadcastCanceled, id, "user:bob");
        self.broadcasts.cancel(id, version, &note).await.unwrap()
    }

    async fn change(&self, one: &Broadcast, version: u32, title: &str) -> Change {
        let draft = BroadcastDraft { title: title.to_owned(), ..one.draft.clone() };
        let note = note(AuditAction::BroadcastChanged, one.id, "user:cat");
        self.broadcasts.change(one.id, version, &draft, &note).await.unwrap()
    }

    pub(super) async fn fire(&self, batch: &[Firing]) -> Fired {
        self.broadcasts.fire(batch).await.unwrap()
    }

    /// What is due now, ready to be sent.
    pub(super) async fn due(&self, ids: &CountingIds) -> Vec<Firing> {
        let due = self.broadcasts.due(100).await.unwrap();
        due.broadcasts.iter().map(|broadcast| firing(broadcast, ids, due.now)).collect()
    }

    async fn status(&self, id: BroadcastId) -> BroadcastStatus {
        self.broadcasts.get(id).await.unwrap().unwrap().status
    }

    async fn rows(&self) -> Vec<Arc<Row>> {
        self.log.read(Position::START, 1_000).await.unwrap().rows
    }

    pub(super) async fn enter(&self, user_id: &str, role: Role) -> Entitled {
        self.inbox.enter(&principal(user_id, role)).await.unwrap()
    }
}

pub(super) fn firing(broadcast: &Broadcast, ids: &CountingIds, now: Timestamp) -> Firing {
    let row = |room: &Room| (room.clone(), broadcast.notification(ids.notification_id(), now).unwrap());
    let rows = broadcast.draft.audience.iter().map(row).collect();
    let publish = Publish { event_id: broadcast.id.event_id(), key: None, at: now, rows };
    Firing { id: broadcast.id, version: broadcast.version, late: broadcast.is_late(now), publish }
}

/// And what was left out comes back as nothing, but for the time of one that is due at once.
pub async fn every_field_of_a_broadcast_comes_back(stage: Stage) {
    let now = stage.now().await;
    let full = BroadcastDraft {
        action_url: Some("/status".parse().unwrap()),
        starts_at: Some(shifted(now, 7_200)),
        ends_at: Some(shifted(now, 9_000)),
        expires_at: Some(shifted(now, 10_000)),
        ..draft(BroadcastKind::Maintenance, &["role:doctor", "role:patient"], Some(shifted(now, 3_600)))
    };
    let made = stage.create(1, full.clone()).await;
    assert_eq!((made.id, made.status, made.version), (id(1), BroadcastStatus::Scheduled, 1));
    assert_eq!((&made.draft, made.created_by.as_str()), (&full, "user:ada"));
    assert_eq!((made.late, made.sent_at, made.updated_at), (false, None, made.created_at));
    assert!(made.created_at >= now && made.created_at <= stage.now().await);
    assert_eq!(stage.broadcasts.get(id(1)).await.unwrap(), Some(made.clone()));
    // Made again, as after an unknown outcome.
    assert_eq!(stage.create(1, full).await, made);
    assert_eq!(stage.broadcasts.get(id(9)).await.unwrap(), None);
    let plain = stage.create(2, draft(BroadcastKind::Emergency, &["all"], None)).await;
    assert_eq!(plain.draft.publish_at, Some(plain.created_at));
    let nothing =
        (plain.draft.action_url, plain.draft.starts_at, plain.draft.ends_at, plain.draft.expires_at);
    assert_eq!(nothing, (None, None, None, None));
}

/// The same key and body answer the first; another body is refused; another caller's key is another.
pub async fn a_key_makes_one_broadcast(stage: Stage) {
    let key = |scope: &str, body: u8| {
        Some(IdempotencyKey { scope: scope.into(), key: "k".into(), fingerprint: [body; 32] })
    };
    let text = || draft(BroadcastKind::Announcement, &["all"], None);
    let Creation::Created(first) = stage.try_create(id(1), text(), key("a", 1)).await else { panic!("new") };
    assert_eq!(stage.try_create(id(2), text(), key("a", 1)).await, Creation::Replayed(first));
    assert_eq!(stage.try_create(id(3), text(), key("a", 2)).await, Creation::Mismatch);
    assert!(matches!(stage.try_create(id(4), text(), key("b", 2)).await, Creation::Created(_)));
    assert_eq!(stage.broadcasts.list(ALL).await.unwrap().len(), 2);
    let query = AuditQuery { since: AuditSince::Entry(0), limit: 9 };
    assert_eq!(stage.audit.entries(query).await.unwrap().len(), 2);
}

/// By several that saw the same and send it at the same time: each has its rows once, under its own id.
pub async fn what_is_due_is_sent_once(stage: Stage) {
    for (n, seconds) in [(1, 5), (2, 90), (3, 1)] {
        stage.create_due(n, seconds).await;
    }
    let before = stage.now().await;
    let mut batches = Vec::new();
    for node in 0..4 {
        batches.push(stage.due(&CountingIds::after(1_000 * node)).await);
    }
    // The earliest first.
    let order: Vec<_> = batches[0].iter().map(|firing| firing.id).collect();
    assert_eq!(order, [id(2), id(1), id(3)]);
    let fired = join_all(batches.iter().map(|batch| stage.fire(batch))).await;
    let mut sent: Vec<_> = fired.iter().flat_map(|fired| fired.ids.clone()).collect();
    sent.sort_unstable();
    assert_eq!(sent, [id(1), id(2), id(3)]);
    let rows = stage.rows().await;
    assert_eq!(rows.len(), 3);
    for fired in fired {
        // Each node's rows follow its own head without a hole, and are those of the log.
        for (n, row) in (1..).zip(&fired.appended.rows) {
            assert_eq!(row.position, fired.appended.from.plus(n));
            assert!(rows.contains(row));
        }
        assert_eq!(fired.appended.rows.len(), fired.ids.len());
    }
    for (n, late) in [(1, false), (2, true), (3, false)] {
        let one = stage.broadcasts.get(id(n)).await.unwrap().unwrap();
        assert_eq!((one.status, one.late, one.version), (BroadcastStatus::Sent, late, 1));
        assert!(one.sent_at.is_some_and(|at| at >= before));
        assert!(rows.iter().any(|row| row.event_id == id(n).event_id()));
    }
    assert!(stage.due(&CountingIds::new()).await.is_empty());
}

/// However many users there are: a row for each room of the audience.
pub async fn everyone_costs_one_row(stage: Stage) {
    for n in 0..50 {
        stage.enter(&format!("user-{n}"), Role::Patient).await;
    }
    stage.create(1, draft(BroadcastKind::Emergency, &["all"], None)).await;
    let two = &["role:admin", "role:doctor"];
    stage.create(2, draft(BroadcastKind::Announcement, two, None)).await;
    let ids = CountingIds::new();
    stage.fire(&stage.due(&ids).await).await;
    let mut rooms: Vec<_> = stage.rows().await.iter().map(|row| row.room.as_str().to_owned()).collect();
    rooms.sort_unstable();
    assert_eq!(rooms, ["all", "role:admin", "role:doctor"]);
}

/// Also when a node believes that it is.
pub async fn nothing_is_sent_before_its_time(stage: Stage) {
    let now = stage.now().await;
    let later = draft(BroadcastKind::Announcement, &["all"], Some(shifted(now, 3_600)));
    let one = stage.create(1, later).await;
    assert!(stage.due(&CountingIds::new()).await.is_empty());
    let fired = stage.fire(&[firing(&one, &CountingIds::new(), shifted(now, 3_601))]).await;
    assert!(fired.ids.is_empty() && stage.rows().await.is_empty());
    assert_eq!(stage.status(id(1)).await, BroadcastStatus::Scheduled);
}

/// Not even by a node that had read it before.
pub async fn what_is_called_off_is_never_sent(stage: Stage) {
    let one = stage.create_due(1, 5).await;
    stage.create_due(2, 5).await;
    let batch = stage.due(&CountingIds::new()).await;
    assert_eq!(stage.cancel(one.id, Some(7)).await, Change::OtherVersion(1));
    let Change::Made(canceled) = stage.cancel(one.id, Some(1)).await else { panic!("not canceled") };
    assert_eq!((canceled.status, canceled.version), (BroadcastStatus::Canceled, 1));
    assert_eq!(stage.fire(&batch).await.ids, [id(2)]);
    assert_eq!(stage.status(one.id).await, BroadcastStatus::Canceled);
    // Twice, when it is sent, and when there is none.
    assert_eq!(stage.cancel(one.id, None).await, Change::NotScheduled(BroadcastStatus::Canceled));
    assert_eq!(stage.cancel(id(2), None).await, Change::NotScheduled(BroadcastStatus::Sent));
    assert_eq!(stage.cancel(id(3), None).await, Change::NotFound);
    let later = stage.create(4, draft(BroadcastKind::Announcement, &["all"], None)).await;
    assert!(matches!(stage.cancel(later.id, None).await, Change::Made(_)));
}

/// Of two changes of one version one is made; what a node had read before is not sent.
pub async fn what_was_changed_is_sent_as_it_is_now(stage: Stage) {
    let one = stage.create_due(1, 5).await;
    let stale = stage.due(&CountingIds::new()).await;
    let (a, b) = join(stage.change(&one, 1, "Better"), stage.change(&one, 1, "Best")).await;
    let made = [&a, &b].into_iter().filter(|change| matches!(change, Change::Made(_))).count();
    let refused = [&a, &b].into_iter().filter(|change| **change == Change::OtherVersion(2)).count();
    assert_eq!((made, refused), (1, 1), "{a:?} {b:?}");
    assert!(stage.fire(&stale).await.ids.is_empty());
    let fresh = stage.due(&CountingIds::new()).await;
    assert_eq!((fresh.len(), fresh[0].version), (1, 2));
    assert_eq!(stage.fire(&fresh).await.ids, [one.id]);
    let current = stage.broadcasts.get(one.id).await.unwrap().unwrap();
    assert_eq!(stage.rows().await[0].notification.title, current.draft.title);
    assert_ne!(current.draft.title, one.draft.title);
    assert_eq!(stage.change(&one, 2, "Late").await, Change::NotScheduled(BroadcastStatus::Sent));
    let nobody = Broadcast { id: id(9), ..one };
    assert_eq!(stage.change(&nobody, 1, "x").await, Change::NotFound);
}

/// Whoever wins, the log and the answers agree.
pub async fn a_race_of_sending_and_calling_off_has_one_winner(stage: Stage) {
    for n in 0..20 {
        let one = stage.create_due(n, 1).await;
        let batch = stage.due(&CountingIds::after(100 * u64::try_from(n).unwrap())).await;
        let (fired, canceled) = join(stage.fire(&batch), stage.cancel(one.id, None)).await;
        let is_canceled = matches!(canceled, Change::Made(_));
        let is_sent = stage.rows().await.iter().any(|row| row.event_id == one.id.event_id());
        assert_eq!((is_sent, fired.ids.len()), (!is_canceled, usize::from(!is_canceled)), "{canceled:?}");
        let status = if is_canceled { BroadcastStatus::Canceled } else { BroadcastStatus::Sent };
        assert_eq!(stage.status(one.id).await, status);
    }
}

/// It is shown, and never sent; by whichever version it is.
pub async fn what_is_too_late_is_missed(stage: Stage) {
    let hour = i64::try_from(Broadcast::MISSED.as_secs()).unwrap();
    let old = stage.create_due(1, hour + 10).await;
    let just = stage.create_due(2, hour - 60).await;
    let batch = stage.due(&CountingIds::new()).await;
    assert_eq!(batch.len(), 2);
    assert_eq!(stage.fire(&batch).await.ids, [just.id]);
    assert_eq!(stage.broadcasts.miss(&[(old.id, 2)]).await.unwrap(), 0);
    assert_eq!(stage.broadcasts.miss(&[(old.id, 1), (just.id, 1), (id(9), 1)]).await.unwrap(), 1);
    assert_eq!(stage.status(old.id).await, BroadcastStatus::Missed);
    assert_eq!(stage.status(just.id).await, BroadcastStatus::Sent);
    assert!(stage.due(&CountingIds::new()).await.is_empty());
    assert_eq!(stage.cancel(old.id, None).await, Change::NotScheduled(BroadcastStatus::Missed));
}

/// Newest first, by kind and by how far they have come.
pub async fn a_listing_filters_and_goes_on(stage: Stage) {
    let later = Some(shifted(stage.now().await, 3_600));
    for n in 1..=6 {
        let kind = BroadcastKind::ALL[usize::try_from(n % 3).unwrap()];
        stage.create(n, draft(kind, &["all"], later)).await;
    }
    stage.cancel(id(4), None).await;
    let list = async |query: BroadcastQuery| {
        let found = stage.broadcasts.list(query).await.unwrap();
        found.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    assert_eq!(list(ALL).await, [6, 5, 4, 3, 2, 1].map(id));
    let page = BroadcastQuery { limit: 2, before: Some(id(5)), ..ALL };
    assert_eq!(list(page).await, [4, 3].map(id));
    let kind = Some(BroadcastKind::Maintenance);
    assert_eq!(list(BroadcastQuery { kind, ..ALL }).await, [4, 1].map(id));
    let status = Some(BroadcastStatus::Scheduled);
    assert_eq!(list(BroadcastQuery { kind, status, ..ALL }).await, [1].map(id));
    assert!(list(BroadcastQuery { status: Some(BroadcastStatus::Sent), ..ALL }).await.is_empty());
}

/// What was refused is not noted.
pub async fn each_change_is_noted_with_who_made_it(stage: Stage) {
    let later = Some(shifted(stage.now().await, 3_600));
    let one = stage.create(1, draft(BroadcastKind::Announcement, &["all"], later)).await;
    stage.create(1, one.draft.clone()).await;
    stage.change(&one, 1, "New").await;
    stage.change(&one, 1, "Refused").await;
    stage.cancel(one.id, Some(1)).await;
    stage.cancel(one.id, Some(2)).await;
    stage.cancel(one.id, Some(2)).await;
    let query = AuditQuery { since: AuditSince::Entry(0), limit: 9 };
    let entries = stage.audit.entries(query).await.unwrap();
    let noted: Vec<_> = entries.iter().map(|entry| (entry.actor.as_str(), entry.action)).collect();
    let expected = [
        ("user:ada", AuditAction::BroadcastCreated),
        ("user:cat", AuditAction::BroadcastChanged),
        ("user:bob", AuditAction::BroadcastCanceled),
    ];
    assert_eq!(noted, expected);
    assert!(entries.iter().all(|entry| entry.subject == one.id.to_string()));
    assert_eq!(entries[1].detail.as_str(), r#"{"by":"user:cat"}"#);
}

/// Long enough for any test.
pub(super) const LONG: Duration = Duration::from_secs(600);
