//! Examples of the documents, run as they stand there but for addresses and paths.

use std::path::Path;
use std::process::Stdio;
use std::{env, fs};

use carillon_tests::node::{PUBLISH_KEY, binary};
use carillon_tests::users::{JWT_SECRET, User, ann, eve};
use carillon_tests::{Clinic, NodeSettings, PATIENCE, Postgres, RedisServer};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::readme::{code, shell};

const README: &str = include_str!("../../../README.md");
const API: &str = include_str!("../../../docs/api/README.md");
const BROADCASTS: &str = include_str!("../../../docs/guides/broadcasts.md");
const EMITTER: &str = include_str!("../../../docs/guides/redis-emitter.md");
const BACKUP: &str = include_str!("../../../docs/operations/backup.md");

/// A PATH on which the binary under test is `carillon`.
fn path() -> String {
    let binary = binary();
    format!("{}:{}", Path::new(&binary).parent().unwrap().display(), env::var("PATH").unwrap())
}

/// A script that must end well, and what it said.
async fn says(mut script: Command) -> String {
    let done = timeout(2 * PATIENCE, script.env("PATH", path()).output()).await.unwrap().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// A script under way, and what it says line by line.
struct Told {
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Told {
    fn by(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        Self { lines: BufReader::new(child.stdout.take().unwrap()).lines(), _child: child }
    }

    async fn line(&mut self) -> String {
        timeout(PATIENCE, self.lines.next_line()).await.unwrap().unwrap().unwrap()
    }
}

/// JavaScript with what the page's examples leave to their reader.
fn node(clinic: &Clinic, tokens: &[String], script: &str) -> Told {
    let given = format!(
        "import {{ io }} from \"socket.io-client\";
         import {{ EventSource as Source }} from \"eventsource\";
         const url = {url}, tokens = {tokens}, stored = new Map(), say = (...words) => console.log(...words);
         const sessionStorage = {{ getItem: (key) => stored.get(key) ?? null, setItem: (key, text) => stored.set(key, text) }};
         const loadTheInbox = () => say(\"load\"), show = ({{ title }}) => say(\"show\", title);
         class EventSource extends Source {{ constructor(path, init) {{ super(new URL(path, url), init); }} }}\n",
        url = json!(clinic.node.url()),
        tokens = json!(tokens),
    );
    let mut command = Command::new("node");
    command.args(["--input-type=module", "--eval", &format!("{given}{script}")]);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("js"));
    Told::by(command)
}

/// A page that is loaded again hears what it missed, and need not load its inbox: docs/api/README.md.
#[tokio::test]
async fn a_page_comes_back_as_the_api_says() {
    let clinic = Clinic::open().await;
    let example = code(API, "js", "sessionStorage");
    let script = format!(
        "const getToken = () => tokens[0];
         const page = () => {{
           {example}
           return socket.on(\"notification\", show).on(\"inbox:state\", ({{ recovered }}) => say(\"state\", recovered));
         }};
         const first = page();
         first.on(\"inbox:state\", () => first.disconnect());
         first.on(\"disconnect\", async () => {{
           const body = JSON.stringify({{ to: [\"user:ann\"], type: \"TEST\", title: \"while away\", message: \"\" }});
           const headers = {{ Authorization: \"Bearer {PUBLISH_KEY}\", \"Content-Type\": \"application/json\" }};
           say(\"published\", (await fetch(`${{url}}/api/v1/notifications`, {{ method: \"POST\", headers, body }})).status);
           page();
         }});"
    );
    let mut told = node(&clinic, &[ann().token()], &script);
    for line in ["load", "state false", "published 201", "show while away", "state true"] {
        assert_eq!(told.line().await, line);
    }
}

/// A token that ends within a minute, and one after it with another role: docs/api/README.md.
#[tokio::test]
async fn a_token_is_renewed_as_the_api_says() {
    let clinic = Clinic::open().await;
    let tokens = [ann().token_for(40), User { role: "DOCTOR", ..ann() }.token()];
    let script = code(API, "js", "auth:expiring");
    let script =
        format!("const getToken = async () => tokens.shift();\n{script}\nsocket.on(\"notification\", show);");
    let mut told = node(&clinic, &tokens, &script);
    assert_eq!(told.line().await, "load");
    clinic.notify(&["role:doctor"], "for doctors").await;
    assert_eq!(told.line().await, "show for doctors");
}

/// docs/api/README.md, with the `eventsource` package.
#[tokio::test]
async fn a_stream_is_read_as_the_api_says() {
    let clinic = Clinic::open().await;
    let script = format!("const getToken = () => tokens[0];\n{}", code(API, "js", "EventSource"));
    let mut told = node(&clinic, &[ann().token()], &script);
    assert_eq!(told.line().await, "load");
    clinic.notify(&["user:ann"], "streamed").await;
    assert_eq!(told.line().await, "show streamed");
}

/// docs/guides/broadcasts.md, whenever this is run: its dates are in the future.
#[tokio::test]
async fn the_broadcast_of_the_guide_is_taken() {
    let clinic = Clinic::open().await;
    let script = code(BROADCASTS, "sh", "api/v1/broadcasts");
    assert!(script.contains("https://clinic.example") && script.contains("\"2027-03-01T"));
    let soon = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(48)).to_string();
    let script =
        script.replace("https://clinic.example", clinic.node.url()).replace("2027-03-01", &soon[..10]);
    let mut curl = shell(&script, Path::new("."));
    curl.env("ADMIN_TOKEN", eve().token());
    let answer: Value = serde_json::from_str(&says(curl).await).unwrap();
    let listed = clinic.http.get("/api/v1/broadcasts").by(&eve()).send().await.expect(200);
    assert_eq!(listed["items"][0]["title"], "Booking is away tonight");
    assert_eq!((&listed["items"][0]["id"], &answer["status"]), (&answer["id"], &json!("scheduled")));
}

/// README.md, from the settings on; what is built before that is the binary under test.
#[tokio::test]
async fn a_node_starts_as_the_readme_says() {
    let script = code(README, "sh", "export JWT_SECRET");
    assert!(script.starts_with("./just dist ") && script.ends_with("\ntarget/dist/carillon\n"));
    let (_, script) = script.split_once('\n').unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut command = shell(&script.replace("target/dist/carillon", "exec carillon"), dir.path());
    command.env("SOCKET_PORT", "0").env("PATH", path());
    let mut told = Told::by(command);
    let line = told.line().await;
    let url = line.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
    assert_eq!(reqwest::get(format!("{url}/readyz")).await.unwrap().status(), 200);
    assert!(dir.path().join("carillon.db").exists());
}

/// docs/guides/redis-emitter.md
#[tokio::test]
async fn the_settings_of_the_emitters_guide_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    let settings = code(EMITTER, "sh", "REDIS_EMITTER");
    let mut config = shell(&format!("set -a\n{settings}carillon config"), dir.path());
    config.env("JWT_SECRET", JWT_SECRET);
    assert!(says(config).await.contains("redis_emitter = \"stored\""));
}

/// docs/guides/redis-emitter.md: what the nodes tell one another is closed to this user.
#[tokio::test]
async fn who_may_only_emit_may_do_nothing_else() {
    let redis = RedisServer::start();
    let ask = |words: &str| redis.command(&words.split_whitespace().map(str::as_bytes).collect::<Vec<_>>());
    assert!(ask(code(EMITTER, "", "ACL SETUSER")).starts_with("+OK"));
    for allowed in ["PUBLISH socket.io#/# x", "PUBLISH socket.io#/#user:42# x", "PING"] {
        assert!(ask(&format!("ACL DRYRUN clinic {allowed}")).starts_with("+OK"), "{allowed}");
    }
    for refused in ["PUBLISH carillon:hints x", "GET a", "SET a b", "SUBSCRIBE socket.io#/#", "CONFIG GET *"]
    {
        assert!(ask(&format!("ACL DRYRUN clinic {refused}")).contains("permission"), "{refused}");
    }
}

/// docs/operations/backup.md, both stores at once as its blocks have them.
#[tokio::test]
async fn what_the_guide_backs_up_is_there_again() {
    let (database, dir) = (Postgres::create().await, tempfile::tempdir().unwrap());
    let (lib, backups) = (dir.path().join("lib"), dir.path().join("backups"));
    fs::create_dir(&lib).unwrap();
    fs::create_dir(&backups).unwrap();
    let file = format!("sqlite://{}/carillon.db", lib.display());
    let open = async |url: String| Clinic::open_with(NodeSettings::default().set("DATABASE_URL", url)).await;
    let mut clinics = [open(database.url()).await, open(file).await];
    let run = async |words: &str| {
        let script = code(BACKUP, "sh", words).replace("/var/lib/carillon", lib.to_str().unwrap());
        let script = script.replace("/var/backups", backups.to_str().unwrap());
        let mut script = shell(&format!("set -e\n{script}"), dir.path());
        script.env("DATABASE_URL", database.url()).env("JWT_SECRET", JWT_SECRET);
        says(script).await
    };
    for clinic in &clinics {
        clinic.notify(&["user:ann"], "kept").await;
    }
    run("pg_dump").await;
    for clinic in &mut clinics {
        clinic.notify(&["user:ann"], "lost").await;
        clinic.node.kill9().await;
    }
    run("pg_restore").await;
    for clinic in &mut clinics {
        clinic.node.restart().await;
        let inbox = clinic.http.get("/api/v1/notifications").by(&ann()).send().await.expect(200);
        let titles: Vec<_> = inbox["items"].as_array().unwrap().iter().map(|item| &item["title"]).collect();
        assert_eq!(titles, ["kept"]);
    }
}
