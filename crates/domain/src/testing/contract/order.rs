//! The log's first promise: commit order.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use futures_util::FutureExt as _;
use futures_util::future::{join, join_all};

use super::Stores;
use super::desk::Desk;
use crate::ports::{Log, Outcome, Publish};
use crate::testing::Drafts;
use crate::{Position, Row};

const APPENDERS: usize = 12;
const BATCHES: usize = 12;

/// The case all rests on: many append at once, one reads along, and every row reaches the reader exactly once and in
/// order. An adapter that takes positions ahead of the commit fails here: a lower one may be committed after a higher
/// one has been read, and then nobody ever sees it.
pub async fn racing_appends_never_hide_a_row_from_a_reader(stores: Stores) {
    let (log, drafts) = (stores.log.as_ref(), Drafts::new());
    let running = AtomicUsize::new(APPENDERS);
    let appenders = (0..APPENDERS).map(|n| {
        // Batches of 1 to 3 publishes of 1 or 2 rows, so that the commits take unequal time.
        let rooms: &[&str] = if n % 2 == 0 { &["all"] } else { &["user:1", "all"] };
        let batches: Vec<Vec<Publish>> =
            (0..BATCHES).map(|b| (0..=(n + b) % 3).map(|_| drafts.publish(rooms)).collect()).collect();
        append_all(log, batches, &running)
    });
    let (seen, kept) = join(follow(log, &running), join_all(appenders)).await;

    let mut kept: Vec<Arc<Row>> = kept.into_iter().flatten().collect();
    kept.sort_by_key(|row| row.position);
    let hidden = kept.len() - seen.len().min(kept.len());
    assert!(hidden == 0, "{hidden} of {} rows were hidden from the reader", kept.len());
    assert!(seen == kept, "the reader saw other rows than were kept, or in another order");
    assert_dense(&seen);
}

async fn append_all(log: &dyn Log, batches: Vec<Vec<Publish>>, running: &AtomicUsize) -> Vec<Arc<Row>> {
    let mut kept = Vec::new();
    for batch in batches {
        let appended = log.append(&batch).await.unwrap();
        assert_eq!(appended.rows[0].position, appended.from.plus(1), "rows follow the head before them");
        assert_eq!(appended.rows.len(), batch.iter().map(|publish| publish.rows.len()).sum::<usize>());
        kept.extend(appended.rows);
    }
    running.fetch_sub(1, Ordering::SeqCst);
    kept
}

/// Reads along in small pages until nobody appends any more and the head is reached.
async fn follow(log: &dyn Log, running: &AtomicUsize) -> Vec<Arc<Row>> {
    let (mut seen, mut cursor) = (Vec::new(), Position::START);
    loop {
        // Looked at before the read: what was kept by then, the read must show.
        let last = running.load(Ordering::SeqCst) == 0;
        let page = log.read(cursor, 7).await.unwrap();
        let ahead = page.rows.iter().all(|row| cursor < row.position && row.position <= page.through);
        assert!(ahead && page.through <= page.head.position, "a page lies between its ends");
        seen.extend(page.rows);
        cursor = page.through;
        if last && cursor == page.head.position {
            return seen;
        }
        yield_now().await;
    }
}

fn assert_dense(rows: &[Arc<Row>]) {
    let positions: Vec<u64> = rows.iter().map(|row| row.position.get()).collect();
    assert_eq!(positions, (1..=rows.len() as u64).collect::<Vec<_>>());
}

/// Lets others go first.
pub(super) async fn yield_now() {
    let mut waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A batch's rows follow the head without a hole, publish after publish and room after room.
pub async fn positions_are_dense_and_in_the_batchs_order(stores: Stores) {
    let desk = Desk::new(stores);
    desk.say(&["all"]).await;
    let batch = [desk.drafts.publish(&["user:1", "all"]), desk.drafts.publish(&["role:doctor"])];
    let appended = desk.append(&batch).await;
    assert_eq!(appended.from.get(), 1);

    let expected: Vec<_> = batch.iter().flat_map(|p| p.rows.iter().map(|(_, n)| n.id)).collect();
    let answered: Vec<_> = appended.rows.iter().map(|row| row.notification.id).collect();
    assert_eq!(answered, expected);
    for (publish, outcome) in batch.iter().zip(&appended.outcomes) {
        let Outcome::Stored(stored) = outcome else { panic!("{outcome:?}") };
        assert_eq!(stored.event_id, publish.event_id);
        let notifications: Vec<_> = publish.rows.iter().map(|(room, n)| (n.id, room.clone())).collect();
        assert_eq!(stored.notifications, notifications);
    }
    let page = desk.stores.log.read(Position::START, 10).await.unwrap();
    assert_eq!(page.rows[1..], appended.rows);
    assert_dense(&page.rows);
}

/// A caller that gives up an append and sends it again has it once.
pub async fn an_append_given_up_may_be_sent_again(stores: Stores) {
    let desk = Desk::new(stores);
    let batch = [desk.drafts.publish(&["all"]), desk.drafts.keyed(&["all", "user:1"], "lab", "k", 1)];
    // Polled once and dropped: done, under way or not begun, as the adapter has it.
    drop(desk.stores.log.append(&batch).now_or_never());
    let again = desk.append(&batch).await;
    assert!(again.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Stored(_))));
    assert_eq!(desk.stores.log.read(Position::START, 10).await.unwrap().rows.len(), 3);
}
