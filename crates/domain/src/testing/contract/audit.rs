//! The audit table: in order, without holes, each key once.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use crate::ports::Audit;
use crate::{AuditAction, AuditEntry, AuditNote, AuditQuery, AuditSince, Data, Timestamp};

fn note(subject: &str, key: Option<u128>) -> AuditNote {
    let detail = json!({"fields": ["title"]});
    AuditNote {
        actor: "user:ada".into(),
        action: AuditAction::BroadcastChanged,
        subject: subject.into(),
        detail: Data::new(detail.as_object().unwrap()).unwrap(),
        key: key.map(Uuid::from_u128),
    }
}

async fn entries(audit: &dyn Audit, since: AuditSince, limit: u32) -> Vec<AuditEntry> {
    audit.entries(AuditQuery { since, limit }).await.unwrap()
}

async fn all(audit: &dyn Audit) -> Vec<AuditEntry> {
    entries(audit, AuditSince::Entry(0), AuditQuery::MAX_LIMIT).await
}

/// As they were noted, numbered from 1, and read on from any place.
pub async fn what_was_noted_comes_back_in_order(audit: Arc<dyn Audit>) {
    assert!(all(audit.as_ref()).await.is_empty());
    for (n, action) in AuditAction::ALL.into_iter().enumerate() {
        let note = AuditNote { action, ..note(&n.to_string(), None) };
        audit.note(&note).await.unwrap();
    }
    let noted = all(audit.as_ref()).await;
    assert_eq!(noted.iter().map(|entry| entry.id).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(noted.iter().map(|entry| entry.action).collect::<Vec<_>>(), AuditAction::ALL);
    for (n, entry) in noted.iter().enumerate() {
        let expected = note(&n.to_string(), None);
        assert_eq!((&entry.actor, &entry.subject), (&expected.actor, &expected.subject));
        assert_eq!(entry.detail, expected.detail);
    }
    assert_eq!(entries(audit.as_ref(), AuditSince::Entry(1), 2).await, noted[1..3]);
    assert!(entries(audit.as_ref(), AuditSince::Entry(5), 9).await.is_empty());
    let from = AuditSince::Instant(noted[0].at);
    assert_eq!(entries(audit.as_ref(), from, 9).await, noted);
    let future = Timestamp::from_millis(noted[4].at.as_millis() + 1).unwrap();
    assert!(entries(audit.as_ref(), AuditSince::Instant(future), 9).await.is_empty());
}

/// Also when it is noted by several at once; and entries without a key are entries each.
pub async fn a_key_is_noted_once(audit: Arc<dyn Audit>) {
    let (again, plain) = (note("a", Some(7)), note("b", None));
    for noted in join_all([&again, &plain, &again, &plain, &again].map(|note| audit.note(note))).await {
        noted.unwrap();
    }
    audit.note(&note("c", Some(8))).await.unwrap();
    let noted = all(audit.as_ref()).await;
    let mut subjects: Vec<_> = noted.iter().map(|entry| entry.subject.as_str()).collect();
    assert_eq!(subjects.pop(), Some("c"));
    subjects.sort_unstable();
    assert_eq!(subjects, ["a", "b", "b"]);
    assert_eq!(noted.iter().map(|entry| entry.id).collect::<Vec<_>>(), [1, 2, 3, 4]);
}
