//! What the log takes on a PostgreSQL, beside the naive way: `just bench-append`, which starts servers with native and
//! with slow fsync. In one run, for each number of publishers that publish one row after the other:
//!
//! - *log*: the [`Publisher`] and its appender, as a node has them: what gathers is one statement, positions in commit order;
//! - *naive*: one INSERT in a transaction of its own, with an identity column for a position, over at most 64 connections.

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use carillon_domain::ports::{Clock, Log, Loopback, MintIds};
use carillon_domain::testing::{CountingIds, Drafts, FixedClock};
use carillon_domain::{AppendLimits, Draft, Publisher};
use carillon_store_postgres::{PostgresStore, Settings};
use futures_util::future::join_all;
use tokio::sync::Semaphore;
use tokio_postgres::{Client, NoTls, Statement};

type AnyError = Box<dyn Error + Send + Sync>;

/// How long each figure is measured, after a tenth of it to warm up.
const SPAN: Duration = Duration::from_secs(4);
const PUBLISHERS: [usize; 4] = [1, 16, 256, 1_024];
/// Connections of the naive writers; more of them are slower on any server.
const CONNECTIONS: usize = 64;

const NAIVE: &str = "DROP TABLE IF EXISTS naive; \
     CREATE TABLE naive (position bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, id uuid UNIQUE NOT NULL, \
     event_id uuid NOT NULL, room text NOT NULL, type text NOT NULL, title text NOT NULL, message text NOT NULL, \
     data text NOT NULL, priority text NOT NULL, created_at bigint NOT NULL, expires_at bigint); \
     CREATE INDEX ON naive (room, position, expires_at); CREATE INDEX ON naive (event_id, position); \
     CREATE INDEX ON naive (created_at)";
const INSERT: &str = "INSERT INTO naive (id, event_id, room, type, title, message, data, priority, created_at) \
     VALUES (gen_random_uuid(), gen_random_uuid(), $1, $2, $3, $4, '{}', 'low', 1)";

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let server = std::env::var("CARILLON_TEST_POSTGRES")?;
    let admin = connect(&format!("{server}/postgres")).await?;
    admin.batch_execute("DROP DATABASE IF EXISTS append_rate WITH (FORCE)").await?;
    admin.batch_execute("CREATE DATABASE append_rate").await?;
    let url = format!("{server}/append_rate");
    println!("publishers     log rows/s     p50 ms   naive rows/s     p50 ms    ratio");
    for publishers in PUBLISHERS {
        let (ours, our_p50) = log(&url, publishers).await?;
        let (naive, naive_p50) = naive(&url, publishers).await?;
        let ratio = ours / naive;
        println!(
            "{publishers:>10} {ours:>14.0} {our_p50:>10.2} {naive:>14.0} {naive_p50:>10.2} {ratio:>8.2}"
        );
    }
    Ok(admin.batch_execute("DROP DATABASE append_rate WITH (FORCE)").await?)
}

async fn connect(url: &str) -> Result<Client, AnyError> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn log(url: &str, publishers: usize) -> Result<(f64, f64), AnyError> {
    let log: Arc<dyn Log> = Arc::new(PostgresStore::open(Settings::from_url(url)?).await?);
    let clock: Arc<dyn Clock> = Arc::new(FixedClock::default());
    // Ids that no other round has: each publish takes two.
    let ids: Arc<dyn MintIds> = Arc::new(CountingIds::after(log.head().await?.position.get() * 4));
    let (publisher, appender) =
        Publisher::new(log, Arc::new(Loopback::new()), clock, ids, AppendLimits::default());
    let appender = tokio::spawn(appender.run());
    let draft: Draft = Drafts::new().draft(&["user:1"]);
    let measured = measure(publishers, async || Ok(publisher.publish(&draft, None).await.map(drop)?)).await?;
    publisher.close();
    appender.await?;
    Ok(measured)
}

async fn naive(url: &str, publishers: usize) -> Result<(f64, f64), AnyError> {
    connect(url).await?.batch_execute(NAIVE).await?;
    let mut clients: Vec<(Client, Statement)> = Vec::new();
    for _ in 0..publishers.min(CONNECTIONS) {
        let client = connect(url).await?;
        let statement = client.prepare(INSERT).await?;
        clients.push((client, statement));
    }
    let (turns, clients) = (Semaphore::new(clients.len()), Mutex::new(clients));
    measure(publishers, async || {
        let _turn = turns.acquire().await?;
        let lent = clients.lock().map_err(|_| "poisoned")?.pop();
        let (client, statement) = lent.ok_or("no connection")?;
        let title = "A notification under load";
        let done = client.execute(&statement, &[&"user:1", &"LOAD", &title, &title]).await;
        clients.lock().map_err(|_| "poisoned")?.push((client, statement));
        Ok(done.map(drop)?)
    })
    .await
}

/// Publishes a second, and the median of how long one took in milliseconds.
async fn measure(
    publishers: usize,
    publish: impl AsyncFn() -> Result<(), AnyError>,
) -> Result<(f64, f64), AnyError> {
    let begin = Instant::now() + SPAN / 10;
    let each = (0..publishers).map(|_| async {
        let mut took = Vec::new();
        while begin.elapsed() < SPAN {
            let begun = Instant::now();
            publish().await?;
            if begun >= begin {
                took.push(begun.elapsed());
            }
        }
        Ok::<_, AnyError>(took)
    });
    let mut took = Vec::new();
    for each in join_all(each).await {
        took.extend(each?);
    }
    took.sort_unstable();
    let p50 = took.get(took.len() / 2).copied().unwrap_or_default();
    Ok((took.len() as f64 / begin.elapsed().as_secs_f64(), p50.as_secs_f64() * 1e3))
}
