//! Traces: what a collector is told of a publish's way to its sockets, and what it is not.

use std::sync::{Arc, Mutex};

use carillon_tests::light::Light;
use carillon_tests::users::ann;
use carillon_tests::{Clinic, Cluster, Http, Meeting, NodeSettings, PATIENCE, Postgres, Published};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A collector of OTLP over HTTP, with JSON.
struct Collector {
    url: String,
    /// The bodies of its requests, in their order.
    requests: Arc<Mutex<Vec<String>>>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let kept = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((link, _)) = listener.accept().await {
                tokio::spawn(serve(link, Arc::clone(&kept)));
            }
        });
        Self { url, requests }
    }

    fn told(&self) -> String {
        self.requests.lock().unwrap().join("\n")
    }

    /// Every span so far, each with the `node` that sent it.
    fn spans(&self) -> Vec<Value> {
        let mut spans = Vec::new();
        for request in self.requests.lock().unwrap().iter() {
            let request: Value = serde_json::from_str(request).unwrap();
            for of_resource in request["resourceSpans"].as_array().unwrap() {
                let about = of_resource["resource"]["attributes"].as_array().unwrap();
                let node = about.iter().find(|one| one["key"] == "service.instance.id").unwrap();
                for span in of_resource["scopeSpans"][0]["spans"].as_array().unwrap() {
                    let mut span = span.clone();
                    span["node"] = node["value"]["stringValue"].clone();
                    spans.push(span);
                }
            }
        }
        spans
    }

    /// The span of this name, of this node, once it has come.
    async fn span(&self, node: &str, name: &str) -> Value {
        let comes = async {
            loop {
                let is_it = |span: &Value| span["name"] == name && span["node"] == node;
                if let Some(span) = self.spans().into_iter().find(is_it) {
                    return span;
                }
                sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, comes).await.unwrap_or_else(|_| panic!("no {name} of {node}: {}", self.told()))
    }
}

async fn serve(link: TcpStream, kept: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut link = BufReader::new(link);
    loop {
        let (mut length, mut line, mut head) = (0, String::new(), String::new());
        while link.read_line(&mut line).await.ok()? > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            head.push_str(&line);
            line.clear();
        }
        let mut body = vec![0; length];
        link.read_exact(&mut body).await.ok()?;
        assert!(head.starts_with("POST /v1/traces "), "{head}");
        kept.lock().unwrap().push(String::from_utf8(body).unwrap());
        link.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
            .await
            .ok()?;
    }
}

fn nanos(span: &Value, when: &str) -> u128 {
    span[when].as_str().unwrap().parse().unwrap()
}

async fn publish(http: &Http, traceparent: Option<&str>) -> Published {
    let mut note = carillon_tests::clinic::note(&["user:ann"], "A secret title");
    note["message"] = json!("A secret message");
    note["data"] = json!({"result": "secret"});
    let call = http.post("/api/v1/notifications", &note).with_key();
    let call = if let Some(caller) = traceparent { call.header("traceparent", caller) } else { call };
    Published::read(&call.send().await)
}

fn settings(collector: &Collector) -> NodeSettings {
    NodeSettings::default().set("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url).set("NODE_ID", "n0")
}

#[tokio::test]
async fn one_trace_goes_from_the_caller_to_the_socket_and_tells_nothing_of_what_was_said() {
    let collector = Collector::start().await;
    let clinic = Clinic::open_with(settings(&collector)).await;
    // The first connection of a node is one of those that are timed.
    let mut online = Light::connect(clinic.node.address(), &ann().token(), None).await.unwrap();
    assert_eq!(online.event().await.unwrap().0, "inbox:state");
    let published = publish(&clinic.http, Some(CALLER)).await;
    assert_eq!(online.event().await.unwrap().0, "notification");

    let (root, append) = (collector.span("n0", "publish").await, collector.span("n0", "append").await);
    let (deliver, socket) = (collector.span("n0", "deliver").await, collector.span("n0", "socket").await);
    for span in [&root, &append, &deliver, &socket] {
        assert_eq!(span["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736", "{span}");
        assert!(nanos(span, "startTimeUnixNano") <= nanos(span, "endTimeUnixNano"), "{span}");
    }
    assert_eq!(root["parentSpanId"], "00f067aa0ba902b7");
    assert_eq!((&append["parentSpanId"], &deliver["parentSpanId"]), (&root["spanId"], &root["spanId"]));
    assert_eq!(socket["parentSpanId"], deliver["spanId"]);
    assert_eq!(root["links"][0]["traceId"], published.event_id.replace('-', ""));
    assert!(nanos(&append, "endTimeUnixNano") <= nanos(&socket, "endTimeUnixNano"));
    let told = collector.told();
    for unsaid in ["secret", "ann", "NOTE", "user:", &ann().token()] {
        assert!(!told.contains(unsaid), "{unsaid}: {told}");
    }
}

#[tokio::test]
async fn what_another_node_does_is_in_the_trace_of_the_publishs_id() {
    let (collector, database) = (Collector::start().await, Postgres::create().await);
    let settings = settings(&collector).set("DATABASE_URL", database.url());
    let cluster = Cluster::open(&settings, 2, Meeting::Server).await;
    let mut online = Light::connect(cluster[1].address(), &ann().token(), None).await.unwrap();
    assert_eq!(online.event().await.unwrap().0, "inbox:state");
    let published = publish(&Http::new(cluster[0].url()), None).await;
    let root = collector.span("n0", "publish").await;
    let (deliver, socket) = (collector.span("n1", "deliver").await, collector.span("n1", "socket").await);
    for span in [&root, &deliver, &socket] {
        assert_eq!(span["traceId"], published.event_id.replace('-', ""), "{span}");
    }
    assert!(root["parentSpanId"].is_null() && root["links"].is_null(), "{root}");
    assert_eq!((&deliver["parentSpanId"], &socket["parentSpanId"]), (&root["spanId"], &deliver["spanId"]));
}

/// What is left is sent at the end: so what has not come by then never does.
#[tokio::test]
async fn what_is_not_to_be_traced_is_not_sent() {
    let collector = Collector::start().await;
    let mut clinic = Clinic::open_with(settings(&collector).set("OTEL_TRACES_SAMPLER_ARG", "0")).await;
    publish(&clinic.http, None).await;
    publish(&clinic.http, Some(&CALLER.replace("-01", "-00"))).await;
    let traced = publish(&clinic.http, Some(CALLER)).await;
    assert!(clinic.node.terminate().await.success());
    let publishes: Vec<_> = collector.spans().into_iter().filter(|span| span["name"] == "publish").collect();
    assert_eq!(publishes.len(), 1, "{publishes:?}");
    assert_eq!(publishes[0]["attributes"][0]["value"]["stringValue"], traced.event_id);
}

/// Without a collector there is nothing that would send: not even a thread.
#[tokio::test]
async fn off_is_off() {
    let threads = |clinic: &Clinic| -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", clinic.node.pid())).unwrap();
        let names = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap());
        names.map(|name| name.trim().to_owned()).collect()
    };
    let collector = Collector::start().await;
    let (on, off) = (Clinic::open_with(settings(&collector)).await, Clinic::open().await);
    assert!(threads(&on).contains(&"traces".to_owned()), "{:?}", threads(&on));
    assert!(!threads(&off).contains(&"traces".to_owned()), "{:?}", threads(&off));
}
