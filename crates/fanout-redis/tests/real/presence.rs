//! Who is on which node.

use std::time::{Duration, Instant};

use carillon_domain::testing::contract::presence::Nodes;
use carillon_domain::{Person, Presence, Role, UserId};

use crate::server::RedisServer;
use crate::{Linked, PATIENCE};

fn test(case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE * 2, case).await.unwrap() });
}

fn run<F: Future<Output = ()>>(case: impl FnOnce(Nodes) -> F) {
    test(async {
        let server = RedisServer::start();
        let (here, there) = (Linked::to(&server, "n1").await, Linked::to(&server, "n2").await);
        let started = Instant::now();
        let pass = Box::new(move || -> futures_util::future::BoxFuture<'static, Duration> {
            Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(10)).await;
                started.elapsed()
            })
        });
        case(Nodes { here: here.presence.clone(), there: Some(there.presence.clone()), pass }).await;
    });
}

carillon_domain::presence_contract!(run);

fn user(n: usize) -> UserId {
    format!("u{n}").parse().unwrap()
}

fn join(presence: &Presence, users: std::ops::Range<usize>) {
    let mut roster = presence.roster();
    for n in users {
        let (email, role) = (Some(format!("u{n}@clinic.example")), Role::Patient);
        roster.joined(Person { user_id: user(n), email, role, profile_id: None });
    }
}

/// Waits until a node counts so many patients.
async fn until(presence: &Presence, patients: u64) {
    let begun = Instant::now();
    let is_so = || {
        let mut roster = presence.roster();
        roster.advance(begun.elapsed());
        roster.counts().patient == patients
    };
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn thousands_come_and_go_and_a_new_node_learns_of_all() {
    test(async {
        let server = RedisServer::start();
        let (here, there) = (Linked::to(&server, "n1").await, Linked::to(&server, "n2").await);
        join(&here.presence, 0..3_000);
        join(&there.presence, 2_000..5_000);
        let late = Linked::to(&server, "n3").await;
        for linked in [&here, &there, &late] {
            until(&linked.presence, 5_000).await;
        }
        for n in 0..2_500 {
            here.presence.roster().left(&user(n), "transport close");
        }
        until(&late.presence, 3_000).await;
        until(&there.presence, 3_000).await;
    });
}

#[test]
fn an_emptied_redis_is_told_everything_again() {
    test(async {
        let mut server = RedisServer::start();
        let (here, there) = (Linked::to(&server, "n1").await, Linked::to(&server, "n2").await);
        join(&here.presence, 0..100);
        until(&there.presence, 100).await;
        server.restart();
        join(&here.presence, 100..200);
        until(&there.presence, 200).await;
        let late = Linked::to(&server, "n3").await;
        until(&late.presence, 200).await;
    });
}

#[test]
fn a_killed_nodes_users_are_gone_within_20_s_and_so_are_its_keys() {
    test(async {
        let server = RedisServer::start();
        let here = Linked::to(&server, "n1").await;
        let killed = Linked::to(&server, "n2").await;
        join(&killed.presence, 0..100);
        until(&here.presence, 100).await;
        killed.kill();
        let begun = Instant::now();
        // A second node lives and watches longer than a lease.
        until(&here.presence, 0).await;
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        let keys = server.command(&[b"KEYS", b"*n2*"]);
        assert_eq!(keys, "*0\r\n");
    });
}

#[test]
fn who_goes_politely_is_gone_at_once() {
    test(async {
        let server = RedisServer::start();
        let (here, polite) = (Linked::to(&server, "n1").await, Linked::to(&server, "n2").await);
        join(&polite.presence, 0..100);
        until(&here.presence, 100).await;
        polite.redis.close().await;
        let begun = Instant::now();
        until(&here.presence, 0).await;
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
        assert_eq!(server.command(&[b"KEYS", b"*n2*"]), "*0\r\n");
    });
}

#[test]
fn a_cluster_is_one_redis() {
    test(async {
        let servers = RedisServer::cluster();
        let others: Vec<String> =
            servers[1..].iter().map(|server| format!("node=127.0.0.1:{}", server.port())).collect();
        let url = format!("redis-cluster://127.0.0.1:{}?{}", servers[0].port(), others.join("&"));
        let (here, there) = (Linked::at(&url, "n1", 1), Linked::at(&url, "n2", 1));
        here.until(true).await;
        there.until(true).await;
        join(&here.presence, 0..1_000);
        until(&there.presence, 1_000).await;
        for n in 0..1_000 {
            here.presence.roster().left(&user(n), "transport close");
        }
        until(&there.presence, 0).await;
        // The master that our channel hashes to is killed, and with it the Cluster: the nodes know.
        drop(servers);
        here.until(false).await;
        assert!(!here.redis.is_up());
    });
}
