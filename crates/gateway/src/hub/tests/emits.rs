//! What back ends say reaches each socket of its audience once, and keeps none from the log.

use carillon_domain::Audience;

use super::*;
use crate::mailbox::Stage;

fn frame() -> Frame {
    Frame::event("/", "x", &("text", 7)).unwrap()
}

fn audience(rooms: &[&str], except: &[&str]) -> Audience {
    let own = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    Audience { rooms: own(rooms), except: own(except) }
}

/// A live connection of a patient's, by this socket id.
fn live(hub: &Hub, name: &str, socket_id: &str) -> Arc<Mailbox> {
    let who = patient(name, 0);
    let place = hub.join(joining(&who, socket_id, None)).unwrap_or_else(|_| panic!("barred"));
    go_live(hub, &who, &place.mailbox);
    place.mailbox
}

fn count(mailbox: &Mailbox) -> usize {
    std::iter::from_fn(|| mailbox.take()).count()
}

#[test]
fn each_socket_of_an_audience_hears_it_once() {
    let hub = hub(10);
    let mailboxes = [live(&hub, "p", "s1"), live(&hub, "p", "s2"), live(&hub, "q", "s3")];
    for (rooms, except, heard) in [
        (&[][..], &[][..], [1, 1, 1]),
        (&["user:p"], &[], [1, 1, 0]),
        (&["user:p", "all", "role:patient", "user:p", "patient:p"], &[], [1, 1, 1]),
        (&["all"], &["user:p"], [0, 0, 1]),
        (&[], &["s2"], [1, 0, 1]),
        (&["s1", "user:q"], &[], [1, 0, 1]),
        (&["role:admin", "nowhere", ""], &[], [0, 0, 0]),
        (&["user:p"], &["all"], [0, 0, 0]),
    ] {
        assert_eq!(hub.emit(&frame(), &audience(rooms, except), false), 0);
        assert_eq!(mailboxes.each_ref().map(|mailbox| count(mailbox)), heard, "{rooms:?} but {except:?}");
    }
}

#[test]
fn one_that_is_behind_reads_the_log_first_and_what_is_volatile_waits_for_nobody() {
    let hub = hub(10);
    let mailbox = live(&hub, "p", "s1");
    let emit = |is_volatile| hub.emit(&frame(), &audience(&[], &[]), is_volatile);
    assert_eq!((emit(true), emit(true), emit(false)), (0, 0, 0));
    assert_eq!(count(&mailbox), 2, "the second volatile one found the first in its way");
    mailbox.lock().stage = Stage::Behind;
    assert_eq!((emit(true), count(&mailbox)), (0, 0));
    assert_eq!((emit(false), emit(false), count(&mailbox)), (0, 1, 1));
    mailbox.lock().stage = Stage::Live;
    let fit = BOUND / frame().len();
    assert_eq!((0..fit + 5).map(|_| emit(false)).sum::<usize>(), 5);
    assert_eq!(count(&mailbox), fit);
    assert_eq!(mailbox.lock().stage, Stage::Live);
}

#[test]
fn one_that_is_not_live_is_told_no_more_than_it_takes() {
    let hub = hub(10);
    let mailbox = live(&hub, "p", "s1");
    let emit = || hub.emit(&frame(), &audience(&[], &[]), false);
    for stage in [Stage::Replay, Stage::Announce, Stage::Behind] {
        mailbox.lock().stage = stage;
        assert!(mailbox.is_hungry());
        assert_eq!((emit(), emit(), mailbox.is_hungry(), count(&mailbox)), (0, 1, false, 1), "{stage:?}");
    }
}

#[test]
fn a_stream_neither_hears_nor_misses_it() {
    let hub = hub(10);
    let who = patient("p", 0);
    let joining = Joining { hears_emits: false, ..joining(&who, "s1", None) };
    let mailbox = hub.join(joining).unwrap_or_else(|_| panic!("barred")).mailbox;
    go_live(&hub, &who, &mailbox);
    let missed: usize = (0..BOUND).map(|_| hub.emit(&frame(), &audience(&[], &[]), false)).sum();
    assert_eq!((missed, count(&mailbox)), (0, 0));
    hub.dismiss(&audience(&[], &[]));
    assert!(mailbox.is_ending());
}

#[test]
fn a_name_that_is_said_often_is_looked_up_once() {
    let hub = hub(10);
    let _mailboxes: Vec<_> = (0..50).map(|n| live(&hub, &format!("u{n}"), &n.to_string())).collect();
    let names = audience(&["all"; 1_000], &[]).rooms;
    assert_eq!(hub.lock().named(&names).count(), 50);
}

#[test]
fn who_is_sent_away_hears_what_came_before_and_nothing_after() {
    let hub = hub(10);
    let (mailbox, other) = (live(&hub, "p", "s1"), live(&hub, "q", "s2"));
    let all = audience(&[], &[]);
    hub.emit(&frame(), &all, false);
    hub.dismiss(&audience(&["user:p"], &[]));
    assert!(mailbox.is_ending() && !other.is_ending());
    assert_eq!(hub.emit(&frame(), &all, false), 1);
    hub.deliver(EPOCH, vec![row(11, &Room::all())]);
    assert_eq!((mailbox.drained(), count(&mailbox), count(&other)), (None, 1, 3));
    mailbox.drained();
    assert_eq!((mailbox.over(), other.over()), (Some(Over::Dismissed), None));
}
