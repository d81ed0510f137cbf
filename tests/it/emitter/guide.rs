//! The guide's example, run as it stands there.

use super::*;

const GUIDE: &str = include_str!("../../../docs/guides/redis-emitter.md");

#[tokio::test]
async fn the_guides_example_does_what_it_says() {
    let stage = Stage::open("stored", Meeting::Server).await;
    stage.holder(&[0, 1]).await;
    let mut client = stage.online(&User::new("42", "PATIENT"), 0).await;
    let mut admin = stage.online(&carillon_tests::users::eve(), 1).await;
    let block = GUIDE.split("```js\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(block.contains("redis://127.0.0.1:6379"));
    let script = block.replace("redis://127.0.0.1:6379", &stage.cluster.redis[0].url());
    let mut node = Command::new("node");
    node.args(["--input-type=module", "--eval", &script]).current_dir(js()).kill_on_drop(true);
    let ended = timeout(PATIENCE, node.output()).await.unwrap().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let mut heard = [client.hears_until("clinic:closed").await, admin.hears_until("clinic:closed").await];
    // The log's own way may be shorter or longer than that of the events.
    if !heard[0].iter().any(|(name, _)| name == "notification") {
        heard[0].push(("notification".into(), vec![client.notification().await]));
    }
    heard[0].sort_by(|a, b| a.0.cmp(&b.0));
    let names =
        |events: &[(String, Vec<Value>)]| events.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&heard[0]), ["notification", "queue:moved"]);
    assert_eq!(heard[0][0].1[0]["title"], "Your prescription is ready");
    assert_eq!(names(&heard[1]), ["desk:refresh"]);
}
