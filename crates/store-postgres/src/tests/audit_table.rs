//! The audit table is added to, and nothing else.

use carillon_domain::{AuditAction, AuditNote, AuditQuery, AuditSince, Data};

use super::*;

/// Whatever the program does, an entry stays as it is.
#[test]
fn nothing_changes_an_entry() {
    within(|database| async move {
        let store = database.open().await;
        let (actor, subject) = ("booking".to_owned(), "42".to_owned());
        let detail = Data::from_stored("{}".into()).unwrap();
        let note = AuditNote { actor, action: AuditAction::UserErased, subject, detail, key: None };
        store.note(&note).await.unwrap();
        let raw = database.raw().await;
        for sql in
            ["UPDATE carillon.audit SET actor = 'x'", "DELETE FROM carillon.audit", "TRUNCATE carillon.audit"]
        {
            let refused = raw.batch_execute(sql).await.unwrap_err();
            assert_eq!(refused.code().map(|code| code.code()), Some("23001"), "{sql}: {refused}");
        }
        let query = AuditQuery { since: AuditSince::Entry(0), limit: 9 };
        assert_eq!(store.entries(query).await.unwrap()[0].actor, "booking");
    });
}
