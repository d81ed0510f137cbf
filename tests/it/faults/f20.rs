//! F20: an older backup is restored. Every client is told to reload, and what comes afterwards is not skipped.

use carillon_tests::NodeSettings;

use super::stage::during;
use super::{On, Scale, Setup, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn f20_on_postgresql() {
    on_postgresql("F20 on PostgreSQL", true).await;
}

/// Nobody stopped the node for it: it knows the other database by its first new connection.
#[tokio::test(flavor = "multi_thread")]
async fn f20_under_a_running_node() {
    on_postgresql("F20 under a running node", false).await;
}

/// A copy of the file is not known by itself: `carillon migrate --new-epoch` says it.
#[tokio::test(flavor = "multi_thread")]
async fn f20_on_sqlite() {
    let mut stage = Stage::open(Setup::new(On::Sqlite, scale())).await;
    stage.publishes_for(500).await;
    stage.nodes[0].kill9().await;
    let url = stage.nodes[0].database_url();
    let file = url.trim_start_matches("sqlite://");
    let backup = tempfile::tempdir().unwrap();
    copy(file, &backup.path().join("backup").display().to_string());
    stage.nodes[0].restart().await;
    stage.all(|client| client.states == 2 && client.online).await;
    let fault = replaces(&mut stage, async |stage| {
        stage.nodes[0].kill9().await;
        copy(&backup.path().join("backup").display().to_string(), file);
        let settings = NodeSettings::default().set("DATABASE_URL", &url);
        assert!(settings.run_to_end(&["migrate", "--new-epoch"]).await.status.success());
        stage.nodes[0].restart().await;
    })
    .await;
    let clients = stage.clients.len() as u64;
    everyone_reloads(stage, "F20 on SQLite", fault, (2 * clients, clients)).await;
}

async fn on_postgresql(name: &str, is_stopped: bool) {
    let mut stage = Stage::open(Setup::new(On::postgres().await, scale())).await;
    stage.publishes_for(500).await;
    let backup = stage.database().dump();
    let fault = replaces(&mut stage, async |stage| {
        if is_stopped {
            stage.nodes[0].kill9().await;
        }
        stage.database().restore(&backup).await;
        if is_stopped {
            stage.nodes[0].restart().await;
        }
    })
    .await;
    let clients = stage.clients.len() as u64;
    everyone_reloads(stage, name, fault, (clients, 0)).await;
}

fn scale() -> Scale {
    Scale::usually(12, 12, 60, 1)
}

/// Publishes what will be forgotten, and lets the backup take the log's place.
async fn replaces(stage: &mut Stage, restored: impl AsyncFnOnce(&mut Stage)) -> (u64, u64) {
    stage.publishes_for(scale().seconds * 1_000).await;
    stage.pause().await;
    stage.gone = stage.store().await.rows().await.unwrap();
    let before = stage.journal.standing(stage.clients[0].client).states;
    let fault = during(restored(stage)).await;
    stage.all(|client| client.states > before && client.online).await;
    fault
}

/// How often clients returned, and how often they were recovered then, is as expected; nothing is skipped.
async fn everyone_reloads(mut stage: Stage, name: &str, fault: (u64, u64), expected: (u64, u64)) {
    stage.publish();
    stage.publishes_for(1_000).await;
    let verdict = stage.finish(name, fault, true).await;
    verdict.expect_none();
    assert_eq!((verdict.figures.returned, verdict.figures.recovered), expected, "{verdict}");
}

/// A database of SQLite is three files.
fn copy(from: &str, to: &str) {
    for end in ["", "-wal", "-shm"] {
        if std::fs::copy(format!("{from}{end}"), format!("{to}{end}")).is_err() {
            drop(std::fs::remove_file(format!("{to}{end}")));
        }
    }
}
