use carillon_domain::{
    Data, Entitlement, EventId, Notification, NotificationId, Principal, Priority, Role, UserId,
};
use serde_json::value::RawValue;

use super::*;

const EPOCH: Epoch = Epoch::new(7);
const BOUND: usize = 64 * 1024;

fn at(n: u64) -> Position {
    Position::new(n).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_000).unwrap()
}

fn hub(cursor: u64) -> Hub {
    Hub::new(Head { epoch: EPOCH, position: at(cursor), trimmed: Position::START })
}

fn row(n: u64, room: &Room) -> Arc<Row> {
    row_with(n, room, String::new(), None)
}

fn row_with(n: u64, room: &Room, message: String, expires_at: Option<Timestamp>) -> Arc<Row> {
    let id = format!("00000000-0000-7000-8000-{n:012}");
    let notification = Notification {
        id: id.parse::<NotificationId>().unwrap(),
        event: None,
        kind: "NEWS".parse().unwrap(),
        title: "t".into(),
        message,
        data: Data::new(&serde_json::Map::new()).unwrap(),
        priority: Priority::Low,
        action_url: None,
        created_at: Timestamp::from_millis(0).unwrap(),
        expires_at,
    };
    Arc::new(Row {
        position: at(n),
        room: room.clone(),
        event_id: id.parse::<EventId>().unwrap(),
        notification,
    })
}

/// A patient who may see their shared rooms after `since`.
fn patient(name: &str, since: u64) -> Entitled {
    let user_id: UserId = name.parse().unwrap();
    let principal = Principal::new(user_id.clone(), None, Role::Patient, None, now());
    let since = |room: &Room| if room.is_shared() { at(since) } else { Position::START };
    let rooms = principal.rooms().iter().map(|room| Entitlement { room: room.clone(), since: since(room) });
    Entitled { user_id, rooms: rooms.collect() }
}

fn own(who: &Entitled) -> Room {
    Room::user(&who.user_id)
}

/// The positions in a mailbox, taken out of it, as a client would see them.
fn heard(mailbox: &Mailbox) -> Vec<u64> {
    std::iter::from_fn(|| mailbox.take())
        .map(|frame| {
            let (name, _, offset): (String, Box<RawValue>, String) =
                serde_json::from_str(&frame.text()[2..]).unwrap();
            assert_eq!(name, "notification");
            offset.parse::<Offset>().unwrap().position.get()
        })
        .collect()
}

fn join(hub: &Hub, who: &Entitled) -> (MemberId, Arc<Mailbox>) {
    hub.join(who, "socket".into(), BOUND, 9).unwrap()
}

fn go_live(hub: &Hub, who: &Entitled, mailbox: &Mailbox) {
    let (stage, sent) = mailbox.drained().unwrap();
    assert_eq!(stage, Stage::Announce);
    assert!(mailbox.announced(sent));
    assert_eq!(hub.catch_up(who, mailbox, now()), CaughtUp::Live);
}

#[test]
fn a_live_connection_hears_its_rooms_once_and_in_order() {
    let (hub, who) = (hub(10), patient("p", 0));
    let (_, mailbox) = join(&hub, &who);
    go_live(&hub, &who, &mailbox);
    hub.deliver(EPOCH, vec![row(11, &own(&who)), row(12, &Room::role(Role::Doctor)), row(13, &Room::all())]);
    hub.deliver(EPOCH, vec![row(13, &Room::all()), row(14, &own(&who))]);
    assert_eq!(heard(&mailbox), [11, 13, 14]);
}

#[test]
fn what_comes_while_a_connection_arrives_is_neither_lost_nor_repeated() {
    let (hub, who) = (hub(10), patient("p", 0));
    let (_, mailbox) = join(&hub, &who);
    hub.deliver(EPOCH, vec![row(11, &own(&who))]);
    assert_eq!(heard(&mailbox), [0; 0], "nothing comes before inbox:state");
    assert!(mailbox.announced(at(10)));
    hub.deliver(EPOCH, vec![row(12, &own(&who))]);
    assert_eq!(hub.catch_up(&who, &mailbox, now()), CaughtUp::Live);
    hub.deliver(EPOCH, vec![row(13, &own(&who))]);
    assert_eq!(heard(&mailbox), [11, 12, 13]);
}

#[test]
fn a_full_mailbox_falls_behind_and_misses_nothing() {
    let (hub, who) = (hub(0), patient("p", 0));
    let (_, mailbox) = join(&hub, &who);
    go_live(&hub, &who, &mailbox);
    let long = || "x".repeat(2_000);
    hub.deliver(EPOCH, (1..=100).map(|n| row_with(n, &own(&who), long(), None)).collect());
    let first = heard(&mailbox);
    assert!(first.len() < 40, "the bound holds: {}", first.len());
    assert_eq!(mailbox.drained().map(|(stage, _)| stage), Some(Stage::Behind));
    // What it missed is more than fits at once: it is read from the store, in pages.
    let last = *first.last().unwrap();
    assert_eq!(hub.catch_up(&who, &mailbox, now()), CaughtUp::Read(at(last), at(100)));
    mailbox.refill([], at(90));
    assert_eq!(hub.catch_up(&who, &mailbox, now()), CaughtUp::Live);
    assert_eq!(heard(&mailbox), (91..=100).collect::<Vec<_>>());
}

#[test]
fn rows_from_before_the_entitlement_or_after_their_end_are_not_given() {
    let (hub, who) = (hub(10), patient("p", 11));
    let (_, mailbox) = join(&hub, &who);
    let over = Some(now());
    hub.deliver(EPOCH, vec![row(11, &Room::all()), row(12, &Room::all())]);
    hub.deliver(EPOCH, vec![row_with(13, &Room::all(), String::new(), over)]);
    go_live(&hub, &who, &mailbox);
    assert_eq!(heard(&mailbox), [12]);

    let late = patient("q", 20);
    let (_, mailbox) = join(&hub, &late);
    go_live(&hub, &late, &mailbox);
    hub.deliver(EPOCH, vec![row(20, &Room::all()), row(21, &Room::all())]);
    assert_eq!(heard(&mailbox), [21]);
}

#[test]
fn what_is_no_longer_at_hand_is_read_from_the_store() {
    let (hub, who) = (hub(0), patient("p", 0));
    let (_, mailbox) = join(&hub, &who);
    let nobody = Room::role(Role::Doctor);
    hub.deliver(EPOCH, vec![row(1, &own(&who))]);
    hub.deliver(EPOCH, (2..=RECENT_ROWS as u64 + 2).map(|n| row(n, &nobody)).collect());
    assert!(mailbox.announced(at(0)));
    let cursor = at(RECENT_ROWS as u64 + 2);
    assert_eq!(hub.catch_up(&who, &mailbox, now()), CaughtUp::Read(at(0), cursor));
}

#[test]
fn a_user_has_so_many_connections_and_no_more() {
    let (hub, who) = (hub(0), patient("p", 0));
    let join = || hub.join(&who, "socket".into(), BOUND, 2);
    let (first, _) = join().unwrap();
    join().unwrap();
    assert!(join().is_err());
    hub.leave(&who, first);
    assert!(join().is_ok());
}

#[test]
fn those_who_left_leave_nothing_behind() {
    let (hub, who) = (hub(0), patient("p", 0));
    let (id, _) = join(&hub, &who);
    hub.leave(&who, id);
    assert!(hub.lock().rooms.is_empty());
}

#[test]
fn a_replaced_log_starts_every_connection_anew() {
    let (hub, who) = (hub(50), patient("p", 0));
    let (_, mailbox) = join(&hub, &who);
    go_live(&hub, &who, &mailbox);
    hub.deliver(EPOCH, vec![row(51, &own(&who))]);
    hub.replaced(Epoch::new(8), at(40));
    assert_eq!(mailbox.drained(), Some((Stage::Announce, at(40))));
    // What was being read of the old log is not taken for the new one's, nor is a count.
    mailbox.refill([Frame::event("/", "old", &()).unwrap()], at(52));
    assert_eq!(mailbox.drained(), Some((Stage::Announce, at(40))));
    assert!(!mailbox.announced(at(50)));
    assert!(mailbox.announced(at(40)));
    assert_eq!(hub.offset().epoch, Epoch::new(8));
}

#[test]
fn word_of_marks_reaches_the_users_other_sockets() {
    let (hub, who) = (hub(0), patient("p", 0));
    let mailbox = |id: &str| hub.join(&who, id.into(), BOUND, 9).unwrap().1;
    let (acting, other) = (mailbox("acting"), mailbox("other"));
    let frame = Frame::event("/", "notification:read", &(7,)).unwrap();
    hub.post(&own(&who), &frame, Some("acting"));
    assert!(acting.take().is_none());
    assert_eq!(other.take().unwrap().text(), frame.text());
}
