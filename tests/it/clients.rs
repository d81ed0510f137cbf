//! The same battery for each official client that is still about, on each way that it can take: a client that was built
//! into a page or an app years ago must not notice that the server is another.

use carillon_tests::users::{ann, ben};
use carillon_tests::{Client, Clinic, Connect, Life};
use serde_json::{Value, json};

/// How a client may travel: its transports in order, the one it begins on, and what it says of a server that is gone.
struct Way {
    transports: &'static [&'static str],
    begins_on: &'static str,
    server_gone: &'static str,
}

const WAYS: [Way; 3] = [
    Way { transports: &["polling"], begins_on: "polling", server_gone: "transport error" },
    Way { transports: &["websocket"], begins_on: "websocket", server_gone: "transport close" },
    Way { transports: &["polling", "websocket"], begins_on: "polling", server_gone: "transport close" },
];

#[tokio::test]
async fn client_3_1_passes() {
    passes("sio31").await;
}

#[tokio::test]
async fn client_4_0_passes() {
    passes("sio40").await;
}

#[tokio::test]
async fn client_4_5_passes() {
    passes("sio45").await;
}

#[tokio::test]
async fn client_4_7_passes() {
    passes("sio47").await;
}

#[tokio::test]
async fn client_4_8_passes() {
    passes("socket.io-client").await;
}

async fn passes(version: &'static str) {
    let mut clinic = Clinic::open().await;
    for way in &WAYS {
        println!("{version} over {:?}", way.transports);
        let connect = Connect::by(&ann()).version(version).over(way.transports);
        is_refused_with_the_reason(&clinic, &connect).await;
        let (mut client, mut tab) =
            (enters(&clinic, &connect, way).await, enters(&clinic, &connect, way).await);
        hears_asks_and_tells(&clinic, &mut client, &mut tab).await;
        comes_back_by_itself(&mut clinic, &mut client, way).await;
        // One that is on its way back would leave without a word.
        while !matches!(tab.life().await, Life::Connect { .. }) {}
        for mut one in [client, tab] {
            one.leave().await;
            let reason = loop {
                if let Life::Disconnect { reason } = one.life().await {
                    break reason;
                }
            };
            assert_eq!(reason, "io client disconnect");
        }
    }
}

/// `connect_error` says what is wrong, in its message and in its data.
async fn is_refused_with_the_reason(clinic: &Clinic, connect: &Connect) {
    let refused = async |connect: Connect| clinic.client(connect).await.refused().await;
    let code = |code: &str| json!({"code": code});
    assert_eq!(
        refused(connect.clone().auth(Value::Null)).await,
        ("Authentication token missing".into(), code("token_missing"))
    );
    assert_eq!(
        refused(connect.clone().auth(json!({"token": ben().expired_token()}))).await,
        ("Authentication token expired".into(), code("token_expired"))
    );
    assert_eq!(refused(connect.clone().namespace("/nope")).await, ("Invalid namespace".into(), Value::Null));
}

/// It is let in, told of its inbox, and ends up on the transport that it was to end up on.
async fn enters(clinic: &Clinic, connect: &Connect, way: &Way) -> Client {
    let mut client = clinic.client(connect.clone()).await;
    match client.life().await {
        Life::Connect { transport, .. } if transport == way.begins_on => {}
        // It may move on before its CONNECT is answered.
        Life::Upgrade { transport } if way.transports.last() == Some(&&*transport) => {
            let life = client.life().await;
            assert!(matches!(life, Life::Connect { .. }), "{life:?}");
        }
        other => panic!("{:?}: {other:?}", way.transports),
    }
    client.hears("inbox:state").await;
    if way.transports.contains(&"websocket") {
        client.upgraded().await;
    }
    client
}

/// Notifications arrive whole and in order; questions are answered; what one tab says, the other hears.
async fn hears_asks_and_tells(clinic: &Clinic, client: &mut Client, tab: &mut Client) {
    let mut ids = Vec::new();
    for title in ["てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — 😀"] {
        ids.push(clinic.tell(&ann(), title).await);
        for one in [&mut *client, &mut *tab] {
            let heard = one.notification().await;
            assert_eq!((&heard["id"], &heard["title"]), (&json!(ids.last()), &json!(title)));
        }
    }
    let listed = client.ask("notification:list", json!({"limit": 2})).await;
    let titles: Vec<&Value> = listed["items"].as_array().unwrap().iter().map(|item| &item["title"]).collect();
    assert_eq!((&listed["ok"], titles), (&json!(true), vec![&json!("utf8 — 😀"), &json!("Ä ä Ü ü ß")]));
    assert_eq!(client.ask("notification:read", json!({"all": true})).await, json!({"ok": true, "unread": 0}));
    tab.hears("notification:read").await;
    // Without an acknowledgement.
    client.say("notification:unread", json!({"ids": [ids[0]]})).await;
    let answer = client.ask("notification:list", json!({"status": "unread"})).await;
    assert_eq!((&answer["unread"], &answer["items"][0]["id"]), (&json!(1), &json!(ids[0])));
    let error = client.ask("no:such", json!({})).await;
    assert_eq!((&error["ok"], &error["error"]["code"]), (&json!(false), &json!("unknown_event")));
}

/// It notices that the server is gone, says so in the usual words, returns once the server is there again, and hears
/// what comes next; nothing twice.
async fn comes_back_by_itself(clinic: &mut Clinic, client: &mut Client, way: &Way) {
    clinic.node.kill9().await;
    assert_eq!(client.disconnected().await, way.server_gone);
    clinic.node.restart().await;
    assert_eq!(client.connected().await["unread"], 1);
    clinic.hears_nothing([&mut *client]).await;
    let id = clinic.tell(&ann(), "after").await;
    assert_eq!(client.notification().await["id"], *id);
    assert_eq!(client.ask("notification:read", json!({"all": true})).await["unread"], 0);
}
