//! The gateway on PostgreSQL, from the outside. What the store promises is tested in its own crate.

use carillon_tests::clinic::note;
use carillon_tests::users::ann;
use carillon_tests::{Clinic, NodeSettings, Postgres};
use serde_json::json;

#[tokio::test]
async fn a_clinic_works_on_postgresql_as_on_sqlite() {
    let database = Postgres::create().await;
    let settings = NodeSettings::default().set("DATABASE_URL", database.url());
    let mut clinic = Clinic::open_with(settings).await;
    let mut online = clinic.online(&ann()).await;
    let first = clinic.tell(&ann(), "1").await;
    clinic.node.kill9().await;
    clinic.node.restart().await;
    assert_eq!(online.comes_back().await["unread"], 1);
    clinic.tell(&ann(), "2").await;
    let marked = online.ask("notification:read", json!({"ids": [first]})).await;
    assert_eq!(marked["unread"], 1);
    let listed = clinic.http.get("/api/v1/notifications?status=unread").by(&ann()).send().await.expect(200);
    assert_eq!((&listed["items"][0]["title"], &listed["unread"]), (&json!("2"), &json!(1)));
}

/// Where nobody listens, the node waits a while; what can only be set right by someone ends it at once. Neither shows the
/// password.
#[tokio::test]
async fn a_database_that_refuses_is_told_without_its_password() {
    let database = Postgres::create().await;
    let url = database.url().replace("postgres@", "nobody:hunter2@");
    let settings = NodeSettings::default().set("DATABASE_URL", url);
    let ended = settings.run_to_end(&["serve"]).await;
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{told}");
    assert!(told.contains("DATABASE_URL: postgres://nobody:[redacted]@"), "{told}");
    assert!(told.contains("cannot be opened") && !told.contains("hunter2"), "{told}");
}

/// The server says what a statement came to before it commits. Should it fail then, or die, nothing was kept.
#[tokio::test]
async fn what_fails_at_its_commit_is_not_acknowledged() {
    let database = Postgres::create().await;
    let clinic = Clinic::open_with(NodeSettings::default().set("DATABASE_URL", database.url())).await;
    let mut online = clinic.online(&ann()).await;
    let operator = database.connect().await;
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                  $$ BEGIN RAISE 'as if the server went down' USING ERRCODE = '57P01'; END $$; \
                  CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON carillon.log_head DEFERRABLE INITIALLY DEFERRED \
                  FOR EACH ROW EXECUTE FUNCTION refuse()";
    operator.batch_execute(refuse).await.unwrap();
    let publish = || clinic.http.post("/api/v1/notifications", &note(&["user:ann"], "kept")).with_key();
    let answer = publish().header("Idempotency-Key", "k-1").send().await;
    operator.batch_execute("DROP TRIGGER refuse ON carillon.log_head").await.unwrap();
    assert_eq!(answer.status, 503, "{}", answer.text);
    let id =
        publish().header("Idempotency-Key", "k-1").send().await.expect(201)["notifications"][0]["id"].clone();
    assert_eq!(online.notification().await["id"], id);
    clinic.hears_nothing([&mut online]).await;
}
