use carillon_domain::{
    Data, Entitlement, EventId, Notification, NotificationId, Principal, Priority, Role, UserId,
};
use serde_json::value::RawValue;

use super::*;
use crate::recent;

mod blocking;
mod emits;
mod expiry;
mod muting;

const EPOCH: Epoch = Epoch::new(7);
const BOUND: usize = 64 * 1024;

fn at(n: u64) -> Position {
    Position::new(n).unwrap()
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_000).unwrap()
}

fn hub(cursor: u64) -> Hub {
    Hub::new(
        Head { epoch: EPOCH, position: at(cursor), trimmed: Position::START },
        at(cursor),
        Vec::new(),
        Arc::default(),
        Arc::default(),
    )
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

fn joining(who: &Entitled, socket_id: &str, from: Option<u64>) -> Joining {
    let (is_replay, from) = (from.is_some(), from.map(offset));
    Joining {
        who: Arc::new(who.clone()),
        socket_id: socket_id.into(),
        claim: 7,
        epoch: EPOCH,
        from,
        is_replay,
        hears_emits: true,
        bound: BOUND,
        most: 2,
    }
}

fn offset(n: u64) -> Offset {
    Offset { epoch: EPOCH, position: at(n) }
}

fn join(hub: &Hub, who: &Entitled) -> (MemberId, Arc<Mailbox>) {
    let Place { id, mailbox, .. } =
        hub.join(joining(who, "socket", None)).unwrap_or_else(|_| panic!("barred"));
    (id, mailbox)
}

/// One that comes back with this offset.
fn rejoin(hub: &Hub, who: &Entitled, from: u64) -> Arc<Mailbox> {
    hub.join(joining(who, "socket", Some(from))).unwrap_or_else(|_| panic!("barred")).mailbox
}

fn stage(mailbox: &Mailbox) -> Option<Stage> {
    mailbox.drained().map(|(stage, _)| stage)
}

fn go_live(hub: &Hub, who: &Entitled, mailbox: &Mailbox) {
    let (stage, sent) = mailbox.drained().unwrap();
    assert_eq!(stage, Stage::Announce);
    assert!(mailbox.announced(sent));
    assert_eq!(hub.catch_up(who, mailbox, now()), CaughtUp::Done);
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
    assert_eq!(hub.catch_up(&who, &mailbox, now()), CaughtUp::Done);
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
    // What it missed is more than fits at once: it comes in turns.
    let mut all = first;
    let mut turns = 0;
    while hub.catch_up(&who, &mailbox, now()) == CaughtUp::Full {
        all.extend(heard(&mailbox));
        turns += 1;
    }
    assert!(turns > 1);
    all.extend(heard(&mailbox));
    assert_eq!(all, (1..=100).collect::<Vec<_>>());
    assert_eq!(stage(&mailbox), Some(Stage::Live));
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
    hub.deliver(EPOCH, (2..=recent::ROWS as u64 + 2).map(|n| row(n, &nobody)).collect());
    assert!(mailbox.announced(at(0)));
    let cursor = at(recent::ROWS as u64 + 2);
    assert_eq!(hub.catch_up(&who, &mailbox, now()), CaughtUp::Read(at(0), cursor));
}

#[test]
fn a_user_has_so_many_connections_and_no_more() {
    let (hub, who) = (hub(0), patient("p", 0));
    let join = |id| hub.join(joining(&who, id, None)).map(|place| place.id);
    let first = join("a").unwrap();
    join("b").unwrap();
    assert_eq!(join("c"), Err(Barred::TooMany));
    // The same session again takes the place of its older connection.
    assert!(join("b").is_ok());
    hub.leave(&who, first);
    assert!(join("c").is_ok());
}

#[test]
fn one_that_comes_back_hears_what_it_missed_before_it_is_announced_to() {
    let (hub, who) = (hub(10), patient("p", 0));
    hub.deliver(EPOCH, (11..=14).map(|n| row(n, &own(&who))).collect());
    let mailbox = rejoin(&hub, &who, 12);
    assert_eq!(mailbox.drained(), Some((Stage::Replay, at(12))));
    hub.deliver(EPOCH, vec![row(15, &own(&who))]);
    assert_eq!(hub.catch_up(&who, &mailbox, now()), CaughtUp::Done);
    hub.deliver(EPOCH, vec![row(16, &own(&who))]);
    assert_eq!(heard(&mailbox), [13, 14, 15]);
    go_live(&hub, &who, &mailbox);
    assert_eq!(heard(&mailbox), [16]);
}

#[test]
fn one_that_heard_more_elsewhere_hears_nothing_twice() {
    let (hub, who) = (hub(10), patient("p", 0));
    let mailbox = rejoin(&hub, &who, 12);
    assert_eq!(hub.catch_up(&who, &mailbox, now()), CaughtUp::Done);
    go_live(&hub, &who, &mailbox);
    hub.deliver(EPOCH, (11..=13).map(|n| row(n, &own(&who))).collect());
    assert_eq!(heard(&mailbox), [13]);
}

#[test]
fn the_newest_connection_of_a_session_wins() {
    let (hub, who) = (hub(10), patient("p", 0));
    let (old_id, old) = join(&hub, &who);
    go_live(&hub, &who, &old);
    let new = rejoin(&hub, &who, 10);
    assert_eq!(old.over(), Some(Over::Superseded));
    hub.deliver(EPOCH, vec![row(11, &own(&who))]);
    assert_eq!(hub.catch_up(&who, &new, now()), CaughtUp::Done);
    // The old one notices late, and takes nothing of the new one's along.
    hub.leave(&who, old_id);
    assert_eq!(heard(&new), [11]);
    go_live(&hub, &who, &new);
    hub.deliver(EPOCH, vec![row(12, &own(&who))]);
    assert_eq!((heard(&old), heard(&new)), (vec![], vec![12]));
}

#[test]
fn the_hub_knows_what_it_takes_to_reach_back() {
    let (hub, who) = (hub(10), patient("p", 0));
    hub.deliver(EPOCH, (11..=15).map(|n| row(n, &own(&who))).collect());
    let reach = |epoch, n| hub.reach(&who, Offset { epoch, position: at(n) }, 3, now());
    assert_eq!(reach(EPOCH, 15), Reach::Recent(0));
    assert_eq!(reach(EPOCH, 13), Reach::Recent(2));
    assert_eq!(reach(EPOCH, 10), Reach::Recent(4), "counted to one beyond the limit");
    assert_eq!(reach(EPOCH, 9), Reach::Store);
    assert_eq!(reach(EPOCH, 16), Reach::Store, "another node may be ahead");
    assert_eq!(reach(Epoch::new(8), 15), Reach::OtherEpoch);
}

#[test]
fn a_hub_begins_with_the_recent_past() {
    let who = patient("p", 0);
    let head = Head { epoch: EPOCH, position: at(20), trimmed: Position::START };
    let rows = (18..=20).map(|n| row(n, &own(&who))).collect();
    let hub = Hub::new(head, at(17), rows, Arc::default(), Arc::default());
    let mailbox = rejoin(&hub, &who, 18);
    assert_eq!(hub.catch_up(&who, &mailbox, now()), CaughtUp::Done);
    assert_eq!(heard(&mailbox), [19, 20]);
}

#[test]
fn those_who_left_leave_nothing_behind() {
    let (hub, who) = (hub(0), patient("p", 0));
    let (id, _) = join(&hub, &who);
    hub.leave(&who, id);
    assert!(hub.lock().rooms.is_empty());
}

#[test]
fn a_replaced_log_ends_every_connection() {
    let (hub, who) = (hub(50), patient("p", 0));
    let (_, mailbox) = join(&hub, &who);
    go_live(&hub, &who, &mailbox);
    hub.deliver(EPOCH, vec![row(51, &own(&who))]);
    hub.replaced(Epoch::new(8), at(40));
    assert_eq!((mailbox.over(), heard(&mailbox)), (Some(Over::Replaced), vec![]));
    // What was being read of the old log goes nowhere, and nothing of the new one comes.
    mailbox.refill([Frame::event("/", "old", &()).unwrap()], at(52));
    hub.deliver(Epoch::new(8), vec![row(41, &own(&who))]);
    hub.post(&own(&who), &Frame::event("/", "word", &()).unwrap(), None);
    assert!(mailbox.take().is_none());
    assert_eq!(hub.offset().epoch, Epoch::new(8));
    // One that was on its way in with what the old log said of it must look again.
    assert_eq!(hub.join(joining(&who, "socket", Some(40))).map(|place| place.id), Err(Barred::Replaced));
}

#[test]
fn word_of_marks_reaches_the_users_other_sockets() {
    let (hub, who) = (hub(0), patient("p", 0));
    let mailbox = |id: &str| hub.join(joining(&who, id, None)).unwrap_or_else(|_| panic!("barred")).mailbox;
    let (acting, other) = (mailbox("acting"), mailbox("other"));
    let frame = Frame::event("/", "notification:read", &(7,)).unwrap();
    hub.post(&own(&who), &frame, Some("acting"));
    assert!(acting.take().is_none());
    assert_eq!(other.take().unwrap().text(), frame.text());
}

#[test]
fn a_session_resumed_on_another_node_ends_what_had_it_before_and_nothing_newer() {
    let (hub, who) = (hub(10), patient("p", 0));
    let (_, mailbox) = join(&hub, &who);
    let resumed = |user: &str, socket_id: &str, claim| {
        let (user_id, socket_id) = (user.parse().unwrap(), socket_id.to_owned());
        hub.resumed(&Resumed { user_id, socket_id, claim });
        mailbox.over()
    };
    assert_eq!(resumed("p", "socket", 7), None, "its own word");
    assert_eq!(resumed("p", "socket", 6), None, "an earlier claim, heard late");
    assert_eq!(resumed("p", "other", 8), None);
    assert_eq!(resumed("q", "socket", 8), None);
    assert_eq!(resumed("p", "socket", 8), Some(Over::Superseded));
    // It is still counted until its connection is closed, and ended but once.
    assert_eq!(resumed("p", "socket", 9), Some(Over::Superseded));
}
