use std::future::poll_fn;

use carillon_domain::ports::{Appended, Clock as _, Inbox as _, Loopback, Publish};
use carillon_domain::testing::{Cuttable, Drafts, FixedClock, MemoryLog, principal};
use carillon_domain::{Entitled, Head, Hint, Role};

use super::*;
use crate::hub::{CaughtUp, Joining};
use crate::mailbox::Mailbox;

/// A node that follows a memory log, with one live patient.
struct Node {
    log: Arc<MemoryLog>,
    fanout: Arc<Cuttable>,
    drafts: Drafts,
    mailbox: Arc<Mailbox>,
}

fn feed(log: &Arc<MemoryLog>, hub: &Arc<Hub>, head: Head) -> Feed {
    let clock = Arc::new(FixedClock::default());
    let reader = Reader::new(Arc::new(log.inbox()), Arc::new(Loopback::new()), Arc::clone(&clock) as _);
    Feed { follower: Follower::new(head), log: Arc::clone(log) as _, reader, hub: Arc::clone(hub), clock }
}

impl Node {
    async fn start() -> Self {
        let (log, fanout) = (Arc::new(MemoryLog::new()), Arc::new(Cuttable::default()));
        let head = log.head().await.unwrap();
        let hub = Arc::new(Hub::new(head, head.position, Vec::new(), Arc::default(), Arc::default()));
        let feed = feed(&log, &hub, head);
        tokio::spawn(feed.run(Arc::clone(&fanout) as _));
        // The feed subscribes, and reads the head for the first time.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let who: Entitled = log.inbox().enter(&principal("p", Role::Patient)).await.unwrap();
        let joining = Joining {
            who: Arc::new(who.clone()),
            socket_id: "socket".into(),
            epoch: head.epoch,
            claim: 0,
            from: None,
            is_replay: false,
            hears_emits: true,
            bound: 1 << 20,
            most: 9,
        };
        let mailbox = hub.join(joining).unwrap_or_else(|_| panic!("barred")).mailbox;
        assert!(mailbox.announced(head.position));
        assert_eq!(hub.catch_up(&who, &mailbox, FixedClock::default().now()), CaughtUp::Done);
        Self { log, fanout, drafts: Drafts::new(), mailbox }
    }

    /// A commit of which nobody hears.
    async fn append(&self) -> Appended {
        let publish: Publish = self.drafts.publish(&["user:p"]);
        self.log.append(&[publish]).await.unwrap()
    }

    fn hint(&self, appended: &Appended) {
        let Appended { epoch, from, rows, .. } = appended.clone();
        let to = rows.last().unwrap().position;
        self.fanout.publish(Signal::Hint(Arc::new(Hint { epoch, from, to, rows })));
    }

    /// How many notifications came, once everything that can happen now has happened.
    async fn heard(&self) -> usize {
        tokio::time::sleep(Duration::from_millis(1)).await;
        std::iter::from_fn(|| self.mailbox.take()).count()
    }
}

#[tokio::test(start_paused = true)]
async fn a_hint_delivers_at_once() {
    let node = Node::start().await;
    let appended = node.append().await;
    node.hint(&appended);
    assert_eq!(node.heard().await, 1);
    node.hint(&appended);
    assert_eq!(node.heard().await, 0, "a repeated hint delivers nothing");
}

#[tokio::test(start_paused = true)]
async fn a_lost_hint_costs_a_second_and_no_notification() {
    let node = Node::start().await;
    node.append().await;
    assert_eq!(node.heard().await, 0);
    tokio::time::sleep(HEAD_POLL).await;
    assert_eq!(node.heard().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_skips_rows_fetches_them() {
    let node = Node::start().await;
    node.append().await;
    let second = node.append().await;
    node.hint(&second);
    assert_eq!(node.heard().await, 2);
}

#[tokio::test(start_paused = true)]
async fn more_than_a_page_is_fetched_to_the_end() {
    let node = Node::start().await;
    for _ in 0..PAGE * 2 + 5 {
        node.append().await;
    }
    node.fanout.publish(Signal::Lagged);
    assert_eq!(node.heard().await, PAGE as usize * 2 + 5);
}

#[tokio::test(start_paused = true)]
async fn while_hints_may_not_come_the_head_is_read_ten_times_a_second() {
    let node = Node::start().await;
    node.fanout.cut(true);
    for _ in 0..30 {
        node.append().await;
        tokio::time::sleep(LONE_POLL).await;
        assert_eq!(node.heard().await, 1);
    }
    node.fanout.cut(false);
    tokio::time::sleep(LONE_POLL).await;
    node.append().await;
    tokio::time::sleep(HEAD_POLL - LONE_POLL * 2).await;
    assert_eq!(node.heard().await, 0, "hints come again, and reading is for those that are lost");
    tokio::time::sleep(LONE_POLL * 2).await;
    assert_eq!(node.heard().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_block_ends_a_connection_at_once_or_when_its_time_is_over() {
    let node = Node::start().await;
    let began = tokio::time::Instant::now();
    let appended = node.log.append(&[node.drafts.status("p", "BLOCKED")]).await.unwrap();
    node.hint(&appended);
    tokio::time::sleep(Duration::from_millis(1)).await;
    // Its driver does not come to what is queued.
    assert!(node.mailbox.is_ending() && node.mailbox.over().is_none());
    while node.mailbox.over().is_none() {
        poll_fn(|cx| node.mailbox.poll_woken(cx)).await;
    }
    assert_eq!((node.mailbox.over(), node.heard().await), (Some(Over::Blocked), 0));
    assert!(began.elapsed() < Duration::from_millis(600), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn another_log_has_another_block_list() {
    let log = Arc::new(MemoryLog::new());
    let head = log.head().await.unwrap();
    let other = MemoryLog::with_epoch(carillon_domain::Epoch::new(9));
    other.append(&[Drafts::new().status("p", "BLOCKED")]).await.unwrap();
    let hub = Arc::new(Hub::new(head, head.position, Vec::new(), Arc::default(), Arc::default()));
    hub.load_blocks(log.blocked().await.unwrap());
    let feed = feed(&Arc::new(other), &hub, head);
    tokio::spawn(feed.run(Arc::new(Loopback::new())));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let who = log.inbox().enter(&principal("p", Role::Patient)).await.unwrap();
    let joining = Joining {
        who: Arc::new(who),
        socket_id: "s".into(),
        claim: 0,
        epoch: carillon_domain::Epoch::new(9),
        from: None,
        is_replay: false,
        hears_emits: true,
        bound: 1,
        most: 9,
    };
    assert_eq!(hub.join(joining).map(|place| place.id), Err(crate::hub::Barred::Blocked));
}

#[tokio::test(start_paused = true)]
async fn another_log_has_other_mutes() {
    let log = Arc::new(MemoryLog::new());
    let (drafts, head) = (Drafts::new(), log.head().await.unwrap());
    let other = Arc::new(MemoryLog::with_epoch(carillon_domain::Epoch::new(9)));
    other.append(&[drafts.muted("p", &["NEWS"])]).await.unwrap();
    let hub = Arc::new(Hub::new(head, head.position, Vec::new(), Arc::default(), Arc::default()));
    tokio::spawn(feed(&other, &hub, head).run(Arc::new(Loopback::new())));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let who = log.inbox().enter(&principal("p", Role::Patient)).await.unwrap();
    assert_eq!(hub.mutes().of_user(&who).unwrap().kinds(), ["NEWS".parse().unwrap()]);
}
