//! Acknowledgements: by those who can see an emergency, once each, counted against all who can.

use std::time::Duration;

use super::broadcasts::{LONG, Stage, draft, id};
use crate::testing::{CountingIds, instant};
use crate::{
    BroadcastKind, Entitled, NotificationId, Recipient, RecipientCursor, RecipientQuery, Role, RoleName,
    Share, Timestamp,
};

const EVERYONE: RecipientQuery = RecipientQuery { limit: 100, after: None, role: None, acked: None };

impl Stage {
    /// Sends a broadcast; answers its notifications.
    async fn send(&self, n: u128, kind: BroadcastKind, audience: &[&str]) -> Vec<NotificationId> {
        self.create(n, draft(kind, audience, None)).await;
        let ids = CountingIds::after(u64::try_from(100 * n).unwrap());
        let fired = self.fire(&self.due(&ids).await).await;
        fired.appended.rows.iter().map(|row| row.notification.id).collect()
    }

    async fn ack(&self, who: &Entitled, id: NotificationId) -> Option<Timestamp> {
        self.acks.acknowledge(who, id, instant(0)).await.unwrap()
    }
}

/// In a room of theirs, from before it was sent, and while it lasts.
pub async fn recipients_alone_acknowledge(stage: Stage) {
    let (doctor, patient) = (stage.enter("d", Role::Doctor).await, stage.enter("p", Role::Patient).await);
    let theirs = stage.send(1, BroadcastKind::Emergency, &["role:doctor"]).await[0];
    let late = stage.enter("late", Role::Doctor).await;
    assert!(stage.ack(&doctor, theirs).await.is_some());
    assert_eq!(stage.ack(&patient, theirs).await, None);
    assert_eq!(stage.ack(&late, theirs).await, None);
    let unknown = "01980000-0000-7000-8000-00000000abcd".parse().unwrap();
    assert_eq!(stage.ack(&doctor, unknown).await, None);
    let mut brief = draft(BroadcastKind::Emergency, &["all"], None);
    let end = super::broadcasts::shifted(stage.now().await, 600);
    brief.expires_at = Some(end);
    stage.create(2, brief).await;
    let fired = stage.fire(&stage.due(&CountingIds::after(900)).await).await;
    let brief = fired.appended.rows[0].notification.id;
    assert_eq!(stage.acks.acknowledge(&patient, brief, end).await.unwrap(), None);
    assert!(stage.ack(&patient, brief).await.is_some());
}

/// However often it is acknowledged, and on whichever device.
pub async fn the_first_time_is_kept(stage: Stage) {
    let ada = stage.enter("ada", Role::Admin).await;
    let before = stage.now().await;
    let news = stage.send(1, BroadcastKind::Emergency, &["all"]).await[0];
    let first = stage.ack(&ada, news).await.unwrap();
    assert!(first >= before && first <= stage.now().await);
    assert_eq!(stage.ack(&ada, news).await, Some(first));
    assert_eq!(stage.acks.tally(id(1)).await.unwrap().unwrap().all, Share { acked: 1, of: 1 });
}

/// Neither another broadcast nor a plain notification, however urgent.
pub async fn what_is_no_emergency_is_not_acknowledged(stage: Stage) {
    let ada = stage.enter("ada", Role::Admin).await;
    let news = stage.send(1, BroadcastKind::Announcement, &["all"]).await[0];
    assert_eq!(stage.ack(&ada, news).await, None);
    let mut plain = crate::testing::Drafts::new().publish(&["all"]);
    plain.rows[0].1.priority = crate::Priority::Urgent;
    let rows = stage.log.append(&[plain]).await.unwrap().rows;
    assert_eq!(stage.ack(&ada, rows[0].notification.id).await, None);
    assert_eq!(stage.acks.tally(id(1)).await.unwrap(), None);
    assert_eq!(stage.acks.tally(id(9)).await.unwrap(), None);
}

/// Of those who had been here before it was sent: others cannot see it.
pub async fn acknowledgements_are_counted_by_role(stage: Stage) {
    let mut patients = Vec::new();
    for name in ["p1", "p2", "p3"] {
        patients.push(stage.enter(name, Role::Patient).await);
    }
    let (doctor, admin) = (stage.enter("d", Role::Doctor).await, stage.enter("a", Role::SuperAdmin).await);
    let all = stage.send(1, BroadcastKind::Emergency, &["all"]).await[0];
    let some = stage.send(2, BroadcastKind::Emergency, &["role:doctor", "role:admin"]).await;
    stage.enter("late", Role::Patient).await;
    for who in [&patients[0], &patients[2], &admin] {
        stage.ack(who, all).await.unwrap();
    }
    assert_eq!(stage.acks.stirring(LONG).await.unwrap(), [id(1)]);
    stage.ack(&doctor, some[0]).await.unwrap();
    assert_eq!(stage.ack(&doctor, some[1]).await, None);
    let share = |acked, of| Share { acked, of };
    let tally = stage.acks.tally(id(1)).await.unwrap().unwrap();
    assert_eq!((tally.broadcast_id, tally.all), (id(1), share(3, 5)));
    let by_role: Vec<_> = tally.by_role.into_iter().collect();
    let expected =
        [(RoleName::Admin, share(1, 1)), (RoleName::Doctor, share(0, 1)), (RoleName::Patient, share(2, 3))];
    assert_eq!(by_role, expected);
    let tally = stage.acks.tally(id(2)).await.unwrap().unwrap();
    assert_eq!(tally.all, share(1, 2));
    let by_role: Vec<_> = tally.by_role.into_iter().collect();
    assert_eq!(by_role, [(RoleName::Admin, share(0, 1)), (RoleName::Doctor, share(1, 1))]);
    let mut stirring = stage.acks.stirring(LONG).await.unwrap();
    stirring.sort_unstable();
    assert_eq!(stirring, [id(1), id(2)]);
    // One that is not sent has no recipients yet.
    let later = Some(super::broadcasts::shifted(stage.now().await, 3_600));
    stage.create(3, draft(BroadcastKind::Emergency, &["all"], later)).await;
    assert_eq!(stage.acks.tally(id(3)).await.unwrap().unwrap().all, Share::default());
    assert!(stage.acks.recipients(id(3), &EVERYONE).await.unwrap().is_empty());
}

/// By role, then by id; those who have acknowledged, those who have not, or both.
pub async fn recipients_are_listed_in_pages(stage: Stage) {
    let mut users = Vec::new();
    for (name, role) in [
        ("z", Role::Admin),
        ("b", Role::Patient),
        ("a:1", Role::Patient),
        ("m", Role::Doctor),
        ("c", Role::Patient),
    ] {
        users.push(stage.enter(name, role).await);
    }
    let news = stage.send(1, BroadcastKind::Emergency, &["all"]).await[0];
    stage.enter("late", Role::Patient).await;
    for n in [1, 3] {
        stage.ack(&users[n], news).await.unwrap();
    }
    let list = async |query: RecipientQuery| {
        let found = stage.acks.recipients(id(1), &query).await.unwrap();
        let name = |one: Recipient| (one.role, one.user_id.to_string(), one.acked_at.is_some());
        found.into_iter().map(name).collect::<Vec<_>>()
    };
    let of = |role, name: &str, acked| (role, name.to_owned(), acked);
    let all = [
        of(RoleName::Admin, "z", false),
        of(RoleName::Doctor, "m", true),
        of(RoleName::Patient, "a:1", false),
        of(RoleName::Patient, "b", true),
        of(RoleName::Patient, "c", false),
    ];
    assert_eq!(list(EVERYONE).await, all);
    let after = |role, name: &str| Some(RecipientCursor { role, user_id: name.parse().unwrap() });
    let page = RecipientQuery { limit: 2, after: after(RoleName::Doctor, "m"), ..EVERYONE };
    assert_eq!(list(page).await, all[2..4]);
    let rest = RecipientQuery { acked: Some(false), after: after(RoleName::Admin, "z"), ..EVERYONE };
    assert_eq!(list(rest).await, [all[2].clone(), all[4].clone()]);
    assert_eq!(
        list(RecipientQuery { acked: Some(true), ..EVERYONE }).await,
        [all[1].clone(), all[3].clone()]
    );
    assert_eq!(list(RecipientQuery { role: Some(RoleName::Patient), ..EVERYONE }).await, all[2..]);
    let none =
        RecipientQuery { role: Some(RoleName::Doctor), after: after(RoleName::Patient, "a"), ..EVERYONE };
    assert!(list(none).await.is_empty());
    assert!(stage.acks.stirring(Duration::from_secs(600)).await.unwrap().contains(&id(1)));
}
