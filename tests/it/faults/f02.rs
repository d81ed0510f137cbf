//! F02: kill -9 of a node between its commit and its word to the others, who deliver all the same: each reads the log's
//! head every second. The aim is 1.1 s at most; how long it took is printed, since a busy machine takes longer.

use std::sync::Arc;

use carillon_tests::PATIENCE;
use carillon_tests::journal::{Entry, Told, now};
use carillon_tests::producer;

use super::stage::during;
use super::{On, Scale, Setup, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn f02() {
    let scale = Scale::usually(12, 12, 5, 3);
    let mut stage = Stage::open(Setup::new(On::postgres().await, scale).nodes(2)).await;
    // What the producer would publish through the other node, that node would tell of.
    stage.pause().await;
    let mut slowest = 0;
    let fault = during(async {
        for round in 0..scale.seconds {
            slowest = slowest.max(killed_at_the_commit(&mut stage, round).await);
        }
    })
    .await;
    stage.publish();
    let verdict = stage.finish("F02", fault, true).await;
    println!("F02: delivered by the other node {slowest} ms after the commit at most");
    verdict.expect_none();
    assert_eq!(verdict.figures.recovered, verdict.figures.returned, "{verdict}");
}

/// How long after the commit the clients of the other node had it.
async fn killed_at_the_commit(stage: &mut Stage, round: u64) -> u64 {
    let (journal, key) = (Arc::clone(&stage.journal), format!("hint-{round}"));
    let urls = [stage.nodes[0].url().to_owned()];
    let database = stage.database().connect().await;
    let publish = {
        let (journal, key) = (Arc::clone(&journal), key.clone());
        tokio::spawn(async move { producer::publish(&journal, &urls, "all", &key).await })
    };
    let query = "SELECT id::text FROM carillon.notifications WHERE title = $1";
    let id: String = loop {
        if let Some(row) = database.query_opt(query, &[&key]).await.unwrap() {
            break row.get(0);
        }
    };
    let committed = now();
    stage.nodes[0].kill9().await;
    // Every second client is the other node's.
    let theirs: Vec<u64> = stage.clients.iter().skip(1).step_by(2).map(|client| client.client).collect();
    let left = journal.until(theirs.clone(), PATIENCE, |client| client.last == id).await;
    assert!(left.is_empty(), "{} clients of the other node never had it", left.len());
    let received = journal.entries().into_iter().filter_map(|entry| match entry {
        Entry::Told { client, what: Told::Received { id: it, .. }, at }
            if it == id && theirs.contains(&client) =>
        {
            Some(at)
        }
        _ => None,
    });
    let last = received.max().unwrap();
    stage.nodes[0].restart().await;
    publish.await.unwrap();
    stage.all(|client| client.online && client.last == id).await;
    last.saturating_sub(committed)
}
