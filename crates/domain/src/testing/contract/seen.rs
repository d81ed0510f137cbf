//! What every [`LastSeen`] must do.

use std::sync::Arc;

use crate::ports::{LastSeen, Seen};
use crate::testing::instant;
use crate::{Role, UserId};

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn seen(id: &str, role: Role, profile: Option<&str>, at: i64) -> Seen {
    Seen { user_id: user(id), role, profile_id: profile.map(user), at: instant(at) }
}

async fn ids(store: &dyn LastSeen, role: Option<Role>, after: Option<&str>, limit: u32) -> Vec<String> {
    let users = store.users(role, after.map(user).as_ref(), limit).await.unwrap();
    users.into_iter().map(|seen| seen.user_id.to_string()).collect()
}

/// Nobody has been seen at first, and every field comes back.
pub async fn a_visit_comes_back_as_it_was_kept(store: Arc<dyn LastSeen>) {
    assert_eq!(store.users(None, None, 10).await.unwrap(), []);
    assert_eq!(store.doctors(&[user("d1")]).await.unwrap(), []);
    store.keep(&[]).await.unwrap();
    let kept = [seen("d1", Role::Doctor, Some("p1"), 1), seen("u2", Role::SuperAdmin, None, 2)];
    store.keep(&kept).await.unwrap();
    assert_eq!(store.users(None, None, 10).await.unwrap(), kept);
}

/// The latest visit counts, with what was known of the user then.
pub async fn the_latest_visit_counts(store: Arc<dyn LastSeen>) {
    let latest = seen("u1", Role::Doctor, Some("p1"), 5);
    for visit in [seen("u1", Role::Patient, None, 3), latest.clone(), seen("u1", Role::Admin, None, 4)] {
        store.keep(&[visit]).await.unwrap();
    }
    store.keep(std::slice::from_ref(&latest)).await.unwrap();
    assert_eq!(store.users(None, None, 10).await.unwrap(), [latest]);
}

/// A doctor is found by either id, once; nobody else is, whatever their ids.
pub async fn doctors_are_found_by_either_id(store: Arc<dyn LastSeen>) {
    let doctor = seen("u1", Role::Doctor, Some("p1"), 1);
    let namesake = seen("p1", Role::Doctor, None, 2);
    let others = [seen("u2", Role::Patient, Some("p2"), 3), seen("u3", Role::Doctor, Some("p3"), 4)];
    store.keep(&[doctor.clone(), namesake.clone()]).await.unwrap();
    store.keep(&others).await.unwrap();
    for (asked, found) in [
        (&["u1"][..], &[&doctor][..]),
        (&["u1", "u1"], &[&doctor]),
        (&["p1"], &[&namesake, &doctor]),
        (&["p1", "u1", "nobody"], &[&namesake, &doctor]),
        (&["u2", "p2"], &[]),
        (&[], &[]),
    ] {
        let asked: Vec<_> = asked.iter().map(|id| user(id)).collect();
        let mut doctors = store.doctors(&asked).await.unwrap();
        doctors.sort_by(|a, b| a.user_id.cmp(&b.user_id));
        assert_eq!(doctors.iter().collect::<Vec<_>>(), found, "{asked:?}");
    }
}

/// Pages cover everyone once, by the bytes of their ids.
pub async fn pages_go_by_the_bytes_of_ids(store: Arc<dyn LastSeen>) {
    let patient = |id| seen(id, Role::Patient, None, 1);
    store.keep(&["b", "B", "a", "\u{e4}", "a1"].map(patient)).await.unwrap();
    store.keep(&[seen("aa", Role::Admin, None, 1)]).await.unwrap();
    let store = store.as_ref();
    assert_eq!(ids(store, None, None, 10).await, ["B", "a", "a1", "aa", "b", "\u{e4}"]);
    assert_eq!(ids(store, Some(Role::Patient), None, 3).await, ["B", "a", "a1"]);
    assert_eq!(ids(store, Some(Role::Patient), Some("a1"), 3).await, ["b", "\u{e4}"]);
    assert_eq!(ids(store, None, Some("\u{e4}"), 3).await, [""; 0]);
}

/// Hundreds may leave at once.
pub async fn many_are_kept_at_once(store: Arc<dyn LastSeen>) {
    let many: Vec<_> = (0..1_000).map(|n| seen(&format!("u{n:04}"), Role::Doctor, None, n)).collect();
    store.keep(&many).await.unwrap();
    assert_eq!(store.users(None, None, 2_000).await.unwrap(), many);
    let some: Vec<_> = many.iter().step_by(10).map(|seen| seen.user_id.clone()).collect();
    assert_eq!(store.doctors(&some).await.unwrap().len(), 100);
}
