//! What is muted is queued for nobody who mutes it, from the memo's place on: live, and for one who catches up.

use carillon_domain::Memo;

use super::*;

fn memo(n: u64, who: &Entitled, kinds: &[&str]) -> Arc<Row> {
    let kinds = kinds.iter().map(|kind| kind.parse().unwrap()).collect();
    let memo = Memo::Muted { user_id: who.user_id.clone(), kinds };
    let plain = Arc::unwrap_or_clone(row(n, &own(who)));
    let (room, notification) = memo.row(plain.notification.id, now());
    Arc::new(Row { room, notification, ..plain })
}

fn urgent(n: u64) -> Arc<Row> {
    let mut row = Arc::unwrap_or_clone(row(n, &Room::all()));
    row.notification.priority = Priority::Urgent;
    Arc::new(row)
}

fn rows(who: &Entitled) -> Vec<Arc<Row>> {
    let all = Room::all();
    let (mute, unmute) = (memo(12, who, &["NEWS"]), memo(15, who, &[]));
    vec![row(11, &all), mute, row(13, &all), urgent(14), unmute, row(16, &all)]
}

#[test]
fn a_live_connection_hears_nothing_of_what_its_user_mutes() {
    let (hub, who, other) = (hub(10), patient("p", 0), patient("q", 0));
    let ((_, mailbox), (_, others)) = (join(&hub, &who), join(&hub, &other));
    go_live(&hub, &who, &mailbox);
    go_live(&hub, &other, &others);
    hub.deliver(EPOCH, rows(&who));
    assert_eq!((heard(&mailbox), heard(&others)), (vec![11, 14, 16], vec![11, 13, 14, 16]));
}

#[test]
fn nor_does_one_that_catches_up_and_what_was_muted_stays_so() {
    let (hub, who) = (hub(10), patient("p", 0));
    let mailbox = rejoin(&hub, &who, 10);
    hub.deliver(EPOCH, rows(&who));
    assert_eq!(hub.reach(&who, Offset { epoch: EPOCH, position: at(10) }, 9, now()), Reach::Recent(3));
    assert_eq!(hub.catch_up(&who, &mailbox, now()), CaughtUp::Done);
    assert_eq!(heard(&mailbox), [11, 14, 16]);
}
