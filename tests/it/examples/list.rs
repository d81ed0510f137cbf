//! The examples: a page, words that only this block of it has, and the test that runs it, or why none does.

pub(super) const RUN: &[(&str, &str, &str)] = &[
    ("README.md", "socket.io-client", "the_first_notification_comes_as_the_readme_says"),
    ("README.md", "curl http", "the_first_notification_comes_as_the_readme_says"),
    ("README.md", "export JWT_SECRET", "a_node_starts_as_the_readme_says"),
    ("docs/api/README.md", "since: sessionStorage", "a_page_comes_back_as_the_api_says"),
    ("docs/api/README.md", "auth:expiring", "a_token_is_renewed_as_the_api_says"),
    ("docs/api/README.md", "EventSource", "a_stream_is_read_as_the_api_says"),
    ("docs/api/README.md", "\"readBy\"", "an_admin_sees_where_a_publish_went_and_who_read_it"),
    ("docs/guides/broadcasts.md", "api/v1/broadcasts", "the_broadcast_of_the_guide_is_taken"),
    (
        "docs/guides/migrating.md",
        "socket.io-client",
        "the_client_of_the_migration_guide_hears_what_is_published",
    ),
    ("docs/guides/publishing.md", "curl", "the_guides_examples_publish"),
    ("docs/guides/publishing.md", "fetch", "the_guides_examples_publish"),
    ("docs/guides/publishing.md", "carillon_client", "the_guides_examples_publish"),
    ("docs/guides/publishing.md", "cargo run", "the_guides_examples_publish"),
    (
        "docs/guides/redis-emitter.md",
        "REDIS_EMITTER=stored   #",
        "the_settings_of_the_emitters_guide_are_taken",
    ),
    ("docs/guides/redis-emitter.md", "@socket.io/redis-emitter", "the_guides_example_does_what_it_says"),
    ("docs/guides/redis-emitter.md", "ACL SETUSER", "who_may_only_emit_may_do_nothing_else"),
    ("docs/guides/sql-publish.md", "BEGIN;", "the_guides_examples_publish_what_commits"),
    ("docs/guides/sql-publish.md", "GRANT", "the_guides_examples_publish_what_commits"),
    ("docs/guides/sql-publish.md", "pool.connect", "the_guides_examples_publish_what_commits"),
    ("docs/guides/sql-publish.md", "transaction.commit", "the_guides_examples_publish_what_commits"),
    ("docs/guides/testing.md", "carillon serve", "the_testing_guides_test_passes"),
    ("docs/guides/testing.md", "node:test", "the_testing_guides_test_passes"),
    ("docs/operations/backup.md", "pg_dump", "what_the_guide_backs_up_is_there_again"),
    ("docs/operations/backup.md", "pg_restore", "what_the_guide_backs_up_is_there_again"),
    ("docs/operations/deployment.md", "install -d", "the_first_notification_of_the_guide_comes"),
    ("docs/operations/deployment.md", "carillon token", "the_first_notification_of_the_guide_comes"),
];

pub(super) const NOT_RUN: &[(&str, &str, &str)] = &[
    ("README.md", "POST /api/v1/events│", "a drawing, which nothing runs"),
    ("README.md", "./just test", "this is what runs the tests, and CI runs it as it stands"),
    ("docs/architecture.md", "3  app", "a drawing; tests/it/arrows.rs holds what it says"),
    (
        "docs/guides/inbox.md",
        "npm pack",
        "installs from the registry; crates/web/app/test/library.test.tsx looks at what is packed",
    ),
    ("docs/guides/inbox.md", "@import", "for the style sheet of another application, built by its own tools"),
    (
        "docs/guides/inbox.md",
        "AnnouncementBanner",
        "a part of another application; crates/web/app/test/library.test.tsx draws the same",
    ),
    (
        "docs/guides/inbox.md",
        "default-src",
        "for the pages of another application; tests/browser/safety.test.mjs has the same on our own",
    ),
    (
        "docs/guides/inbox.md",
        "npm run dev",
        "recipes for those at a keyboard, of which ./just test runs what ends",
    ),
    (
        "docs/operations/deployment.md",
        "./just dist",
        "an optimised build of a quarter of an hour, installed into /usr",
    ),
    (
        "docs/operations/deployment.md",
        "systemctl enable --now carillon@a",
        "needs systemd as the first process; tests/it/deploy.rs has the unit looked at",
    ),
    ("docs/operations/deployment.md", "apt-get install", "needs systemd as the first process, and /etc"),
    (
        "docs/operations/deployment.md",
        "systemctl restart \"carillon@",
        "needs systemd as the first process; F04 of tests/it/faults does it by signals",
    ),
    (
        "docs/operations/deployment.md",
        "docker compose",
        "needs a container engine; tests/it/deploy.rs holds the files against the gateway",
    ),
    (
        "docs/operations/deployment.md",
        "kubectl apply",
        "needs a cluster; tests/it/deploy.rs holds the manifests against the gateway",
    ),
    (
        "docs/operations/faults.md",
        "./just chaos f08",
        "a fault at a size for a quiet machine; every test run has it smaller (tests/it/faults)",
    ),
    (
        "docs/operations/nginx.md",
        "nginx -t",
        "writes into /etc; tests/it/nginx.rs runs nginx with these very files",
    ),
    (
        "docs/operations/traces.md",
        "OTEL_EXPORTER",
        "settings of a collector's; tests/it/traces.rs sets them for one of its own",
    ),
];
