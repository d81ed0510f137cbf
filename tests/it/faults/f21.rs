//! F21: retention passes an absent client and a slow one. Each is told to reload, and neither is shown the rest as if it
//! were all.

use std::sync::Arc;

use carillon_tests::fleet::{Fleet, WAYS};
use carillon_tests::journal::{Journal, Standing, Told, now};
use carillon_tests::light::Light;
use carillon_tests::store::Store;
use carillon_tests::users::{ann, ben};
use carillon_tests::{Clinic, NodeSettings, PATIENCE, Postgres};
use serde_json::{Value, json};
use tokio::time::timeout;

/// More than a slow client's connection and the ring hold together: 15 MB.
const ROWS: usize = 1_000;

async fn open() -> (Postgres, Clinic) {
    let database = Postgres::create().await;
    let settings = NodeSettings::default().set("DATABASE_URL", database.url());
    let settings = settings.set("MAILBOX_BYTES", 65_536).set("PUBLISH_BURST", 10_000);
    (database, Clinic::open_with(settings).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_an_absent_client() {
    let (database, mut clinic) = open().await;
    let journal = Arc::new(Journal::default());
    let fleet = Fleet::start(&journal);
    let client = fleet.open(clinic.node.url(), &ann(), WAYS[0]).await;
    let stands = async |so: &dyn Fn(&Standing) -> bool| {
        let left = journal.until([client], PATIENCE, so).await;
        assert!(left.is_empty(), "{:?}", journal.tail(client));
    };
    clinic.tell(&ann(), "heard").await;
    stands(&|now| now.online).await;
    fleet.away(client).await;
    stands(&|now| !now.online && now.states == 1).await;
    for title in ["missed", "missed too"] {
        clinic.tell(&ann(), title).await;
    }
    // With the node goes its ring: what that has would still be given.
    clinic.node.kill9().await;
    Store::open(&database.url()).await.unwrap().trim(now() + 1).await.unwrap();
    clinic.node.restart().await;
    let received = journal.standing(client).received;
    fleet.back(client).await;
    stands(&|now| now.states == 2).await;
    let id = clinic.tell(&ann(), "next").await;
    stands(&|now| now.last == id).await;
    assert_eq!(journal.standing(client).received, received + 1, "{:?}", journal.tail(client));
    let told = journal.tail(client);
    assert!(matches!(told[1].1, Told::State { recovered: false, .. }), "{told:?}");
    println!("F21 absent: told to reload, then heard what came next");
}

#[tokio::test]
async fn f21_a_slow_client() {
    let (database, clinic) = open().await;
    let mut slow = Light::open(clinic.node.address(), Some(8_192)).await.unwrap();
    let ids = slow.join(&json!({"token": ann().token()})).await.unwrap();
    assert_eq!(slow.event().await.unwrap().0, "inbox:state");
    let mut fast = clinic.online(&ben()).await;
    clinic.publish_many("role:patient", ROWS, 15_000).await;
    for number in 0..ROWS {
        assert_eq!(fast.notification().await["title"], format!("{number}"));
    }
    Store::open(&database.url()).await.unwrap().trim(now() + 1).await.unwrap();

    // What was on its way is heard without a hole, and then the connection ends.
    let (mut heard, mut offset) = (0, Value::Null);
    while let Ok((name, args)) = timeout(PATIENCE, slow.event()).await.unwrap() {
        assert_eq!((name.as_str(), &args[0]["title"]), ("notification", &json!(format!("{heard}"))));
        (heard, offset) = (heard + 1, args[1].clone());
    }
    assert!(heard < ROWS, "it was not slow enough");
    let mut back = Light::open(clinic.node.address(), None).await.unwrap();
    let auth = json!({"token": ann().token(), "pid": ids["pid"], "offset": offset});
    assert_ne!(back.join(&auth).await.unwrap()["pid"], ids["pid"]);
    let (name, args) = timeout(PATIENCE, back.event()).await.unwrap().unwrap();
    assert_eq!((name.as_str(), &args[0]["recovered"]), ("inbox:state", &json!(false)));
    clinic.tell(&ann(), "next").await;
    assert_eq!(timeout(PATIENCE, back.event()).await.unwrap().unwrap().1[0]["title"], "next");
    println!("F21 slow: {heard} of {ROWS} heard without a hole, told to reload, then heard what came next");
}
