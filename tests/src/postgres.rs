//! PostgreSQL for tests: one server for a run, one database for a test.
//!
//! `tests/with-servers` starts the server. A database is copied from a template that has been migrated once, which is
//! quicker than migrating each.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::{Client, NoTls};

use crate::NodeSettings;

/// A fresh database, migrated and empty. It is dropped in the end, after a failed test too.
#[derive(Debug)]
pub struct Postgres {
    server: String,
    name: String,
}

impl Postgres {
    /// Makes a database.
    ///
    /// # Panics
    /// When there is no server: it is `tests/with-servers` that starts one.
    pub async fn create() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = server();
        let client = connect(&format!("{server}/postgres")).await;
        let template = template(&client, &server).await;
        let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        execute(&client, &format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")).await;
        Self { server, name }
    }

    /// Its URL, for `DATABASE_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    /// A connection to it, to do what only a database's user could.
    ///
    /// # Panics
    /// When the server does not accept one.
    pub async fn connect(&self) -> Client {
        connect(&self.url()).await
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A runtime of its own: the test's may be on its way out.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let client = try_connect(&format!("{server}/postgres")).await?;
                client.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await?;
                anyhow::Ok(())
            })
        });
        // A test may have stopped the server; with-servers clears away what is left.
        drop(dropped.join());
    }
}

/// The server of this run.
fn server() -> String {
    std::env::var("CARILLON_TEST_POSTGRES").unwrap_or_else(|_| {
        panic!(
            "this test needs PostgreSQL: run it as `tests/with-servers cargo nextest run …`, or `./just test`"
        )
    })
}

/// The template's name, made by `carillon migrate` unless another test has done so.
async fn template(client: &Client, server: &str) -> String {
    let name = "migrated";
    // Until this connection ends: of the tests that begin at once, one makes it.
    execute(client, "SELECT pg_advisory_lock(x'ca11'::int, 3)").await;
    let known = client.query("SELECT FROM pg_database WHERE datname = $1 AND datistemplate", &[&name]).await;
    if known.is_ok_and(|rows| rows.is_empty()) {
        execute(client, &format!("DROP DATABASE IF EXISTS {name}")).await;
        execute(client, &format!("CREATE DATABASE {name}")).await;
        let settings = NodeSettings::default().set("DATABASE_URL", format!("{server}/{name}"));
        let done = settings.run_to_end(&["migrate"]).await;
        assert!(done.status.success(), "carillon migrate: {}", String::from_utf8_lossy(&done.stderr));
        execute(client, &format!("ALTER DATABASE {name} IS_TEMPLATE true")).await;
    }
    execute(client, "SELECT pg_advisory_unlock(x'ca11'::int, 3)").await;
    name.to_owned()
}

async fn try_connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn connect(url: &str) -> Client {
    try_connect(url).await.unwrap_or_else(|fault| panic!("{url}: {fault}"))
}

async fn execute(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|fault| panic!("{sql}: {fault}"));
}
