//! PostgreSQL for tests: one server for a run, one database for a test.
//!
//! `tests/with-servers` starts the server. A database is copied from a template that has been migrated once, which is
//! quicker than migrating each.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::{NamedTempFile, TempPath};
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

    /// A backup of it (`pg_dump`), to be restored later.
    ///
    /// # Panics
    /// When it fails; so does [`Postgres::restore`].
    #[must_use]
    pub fn dump(&self) -> TempPath {
        let file = NamedTempFile::with_prefix("carillon-dump-").map(NamedTempFile::into_temp_path);
        let file = file.unwrap_or_else(|error| panic!("no file for the backup: {error}"));
        run("pg_dump", &["--format=custom", "--file"], &file, &self.url());
        file
    }

    /// Puts a backup in the database's place; whoever is connected is thrown out.
    ///
    /// # Panics
    /// See [`Postgres::dump`].
    pub async fn restore(&self, dump: &Path) {
        let client = connect(&format!("{}/postgres", self.server)).await;
        let old = format!("{}_old", self.name);
        // A name is there again as soon as all is.
        execute(&client, &format!("CREATE DATABASE {}_new TEMPLATE template0", self.name)).await;
        run("pg_restore", &["--dbname", &format!("{}_new", self.url())], dump, "");
        let names = format!("ALTER DATABASE {} RENAME TO {old}", self.name);
        execute(&client, &format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", self.name)).await;
        execute(
            &client,
            &format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
                self.name
            ),
        )
        .await;
        execute(&client, &names).await;
        execute(&client, &format!("ALTER DATABASE {}_new RENAME TO {}", self.name, self.name)).await;
        execute(&client, &format!("DROP DATABASE {old} WITH (FORCE)")).await;
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

fn run(program: &str, arguments: &[&str], file: &Path, database: &str) {
    let programs = crate::postmaster::programs().unwrap_or_else(|error| panic!("{error:#}"));
    let mut command = std::process::Command::new(programs.join(program));
    command.args(arguments).arg(file).args(Some(database).filter(|name| !name.is_empty()));
    let done = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
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
