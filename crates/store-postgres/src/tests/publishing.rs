//! The outbox's contract, and `carillon.publish` as a service meets it.

use carillon_domain::testing::contract::outbox::UnderTest;
use futures_util::FutureExt as _;
use uuid::Uuid;

use super::*;

fn run<F: Future<Output = ()>>(case: impl FnOnce(UnderTest) -> F) {
    within(|database| async move {
        let (posting, asking) = (Arc::new(database.raw().await), database.raw().await);
        let asking = Arc::new(asking);
        let under = UnderTest {
            outbox: Arc::new(database.open().await),
            post: Arc::new(move |event| {
                let raw = Arc::clone(&posting);
                async move { post(&raw, &event).await.unwrap() }.boxed()
            }),
            refused: Arc::new(move || {
                let raw = Arc::clone(&asking);
                async move {
                    let rows =
                        raw.query("SELECT id, faults FROM carillon.outbox_refused", &[]).await.unwrap();
                    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
                }
                .boxed()
            }),
        };
        case(under).await;
    });
}

carillon_domain::outbox_contract!(run);

async fn post(raw: &Client, event: &str) -> Result<Uuid, tokio_postgres::Error> {
    let row = raw.query_one("SELECT carillon.publish($1::text::jsonb)", &[&event]).await?;
    Ok(row.get(0))
}

const GOOD: &str = r#"{"event": "schedule:updated", "data": {"scheduleId": "s", "doctorId": "d"}}"#;
const WAITING: &str = "SELECT count(*) FROM carillon.outbox";

#[test]
fn what_is_rolled_back_was_never_published() {
    within(|database| async move {
        drop(database.open().await);
        let mut service = database.raw().await;
        for commits in [false, true] {
            let transaction = service.transaction().await.unwrap();
            transaction.query_one("SELECT carillon.publish($1::text::jsonb)", &[&GOOD]).await.unwrap();
            if commits {
                transaction.commit().await.unwrap();
            } else {
                transaction.rollback().await.unwrap();
            }
            assert_eq!(number(&service, WAITING).await, i64::from(commits));
        }
    });
}

#[test]
fn what_is_plainly_wrong_fails_in_the_callers_transaction() {
    within(|database| async move {
        drop(database.open().await);
        let raw = database.raw().await;
        let large = GOOD.replace("\"d\"", &format!("\"{}\"", "x".repeat(200_000)));
        for (event, words) in [
            ("[]", "must be a JSON object"),
            ("null", "must be a JSON object"),
            ("{}", "/event is not one of the eight known events"),
            (r#"{"event": "lunch:served", "data": {}}"#, "/event is not one"),
            (r#"{"event": "review:created"}"#, "/data must be an object"),
            (&large, "more than 196608 bytes"),
        ] {
            let fault = post(&raw, event).await.unwrap_err();
            let said = fault.as_db_error().unwrap().message();
            assert!(said.starts_with("carillon.publish: ") && said.contains(words), "{said}");
        }
        // Every event there is, and no other, is known to the function.
        for route in &carillon_domain::ROUTES {
            post(&raw, &GOOD.replace("schedule:updated", route.event.as_str())).await.unwrap();
        }
        assert_eq!(number(&raw, WAITING).await, carillon_domain::ROUTES.len() as i64);
    });
}

/// A role that may call the function and nothing else, with a search_path that would lead it astray.
#[test]
fn a_service_needs_no_right_but_to_call_it() {
    within(|database| async move {
        drop(database.open().await);
        let raw = database.raw().await;
        let role = format!("clinic_{}", database.name);
        let grant = format!(
            "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA carillon TO {role}; CREATE SCHEMA trap; \
             CREATE TABLE trap.outbox (event jsonb); GRANT ALL ON SCHEMA trap TO {role}"
        );
        raw.batch_execute(&grant).await.unwrap();
        let service = connect(&database.url().replace("postgres@", &format!("{role}@"))).await;
        service.batch_execute("SET search_path = trap, carillon").await.unwrap();
        assert!(post(&service, GOOD).await.is_err(), "not before it is granted");
        raw.batch_execute(&format!("GRANT EXECUTE ON FUNCTION carillon.publish(jsonb) TO {role}"))
            .await
            .unwrap();
        post(&service, GOOD).await.unwrap();
        assert_eq!(number(&raw, WAITING).await, 1);
        for forbidden in
            ["SELECT * FROM carillon.outbox", "SELECT carillon.trim(0, 0, 1)", "TABLE carillon.log_head"]
        {
            assert!(service.batch_execute(forbidden).await.is_err(), "{forbidden}");
        }
        drop(service);
        raw.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
    });
}
