//! What the connections of someone who is blocked hear, and what becomes of them; and rooms that change.

use carillon_domain::Blocked;

use super::*;

fn status(n: u64, who: &Entitled, status: &str) -> Arc<Row> {
    let mut row = Arc::unwrap_or_clone(row(n, &own(who)));
    let data = serde_json::json!({"userId": who.user_id.as_str(), "status": status});
    row.notification.event = Some(carillon_domain::EventName::UserStatusChanged);
    row.notification.data = Data::new(data.as_object().unwrap()).unwrap();
    Arc::new(row)
}

#[test]
fn a_live_connection_hears_all_up_to_the_block_and_is_over() {
    let (hub, who, other) = (hub(10), patient("p", 0), patient("q", 0));
    let ((_, mailbox), (_, others)) = (join(&hub, &who), join(&hub, &other));
    go_live(&hub, &who, &mailbox);
    go_live(&hub, &other, &others);
    let rows = vec![row(11, &own(&who)), status(12, &who, "BLOCKED"), row(13, &Room::all())];
    assert_eq!(hub.deliver(EPOCH, rows).len(), 1);
    hub.deliver(EPOCH, vec![row(14, &own(&who))]);
    hub.post(&own(&who), &Frame::event("/", "word", &()).unwrap(), None);
    assert_eq!(mailbox.over(), None, "there is something to say yet");
    assert_eq!(heard(&mailbox), [11, 12]);
    assert_eq!(stage(&mailbox), Some(Stage::Over(Over::Blocked)));
    assert_eq!((heard(&others), others.is_ending()), (vec![13], false));
}

#[test]
fn one_that_is_behind_catches_up_to_the_block_and_no_further() {
    let (hub, who) = (hub(10), patient("p", 0));
    let mailbox = rejoin(&hub, &who, 10);
    hub.deliver(EPOCH, vec![row(11, &own(&who)), status(12, &who, "BLOCKED"), row(13, &own(&who))]);
    assert_eq!(hub.catch_up(&who, &mailbox, now()), CaughtUp::Done);
    assert_eq!(heard(&mailbox), [11, 12]);
    go_live(&hub, &who, &mailbox);
    assert_eq!(stage(&mailbox), Some(Stage::Over(Over::Blocked)));
}

#[test]
fn the_store_is_read_up_to_the_block_and_not_for_ever() {
    let (hub, who) = (hub(10), patient("p", 0));
    let mailbox = rejoin(&hub, &who, 5);
    hub.deliver(EPOCH, vec![status(11, &who, "BLOCKED"), row(12, &own(&who))]);
    assert_eq!(hub.catch_up(&who, &mailbox, now()), CaughtUp::Read(at(5), at(11)));
    mailbox.refill([], at(11));
    assert_eq!(hub.catch_up(&who, &mailbox, now()), CaughtUp::Done);
    // By now the recent rows may begin beyond the block: there is nothing to read all the same.
    hub.lock().recent = Recent::new(at(12));
    go_live(&hub, &who, &mailbox);
    assert_eq!((heard(&mailbox), stage(&mailbox)), (vec![], Some(Stage::Over(Over::Blocked))));
}

#[test]
fn who_is_blocked_does_not_join_until_they_are_active() {
    let (hub, who) = (hub(10), patient("p", 0));
    hub.deliver(EPOCH, vec![status(11, &who, "BLOCKED")]);
    assert_eq!(hub.join(joining(&who, "socket", None)).map(|place| place.id), Err(Barred::Blocked));
    assert_eq!(hub.join(joining(&who, "socket", Some(10))).map(|place| place.id), Err(Barred::Blocked));
    hub.deliver(EPOCH, vec![status(12, &who, "ACTIVE")]);
    join(&hub, &who);
}

#[test]
fn a_list_that_is_read_anew_ends_those_who_are_on_it() {
    let (hub, who, other) = (hub(10), patient("p", 0), patient("q", 0));
    let ((_, mailbox), (_, others)) = (join(&hub, &who), join(&hub, &other));
    assert!(!hub.knows_blocks());
    let users = vec![who.user_id, "nobody".parse().unwrap()];
    hub.load_blocks(Blocked { epoch: EPOCH, as_of: at(10), users });
    assert!(hub.knows_blocks());
    assert_eq!((mailbox.over(), others.over()), (Some(Over::Blocked), None));
}

#[test]
fn other_rooms_are_heard_from_where_they_are_entitled() {
    let (hub, who) = (hub(10), patient("p", 0));
    let (id, mailbox) = join(&hub, &who);
    go_live(&hub, &who, &mailbox);
    let mut doctor = who.clone();
    doctor.rooms.retain(|e| e.room != Room::role(Role::Patient));
    doctor.rooms.push(Entitlement { room: Room::role(Role::Doctor), since: at(12) });
    hub.change_rooms(id, &who, &Arc::new(doctor.clone()), &mailbox);
    let rooms = [Room::role(Role::Patient), Room::role(Role::Doctor), Room::role(Role::Doctor), own(&who)];
    hub.deliver(EPOCH, (11..).zip(&rooms).map(|(n, room)| row(n, room)).collect());
    assert_eq!(heard(&mailbox), [13, 14]);
    hub.leave(&doctor, id);
    assert!(hub.lock().rooms.is_empty());
    // One that has gone meanwhile is not brought back.
    hub.change_rooms(id, &doctor, &Arc::new(who), &mailbox);
    assert!(hub.lock().rooms.is_empty());
}
