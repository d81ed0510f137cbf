//! Several nodes over one database.

use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use carillon_domain::ports::{Appended, Inbox as _, Log, Missed, Publish, Secret, Trim};
use carillon_domain::testing::contract::order;
use carillon_domain::testing::{Drafts, instant, principal};
use carillon_domain::{Blocked, Entitlement, Head, Kind, Mark, Page, Position, Role, Timestamp};

use super::*;

/// Each call goes to the next node.
struct Nodes(Vec<PostgresStore>, AtomicUsize);

impl Nodes {
    fn next(&self) -> &PostgresStore {
        &self.0[self.1.fetch_add(1, Ordering::Relaxed) % self.0.len()]
    }
}

#[async_trait]
impl Log for Nodes {
    async fn append(&self, batch: &[Publish]) -> Result<Appended, PortError> {
        self.next().append(batch).await
    }

    async fn head(&self) -> Result<Head, PortError> {
        self.next().head().await
    }

    async fn read(&self, after: Position, limit: u32) -> Result<Page, PortError> {
        self.next().read(after, limit).await
    }

    async fn replay(
        &self,
        rooms: &[Entitlement],
        after: Position,
        up_to: Position,
        limit: u32,
        now: Timestamp,
    ) -> Result<Page, PortError> {
        self.next().replay(rooms, after, up_to, limit, now).await
    }

    async fn missed(
        &self,
        rooms: &[Entitlement],
        after: Position,
        most: u32,
        now: Timestamp,
    ) -> Result<Missed, PortError> {
        self.next().missed(rooms, after, most, now).await
    }

    async fn secret(&self) -> Result<Secret, PortError> {
        self.next().secret().await
    }

    async fn blocked(&self) -> Result<Blocked, PortError> {
        self.next().blocked().await
    }

    async fn trim_kind(&self, kind: &Kind, before: Timestamp) -> Result<bool, PortError> {
        self.next().trim_kind(kind, before).await
    }

    async fn trim(&self, trim: Trim) -> Result<bool, PortError> {
        self.next().trim(trim).await
    }
}

fn on_nodes<F: Future<Output = ()>>(case: impl FnOnce(Stores) -> F) {
    within(|database| async move {
        let opened = move || {
            let database = Arc::clone(&database);
            async move {
                let nodes = tokio::join!(database.open(), database.open(), database.open(), database.open());
                let one = Arc::new(nodes.0.clone());
                let nodes = vec![nodes.0, nodes.1, nodes.2, nodes.3];
                let opened: Opened =
                    (Arc::new(Nodes(nodes, AtomicUsize::new(0))), Arc::clone(&one) as _, one);
                opened
            }
        };
        case(Stores::open(opened).await).await;
    });
}

#[test]
fn racing_nodes_never_hide_a_row_from_a_reader() {
    on_nodes(order::racing_appends_never_hide_a_row_from_a_reader);
}

#[test]
fn an_append_given_up_on_one_node_may_be_sent_again_on_another() {
    on_nodes(order::an_append_given_up_may_be_sent_again);
}

/// The same batch from all nodes at once, with an event id of their own and one key: one of them keeps it.
#[test]
fn a_key_used_on_all_nodes_at_once_keeps_one_publish() {
    within(|database| async move {
        let (a, b, c) = tokio::join!(database.open(), database.open(), database.open());
        let drafts = Drafts::new();
        for round in 0..20 {
            let batch = || [drafts.keyed(&["all", "user:1"], "lab", &format!("{round}"), 1)];
            let batches = [batch(), batch(), batch()];
            let done = tokio::join!(a.append(&batches[0]), b.append(&batches[1]), c.append(&batches[2]));
            let rows = [done.0, done.1, done.2].map(|done| done.unwrap().rows.len());
            assert_eq!(rows.iter().sum::<usize>(), 2, "{rows:?}");
        }
        assert_eq!(a.head().await.unwrap().position.get(), 40);
    });
}

/// A user's marks from two nodes at once: all of them count, and none is lost.
#[test]
fn marks_of_one_user_from_two_nodes_add_up() {
    within(|database| async move {
        let (a, b) = tokio::join!(database.open(), database.open());
        let who = a.enter(&principal("1", Role::Patient)).await.unwrap();
        let drafts = Drafts::new();
        let batch: Vec<_> = (0..60).map(|_| drafts.publish(&["user:1"])).collect();
        let rows = a.append(&batch).await.unwrap().rows;
        for pair in rows.chunks(2) {
            let mark = |n: usize| Mark::Read(vec![pair[n].notification.id]);
            let (one, two) = (mark(0), mark(1));
            let done = tokio::join!(a.mark(&who, &one, instant(1)), b.mark(&who, &two, instant(1)));
            assert!(done.0.unwrap().is_some() && done.1.unwrap().is_some());
        }
        assert_eq!(b.unread(&who, Position::END, instant(2)).await.unwrap(), 0);
    });
}
