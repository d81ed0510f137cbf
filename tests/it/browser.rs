//! The page in Chromium, against the real binary: each file of `tests/browser` by Node's own test runner.

use std::path::Path;
use std::time::Duration;

use carillon_tests::node::binary;
use tokio::process::Command;
use tokio::time::timeout;

/// For one file on a busy machine; on a quiet one they take about 20 s.
const LONGEST: Duration = Duration::from_secs(300);

async fn passes(file: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let here = root.join("browser");
    for (needed, by) in [
        (here.join("node_modules"), "npm ci --prefix tests/browser"),
        (root.join("../crates/web/app/dist/index.html"), "./just web"),
    ] {
        assert!(needed.exists(), "{} is missing: run `{by}`", needed.display());
    }
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec", file]).env("CARILLON_BIN", binary());
    let ran = timeout(LONGEST, node.current_dir(here).kill_on_drop(true).output()).await;
    let output = ran.unwrap_or_else(|_| panic!("{file} was still running after {LONGEST:?}")).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
async fn the_list_and_its_marks() {
    passes("list.test.mjs").await;
}

#[tokio::test]
async fn the_bell_its_panel_toasts_and_banners() {
    passes("bell.test.mjs").await;
}

#[tokio::test]
async fn the_connection_and_what_it_recovers() {
    passes("connection.test.mjs").await;
}

#[tokio::test]
async fn hostile_text_the_policy_and_the_first_load() {
    passes("safety.test.mjs").await;
}

#[tokio::test]
async fn the_demo_and_its_three_panes() {
    passes("demo.test.mjs").await;
}

#[tokio::test]
async fn settings_doctors_and_a_session_that_renews_itself() {
    passes("reader.test.mjs").await;
}

#[tokio::test]
async fn the_console_of_an_admin() {
    passes("console.test.mjs").await;
}
