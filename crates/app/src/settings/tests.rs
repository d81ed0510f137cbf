//! Three texts tell what can be set: the contract's table (here), the defaults file, the struct. They must agree, and
//! every kind of fault must be told by name.

use std::collections::BTreeSet;
use std::io::Write as _;

use super::*;

const SECRET: (&str, &str) = ("JWT_SECRET", "0123456789012345678901234567890123456789");

/// The contract's names and defaults, and those that have come since, in TOML; `None` is unset.
const CONTRACT: [(&str, Option<&str>); 45] = [
    ("SOCKET_HOST", Some("\"127.0.0.1\"")),
    ("SOCKET_PORT", Some("5000")),
    ("METRICS_PORT", None),
    ("DATABASE_URL", Some("\"sqlite://carillon.db\"")),
    ("REDIS_URL", None),
    ("REDIS_HOST", None),
    ("REDIS_PORT", None),
    ("NODE_ID", None),
    ("JWT_SECRET", None),
    ("JWT_PUBLIC_KEY_FILE", None),
    ("JWT_JWKS_FILE", None),
    ("JWT_ISSUER", None),
    ("JWT_AUDIENCE", None),
    ("JWT_LEEWAY_SECONDS", Some("5")),
    ("FRONTEND_URL", Some("[\"http://localhost:3000\", \"http://localhost:3001\"]")),
    ("PUBLISH_KEYS", None),
    ("PING_INTERVAL_MS", Some("25000")),
    ("PING_TIMEOUT_MS", Some("60000")),
    ("CONNECT_TIMEOUT_MS", Some("10000")),
    ("UPGRADE_TIMEOUT_MS", Some("10000")),
    ("MAX_PAYLOAD_BYTES", Some("100000")),
    ("MAX_CONNECTIONS", Some("100000")),
    ("MAX_CONNECTIONS_PER_USER", Some("20")),
    ("EVENT_RATE", Some("20")),
    ("EVENT_BURST", Some("40")),
    ("PUBLISH_RATE", Some("2000")),
    ("PUBLISH_BURST", Some("4000")),
    ("MAILBOX_BYTES", Some("262144")),
    ("RECOVERY_LIMIT", Some("1000")),
    ("RETENTION_DAYS", Some("90")),
    ("PRESENCE_GRACE_MS", Some("5000")),
    ("DRAIN_SECONDS", Some("10")),
    ("LOG_FORMAT", Some("\"text\"")),
    ("RUST_LOG", Some("\"info\"")),
    ("NOTIFICATION_TYPES", None),
    ("SENSITIVE_TYPES", None),
    ("RETENTION_DAYS_BY_TYPE", None),
    ("REDIS_EMITTER", Some("\"off\"")),
    ("REDIS_EMITTER_KEY", Some("\"socket.io\"")),
    ("USER_RATE", Some("100")),
    ("USER_BURST", Some("400")),
    ("HANDSHAKE_RATE", Some("500")),
    ("HANDSHAKE_BURST", Some("5000")),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", None),
    ("OTEL_TRACES_SAMPLER_ARG", Some("\"1\"")),
];

fn reader(file: Option<&str>, environment: &[(&str, &str)]) -> Result<Reader, Faults> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let Some(text) = file else { return Reader::new(DEFAULTS, None, environment) };
    let mut on_disk = tempfile::NamedTempFile::new().unwrap();
    on_disk.write_all(text.as_bytes()).unwrap();
    Reader::new(DEFAULTS, Some(on_disk.path()), environment)
}

fn load(file: Option<&str>, environment: &[(&str, &str)], tokens: Tokens) -> Result<Settings, String> {
    let told = |faults: Faults| faults.to_string();
    let mut reader = reader(file, environment).map_err(told)?;
    let settings = Settings::read(&mut reader, tokens);
    reader.finish(settings).map_err(told)
}

fn by_environment(name: &str, value: &str) -> Result<Settings, String> {
    load(None, &[(name, value)], Tokens::Optional)
}

#[track_caller]
fn refused(name: &str, value: &str, words: &str) {
    let told = by_environment(name, value).map(|_| ()).unwrap_err();
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.starts_with(&format!("{name}: ")) && told.contains(words), "{told}");
}

#[test]
fn contract_defaults_file_and_struct_name_the_same_settings() {
    let contract: BTreeSet<String> = CONTRACT.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();

    let line_key = |line: &str| {
        let (key, _) = line.trim_start_matches("# ").split_once(" = ")?;
        key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_').then(|| key.to_owned())
    };
    assert_eq!(DEFAULTS.lines().filter_map(line_key).collect::<BTreeSet<_>>(), contract);

    let mut reader = reader(None, &[("REDIS_HOST", "r"), ("REDIS_PORT", "1")]).unwrap();
    Settings::read(&mut reader, Tokens::Optional);
    assert_eq!(reader.asked().iter().map(|key| (*key).to_owned()).collect::<BTreeSet<_>>(), contract);
}

#[test]
fn the_defaults_are_the_contracts_and_pass_as_a_file() {
    let expected: String = CONTRACT
        .iter()
        .filter_map(|(name, value)| value.map(|value| format!("{} = {value}\n", name.to_ascii_lowercase())))
        .collect();
    let expected: toml::Table = expected.parse().unwrap();
    assert_eq!(DEFAULTS.parse::<toml::Table>().unwrap(), expected);

    // What `config` prints are the defaults, the node's id, and the lists that are empty by default.
    let printed = load(Some(DEFAULTS), &[], Tokens::Optional).unwrap().to_toml().unwrap();
    let mut printed: toml::Table = printed.parse().unwrap();
    assert!(printed.remove("node_id").is_some());
    for list in ["publish_keys", "notification_types", "sensitive_types", "retention_days_by_type"] {
        assert_eq!(printed.remove(list), Some(toml::Value::Array(Vec::new())), "{list}");
    }
    assert_eq!(printed, expected);
}

#[test]
fn rules_of_types_are_read_and_printed_and_what_is_none_is_refused() {
    let set = [("SENSITIVE_TYPES", "LAB_RESULT"), ("RETENTION_DAYS_BY_TYPE", "LAB_RESULT:7, NEWS:30")];
    let settings = load(None, &set, Tokens::Optional).unwrap();
    let kind = |name: &str| name.parse::<Kind>().unwrap();
    assert!(settings.kind_rules.sensitive.contains(&kind("LAB_RESULT")));
    assert_eq!(settings.kind_rules.retention[&kind("LAB_RESULT")], Duration::from_secs(7 * 86_400));
    let printed: toml::Table = settings.to_toml().unwrap().parse().unwrap();
    let text = |name: &str| toml::Value::String(name.to_owned());
    let expected = toml::Value::Array(vec![text("LAB_RESULT:7"), text("NEWS:30")]);
    assert_eq!(printed["retention_days_by_type"], expected);
    refused("SENSITIVE_TYPES", "lab", "A-Z");
    refused("RETENTION_DAYS_BY_TYPE", "lab:7", "A-Z");
    for days in ["LAB_RESULT", "LAB_RESULT:0", "LAB_RESULT:x"] {
        refused("RETENTION_DAYS_BY_TYPE", days, "TYPE:DAYS");
    }
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let file =
        "socket_port = 6000\nevent_rate = 7\nfrontend_url = 'https://a.example, https://b.example:8443'";
    let settings =
        load(Some(file), &[("SOCKET_PORT", "7000"), ("NODE_ID", "a1"), ("LOG_FORMAT", "")], Tokens::Optional)
            .unwrap();
    assert_eq!((settings.socket_port, settings.event_rate, settings.event_burst), (7000, 7, 40));
    assert_eq!(settings.frontend_origins, ["https://a.example", "https://b.example:8443"]);
    assert_eq!((settings.node_id.as_str(), settings.log_format), ("a1", LogFormat::Text));
    assert_eq!(settings.ping_interval, Duration::from_secs(25));
    assert_eq!(settings.database, Database::Sqlite("carillon.db".into()));
}

#[test]
fn what_the_environment_holds_besides_is_not_looked_at() {
    assert!(
        load(None, &[("PATH", "/bin"), ("socket_port", "x"), ("CARILLON", "1")], Tokens::Optional).is_ok()
    );
}

#[test]
fn the_file_may_hold_nothing_unknown_and_must_be_there_and_toml() {
    let told = load(Some("socket_prot = 1\n[gateway]\nx = 1"), &[], Tokens::Optional).unwrap_err();
    assert_eq!(
        told.lines().map(|l| l.split(':').next().unwrap()).collect::<Vec<_>>(),
        ["gateway", "socket_prot"]
    );

    let told = load(Some("socket_port = 1\njwt_secret = hunter2"), &[], Tokens::Optional).unwrap_err();
    assert!(told.starts_with("--config: ") && told.contains("line 2") && !told.contains("hunter2"), "{told}");

    let absent = std::path::Path::new("no/such/file.toml");
    let told = Reader::new(DEFAULTS, Some(absent), []).err().unwrap().to_string();
    assert!(told.starts_with("--config: cannot read no/such/file.toml"), "{told}");
}

#[test]
fn all_faults_are_told_at_once_one_a_line() {
    let environment =
        [("SOCKET_PORT", "x"), ("PING_INTERVAL_MS", "0"), ("LOG_FORMAT", "xml"), ("EVENT_BURST", "0")];
    let told = load(Some("extra = 1"), &environment, Tokens::Required).unwrap_err();
    let names: Vec<_> = told.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(
        names,
        ["SOCKET_PORT", "JWT_SECRET", "PING_INTERVAL_MS", "EVENT_BURST", "LOG_FORMAT", "extra"]
    );
}

#[test]
fn numbers_are_whole_and_in_range() {
    refused("SOCKET_PORT", "65536", "from 0 to 65535, not \"65536\"");
    refused("PING_TIMEOUT_MS", "-1", "whole number");
    refused("CONNECT_TIMEOUT_MS", "1.5", "whole number");
    refused("UPGRADE_TIMEOUT_MS", "10s", "whole number");
    for name in ["EVENT_RATE", "PUBLISH_RATE", "PUBLISH_BURST", "MAX_CONNECTIONS", "MAX_CONNECTIONS_PER_USER"]
    {
        refused(name, "0", "from 1 to");
    }
    refused("MAX_PAYLOAD_BYTES", "10", "from 256 to");
    refused("MAILBOX_BYTES", "1000", "from 65536 to");
    refused("OTEL_TRACES_SAMPLER_ARG", "2", "from 0 to 1");
    refused("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318", "http://HOST:PORT");
    refused("RETENTION_DAYS", "0", "from 1 to");
    refused("DRAIN_SECONDS", "99999", "to 3600");
    refused("PRESENCE_GRACE_MS", "x", "from 0 to");
    refused("RECOVERY_LIMIT", "x", "from 0 to");
    refused("JWT_LEEWAY_SECONDS", "601", "to 600");
    let file = "socket_port = true\nnode_id = 5\nfrontend_url = [1, []]\ndatabase_url = 5";
    assert_eq!(load(Some(file), &[], Tokens::Optional).unwrap_err().lines().count(), 4);
}

#[test]
fn addresses_names_and_filters_are_checked() {
    refused("METRICS_PORT", "5000", "differ from SOCKET_PORT");
    refused("SOCKET_HOST", " ", "empty");
    refused("NODE_ID", "Node_1", "a-z");
    refused("NODE_ID", "a2345678901234567", "1 to 16");
    refused("DATABASE_URL", "sqlite://", "must name a file");
    refused("DATABASE_URL", "sqlite://a.db?mode=rw", "takes no parameters");
    refused("DATABASE_URL", "mysql://h/d", "sqlite:// or postgres://");
    refused("DATABASE_URL", "postgres://u:hunter2@", "names no host");
    refused("RUST_LOG", "a=b=c", "log filter");
}

#[test]
fn redis_has_one_address_and_its_password_is_not_told() {
    refused("REDIS_URL", "http://cache", "must begin with");
    refused("REDIS_URL", "redis://", "host");
    let told = |environment: &[_]| load(None, environment, Tokens::Optional).unwrap_err();
    assert!(told(&[("REDIS_HOST", "cache")]).starts_with("REDIS_PORT: "));
    assert!(told(&[("REDIS_PORT", "6379")]).starts_with("REDIS_HOST: "));
    let both = [("REDIS_URL", "redis://cache"), ("REDIS_HOST", "cache"), ("REDIS_PORT", "6379")];
    assert!(told(&both).contains("not both"));
    let shown = |environment: &[_]| {
        let settings = load(None, environment, Tokens::Optional).unwrap();
        settings.redis.map(|url| url.to_string())
    };
    assert_eq!(shown(&[]), None);
    let two = [("REDIS_HOST", "cache"), ("REDIS_PORT", "6380")];
    assert_eq!(shown(&two).as_deref(), Some("redis://cache:6380"));
    let url = [("REDIS_URL", "redis-cluster://u:hunter2@cache:7000")];
    let printed = load(None, &url, Tokens::Optional).unwrap().to_toml().unwrap();
    assert!(printed.contains("redis-cluster://cache:7000") && !printed.contains("hunter2"), "{printed}");
}

#[test]
fn back_ends_are_heard_over_a_redis_or_not_at_all() {
    refused("REDIS_EMITTER", "live", "needs REDIS_URL");
    refused("REDIS_EMITTER", "on", "off, live or stored");
    for wrong in ["a*", "a b", "a[b]", &"k".repeat(65)] {
        refused("REDIS_EMITTER_KEY", wrong, "1 to 64");
    }
    let set =
        [("REDIS_URL", "redis://cache"), ("REDIS_EMITTER", "stored"), ("REDIS_EMITTER_KEY", "my.app:1")];
    let settings = load(None, &set, Tokens::Optional).unwrap();
    assert_eq!(
        (settings.redis_emitter, settings.redis_emitter_key.as_str()),
        (EmitterMode::Stored, "my.app:1")
    );
}

#[test]
fn origins_are_exactly_what_a_browser_sends() {
    refused("FRONTEND_URL", "https://a.example/", "write \"https://a.example\"");
    refused("FRONTEND_URL", "https://a.example:443", "write \"https://a.example\"");
    refused("FRONTEND_URL", "https://A.example/app", "write \"https://a.example\"");
    for wrong in ["*", "a.example", "ftp://a.example", "https://u@a.example", "null"] {
        refused("FRONTEND_URL", wrong, "is no origin");
    }
}

#[test]
fn publish_keys_are_long_and_their_names_unique() {
    let key = "k".repeat(24);
    let settings = by_environment("PUBLISH_KEYS", &format!("clinic:{key}, billing:{key}:x")).unwrap();
    assert_eq!(
        settings.publish_keys.iter().map(|k| k.name.as_str()).collect::<Vec<_>>(),
        ["clinic", "billing"]
    );
    refused("PUBLISH_KEYS", &key, "entry 1 is not");
    refused("PUBLISH_KEYS", &format!("Clinic:{key}"), "name of entry 1");
    refused("PUBLISH_KEYS", "clinic:hunter2hunter2", "fewer than 24");
    refused("PUBLISH_KEYS", &format!("clinic:{key} {key}"), "visible ASCII");
    refused("PUBLISH_KEYS", &format!("clinic:{key},clinic:{key}"), "occurs twice");
    refused("PUBLISH_KEYS", &format!("clinic:{key},billing:{key}"), "another's too");
}

#[test]
fn exactly_one_key_source_and_a_good_one() {
    let serve = |environment: &[_]| load(None, environment, Tokens::Required);
    assert!(serve(&[]).unwrap_err().starts_with("JWT_SECRET: is required"));
    assert!(serve(&[SECRET]).unwrap().jwt().is_some());
    assert!(by_environment("LOG_FORMAT", "json").unwrap().jwt().is_none());
    refused("JWT_SECRET", "hunter2", "at least 32 bytes");
    refused("JWT_PUBLIC_KEY_FILE", "no/such.pem", "cannot read no/such.pem");
    refused("JWT_JWKS_FILE", "no/such.json", "no/such.json: cannot be read");
    refused("JWT_JWKS_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), "no JWK set");
    refused("JWT_PUBLIC_KEY_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), "no PEM public key");
    let told = serve(&[SECRET, ("JWT_PUBLIC_KEY_FILE", "no/such.pem")]).unwrap_err();
    assert!(told.contains("set exactly one of"), "{told}");
}

#[test]
fn a_databases_password_is_told_to_nobody() {
    let url = "postgres://clinic:hunter2@db:5433/carillon?sslmode=disable";
    let settings = by_environment("DATABASE_URL", url).unwrap();
    let printed = settings.to_toml().unwrap();
    let shown = "database_url = \"postgres://clinic:[redacted]@db:5433/carillon?sslmode=disable\"";
    assert!(printed.contains(shown), "{printed}");
    assert!(!format!("{settings:?}").contains("hunter2"));
    for wrong in ["postgres://u:hunter2@h:x/d", "postgres://u:hunter2@h/d?no_such=1"] {
        let told = by_environment("DATABASE_URL", wrong).map(|_| ()).unwrap_err();
        assert!(told.starts_with("DATABASE_URL: ") && !told.contains("hunter2"), "{told}");
    }
}

#[test]
fn printed_settings_hold_no_secret_and_are_a_settings_file() {
    let key = "s3cret-".repeat(5);
    let keys = format!("clinic:{key}");
    let environment = [SECRET, ("PUBLISH_KEYS", keys.as_str()), ("NODE_ID", "a1"), ("METRICS_PORT", "9100")];
    let settings = load(None, &environment, Tokens::Required).unwrap();
    let printed = settings.to_toml().unwrap();
    for secret in [SECRET.1, &key] {
        assert!(!printed.contains(secret) && !format!("{settings:?}").contains(secret), "{printed}");
    }
    assert!(
        printed.contains("jwt_secret = \"[redacted]\"") && printed.contains("clinic:[redacted]"),
        "{printed}"
    );

    // As a file it is refused for the secrets alone, and with them it says the same again.
    let told = load(Some(&printed), &[], Tokens::Required).unwrap_err();
    assert_eq!(
        told.lines().map(|l| l.split(':').next().unwrap()).collect::<Vec<_>>(),
        ["JWT_SECRET", "PUBLISH_KEYS"]
    );
    let again = load(Some(&printed), &environment[..2], Tokens::Required).unwrap();
    assert_eq!(again.to_toml().unwrap(), printed);
}
