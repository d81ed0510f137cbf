//! Who brings back what: honest clients that were away for long or heard nothing, and pids and offsets that are stolen,
//! broken, too old, of another log, or of a role that is no more (rows C1 to C9 of the bad inputs).

use carillon_auth_jwt::PidSealer;
use carillon_domain::ports::{Pids as _, Secret};
use carillon_domain::{Epoch, Offset, Position, Timestamp};
use carillon_tests::journal::now;
use carillon_tests::light::Light;
use carillon_tests::store::Store;
use carillon_tests::users::{ann, ben};
use carillon_tests::{Clinic, Cluster, Http, Meeting, NodeSettings, PATIENCE, Postgres, User};
use serde_json::{Value, json};
use tokio::time::timeout;

/// A light client that has been told of its inbox.
struct Session {
    /// `None` once it has lost its connection.
    light: Option<Light>,
    /// Socket id and pid.
    ids: Value,
    /// The titles of what was replayed before the state.
    replayed: Vec<String>,
    is_recovered: bool,
    offset: Value,
}

impl Session {
    async fn open(clinic: &Clinic, auth: &Value) -> Self {
        Self::open_at(clinic.node.address(), auth).await
    }

    async fn open_at(address: &str, auth: &Value) -> Self {
        let mut light = Light::open(address, None).await.unwrap();
        let ids = light.join(auth).await.unwrap();
        let mut replayed = Vec::new();
        loop {
            let (name, args) = timeout(PATIENCE, light.event()).await.unwrap().unwrap();
            if name == "inbox:state" {
                let (is_recovered, offset) = (args[0]["recovered"] == true, args[1].clone());
                return Self { light: Some(light), ids, replayed, is_recovered, offset };
            }
            replayed.push(args[0]["title"].as_str().unwrap().to_owned());
        }
    }

    async fn begin(clinic: &Clinic, user: &User) -> Self {
        Self::open(clinic, &json!({"token": user.token()})).await
    }

    /// What the official client sends when it comes back, as `user`.
    fn auth(&self, user: &User) -> Value {
        json!({"token": user.token(), "pid": self.ids["pid"], "offset": self.offset})
    }

    /// That this is a session of its own, whose client was given nothing and is told to load its inbox.
    #[track_caller]
    fn is_new(&self, stolen: &Self, why: &str) {
        assert_ne!(self.ids["sid"], stolen.ids["sid"], "{why}");
        assert_ne!(self.ids["pid"], stolen.ids["pid"], "{why}");
        assert_eq!((&self.replayed[..], self.is_recovered), (&[][..], false), "{why}");
    }

    async fn packet(&mut self) -> String {
        let light = self.light.as_mut().unwrap();
        timeout(PATIENCE, light.text()).await.unwrap().unwrap().to_string()
    }

    /// How the server closes it, with nothing said before that.
    async fn end(&mut self) -> String {
        let light = self.light.as_mut().unwrap();
        timeout(PATIENCE, light.text()).await.unwrap().unwrap_err().to_string()
    }

    /// That it hears what is published now, and nothing before that.
    async fn hears_on(&mut self, clinic: &Clinic, user: &User) {
        let id = clinic.tell(user, "on").await;
        assert!(self.packet().await.contains(&id));
    }
}

#[tokio::test]
async fn one_who_was_away_for_longer_than_the_ring_is_given_all_from_the_store() {
    let settings = NodeSettings::default().set("PUBLISH_BURST", 10_000);
    let clinic = Clinic::open_with(settings).await;
    let mut away = Session::begin(&clinic, &ann()).await;
    let auth = away.auth(&ann());
    away.light = None;
    clinic.tell(&ann(), "a").await;
    // The ring has 4,096 rows.
    clinic.publish_many(&ben().room(), 5_000, 0).await;
    clinic.tell(&ann(), "b").await;
    let mut back = Session::open(&clinic, &auth).await;
    assert_eq!((&back.replayed[..], back.is_recovered), (&["a".to_owned(), "b".to_owned()][..], true));
    assert_eq!(back.ids, away.ids);
    back.hears_on(&clinic, &ann()).await;
}

#[tokio::test]
async fn as_much_as_the_limit_is_replayed_and_not_one_more() {
    for (missed, is_recovered) in [(20, true), (21, false)] {
        // From the ring, and from the store after a restart.
        for restarts in [false, true] {
            let mut clinic = Clinic::open_with(NodeSettings::default().set("RECOVERY_LIMIT", 20)).await;
            let mut away = Session::begin(&clinic, &ann()).await;
            let auth = away.auth(&ann());
            away.light = None;
            clinic.publish_many(&ann().room(), missed, 0).await;
            if restarts {
                clinic.node.kill9().await;
                clinic.node.restart().await;
            }
            let back = Session::open(&clinic, &auth).await;
            let replayed = if is_recovered { missed } else { 0 };
            let expected: Vec<String> = (0..replayed).map(|number| number.to_string()).collect();
            assert_eq!((back.replayed, back.is_recovered), (expected, is_recovered), "restarts: {restarts}");
            assert_eq!(back.ids == away.ids, is_recovered);
        }
    }
}

/// Its connection broke between CONNECT's answer and its state: it has a pid and no offset.
#[tokio::test]
async fn one_who_had_heard_nothing_at_all_misses_nothing() {
    let clinic = Clinic::open().await;
    let mut light = Light::open(clinic.node.address(), None).await.unwrap();
    let ids = light.join(&json!({"token": ann().token()})).await.unwrap();
    drop(light);
    for title in ["a", "b"] {
        clinic.tell(&ann(), title).await;
    }
    let auth = json!({"token": ann().token(), "pid": ids["pid"]});
    let mut back = Session::open(&clinic, &auth).await;
    // The same session, but its inbox was never loaded: it is told so first, and then hears what it missed.
    assert_eq!((&back.ids, &back.replayed[..], back.is_recovered), (&ids, &[][..], false));
    for title in ["a", "b"] {
        assert!(back.packet().await.contains(&format!(r#""title":"{title}""#)));
    }
    back.hears_on(&clinic, &ann()).await;
}

/// C1, a stolen pid: nothing of its owner, who loses nothing by it.
#[tokio::test]
async fn the_pid_of_another_is_worth_nothing() {
    let clinic = Clinic::open().await;
    let mut anns = Session::begin(&clinic, &ann()).await;
    anns.light = None;
    clinic.tell(&ann(), "for Ann").await;
    let mut thief = Session::open(&clinic, &anns.auth(&ben())).await;
    thief.is_new(&anns, "Ben's token");
    let mut back = Session::open(&clinic, &anns.auth(&ann())).await;
    assert_eq!((&back.replayed[..], back.is_recovered), (&["for Ann".to_owned()][..], true));
    back.hears_on(&clinic, &ann()).await;
    thief.hears_on(&clinic, &ben()).await;
}

/// C2 and the offsets of C7: nothing of it closes the connection, and nothing of it is believed.
#[tokio::test]
async fn what_is_no_pid_or_no_offset_begins_a_new_session() {
    let clinic = Clinic::open().await;
    let mut away = Session::begin(&clinic, &ann()).await;
    away.light = None;
    clinic.tell(&ann(), "missed").await;
    let pid = away.ids["pid"].as_str().unwrap();
    let flip = |at: usize| {
        let mut bytes = pid.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        json!(String::from_utf8(bytes).unwrap())
    };
    let (body, signature) = (pid.find('.').unwrap() + 10, pid.rfind('.').unwrap() + 10);
    let pids = [
        flip(body),
        flip(signature),
        json!(pid[..pid.len() - 3]),
        json!(""),
        json!(ann().token()),
        json!("x".repeat(90_000)),
        json!(7),
        json!(true),
        json!([pid]),
        json!({"pid": pid}),
    ];
    for pid in pids {
        let auth = json!({"token": ann().token(), "pid": pid, "offset": away.offset});
        Session::open(&clinic, &auth).await.is_new(&away, &format!("{:.40}", pid.to_string()));
    }
    let offset: Offset = away.offset.as_str().unwrap().parse().unwrap();
    let other = |epoch, position: u64| {
        let position = Position::new(position).unwrap();
        json!(Offset { epoch, position }.to_string())
    };
    let another = Epoch::new(offset.epoch.get() ^ 1);
    let offsets = [
        other(another, 1),
        other(offset.epoch, 1_000_000),
        json!("nonsense"),
        json!(""),
        json!(7),
        json!([away.offset]),
    ];
    for offset in offsets {
        let auth = json!({"token": ann().token(), "pid": pid, "offset": offset});
        Session::open(&clinic, &auth).await.is_new(&away, &offset.to_string());
    }
    // And all the while the honest one counts.
    let back = Session::open(&clinic, &away.auth(&ann())).await;
    assert_eq!((&back.replayed[..], back.is_recovered), (&["missed".to_owned()][..], true));
}

/// C4: older than what is retained, or signed by a key that is no more.
#[tokio::test]
async fn a_pid_that_is_too_old_or_of_another_key_begins_a_new_session() {
    let clinic = Clinic::open_with(NodeSettings::default().set("RETENTION_DAYS", 1)).await;
    let mut away = Session::begin(&clinic, &ann()).await;
    away.light = None;
    let store = Store::open(&clinic.node.database_url()).await.unwrap();
    let ours = store.log().secret().await.unwrap();
    let old = |key: &Secret, hours: i64| {
        let mut pid = PidSealer::new(&ours).open(away.ids["pid"].as_str().unwrap()).unwrap();
        let millis = pid.issued_at.as_millis() - hours * 3_600_000;
        pid.issued_at = Timestamp::from_millis(millis).unwrap();
        json!({"token": ann().token(), "pid": PidSealer::new(key).seal(&pid), "offset": away.offset})
    };
    Session::open(&clinic, &old(&ours, 25)).await.is_new(&away, "too old");
    Session::open(&clinic, &old(&Secret([7; 32]), 0)).await.is_new(&away, "another key");
    assert!(Session::open(&clinic, &old(&ours, 23)).await.is_recovered);
}

/// C6, on one node: the newest wins, and nobody hears anything twice.
#[tokio::test]
async fn of_two_with_the_same_pid_the_newest_lives() {
    let clinic = Clinic::open().await;
    let mut first = Session::begin(&clinic, &ann()).await;
    let auth = first.auth(&ann());
    let mut second = Session::open(&clinic, &auth).await;
    assert_eq!((&second.ids, second.is_recovered), (&first.ids, true));
    // It may come back: what took the session could be an older connection of its own, and a `41` would end it for good.
    assert!(first.end().await.contains("Restart"));
    second.hears_on(&clinic, &ann()).await;
    let join = async || {
        let mut light = Light::open(clinic.node.address(), None).await.unwrap();
        light.join(&auth).await.unwrap();
        light
    };
    let (third, fourth) = tokio::join!(join(), join());
    assert!(second.end().await.contains("Restart"));
    let id = clinic.tell(&ann(), "once").await;
    // All that each hears, up to the notification or the end.
    let hear = async |mut light: Light| {
        let mut heard = Vec::new();
        while heard.last().is_none_or(|last: &String| !last.contains(&id)) {
            match timeout(PATIENCE, light.text()).await.unwrap() {
                Ok(text) => heard.push(text.to_string()),
                Err(_closed) => break,
            }
        }
        heard
    };
    let (third, fourth) = tokio::join!(hear(third), hear(fourth));
    let is_told = |heard: &[String]| heard.last().is_some_and(|last| last.contains(&id));
    let (ended, lives) = if is_told(&fourth) { (third, fourth) } else { (fourth, third) };
    assert!(is_told(&lives) && !is_told(&ended), "{ended:?} {lives:?}");
    assert!(lives.len() == 3 && lives[0].contains("\"on\"") && lives[1].contains("inbox:state"), "{lives:?}");
}

/// C6, on two nodes: the one on which it is resumed tells the other, whose connection ends so that it may come back.
#[tokio::test]
async fn of_two_with_the_same_pid_on_two_nodes_the_newest_lives() {
    let database = Postgres::create().await;
    let settings = NodeSettings::default().set("DATABASE_URL", database.url());
    let cluster = Cluster::open(&settings, 2, Meeting::Server).await;
    let mut first = Session::open_at(cluster[0].address(), &json!({"token": ann().token()})).await;
    let mut second = Session::open_at(cluster[1].address(), &first.auth(&ann())).await;
    assert_eq!((&second.ids, second.is_recovered), (&first.ids, true));
    assert!(first.end().await.contains("Restart"));
    let body = carillon_tests::clinic::note(&["user:ann"], "once");
    Http::new(cluster[0].url()).post("/api/v1/notifications", &body).with_key().send().await.expect(201);
    assert!(second.packet().await.contains("once"));
    // And back again, by a client that lost its connection before it heard that.
    let third = Session::open_at(cluster[0].address(), &second.auth(&ann())).await;
    assert_eq!((&third.replayed[..], third.is_recovered), (&["once".to_owned()][..], true));
    assert!(second.end().await.contains("Restart"));
}

/// C7: what the offset speaks of may have been deleted.
#[tokio::test]
async fn an_offset_below_what_was_trimmed_begins_a_new_session() {
    let mut clinic = Clinic::open().await;
    let (mut early, mut late) =
        (Session::begin(&clinic, &ann()).await, Session::begin(&clinic, &ben()).await);
    early.light = None;
    for title in ["a", "b"] {
        clinic.tell(&ann(), title).await;
    }
    late.hears_on(&clinic, &ben()).await;
    let store = Store::open(&clinic.node.database_url()).await.unwrap();
    store.trim(now() + 1).await.unwrap();
    // As long as the ring has all of it, nothing is amiss.
    clinic.node.kill9().await;
    clinic.node.restart().await;
    let mut back = Session::open(&clinic, &early.auth(&ann())).await;
    back.is_new(&early, "trimmed");
    back.hears_on(&clinic, &ann()).await;
}

/// C9: what was heard in the old role may have to go, so the client reloads; nothing of that role comes any more.
#[tokio::test]
async fn one_whose_role_changed_hears_nothing_of_the_old_one() {
    let clinic = Clinic::open().await;
    let doctor = User { role: "DOCTOR", ..ann() };
    let mut away = Session::begin(&clinic, &ann()).await;
    away.hears_on(&clinic, &ann()).await;
    away.light = None;
    for (room, title) in
        [("role:patient", "patients"), ("patient:ann", "the patient"), ("role:doctor", "doctors")]
    {
        clinic.notify(&[room], title).await;
    }
    clinic.tell(&ann(), "Ann").await;
    clinic.notify(&["all"], "all").await;
    let mut back = Session::open(&clinic, &away.auth(&doctor)).await;
    assert_ne!((&back.ids["sid"], &back.ids["pid"]), (&away.ids["sid"], &away.ids["pid"]));
    assert!(!back.is_recovered);
    // She is told to reload, and then what she missed. The doctors' rows from before she was one are not hers.
    assert!(back.replayed.is_empty(), "{:?}", back.replayed);
    for title in ["on", "Ann", "all"] {
        let packet = back.packet().await;
        assert!(packet.contains(&format!("\"title\":\"{title}\"")), "{title}: {packet}");
    }
    clinic.notify(&["role:patient"], "patients again").await;
    back.hears_on(&clinic, &ann()).await;
}
