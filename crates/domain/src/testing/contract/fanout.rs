//! What every [`Fanout`] must do.
#![expect(clippy::panic, reason = "a case fails by panicking")]

use std::sync::Arc;

use futures_util::StreamExt as _;

use crate::ports::{Appended, Fanout, Log as _, MarkNews, Resumed, Signal, Subscription};
use crate::testing::{Drafts, MemoryLog};
use crate::{Hint, UserId};

/// The fanouts of two nodes, or one twice for a fanout that knows one node only. Nothing disturbs them: what is published
/// on one comes to the other, soon.
pub struct Nodes {
    /// One node's.
    pub here: Arc<dyn Fanout>,
    /// The other's.
    pub there: Arc<dyn Fanout>,
}

async fn hint(rooms: &[&str]) -> Hint {
    let Appended { epoch, from, rows, .. } =
        MemoryLog::new().append(&[Drafts::new().publish(rooms)]).await.unwrap();
    let to = rows.last().unwrap().position;
    Hint { epoch, from, to, rows }
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

/// A signal with a number, to be told apart.
fn numbered(claim: u64) -> Signal {
    Signal::Resumed(Arc::new(Resumed { user_id: user("u"), socket_id: "socket".into(), claim }))
}

/// The next signal, which is one with a number.
async fn next(subscription: &mut Subscription) -> u64 {
    match subscription.next().await {
        Some(Signal::Resumed(resumed)) => resumed.claim,
        other => panic!("{other:?}"),
    }
}

/// A signal comes as it was published.
pub async fn signals_come_here_and_there(nodes: Nodes) {
    let said = hint(&["all", "user:42"]).await;
    let news = MarkNews {
        user_id: user("42"),
        except: Some("socket".into()),
        read: true,
        ids: said.rows.iter().map(|row| row.notification.id).collect(),
        up_to: Some(said.rows[0].notification.id),
        unread: 3,
    };
    let mut subscriptions = [nodes.here.subscribe(), nodes.there.subscribe()];
    nodes.here.publish(Signal::Hint(Arc::new(said.clone())));
    nodes.here.publish(Signal::Marked(Arc::new(news.clone())));
    nodes.here.publish(numbered(7));
    for subscription in &mut subscriptions {
        let Some(Signal::Hint(hint)) = subscription.next().await else { panic!("no hint") };
        assert_eq!((hint.epoch, hint.from, hint.to), (said.epoch, said.from, said.to));
        assert_eq!(hint.rows, said.rows);
        let Some(Signal::Marked(marked)) = subscription.next().await else { panic!("no mark") };
        assert_eq!(*marked, news);
        assert_eq!(next(subscription).await, 7);
    }
}

/// In quiet times signals keep their order, and nobody hears one twice: neither who published it nor the others.
pub async fn each_signal_comes_once_and_in_order(nodes: Nodes) {
    let mut subscriptions = [nodes.here.subscribe(), nodes.here.subscribe(), nodes.there.subscribe()];
    for n in 0..100 {
        nodes.here.publish(numbered(n));
    }
    for subscription in &mut subscriptions {
        for n in 0..100 {
            assert_eq!(next(subscription).await, n);
        }
    }
    // Whatever came twice would come before this.
    nodes.there.publish(numbered(100));
    for subscription in &mut subscriptions {
        assert_eq!(next(subscription).await, 100);
    }
}

/// Who subscribes hears what is published from then on.
pub async fn a_subscription_begins_now(nodes: Nodes) {
    let mut early = nodes.there.subscribe();
    nodes.here.publish(numbered(1));
    assert_eq!(next(&mut early).await, 1);
    let mut late = nodes.there.subscribe();
    nodes.here.publish(numbered(2));
    assert_eq!((next(&mut early).await, next(&mut late).await), (2, 2));
}

/// A hint too large for a message still says that there is something to read: it is no hint that could be applied
/// without its rows.
pub async fn a_large_hint_loses_no_row(nodes: Nodes) {
    let mut said = hint(&["all"]).await;
    for row in &mut said.rows {
        Arc::make_mut(row).notification.message = "x".repeat(1 << 20);
    }
    let mut subscription = nodes.there.subscribe();
    nodes.here.publish(Signal::Hint(Arc::new(said.clone())));
    let Some(Signal::Hint(hint)) = subscription.next().await else { panic!("no hint") };
    assert_eq!((hint.epoch, hint.to), (said.epoch, said.to));
    assert!(hint.rows == said.rows || (hint.rows.is_empty() && hint.from == hint.to));
}

/// Publishing does not wait for who does not listen: they are told that they lag, and hear again what comes then.
pub async fn a_slow_subscriber_is_told_that_it_lags(nodes: Nodes) {
    let (mut quick, mut slow) = (nodes.here.subscribe(), nodes.here.subscribe());
    for n in 0..10_000 {
        nodes.here.publish(numbered(n));
        assert_eq!(next(&mut quick).await, n);
    }
    let mut has_lagged = false;
    let mut heard = 0;
    loop {
        match slow.next().await {
            Some(Signal::Lagged) => has_lagged = true,
            Some(Signal::Resumed(resumed)) if resumed.claim == 10_000 => break,
            Some(_) => heard += 1,
            None => panic!("the fanout ended"),
        }
        if heard == 1 {
            nodes.here.publish(numbered(10_000));
        }
    }
    assert!(has_lagged && heard < 10_000, "{heard}");
}

/// In quiet times every node is reached.
pub async fn undisturbed_it_reaches_all(nodes: Nodes) {
    assert!(nodes.here.reaches_all() && nodes.there.reaches_all());
}
