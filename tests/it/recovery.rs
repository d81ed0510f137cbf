//! A client that comes back is given what it missed, once and in order, by whichever process it finds.

use carillon_tests::users::{ann, ben};
use carillon_tests::{Client, Clinic, Connect, Life};
use serde_json::json;

/// The next connect: whether the client's own code says that its session was recovered, and its id.
async fn recovered(client: &mut Client) -> (bool, String) {
    loop {
        if let Life::Connect { recovered, sid, .. } = client.life().await {
            return (recovered, sid);
        }
    }
}

#[tokio::test]
async fn a_killed_gateway_is_not_noticed_by_those_who_come_back() {
    let mut clinic = Clinic::open().await;
    for transports in [&["websocket"][..], &["polling"], &["polling", "websocket"]] {
        // Away long enough for all that happens meanwhile.
        let connect = Connect::by(&ann()).over(transports).option("reconnectionDelayMax", json!(1_500));
        let connect =
            connect.option("reconnectionDelay", json!(1_500)).option("randomizationFactor", json!(0));
        let mut client = clinic.client(connect).await;
        let (_, sid) = recovered(&mut client).await;
        client.hears("inbox:state").await;
        client.cut().await;
        client.disconnected().await;
        let missed = [clinic.tell(&ann(), "a").await, clinic.tell(&ann(), "b").await];
        clinic.tell(&ben(), "not ann's").await;
        clinic.node.kill9().await;
        clinic.node.restart().await;
        assert_eq!(recovered(&mut client).await, (true, sid));
        for id in missed {
            assert_eq!(client.notification().await["id"], *id);
        }
        let state = client.hears("inbox:state").await;
        assert_eq!(state[0]["recovered"], true);
        clinic.hears_nothing([&mut client]).await;
        client.leave().await;
    }
}

#[tokio::test]
async fn a_page_that_was_loaded_again_hears_what_it_missed_in_a_new_session() {
    let clinic = Clinic::open().await;
    let mut client = clinic.online(&ann()).await;
    clinic.tell(&ann(), "seen").await;
    let seen = client.hears("notification").await;
    client.leave().await;
    let missed = [clinic.tell(&ann(), "a").await, clinic.tell(&ann(), "b").await];

    let page = |since: &str| Connect::by(&ann()).auth(json!({"token": ann().token(), "since": since}));
    let mut again = clinic.client(page(seen[1].as_str().unwrap())).await;
    assert!(!recovered(&mut again).await.0, "it is another session");
    for id in missed {
        assert_eq!(again.notification().await["id"], *id);
    }
    let state = again.hears("inbox:state").await;
    assert_eq!((&state[0]["recovered"], &state[0]["unread"]), (&json!(true), &json!(3)));
    clinic.hears_nothing([&mut again]).await;

    // A place in a log that is not ours: the page loads its inbox itself.
    for nowhere in ["1.1", "nonsense", ""] {
        let mut lost = clinic.client(page(nowhere)).await;
        assert_eq!(lost.connected().await["recovered"], false, "{nowhere:?}");
        lost.leave().await;
    }
}
