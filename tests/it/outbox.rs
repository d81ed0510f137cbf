//! Publishing by SQL, with the real binary: docs/guides/sql-publish.md.

use std::path::Path;
use std::time::{Duration, Instant};

use carillon_tests::users::{User, ann};
use carillon_tests::{Clinic, NodeSettings, PATIENCE, Postgres};
use serde_json::json;
use tokio::process::Command;
use tokio::time::timeout;
use tokio_postgres::Client;

use crate::readme::code;

const GUIDE: &str = include_str!("../../docs/guides/sql-publish.md");

const PUBLISH: &str = "SELECT carillon.publish($1::text::jsonb)";

async fn open(database: &Postgres) -> Clinic {
    Clinic::open_with(NodeSettings::default().set("DATABASE_URL", database.url())).await
}

fn event(n: usize) -> String {
    let data = json!({"prescriptionId": format!("rx-{n}"), "patientId": "ann"});
    json!({"event": "prescription:created", "title": format!("{n}"), "data": data}).to_string()
}

async fn waiting(client: &Client) -> i64 {
    client.query_one("SELECT count(*) FROM carillon.outbox", &[]).await.unwrap().get(0)
}

/// What commits arrives, each once and in the order in which one session wrote it; what is rolled back never does.
#[tokio::test]
async fn what_commits_arrives_once_and_what_does_not_never() {
    let database = Postgres::create().await;
    let clinic = open(&database).await;
    let mut online = clinic.online(&ann()).await;
    let mut service = database.connect().await;
    for n in 0..60 {
        let transaction = service.transaction().await.unwrap();
        transaction.execute(PUBLISH, &[&event(n)]).await.unwrap();
        if n % 3 == 2 {
            transaction.rollback().await.unwrap();
        } else {
            transaction.commit().await.unwrap();
        }
    }
    for n in (0..60).filter(|n| n % 3 != 2) {
        let notification = online.notification().await;
        assert_eq!(
            (&notification["title"], &notification["type"]),
            (&json!(format!("{n}")), &json!("PRESCRIPTION_CREATED"))
        );
    }
    clinic.hears_nothing([&mut online]).await;
    assert_eq!(waiting(&service).await, 0);
}

/// How soon is printed: 100 ms at p99 is the aim, on a machine that does nothing else.
#[tokio::test]
async fn an_event_arrives_after_its_commit() {
    let database = Postgres::create().await;
    let clinic = open(&database).await;
    let mut online = clinic.online(&ann()).await;
    let service = database.connect().await;
    let mut times = Vec::new();
    for n in 0..200 {
        service.execute(PUBLISH, &[&event(n)]).await.unwrap();
        let committed = Instant::now();
        online.notification().await;
        times.push(committed.elapsed());
    }
    times.sort_unstable();
    println!("from commit to client: p50 {:?}, p99 {:?}", times[100], times[197]);
}

/// The node is killed again and again while a service publishes: all arrives, nothing twice.
#[tokio::test]
async fn a_node_that_dies_in_the_middle_repeats_nothing() {
    let database = Postgres::create().await;
    let mut clinic = open(&database).await;
    let service = database.connect().await;
    let publishing = tokio::spawn(async move {
        for n in 0..400 {
            service.execute(PUBLISH, &[&event(n)]).await.unwrap();
        }
        service
    });
    for _ in 0..3 {
        clinic.node.kill9().await;
        clinic.node.restart().await;
    }
    let service = publishing.await.unwrap();
    // A lease that the dead node left runs out first.
    let begun = Instant::now();
    while waiting(&service).await > 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the outbox does not become empty");
    }
    let rows =
        "SELECT count(*), count(DISTINCT title) FROM carillon.notifications WHERE room = 'patient:ann'";
    let counts = service.query_one(rows, &[]).await.unwrap();
    assert_eq!((counts.get::<_, i64>(0), counts.get::<_, i64>(1)), (400, 400));
}

/// The node keeps an event and dies before it could take it off the outbox; whoever claims it again knows it.
#[tokio::test]
async fn what_was_kept_and_not_taken_off_is_not_repeated() {
    let database = Postgres::create().await;
    let mut clinic = open(&database).await;
    let service = database.connect().await;
    let hold = "CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''held''; END'; \
                CREATE TRIGGER hold BEFORE DELETE ON carillon.outbox EXECUTE FUNCTION hold()";
    service.batch_execute(hold).await.unwrap();
    service.execute(PUBLISH, &[&event(0)]).await.unwrap();
    let kept = async || {
        let rows = "SELECT count(*) FROM carillon.notifications WHERE room = 'patient:ann'";
        service.query_one(rows, &[]).await.unwrap().get::<_, i64>(0)
    };
    let begun = Instant::now();
    while kept().await == 0 {
        assert!(begun.elapsed() < PATIENCE, "it is never kept");
    }
    clinic.node.kill9().await;
    assert_eq!(waiting(&service).await, 1);
    let release = "DROP TRIGGER hold ON carillon.outbox; UPDATE carillon.outbox SET leased_until = NULL";
    service.batch_execute(release).await.unwrap();
    clinic.node.restart().await;
    let begun = Instant::now();
    while waiting(&service).await > 0 {
        assert!(begun.elapsed() < PATIENCE, "it is never taken off");
    }
    assert_eq!(kept().await, 1);
}

/// It passes the function's own checks and not the parser's: it is laid aside with what is wrong, and the next one arrives.
#[tokio::test]
async fn what_cannot_be_understood_is_laid_aside() {
    let database = Postgres::create().await;
    let clinic = open(&database).await;
    let mut online = clinic.online(&ann()).await;
    let service = database.connect().await;
    let bad = json!({"event": "review:created", "data": {"reviewId": "7"}, "titel": "x"}).to_string();
    let published =
        service.query_one("SELECT carillon.publish($1::text::jsonb)::text", &[&bad]).await.unwrap();
    service.execute(PUBLISH, &[&event(1)]).await.unwrap();
    assert_eq!(online.notification().await["title"], "1");
    // Laid aside and said once the batch is through, which the client need not wait for.
    let begun = Instant::now();
    while !clinic.node.log().contains("carillon.outbox_refused") {
        assert!(begun.elapsed() < Duration::from_secs(30), "nothing is said of it");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let refused =
        service.query_one("SELECT id::text, faults FROM carillon.outbox_refused", &[]).await.unwrap();
    let faults: &str = refused.get(1);
    assert!(faults.contains("/data/doctorId: ") && faults.contains("/titel: "), "{faults}");
    assert_eq!(refused.get::<_, &str>(0), published.get::<_, &str>(0));
    assert!(!clinic.node.log().contains("titel"));
}

/// The SQL, JavaScript and Rust of the guide, by a role that may do no more than it says.
#[tokio::test]
async fn the_guides_examples_publish_what_commits() {
    let database = Postgres::create().await;
    let clinic = open(&database).await;
    let mut online = clinic.online(&User::new("42", "PATIENT")).await;
    let mut client = database.connect().await;
    // Roles are the whole server's, which other tests have databases on.
    let role = format!("clinic_{}", std::process::id());
    let grants = code(GUIDE, "sql", "GRANT").replace(" TO clinic;", &format!(" TO {role};"));
    let table = "CREATE TABLE prescriptions (id text PRIMARY KEY, patient_id text, drug text)";
    let owner =
        format!("CREATE ROLE {role} LOGIN; {table}; ALTER TABLE prescriptions OWNER TO {role}; {grants}");
    client.batch_execute(&owner).await.unwrap();
    client.batch_execute(&format!("SET ROLE {role}")).await.unwrap();
    client.batch_execute(code(GUIDE, "sql", "BEGIN;")).await.unwrap();
    assert_eq!(online.notification().await["data"]["prescriptionId"], "rx-7");

    in_rust(&mut client).await.unwrap();
    assert_eq!(online.notification().await["data"]["prescriptionId"], "rx-8");

    let url = database.url().replace("//postgres@", &format!("//{role}@"));
    assert_ne!(url, database.url(), "it would publish as the superuser");
    let script = format!(
        "import pg from \"pg\";
         const [id, patientId, drug] = [\"rx-9\", \"42\", \"…\"], pool = new pg.Pool({{ connectionString: {url:?} }});
         {}
         await pool.end();",
        code(GUIDE, "js", "pool.connect")
    );
    let mut node = Command::new("node");
    node.args(["--input-type=module", "--eval", &script]).kill_on_drop(true);
    node.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("js"));
    let done = timeout(PATIENCE, node.output()).await.unwrap().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(online.notification().await["data"]["prescriptionId"], "rx-9");
    let kept: i64 = client.query_one("SELECT count(*) FROM prescriptions", &[]).await.unwrap().get(0);
    assert_eq!(kept, 3);
    client.batch_execute(&format!("RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();

    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let example = words(code(GUIDE, "rust", "transaction.commit"));
    assert!(words(include_str!("outbox.rs")).contains(&example), "the guide's Rust is not what is run here");
}

async fn in_rust(client: &mut Client) -> Result<(), tokio_postgres::Error> {
    let (id, patient_id, drug) = ("rx-8", "42", "…");
    let transaction = client.transaction().await?;
    transaction
        .execute(
            "INSERT INTO prescriptions (id, patient_id, drug) VALUES ($1, $2, $3)",
            &[&id, &patient_id, &drug],
        )
        .await?;
    let event =
        json!({"event": "prescription:created", "data": {"prescriptionId": id, "patientId": patient_id}});
    transaction.execute("SELECT carillon.publish($1::text::jsonb)", &[&event.to_string()]).await?;
    transaction.commit().await?;
    Ok(())
}
