//! What lies in `deploy/` fits what is built: every name in it is one that the gateway knows.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use carillon_tests::{Nginx, Node, NodeSettings};
use serde_json::Value;

const NGINX: &str = include_str!("../../deploy/nginx/carillon.conf");
const SETTINGS: &str = include_str!("../../crates/app/src/carillon.default.toml");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The documents of a YAML file, anchors and merges resolved.
fn yaml(path: &str) -> Vec<Value> {
    let text = read(path);
    let documents = serde_yaml_ng::Deserializer::from_str(&text).map(|document| {
        let mut value: serde_yaml_ng::Value = serde::Deserialize::deserialize(document).unwrap();
        value.apply_merge().unwrap();
        serde_json::to_value(value).unwrap()
    });
    documents.collect()
}

/// Every setting there is, in upper case.
fn settings() -> BTreeSet<String> {
    let keys = SETTINGS.lines().filter_map(|line| line.trim_start_matches("# ").split_once(" = "));
    let is_key = |key: &str| key.bytes().all(|c| c.is_ascii_lowercase() || c == b'_');
    keys.map(|(key, _)| key).filter(|key| is_key(key)).map(str::to_ascii_uppercase).collect()
}

fn default_of(setting: &str) -> u64 {
    let line = SETTINGS.lines().find_map(|line| line.strip_prefix(&format!("{setting} = ")));
    line.unwrap().parse().unwrap()
}

/// That a node takes these settings, when `$` and empty ones are filled in as a reader of the guide would.
async fn accepted(given: impl IntoIterator<Item = (String, String)>) -> String {
    let mut node = NodeSettings::default().unset("SOCKET_PORT").unset("DATABASE_URL");
    for (name, value) in given {
        assert!(settings().contains(&name), "{name} is no setting");
        node = match name.as_str() {
            "JWT_SECRET" => node.set(&name, "0123456789012345678901234567890123456789"),
            "PUBLISH_KEYS" => node.set(&name, "clinic:0123456789012345678901234567890123456789"),
            "FRONTEND_URL" => node.set(&name, "https://app.example.com"),
            _ => {
                let value = ["POSTGRES", "REDIS"].iter().fold(value, |value, server| {
                    value.replace(&format!("${{{server}_PASSWORD:?see .env.example}}"), "secret")
                });
                node.set(&name, value)
            }
        };
    }
    let done = node.run_to_end(&["config"]).await;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// `name=value` lines of an environment file, those that are commented out too.
fn variables(path: &str) -> Vec<(String, String)> {
    let text = read(path);
    let lines = text.lines().filter_map(|line| line.trim_start_matches("# ").split_once('='));
    let is_name = |name: &str| name.bytes().all(|c| c.is_ascii_uppercase() || c == b'_');
    lines.filter(|(name, _)| is_name(name)).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn pairs(object: &Value) -> Vec<(String, String)> {
    let pairs = object.as_object().unwrap().iter();
    pairs.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

fn seconds(text: &str) -> u64 {
    text.trim_end_matches('s').parse().unwrap()
}

#[test]
fn every_file_of_the_folder_is_what_its_name_says() {
    let mut files = Vec::new();
    let mut folders = vec![root().join("deploy")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    assert!(files.len() > 12, "{files:?}");
    for file in files {
        let path = file.strip_prefix(root()).unwrap().to_str().unwrap();
        match file.extension().and_then(|kind| kind.to_str()) {
            Some("yaml") => assert!(!yaml(path).is_empty(), "{path}"),
            Some("json") => drop(serde_json::from_str::<Value>(&read(path)).unwrap()),
            _ => assert!(!read(path).is_empty(), "{path}"),
        }
        // What is committed has no secret in it.
        for (name, value) in variables(path) {
            let secret = ["SECRET", "PASSWORD", "KEYS"].iter().any(|word| name.ends_with(word));
            assert!(!secret || value.is_empty() || value.starts_with('$'), "{path}: {name}");
        }
    }
}

#[test]
fn nginx_waits_longer_than_a_connection_may_be_silent() {
    let silence = (default_of("ping_interval_ms") + default_of("ping_timeout_ms")) / 1000;
    let (_, sockets) = NGINX.split_once("location /socket.io {").unwrap();
    let (sockets, _) = sockets.split_once('}').unwrap();
    for directive in ["proxy_read_timeout", "proxy_send_timeout", "send_timeout"] {
        let value = sockets.split_once(&format!(" {directive} ")).unwrap().1.split(';').next().unwrap();
        assert!(seconds(value) > silence, "{directive} {value}");
    }
}

#[tokio::test]
async fn the_containers_are_given_settings_that_there_are() {
    let compose = &yaml("deploy/compose/compose.yaml")[0];
    let services = compose["services"].as_object().unwrap();
    let gateways: Vec<_> = services.iter().filter(|(name, _)| name.starts_with("gateway")).collect();
    assert_eq!(gateways.len(), 2);
    let nodes = read("deploy/compose/nodes.conf");
    for (name, gateway) in gateways {
        let config = accepted(pairs(&gateway["environment"])).await;
        let id = gateway["environment"]["NODE_ID"].as_str().unwrap();
        assert!(config.contains(&format!("node_id = \"{id}\"")), "{config}");
        // nginx sends to each what is its own.
        let address = gateway["networks"]["inner"]["ipv4_address"].as_str().unwrap();
        let alone = format!("upstream carillon_{id} {{\n    server {address}:5000;");
        assert!(nodes.contains(&alone), "{name}: {alone}");
        let drain = gateway["environment"]["DRAIN_SECONDS"].as_str().unwrap();
        assert!(seconds(gateway["stop_grace_period"].as_str().unwrap()) > seconds(drain) + 10);
    }
    // But for addresses the nodes are those of the tested file.
    let tested = read("deploy/nginx/nodes.conf");
    let upstreams = |text: &str| {
        let (_, rest) = text.split_once("\nupstream").unwrap();
        let (routing, _) = rest.split_once("# Who may").unwrap();
        routing
            .replace("127.0.0.1:5001", "A")
            .replace("127.0.0.1:5002", "B")
            .replace("172.28.5.11:5000", "A")
            .replace("172.28.5.12:5000", "B")
    };
    assert_eq!(upstreams(&nodes), upstreams(&tested));
    for volume in services["nginx"]["volumes"].as_array().unwrap() {
        let file = volume.as_str().unwrap().split(':').next().unwrap();
        assert!(root().join("deploy/compose").join(file).is_file(), "{file}");
    }
    // Each variable is in the example, and no other.
    let text = read("deploy/compose/compose.yaml");
    let asked = text.split("${").skip(1).map(|rest| rest.split([':', '}']).next().unwrap().to_owned());
    let offered = variables("deploy/compose/.env.example").into_iter().map(|(name, _)| name);
    assert_eq!(asked.collect::<BTreeSet<_>>(), offered.collect());
}

#[tokio::test]
async fn the_image_is_built_from_what_there_is() {
    let dockerfile = read("deploy/compose/Dockerfile");
    for copied in dockerfile.lines().filter_map(|line| line.strip_prefix("COPY crates/web/app/")) {
        let sources = format!("crates/web/app/{copied}");
        for source in sources.split(' ').filter(|word| word.starts_with("crates/")) {
            assert!(root().join(source).exists(), "{source}");
        }
    }
    assert!(
        read("Cargo.toml").contains("[profile.dist]")
            && dockerfile.contains("--profile dist --package carillon")
    );
    assert!(read("crates/web/src/lib.rs").contains("#[folder = \"app/dist\"]"));
    let line = dockerfile.lines().find_map(|line| line.strip_prefix("ENV ")).unwrap();
    let given = line.split(' ').filter_map(|pair| pair.split_once('='));
    accepted(given.map(|(name, value)| (name.to_owned(), value.to_owned()))).await;

    // Its check, against a real node.
    let (_, check) = dockerfile.split_once("CMD [\"bash\", \"-c\", ").unwrap();
    let script: String = serde_json::from_str(check.split_once("]\n").unwrap().0).unwrap();
    let mut node = Node::start(NodeSettings::default()).await;
    let port = node.address().rsplit(':').next().unwrap().to_owned();
    let healthy =
        || Command::new("bash").args(["-c", &script]).env("SOCKET_PORT", &port).output().unwrap().status;
    assert!(healthy().success());
    node.kill9().await;
    assert!(!healthy().success());
}

#[tokio::test]
async fn the_unit_is_accepted_and_keeps_its_service_in() {
    let given = [variables("deploy/systemd/carillon.env.example"), unit_environment()].concat();
    let config = accepted(given).await;
    assert!(config.contains("node_id = \"a\""), "{config}");
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let unit = dir.path().join("carillon@a.service");
    let binary = PathBuf::from(carillon_tests::node::binary());
    let text = read("deploy/systemd/carillon@.service");
    fs::write(&unit, text.replace("/usr/local/bin/carillon", binary.to_str().unwrap())).unwrap();
    for (arguments, what) in [
        (&["verify", "--man=no"][..], "verify"),
        // Of 100: 0 is a service that may do nothing at all.
        (&["security", "--offline=true", "--threshold=15", "--no-pager"], "security"),
    ] {
        let told = Command::new("systemd-analyze").args(arguments).arg(&unit).output().unwrap();
        assert!(told.status.success(), "{what}: {told:?}");
        // It says what it does not understand, and goes on.
        assert!(!String::from_utf8_lossy(&told.stderr).contains("carillon@"), "{told:?}");
    }
}

fn unit_environment() -> Vec<(String, String)> {
    let unit = read("deploy/systemd/carillon@.service");
    let lines = unit.lines().filter_map(|line| line.strip_prefix("Environment=")?.split_once('='));
    lines.map(|(name, value)| (name.to_owned(), value.replace("%i", "a"))).collect()
}

#[tokio::test]
async fn the_manifests_fit_each_other_and_the_gateway() {
    let gateway = yaml("deploy/kubernetes/gateway.yaml");
    let kind = |kind: &'static str| gateway.iter().filter(move |document| document["kind"] == kind);
    let set = kind("StatefulSet").next().unwrap();
    let pod = &set["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let name = set["metadata"]["name"].as_str().unwrap();
    let mut given = Vec::new();
    for entry in container["env"].as_array().unwrap() {
        let name = entry["name"].as_str().unwrap().to_owned();
        let value = match (name.as_str(), entry["value"].as_str()) {
            ("NODE_ID", _) => "carillon-12".to_owned(),
            ("DATABASE_URL", _) => "postgres://carillon:secret@db/carillon".to_owned(),
            ("REDIS_URL", _) => "redis://:secret@redis:6379".to_owned(),
            (_, value) => value.unwrap_or_default().to_owned(),
        };
        given.push((name, value));
    }
    accepted(given).await;
    let drain = container["env"].as_array().unwrap().iter().find(|entry| entry["name"] == "DRAIN_SECONDS");
    let before = container["lifecycle"]["preStop"]["exec"]["command"][1].as_str().unwrap();
    let whole = seconds(drain.unwrap()["value"].as_str().unwrap()) + seconds(before) + 10;
    assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > whole);
    // Services and budgets choose the pods there are, and nginx asks for services there are.
    let labels = &set["spec"]["template"]["metadata"]["labels"];
    let mut services = BTreeSet::new();
    for service in kind("Service") {
        assert_eq!(&service["spec"]["selector"], labels);
        services.insert(service["metadata"]["name"].as_str().unwrap().to_owned());
    }
    assert!(services.contains(set["spec"]["serviceName"].as_str().unwrap()));
    assert_eq!(&kind("PodDisruptionBudget").next().unwrap()["spec"]["selector"]["matchLabels"], labels);
    let namespace = yaml("deploy/kustomization.yaml")[0]["namespace"].as_str().unwrap().to_owned();
    let nodes = read("deploy/kubernetes/nodes.conf");
    assert!(nodes.contains(&format!("(?<pod>{name}-[0-9]+)")));
    for service in services {
        assert!(nodes.contains(&format!("{service}.{namespace}.svc.cluster.local:5000")), "{service}");
    }
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        let path = container[probe]["httpGet"]["path"].as_str().unwrap();
        assert!(["/readyz", "/healthz"].contains(&path));
    }
    // Where kubectl is, what it would apply.
    if let Ok(built) = Command::new("kubectl").args(["kustomize", "deploy"]).current_dir(root()).output() {
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    }
}

/// The shell block of the guide that holds these words.
fn block(words: &str) -> String {
    let guide = read("docs/operations/deployment.md");
    let block = guide.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    block.into_iter().find(|block| block.contains(words)).unwrap().to_owned()
}

#[tokio::test]
async fn the_first_notification_of_the_guide_comes() {
    let dir = tempfile::tempdir().unwrap();
    symlink(carillon_tests::node::binary(), dir.path().join("carillon")).unwrap();
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
    let etc = dir.path().join("etc");
    let run = async |script: String| {
        let script = script.replace("/etc/carillon", etc.to_str().unwrap());
        let shell =
            tokio::process::Command::new("sh").args(["-e", "-c", &script]).env("PATH", &path).output();
        let done = shell.await.unwrap();
        assert!(done.status.success(), "{script}: {done:?}");
        String::from_utf8(done.stdout).unwrap()
    };
    run(block("openssl rand")).await;
    let file = fs::read_to_string(etc.join("carillon.env")).unwrap();
    let given = file.lines().filter_map(|line| line.split_once('=')).chain([("NODE_ID", "a")]);
    let settings = given.fold(NodeSettings::default(), |settings, (name, value)| settings.set(name, value));
    let node = Node::start(settings).await;
    let nginx = Nginx::start(node.address(), node.address()).await;
    let told = run(block("carillon token").replace("http://127.0.0.1/", &format!("{}/", nginx.url()))).await;
    assert!(told.contains("event: notification\n") && told.contains("\"title\":\"It works\""), "{told}");
    assert!(told.contains("\"room\":\"user:42\""), "{told}");
}

/// Names of metrics in a text, histograms by their own.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
    let names = words.filter(|word| word.starts_with("carillon_"));
    let own = |name: &str| {
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        histogram.unwrap_or(name).to_owned()
    };
    names.map(own).collect()
}

/// Every metric that the sources count.
fn counted() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root().join("crates")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() && !path.ends_with("node_modules") {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let source = fs::read_to_string(path).unwrap();
                for call in ["counter!(", "gauge!(", "histogram!("] {
                    let calls = source.split(call).skip(1);
                    found.extend(calls.filter_map(|rest| {
                        Some(rest.trim_start().strip_prefix('"')?.split_once('"')?.0.to_owned())
                    }));
                }
            }
        }
    }
    found
}

#[test]
fn the_list_of_metrics_is_whole_and_all_that_is_drawn_is_counted() {
    let list = read("docs/operations/metrics.md");
    let cells = list.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" |"));
    let listed: BTreeSet<_> = cells.flat_map(|(names, _)| metrics_in(names)).collect();
    assert_eq!(listed, counted());

    let alerts = &yaml("deploy/prometheus/alerts.yaml")[0];
    for rule in alerts["groups"][0]["rules"].as_array().unwrap() {
        assert!(rule["alert"].as_str().unwrap().starts_with("Carillon"));
        for text in ["summary", "action"] {
            assert!(rule["annotations"][text].is_string(), "{rule}");
        }
        let used = metrics_in(rule["expr"].as_str().unwrap());
        assert!(used.is_subset(&listed), "{used:?}");
    }
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/carillon.json")).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            let used = metrics_in(target["expr"].as_str().unwrap());
            assert!(used.is_subset(&listed), "{}: {used:?}", panel["title"]);
        }
    }
}
