//! A store that knows many users: filled by SQL past the gateway, and counted the same way.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Result, ensure};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio_postgres::Client;

/// How many rows each table has.
pub(crate) type Rows = BTreeMap<String, i64>;

/// The store of the node under load.
pub(crate) enum Store {
    Postgres(Client),
    /// A file, which Python's own SQLite opens: nothing else here speaks to one but the gateway.
    Sqlite(PathBuf),
}

/// Each user as they are once they have been here: in the rooms of a patient.
const FILL: &str = "\
    INSERT INTO {inbox} (user_id, room, since, read_up_to)
    SELECT 'known-' || n, CASE WHEN own THEN room || ':known-' || n ELSE room END, 0, 0
    FROM ({numbers}) numbers CROSS JOIN (SELECT 'all' AS room, false AS own UNION ALL SELECT 'role:patient', false
        UNION ALL SELECT 'user', true UNION ALL SELECT 'patient', true) rooms";

/// The tables, and not the parts of which some are made.
const TABLES: &str = "\
    SELECT relname::text FROM pg_class
    WHERE relnamespace = 'carillon'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition";

/// Reads a statement to be executed, or nothing; then answers the rows of each table.
const PYTHON: &str = "\
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], timeout=600)
with db: db.executescript(sys.stdin.read())
for (table,) in db.execute(\"SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'\").fetchall():
    print(table, db.execute(f'SELECT count(*) FROM \"{table}\"').fetchone()[0])
";

impl Store {
    pub(crate) fn sqlite(database_url: &str) -> Self {
        Self::Sqlite(database_url.trim_start_matches("sqlite://").into())
    }

    /// Makes so many users known.
    pub(crate) async fn fill(&self, users: u32) -> Result<()> {
        let fill = |inbox, numbers: String| FILL.replace("{inbox}", inbox).replace("{numbers}", &numbers);
        match self {
            Self::Postgres(client) => {
                let numbers = format!("SELECT n FROM generate_series(1, {users}) AS s (n)");
                client.batch_execute(&fill("carillon.inbox", numbers)).await?;
                client.batch_execute("VACUUM ANALYZE carillon.inbox").await?;
            }
            Self::Sqlite(file) => {
                let next = format!("SELECT n + 1 FROM s WHERE n < {users}");
                let numbers = format!("WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL {next}) SELECT n FROM s");
                python(file, &fill("inbox", numbers)).await?;
            }
        }
        Ok(())
    }

    /// How many rows each table has now.
    pub(crate) async fn rows(&self) -> Result<Rows> {
        match self {
            Self::Sqlite(file) => python(file, "").await,
            Self::Postgres(client) => {
                let mut rows = Rows::new();
                for table in client.query(TABLES, &[]).await? {
                    let table: String = table.get(0);
                    let count = format!("SELECT count(*) FROM carillon.{table}");
                    rows.insert(table, client.query_one(&count, &[]).await?.get(0));
                }
                Ok(rows)
            }
        }
    }
}

async fn python(file: &PathBuf, statement: &str) -> Result<Rows> {
    let mut command = Command::new("python3");
    command.args(["-c", PYTHON]).arg(file).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(statement.as_bytes()).await?;
    }
    let done = child.wait_with_output().await?;
    ensure!(done.status.success(), "python3 ended with {}", done.status);
    let text = String::from_utf8(done.stdout)?;
    let rows = text.lines().filter_map(|line| line.split_once(' '));
    rows.map(|(table, count)| Ok((table.to_owned(), count.parse()?))).collect()
}
