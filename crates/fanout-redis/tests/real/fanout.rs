//! Hints and their like.

use std::sync::Arc;
use std::time::{Duration, Instant};

use carillon_domain::UserId;
use carillon_domain::ports::{Resumed, Signal, Subscription};
use carillon_domain::testing::contract::fanout::Nodes;
use futures_util::StreamExt as _;

use crate::server::RedisServer;
use crate::{Linked, PATIENCE};

fn run<F: Future<Output = ()>>(case: impl FnOnce(Nodes) -> F) {
    test(async {
        let server = RedisServer::start();
        let (here, there) = (Linked::to(&server, "n1").await, Linked::to(&server, "n2").await);
        case(Nodes { here: Arc::clone(&here.fanout), there: Arc::clone(&there.fanout) }).await;
    });
}

carillon_domain::fanout_contract!(run);

fn test(case: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, case).await.unwrap() });
}

fn numbered(claim: u64) -> Signal {
    let user_id: UserId = "u".parse().unwrap();
    Signal::Resumed(Arc::new(Resumed { user_id, socket_id: "socket".into(), claim }))
}

/// The next number heard; what tells of lost signals is passed over.
async fn number(subscription: &mut Subscription) -> u64 {
    loop {
        match subscription.next().await.unwrap() {
            Signal::Resumed(resumed) => return resumed.claim,
            Signal::Lagged => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_killed_redis_is_noticed_at_once_and_found_again() {
    test(async {
        let mut server = RedisServer::start();
        let (here, there) = (Linked::to(&server, "n1").await, Linked::to(&server, "n2").await);
        let (mut near, mut far) = (here.fanout.subscribe(), there.fanout.subscribe());
        server.kill9();
        let killed = Instant::now();
        assert!(matches!(far.next().await, Some(Signal::Lagged)), "subscribers are told");
        assert!(killed.elapsed() < Duration::from_millis(500), "{:?}", killed.elapsed());
        here.until(false).await;
        assert!(!here.redis.is_up());

        // Nobody waits for a dead Redis, and whoever is here hears all the same.
        let began = Instant::now();
        for n in 0..100_000 {
            here.fanout.publish(numbered(n));
            if n % 100 == 0 {
                while number(&mut near).await != n {}
            }
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());

        server.restart();
        here.until(true).await;
        there.until(true).await;
        here.fanout.publish(numbered(1_000_000));
        assert_eq!(number(&mut far).await, 1_000_000, "what was said meanwhile is not said again");
    });
}

#[test]
fn a_frozen_redis_counts_as_lost_and_what_it_kept_does_no_harm() {
    test(async {
        let server = RedisServer::start();
        let (here, there) = (Linked::to(&server, "n1").await, Linked::to(&server, "n2").await);
        let mut far = there.fanout.subscribe();
        server.freeze();
        let frozen = Instant::now();
        here.until(false).await;
        there.until(false).await;
        assert!(frozen.elapsed() < Duration::from_secs(2), "{:?}", frozen.elapsed());
        for n in 0..10_000 {
            here.fanout.publish(numbered(n));
        }
        server.thaw();
        here.until(true).await;
        there.until(true).await;
        here.fanout.publish(numbered(1_000_000));
        while number(&mut far).await != 1_000_000 {}
    });
}

#[test]
fn a_killed_subscription_is_made_again_and_those_who_may_have_missed_something_are_told() {
    test(async {
        let server = RedisServer::start();
        let (here, there) = (Linked::to(&server, "n1").await, Linked::to(&server, "n2").await);
        let mut far = there.fanout.subscribe();
        for round in 0..5 {
            server.command(&[b"CLIENT", b"KILL", b"TYPE", b"pubsub"]);
            assert!(matches!(far.next().await, Some(Signal::Lagged)), "round {round}");
            here.until(true).await;
            there.until(true).await;
            here.fanout.publish(numbered(round));
            assert_eq!(number(&mut far).await, round);
        }
    });
}

#[test]
fn who_was_killed_is_missed_and_who_said_goodbye_is_not() {
    test(async {
        let server = RedisServer::start();
        let here = Linked::to(&server, "n1").await;
        let polite = Linked::to(&server, "n2").await;
        tokio::time::timeout(PATIENCE, polite.redis.close()).await.unwrap();
        drop(polite);
        let mut lagged = here.fanout.subscribe();
        let killed = Linked::to(&server, "n3").await;
        here.until(true).await;
        killed.kill();
        assert!(matches!(lagged.next().await, Some(Signal::Lagged)));
        // Its word may be missing, so the head is read often. The link itself is fine.
        assert!(!here.fanout.reaches_all() && here.redis.is_up());
    });
}

#[test]
fn garbage_and_the_words_of_another_log_are_not_heard() {
    test(async {
        let server = RedisServer::start();
        let (here, there) = (Linked::to(&server, "n1").await, Linked::to(&server, "n2").await);
        let stranger = Linked::new(&server, "n1", 2);
        stranger.until(true).await;
        let mut far = there.fanout.subscribe();
        stranger.fanout.publish(numbered(1));
        let channels = server.command(&[b"PUBSUB", b"CHANNELS"]);
        let channels: Vec<_> = channels.lines().filter(|line| line.starts_with("carillon:")).collect();
        assert_eq!(channels.len(), 2, "one for each log: {channels:?}");
        for channel in channels {
            for garbage in [&b""[..], b"{}", b"\x01", &[1; 100], &[0xff; 300_000], &[b'['; 10_000]] {
                server.command(&[b"PUBLISH", channel.as_bytes(), garbage]);
            }
        }
        here.fanout.publish(numbered(2));
        assert_eq!(number(&mut far).await, 2);
        assert!(there.fanout.reaches_all());
    });
}
