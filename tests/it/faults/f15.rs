//! F15: polling. An answer is cut before its last byte, two GETs at once, an upgrade broken at each of its steps.

use std::collections::VecDeque;

use carillon_tests::faultproxy::{Cut, End, Place, Way};
use carillon_tests::raw::sid;
use carillon_tests::users::ann;
use carillon_tests::{Call, Clinic, PATIENCE, User};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::stage::during;
use super::{On, Scale, Setup, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn f15_answers_are_cut_before_their_last_byte() {
    let scale = Scale::usually(6, 0, 60, 3);
    let mut setup = Setup::new(On::postgres().await, scale).through_proxy();
    setup.ways = &[&["polling"]];
    let stage = Stage::open(setup).await;
    let times = 10 * u32::try_from(scale.seconds).unwrap();
    let fault = during(async {
        stage.proxy.arm(Cut {
            way: Way::Down,
            at: Place::Inside("42[\"notification\""),
            end: End::Close,
            times,
        });
        stage.proxy.cuts(u64::from(times)).await;
    })
    .await;
    stage.publishes_for(500).await;
    let verdict = stage.finish("F15 cut answers", fault, false).await;
    verdict.expect_none();
    // A connection that breaks is asked for anew by the client's HTTP code, or it comes back: either way it lost nothing.
    assert_eq!(verdict.figures.recovered, verdict.figures.returned, "{verdict}");
}

/// Where an upgrade breaks, in order.
const STEPS: [(Way, Place); 8] = [
    (Way::Up, Place::Inside("Upgrade: websocket")),
    (Way::Down, Place::Inside("101 Switching")),
    // The probe is 12 bytes long, the packet that ends the upgrade 7.
    (Way::Up, Place::PastHead("Upgrade: websocket", 0)),
    (Way::Up, Place::PastHead("Upgrade: websocket", 5)),
    (Way::Down, Place::Inside("3probe")),
    (Way::Up, Place::PastHead("Upgrade: websocket", 12 + 3)),
    (Way::Up, Place::PastHead("Upgrade: websocket", 12 + 7)),
    (Way::Down, Place::PastHead("101 Switching", 8 + 40)),
];

#[tokio::test(flavor = "multi_thread")]
async fn f15_upgrades_break_at_each_step() {
    let scale = Scale::usually(0, 0, 100, 1);
    let mut stage = Stage::open(Setup::new(On::postgres().await, scale).through_proxy()).await;
    let fault = during(async {
        for round in 0..scale.seconds {
            for (number, (way, at)) in STEPS.into_iter().enumerate() {
                for end in [End::Close, End::Reset] {
                    let cuts = stage.proxy.counts().cuts;
                    stage.proxy.arm(Cut { way, at: at.clone(), end, times: 1 });
                    let user = User::new(format!("upgrades-{round}-{number}-{end:?}"), "PATIENT");
                    let client = stage.joins(&user, &["polling", "websocket"]).await;
                    stage.proxy.cuts(cuts + 1).await;
                    let left = stage.journal.until([client], PATIENCE, |standing| standing.online).await;
                    assert!(left.is_empty(), "{way:?} {at:?} {end:?}: it did not come back");
                }
            }
        }
    })
    .await;
    stage.publishes_for(500).await;
    let verdict = stage.finish("F15 broken upgrades", fault, false).await;
    verdict.expect_none();
    assert_eq!(verdict.figures.recovered, verdict.figures.returned, "{verdict}");
}

/// The second GET ends the session, and the next session has everything.
#[tokio::test]
async fn f15_two_gets_at_once() {
    let clinic = Clinic::open().await;
    let (mut first, connected) = Poller::join(&clinic, &json!({"token": ann().token()})).await;
    let state = first.event().await;
    let (one, other) = tokio::join!(first.get().send(), first.get().send());
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400], "{one:?} {other:?}");
    first.get().send().await.expect(400);

    let missed = [clinic.tell(&ann(), "a").await, clinic.tell(&ann(), "b").await];
    let auth = json!({"token": ann().token(), "pid": connected["pid"], "offset": state[2]});
    let (mut again, answer) = Poller::join(&clinic, &auth).await;
    assert_eq!(answer, connected);
    for id in missed {
        assert_eq!(again.event().await[1]["id"], *id);
    }
    let state = again.event().await;
    assert_eq!((&state[0], &state[1]["recovered"]), (&json!("inbox:state"), &json!(true)));
}

/// A polling session made by hand.
struct Poller<'a> {
    clinic: &'a Clinic,
    path: String,
    heard: VecDeque<String>,
}

impl<'a> Poller<'a> {
    /// Joins with this CONNECT payload: the answer's.
    async fn join(clinic: &'a Clinic, auth: &Value) -> (Self, Value) {
        let path = "/socket.io/?EIO=4&transport=polling";
        let open = clinic.http.get(path).send().await;
        let path = format!("{path}&sid={}", sid(&open.text).unwrap());
        assert_eq!(clinic.http.call("POST", &path).body(format!("40{auth}")).send().await.text, "ok");
        let mut poller = Self { clinic, path, heard: VecDeque::new() };
        let answer = poller.packet().await;
        (poller, serde_json::from_str(answer.strip_prefix("40").unwrap()).unwrap())
    }

    fn get(&self) -> Call {
        self.clinic.http.get(&self.path)
    }

    async fn packet(&mut self) -> String {
        while self.heard.is_empty() {
            let answer = timeout(PATIENCE, self.get().send()).await.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text);
            self.heard.extend(answer.text.split('\u{1e}').map(str::to_owned));
        }
        self.heard.pop_front().unwrap_or_default()
    }

    async fn event(&mut self) -> Value {
        let packet = self.packet().await;
        serde_json::from_str(packet.strip_prefix("42").unwrap()).unwrap()
    }
}
