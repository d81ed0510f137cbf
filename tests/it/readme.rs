//! The README's commands, run as they stand there.

use std::path::Path;
use std::process::Stdio;

use carillon_tests::{Node, NodeSettings, PATIENCE};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

const README: &str = include_str!("../../README.md");

/// The block of a document, in this language, that holds these words.
pub(crate) fn code<'a>(document: &'a str, language: &str, words: &str) -> &'a str {
    let fence = format!("```{language}\n");
    let mut blocks = document.split(&fence).skip(1).filter_map(|rest| rest.split("```").next());
    blocks.find(|block| block.contains(words)).unwrap_or_else(|| panic!("no block with {words:?}"))
}

/// The same, meant for the demo that listens at `url`.
pub(crate) fn block(document: &str, language: &str, words: &str, url: &str) -> String {
    let block = code(document, language, words);
    assert!(block.contains("http://127.0.0.1:5000"));
    block.replace("http://127.0.0.1:5000", url)
}

pub(crate) fn shell(script: &str, dir: &Path) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).current_dir(dir).kill_on_drop(true);
    command
}

#[tokio::test]
async fn the_first_notification_comes_as_the_readme_says() {
    let demo = Node::start(NodeSettings::demo()).await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    // The packages of the tests hold the official client too; those of the page need not be installed for a test.
    let listen =
        block(README, "sh", "socket.io-client", demo.url()).replace("cd crates/web/app", "cd tests/js");
    // It says when it is there, so that the publish does not come before it.
    let listen = listen.replace(
        ".on(\"notification\"",
        ".on(\"connect\", () => console.log(\"connected\")).on(\"notification\"",
    );
    let mut listening = shell(&format!("exec 2>&1; {listen}"), root).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(listening.stdout.take().unwrap()).lines();
    let mut line = async || timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    assert_eq!(line().await, "connected");

    let publish = block(README, "sh", "curl", demo.url());
    let first = shell(&publish, root).output().await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(answer["notifications"][0]["room"], "patient:patient");
    // The simulated clinic may have told this patient something else meanwhile.
    while line().await != "New prescription { patientId: 'patient', prescriptionId: 'rx-7' }" {}

    // "Send it again, and nothing is published twice."
    let again = shell(&publish, root).output().await.unwrap();
    assert_eq!(again.stdout, first.stdout);
}

#[tokio::test]
async fn the_demo_hands_tokens_to_its_users_and_to_nobody_else() {
    let demo = Node::start(NodeSettings::demo()).await;
    let get = async |path: &str| reqwest::get(format!("{}{path}", demo.url())).await.unwrap();
    let users: serde_json::Value = get("/demo/users").await.json().await.unwrap();
    for user in users.as_array().unwrap() {
        let token =
            get(&format!("/demo/token/{}", user["userId"].as_str().unwrap())).await.text().await.unwrap();
        let list = reqwest::Client::new().get(format!("{}/api/v1/notifications", demo.url()));
        assert_eq!(list.bearer_auth(token).send().await.unwrap().status(), 200);
    }
    assert_eq!(get("/demo/token/nobody").await.status(), 404);
    let page = get("/").await;
    assert_eq!(page.status(), 200);
    assert!(page.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));

    let open = NodeSettings::demo().set("SOCKET_HOST", "0.0.0.0").run_to_end(&["demo"]).await;
    assert_eq!(open.status.code(), Some(2));
    assert!(String::from_utf8(open.stderr).unwrap().contains("SOCKET_HOST"));

    // Outside the demo there is nobody to be, and no such desk.
    let node = Node::start(NodeSettings::default()).await;
    let get = async |path: &str| reqwest::get(format!("{}{path}", node.url())).await.unwrap();
    assert_eq!(get("/demo/users").await.text().await.unwrap(), "[]");
    assert_eq!(get("/demo/token/patient").await.status(), 404);
}
