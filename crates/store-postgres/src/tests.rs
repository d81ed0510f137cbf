//! The contract suite on a real PostgreSQL, and what only this adapter can be asked. Each test has a database of its own
//! on the server that `tests/with-servers` starts.

mod audit_table;
mod bounds;
mod databases;
mod encryption;
mod faults;
mod nodes;
mod publishing;
mod trimming;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use carillon_domain::ports::{Audit, LastSeen};
use carillon_domain::testing::contract::broadcasts::Stage;
use carillon_domain::testing::contract::{Opened, Stores};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls};

use super::*;

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn block_on<F: Future>(future: F) -> F::Output {
    runtime().block_on(future)
}

/// A connection of the test's own, as whom the test likes.
async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// An empty database.
struct Database {
    server: String,
    name: String,
}

impl Database {
    async fn create() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = std::env::var("CARILLON_TEST_POSTGRES").unwrap_or_else(|_| {
            panic!("these tests need PostgreSQL: run them as `tests/with-servers cargo nextest run …`")
        });
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("store_{}_{count}", std::process::id());
        let made = Self { server, name };
        made.execute_on_server(&format!("CREATE DATABASE {}", made.name)).await;
        made
    }

    async fn execute_on_server(&self, sql: &str) {
        connect(&format!("{}/postgres", self.server)).await.batch_execute(sql).await.unwrap();
    }

    fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    fn settings(&self) -> Settings {
        Settings::from_url(&self.url()).unwrap()
    }

    async fn open(&self) -> PostgresStore {
        PostgresStore::open(self.settings()).await.unwrap()
    }

    /// A connection beside the store's.
    async fn raw(&self) -> Client {
        connect(&self.url()).await
    }

    async fn drop(self) {
        self.execute_on_server(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }
}

/// Runs a test in a database of its own; after a failure it is left to be looked at.
fn within<F: Future<Output = ()>>(test: impl FnOnce(Arc<Database>) -> F) {
    block_on(async {
        let database = Arc::new(Database::create().await);
        test(Arc::clone(&database)).await;
        if let Some(database) = Arc::into_inner(database) {
            database.drop().await;
        }
    });
}

fn run<F: Future<Output = ()>>(case: impl FnOnce(Stores) -> F) {
    within(|database| async move {
        let opened = move || {
            let database = Arc::clone(&database);
            async move {
                let store = Arc::new(database.open().await);
                let opened: Opened = (Arc::clone(&store) as _, Arc::clone(&store) as _, store);
                opened
            }
        };
        case(Stores::open(opened).await).await;
    });
}

carillon_domain::store_contract!(run);

fn run_seen<F: Future<Output = ()>>(case: impl FnOnce(Arc<dyn LastSeen>) -> F) {
    within(|database| async move { case(Arc::new(database.open().await)).await });
}

carillon_domain::seen_contract!(run_seen);

fn run_audit<F: Future<Output = ()>>(case: impl FnOnce(Arc<dyn Audit>) -> F) {
    within(|database| async move { case(Arc::new(database.open().await)).await });
}

carillon_domain::audit_contract!(run_audit);

fn run_broadcasts<F: Future<Output = ()>>(case: impl FnOnce(Stage) -> F) {
    within(|database| async move {
        let store = Arc::new(database.open().await);
        let (broadcasts, acks, log) =
            (Arc::clone(&store) as _, Arc::clone(&store) as _, Arc::clone(&store) as _);
        case(Stage { broadcasts, acks, log, inbox: Arc::clone(&store) as _, audit: store }).await;
    });
}

carillon_domain::broadcasts_contract!(run_broadcasts);

/// Makes the partitions short, so that a test can fill them.
async fn short_partitions(raw: &Client, span: i64) {
    let sql = format!(
        "DROP TABLE carillon.notifications_1, carillon.notifications_1048577; DELETE FROM carillon.partitions; \
         SELECT carillon.add_partition(1, {span})"
    );
    raw.batch_execute(&sql).await.unwrap();
}

async fn number(raw: &Client, sql: &str) -> i64 {
    raw.query_one(sql, &[]).await.unwrap().get(0)
}
