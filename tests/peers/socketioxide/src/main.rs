//! A gateway such as one builds on socketioxide and axum, over the same routes and settings (by environment) as the
//! benches use of ours: SOCKET_PORT, JWT_SECRET, PUBLISH_KEYS (`name:key`).
//!
//! It is given what serves it best: a runtime of as many threads as it has cores (one, when it is pinned), and a backlog
//! that no burst of connections fills.

use std::env;
use std::error::Error;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{get, post};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide::extract::{Data, SocketRef};
use socketioxide::handler::ConnectHandler as _;
use tokio::net::TcpSocket;
use uuid::Uuid;

#[derive(Deserialize)]
struct Auth {
    token: String,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    user_id: String,
    role: String,
}

#[derive(Deserialize)]
struct Draft {
    to: Vec<String>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
struct Batch {
    items: Vec<Draft>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    id: Uuid,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
    created_at: Timestamp,
}

#[derive(Clone)]
struct Gateway {
    io: SocketIo,
    bearer: Arc<str>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let key = DecodingKey::from_secret(env::var("JWT_SECRET")?.as_bytes());
    let keys = env::var("PUBLISH_KEYS")?;
    let (_, publish_key) = keys.split_once(':').ok_or("PUBLISH_KEYS is no name:key")?;
    let (layer, io) = SocketIo::new_layer();
    let check = async move |socket: SocketRef, Data(auth): Data<Auth>| {
        let claims = decode::<Claims>(&auth.token, &key, &Validation::new(Algorithm::HS256))?.claims;
        socket.join([
            "all".to_owned(),
            format!("role:{}", claims.role.to_lowercase()),
            format!("user:{}", claims.user_id),
        ]);
        Ok::<_, jsonwebtoken::errors::Error>(())
    };
    io.ns("/", (async || {}).with(check));

    let gateway = Gateway { io, bearer: format!("Bearer {publish_key}").into() };
    let app = axum::Router::new()
        .route("/readyz", get(async || Json(json!({"status": "ready"}))))
        .route("/api/v1/notifications", post(publish))
        .route("/api/v1/notifications/batch", post(publish_batch))
        .with_state(gateway)
        .layer(layer);
    let socket = TcpSocket::new_v4()?;
    socket.bind(format!("127.0.0.1:{}", env::var("SOCKET_PORT")?).parse()?)?;
    let listener = socket.listen(4096)?;
    println!("listening on http://{}/", listener.local_addr()?);
    axum::serve(axum::serve::ListenerExt::tap_io(listener, |tcp| drop(tcp.set_nodelay(true))), app).await?;
    Ok(())
}

impl Gateway {
    fn admits(&self, headers: &HeaderMap) -> bool {
        headers.get(header::AUTHORIZATION).is_some_and(|given| given.as_bytes() == self.bearer.as_bytes())
    }

    /// Tells the rooms; the answer for this one.
    async fn tell(&self, Draft { to, rest }: Draft) -> Value {
        let notification = Notification { id: Uuid::now_v7(), rest, created_at: Timestamp::now() };
        let told = self.io.to(to.clone()).emit("notification", &notification).await;
        let status = if told.is_ok() { StatusCode::CREATED } else { StatusCode::SERVICE_UNAVAILABLE };
        let notifications: Vec<_> =
            to.iter().map(|room| json!({"id": notification.id, "room": room})).collect();
        json!({"status": status.as_u16(), "eventId": notification.id, "notifications": notifications})
    }
}

async fn publish(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    Json(draft): Json<Draft>,
) -> (StatusCode, Json<Value>) {
    if !gateway.admits(&headers) {
        return (StatusCode::UNAUTHORIZED, Json(Value::Null));
    }
    let told = gateway.tell(draft).await;
    let status = told["status"].as_u64().and_then(|status| StatusCode::from_u16(status as u16).ok());
    (status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Json(told))
}

async fn publish_batch(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    Json(batch): Json<Batch>,
) -> (StatusCode, Json<Value>) {
    if !gateway.admits(&headers) {
        return (StatusCode::UNAUTHORIZED, Json(Value::Null));
    }
    let mut results = Vec::with_capacity(batch.items.len());
    for draft in batch.items {
        results.push(gateway.tell(draft).await);
    }
    (StatusCode::MULTI_STATUS, Json(json!({"results": results})))
}
