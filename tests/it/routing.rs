//! Each event and each room reaches exactly whom it should: six people listen, and those who should hear nothing are
//! shown to have heard nothing.

use std::collections::BTreeSet;

use carillon_tests::users::everyone;
use carillon_tests::{Client, Clinic, Published};
use serde_json::{Value, json};

/// A row of the contract's table (§5), for appointments of Dr Diaz (profile `doc-7`) with Ben (profile `pat-9`).
struct Row {
    event: &'static str,
    data: Value,
    rooms: &'static [&'static str],
    heard_by: &'static [&'static str],
    priority: &'static str,
    kind: &'static str,
}

fn table() -> Vec<Row> {
    let appointment = json!({"appointmentId": "a-1", "doctorId": "doc-7", "patientId": "pat-9"});
    let mut updated = appointment.clone();
    updated["status"] = json!("CONFIRMED");
    let row =
        |event, data, rooms, heard_by, priority, kind| Row { event, data, rooms, heard_by, priority, kind };
    vec![
        row(
            "appointment:created",
            appointment.clone(),
            &["doctor:doc-7", "role:admin"],
            &["diaz", "eve", "fay"],
            "high",
            "APPOINTMENT_CREATED",
        ),
        row(
            "appointment:updated",
            updated,
            &["doctor:doc-7", "patient:pat-9", "role:admin"],
            &["ben", "diaz", "eve", "fay"],
            "high",
            "APPOINTMENT_UPDATED",
        ),
        row(
            "appointment:canceled",
            appointment,
            &["doctor:doc-7", "patient:pat-9", "role:admin"],
            &["ben", "diaz", "eve", "fay"],
            "high",
            "APPOINTMENT_CANCELED",
        ),
        row(
            "payment:completed",
            json!({"paymentId": "pay-1", "patientId": "pat-9", "amount": 120}),
            &["patient:pat-9", "role:admin"],
            &["ben", "eve", "fay"],
            "high",
            "PAYMENT_COMPLETED",
        ),
        row(
            "prescription:created",
            json!({"prescriptionId": "rx-1", "patientId": "pat-9"}),
            &["patient:pat-9"],
            &["ben"],
            "medium",
            "PRESCRIPTION_CREATED",
        ),
        row(
            "review:created",
            json!({"reviewId": "r-1", "doctorId": "doc-7"}),
            &["doctor:doc-7", "role:admin"],
            &["diaz", "eve", "fay"],
            "low",
            "REVIEW_CREATED",
        ),
        row(
            "schedule:updated",
            json!({"scheduleId": "s-1", "doctorId": "doc-7"}),
            &["role:admin"],
            &["eve", "fay"],
            "medium",
            "SCHEDULE_UPDATED",
        ),
        row(
            "user:status_changed",
            json!({"userId": "ben", "status": "ACTIVE"}),
            &["user:ben"],
            &["ben"],
            "high",
            "USER_STATUS_CHANGED",
        ),
    ]
}

/// The same row for Dr Chen and Ann, whose profiles have the ids of their accounts.
fn for_chen_and_ann(row: &Row) -> Row {
    let other = |id: &&'static str| match *id {
        "doctor:doc-7" => "doctor:chen",
        "patient:pat-9" => "patient:ann",
        "user:ben" => "user:ann",
        "diaz" => "chen",
        "ben" => "ann",
        same => same,
    };
    let mut data = row.data.clone();
    for (field, id) in [("doctorId", "chen"), ("patientId", "ann"), ("userId", "ann")] {
        if let Some(value) = data.get_mut(field) {
            *value = json!(id);
        }
    }
    let rooms = row.rooms.iter().map(other).collect::<Vec<_>>().leak();
    let heard_by = row.heard_by.iter().map(other).collect::<Vec<_>>().leak();
    Row { data, rooms, heard_by, ..*row }
}

async fn six_online(clinic: &Clinic) -> [Client; 6] {
    let [ann, ben, chen, diaz, eve, fay] = everyone();
    [
        clinic.online(&ann).await,
        clinic.online(&ben).await,
        clinic.online(&chen).await,
        clinic.online(&diaz).await,
        clinic.online(&eve).await,
        clinic.online(&fay).await,
    ]
}

fn rooms_of(published: &Published) -> BTreeSet<&str> {
    published.notifications.iter().map(|one| one.room.as_str()).collect()
}

#[tokio::test]
async fn each_event_reaches_its_rooms_and_nobody_else() {
    let clinic = Clinic::open().await;
    let mut people = six_online(&clinic).await;
    let table = table();
    assert_eq!(table.len(), 8);
    for row in table.iter().flat_map(|row| [for_chen_and_ann(row), Row { data: row.data.clone(), ..*row }]) {
        let published = clinic.publish(row.event, row.data.clone()).await;
        assert_eq!(rooms_of(&published), row.rooms.iter().copied().collect(), "{}", row.event);
        assert_eq!(published.notifications.len(), row.rooms.len(), "{}", row.event);
        for person in &mut people {
            if !row.heard_by.contains(&person.user.id.as_str()) {
                continue;
            }
            let heard = person.notification().await;
            assert!(
                published.notifications.iter().any(|one| heard["id"] == *one.id),
                "{heard} is not of this publish"
            );
            assert_eq!(heard["event"], row.event);
            assert_eq!(heard["type"], row.kind, "{}", row.event);
            assert_eq!(heard["priority"], row.priority, "{}", row.event);
            assert_eq!(heard["data"], row.data, "{}", row.event);
            names_no_patient(&heard);
        }
        clinic.hears_nothing(people.each_mut()).await;
    }
}

/// The default texts may light up on a locked phone.
fn names_no_patient(heard: &Value) {
    for field in ["title", "message"] {
        let text = heard[field].as_str().unwrap_or_default();
        assert!(!text.is_empty() && !text.contains("pat-9") && !text.contains("ann"), "{field}: {text:?}");
    }
}

#[tokio::test]
async fn each_room_is_heard_by_those_in_it_and_nobody_else() {
    let clinic = Clinic::open().await;
    let mut people = six_online(&clinic).await;
    let rooms: [(&str, &[&str]); 17] = [
        ("all", &["ann", "ben", "chen", "diaz", "eve", "fay"]),
        ("role:patient", &["ann", "ben"]),
        ("role:doctor", &["chen", "diaz"]),
        ("role:admin", &["eve", "fay"]),
        ("user:ann", &["ann"]),
        ("user:fay", &["fay"]),
        ("patient:ann", &["ann"]),
        ("patient:ben", &["ben"]),
        ("patient:pat-9", &["ben"]),
        ("doctor:chen", &["chen"]),
        ("doctor:diaz", &["diaz"]),
        ("doctor:doc-7", &["diaz"]),
        // A room needs the role as well as the id, and a profile's id is no user's.
        ("doctor:ann", &[]),
        ("patient:chen", &[]),
        ("doctor:eve", &[]),
        ("user:doc-7", &[]),
        ("user:nobody", &[]),
    ];
    for (room, heard_by) in rooms {
        let published = clinic.notify(&[room], room).await;
        assert_eq!(rooms_of(&published), BTreeSet::from([room]));
        for person in &mut people {
            if heard_by.contains(&person.user.id.as_str()) {
                assert_eq!(person.notification().await["title"], room, "{}", person.user.id);
            }
        }
        clinic.hears_nothing(people.each_mut()).await;
    }
}

#[tokio::test]
async fn several_rooms_are_each_told_in_their_order_and_repeated_ones_once() {
    let clinic = Clinic::open().await;
    let [mut ann, mut ben, mut chen, ..] = six_online(&clinic).await;
    let published = clinic.notify(&["user:ann", "role:patient", "user:ann"], "twice for Ann").await;
    let answered: Vec<_> = published.notifications.iter().map(|one| one.room.as_str()).collect();
    assert_eq!(answered, ["user:ann", "role:patient"]);
    for one in &published.notifications {
        assert_eq!(ann.notification().await["id"], *one.id);
    }
    assert_eq!(ben.notification().await["id"], *published.notifications[1].id);
    clinic.hears_nothing([&mut ann, &mut ben, &mut chen]).await;
}

#[tokio::test]
async fn a_client_joins_no_room_by_asking() {
    let clinic = Clinic::open().await;
    let mut ann = clinic.online(&everyone()[0]).await;
    for event in ["join", "subscribe", "join-room", "join_room"] {
        let answer = ann.ask(event, json!("role:admin")).await;
        assert_eq!(answer["error"]["code"], "unknown_event", "{event}: {answer}");
    }
    clinic.notify(&["role:admin"], "for admins").await;
    clinic.hears_nothing([&mut ann]).await;
}
