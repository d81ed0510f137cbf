//! TLS with a real server, whose certificate is for `localhost`.

use carillon_domain::ports::Log as _;

use super::*;

/// A server that offers TLS, and the file with its certificate. Other tests may find it so; they ask for nothing.
async fn encrypting(database: &Database) -> String {
    let raw = database.raw().await;
    raw.batch_execute("ALTER SYSTEM SET ssl = on").await.unwrap();
    raw.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    // A connection begun after the reload is the first to tell.
    while database.raw().await.query_one("SHOW ssl", &[]).await.unwrap().get::<_, &str>(0) != "on" {}
    std::env::var("CARILLON_TEST_POSTGRES_CERTIFICATE").unwrap()
}

async fn open(url: &str) -> Result<PostgresStore, OpenError> {
    PostgresStore::open(Settings::from_url(url).unwrap()).await
}

#[test]
fn a_connection_is_encrypted_unless_that_is_turned_off() {
    within(|database| async move {
        encrypting(&database).await;
        let raw = database.raw().await;
        for (mode, encrypted) in [("disable", 0), ("prefer", 1), ("require", 1)] {
            let store = open(&format!("{}?sslmode={mode}", database.url())).await.unwrap();
            store.head().await.unwrap();
            let mine = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                WHERE ssl AND application_name = 'carillon' AND datname = current_database()";
            assert_eq!(number(&raw, mine).await, encrypted, "{mode}");
            drop(store);
            let any = "SELECT count(*) FROM pg_stat_activity \
                WHERE application_name = 'carillon' AND datname = current_database()";
            while number(&raw, any).await > 0 {}
        }
    });
}

#[test]
fn a_server_proves_who_it_is_where_it_is_asked_to() {
    within(|database| async move {
        let certificate = encrypting(&database).await;
        let localhost = database.url().replace("127.0.0.1", "localhost");
        let verified = format!("?sslmode=verify-full&sslrootcert={certificate}");
        open(&format!("{localhost}{verified}")).await.unwrap();
        // The right certificate for another name, and one that nobody here vouches for.
        for url in [format!("{}{verified}", database.url()), format!("{localhost}?sslmode=verify-full")] {
            let fault = open(&url).await.err().unwrap();
            assert!(!fault.is_transient(), "{fault:?}");
        }
    });
}
