//! Carillon's HTTP API: publishing, each user's inbox, health.
//!
//! Handlers are thin: who asks (`caller`), may they now (`limits`), what do they say (`body`, parsed by the
//! domain), one call of a use case, and the answer. Every answer passes through `envelope`, which gives it a
//! request id and turns what went wrong (`problem`, RFC 9457) into JSON. Nothing here knows a store or a
//! socket.
//!
//! | route | handler |
//! | --- | --- |
//! | `POST /api/v1/events`, `/api/v1/notifications`, `/api/v1/notifications/batch` | `publish` |
//! | `GET /api/v1/notifications`, `/unread-count`, `/{id}`, `PATCH /{id}`, `POST /read` | `inbox` |
//! | `GET`, `PUT /api/v1/preferences` | `preferences` |
//! | `DELETE /api/v1/users/{userId}/data` | `users` |
//! | `GET /api/v1/events/{eventId}` | `explain` |
//! | `/api/v1/broadcasts`, `/{id}`, `GET /{id}/acks`, `POST /api/v1/notifications/{id}/ack` | `broadcasts` |
//! | `GET /api/v1/audit` | `audit` |
//! | `GET /api/v1/stream` | `stream` |
//! | `GET /api/v1/presence/doctors`, `/counts`, `/users`, `GET /api/v1/connections` | `presence` |
//! | `GET /healthz`, `/readyz` | `health` |
//! | `GET /openapi.json`, `/asyncapi.json`, `/docs` | `documents`, from what each module says of its routes (`openapi`) and `asyncapi` |
//!
//! Where GET is answered, HEAD is too. Any other method is a 405 with `Allow`, any other path under `/api` a
//! 404.

mod asyncapi;
mod audit;
mod body;
mod broadcasts;
mod caller;
mod documents;
mod envelope;
mod explain;
mod health;
mod idempotency;
mod inbox;
mod limits;
mod openapi;
mod preferences;
mod presence;
mod problem;
mod publish;
mod query;
mod stream;
mod traces;
mod users;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix_web::dev::HttpServiceFactory;
use actix_web::middleware::from_fn;
use actix_web::rt::time::{Instant, timeout};
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, Route, guard, web};
use carillon_domain::ports::{Audit, Clock, Connections, Explain, Fanout, Log};
use carillon_domain::{Admission, Broadcaster, Eraser, Preferences, Publisher, Reader, Reception};

pub use asyncapi::asyncapi;
pub use caller::PublishKeys;
pub use openapi::openapi;
pub use stream::OpenStream;

use envelope::envelope;
use limits::Limits;
use problem::Problem;

/// What an operator decides about the API.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// Who may publish besides admins (`PUBLISH_KEYS`).
    pub publish_keys: PublishKeys,
    /// Publishes a second for each key or admin (`PUBLISH_RATE`).
    pub publish_rate: NonZeroU32,
    /// How many of them may come at once (`PUBLISH_BURST`).
    pub publish_burst: NonZeroU32,
    /// Other requests a second for each user (`USER_RATE`).
    pub user_rate: NonZeroU32,
    /// How many of them may come at once (`USER_BURST`).
    pub user_burst: NonZeroU32,
    /// The longest wait for the store before the answer is 503. Every publish must be answered within 5 s, so
    /// it stays below that.
    pub answer_within: Duration,
}

impl Default for ApiSettings {
    /// No keys, 2,000 publishes a second in bursts of 4,000, 100 other requests in bursts of 400, answers within 4 s.
    fn default() -> Self {
        let number = |n| NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN);
        Self {
            publish_keys: PublishKeys::default(),
            publish_rate: number(2_000),
            publish_burst: number(4_000),
            user_rate: number(100),
            user_burst: number(400),
            answer_within: Duration::from_secs(4),
        }
    }
}

/// What the API works with.
pub struct ApiParts {
    /// Accepts publishes; its appender must run.
    pub publisher: Arc<Publisher>,
    /// Lists, counts and marks.
    pub reader: Reader,
    /// Erases what the log holds of a user.
    pub eraser: Eraser,
    /// Knows what users want to hear of.
    pub preferences: Preferences,
    /// Knows whom a token speaks for.
    pub admission: Admission,
    /// Asked for its head by `/readyz`.
    pub log: Arc<dyn Log>,
    /// Asked what became of a publish.
    pub explain: Arc<dyn Explain>,
    /// Knows who is here.
    pub reception: Reception,
    /// Knows this node's sockets.
    pub connections: Arc<dyn Connections>,
    /// Asked by `/readyz` whether it reaches all nodes.
    pub fanout: Arc<dyn Fanout>,
    /// What admins say to everyone.
    pub broadcaster: Broadcaster,
    /// Where what admins do is noted.
    pub audit: Arc<dyn Audit>,
    /// What `expiresAt` is compared with.
    pub clock: Arc<dyn Clock>,
    /// What fills `/api/v1/stream`.
    pub open_stream: OpenStream,
    /// Set once the gateway is going down: `/readyz` then says so.
    pub draining: Arc<AtomicBool>,
}

/// The HTTP API, ready to be mounted in any number of actix apps. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    state: Arc<State>,
}

pub(crate) struct State {
    keys: PublishKeys,
    limits: Limits,
    user_limits: Limits,
    answer_within: Duration,
    parts: ApiParts,
}

impl State {
    /// Waits for a use case, but not for ever: a store that hangs is a store that is away.
    async fn within<T, E: Into<Problem>>(
        &self,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Problem> {
        by(self.deadline(), step).await
    }

    /// When a request that begins to wait now gives up.
    fn deadline(&self) -> Instant {
        Instant::now() + self.answer_within
    }
}

/// Waits for a use case until `deadline`.
async fn by<T, E: Into<Problem>>(
    deadline: Instant,
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, Problem> {
    match timeout(deadline.saturating_duration_since(Instant::now()), step).await {
        Ok(done) => done.map_err(Into::into),
        Err(elapsed) => Err(Problem::unavailable("The store did not answer in time.").because(elapsed)),
    }
}

impl Api {
    /// An API over these parts.
    #[must_use]
    pub fn new(settings: ApiSettings, parts: ApiParts) -> Self {
        let limits = Limits::new("publish", settings.publish_rate, settings.publish_burst);
        let user_limits = Limits::new("request", settings.user_rate, settings.user_burst);
        let ApiSettings { publish_keys: keys, answer_within, .. } = settings;
        Self { state: Arc::new(State { keys, limits, user_limits, answer_within, parts }) }
    }

    /// Mounts every route at its absolute path. It answers for all of `/api`: whatever else serves a path
    /// below that is mounted before it.
    pub fn configure(&self) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
        let state = web::Data::from(Arc::clone(&self.state));
        move |app| {
            app.app_data(state)
                .service(resource("/healthz", "GET, HEAD", [get(health::alive)]).wrap(from_fn(envelope)))
                .service(resource("/readyz", "GET, HEAD", [get(health::ready)]).wrap(from_fn(envelope)))
                .service(
                    resource("/openapi.json", "GET, HEAD", [get(documents::openapi)]).wrap(from_fn(envelope)),
                )
                .service(
                    resource("/asyncapi.json", "GET, HEAD", [get(documents::asyncapi)])
                        .wrap(from_fn(envelope)),
                )
                .service(resource("/docs", "GET, HEAD", [get(documents::page)]).wrap(from_fn(envelope)))
                .service(api());
        }
    }
}

fn api() -> impl HttpServiceFactory {
    web::scope("/api")
        .wrap(from_fn(envelope))
        .service(resource("/v1/events", "POST", [web::post().to(publish::event)]))
        .service(resource("/v1/events/{id}", "GET, HEAD", [get(explain::show)]))
        .service(resource(
            "/v1/notifications",
            "GET, HEAD, POST",
            [get(inbox::list), web::post().to(publish::notification)],
        ))
        .service(resource("/v1/notifications/batch", "POST", [web::post().to(publish::batch)]))
        .service(resource("/v1/notifications/unread-count", "GET, HEAD", [get(inbox::unread)]))
        .service(resource("/v1/notifications/read", "POST", [web::post().to(inbox::read)]))
        .service(resource(
            "/v1/notifications/{id}",
            "GET, HEAD, PATCH",
            [get(inbox::show), web::patch().to(inbox::change)],
        ))
        .service(resource("/v1/users/{userId}/data", "DELETE", [web::delete().to(users::erase)]))
        .service(resource("/v1/presence/doctors", "GET, HEAD", [get(presence::doctors)]))
        .service(resource("/v1/presence/counts", "GET, HEAD", [get(presence::counts)]))
        .service(resource("/v1/presence/users", "GET, HEAD", [get(presence::users)]))
        .service(resource("/v1/connections", "GET, HEAD", [get(presence::connections)]))
        .service(resource("/v1/notifications/{id}/ack", "POST", [web::post().to(broadcasts::acknowledge)]))
        .service(resource(
            "/v1/broadcasts",
            "GET, HEAD, POST",
            [get(broadcasts::list), web::post().to(broadcasts::create)],
        ))
        .service(resource(
            "/v1/broadcasts/{id}",
            "GET, HEAD, PATCH, DELETE",
            [
                get(broadcasts::show),
                web::patch().to(broadcasts::change),
                web::delete().to(broadcasts::cancel),
            ],
        ))
        .service(resource("/v1/broadcasts/{id}/acks", "GET, HEAD", [get(broadcasts::acks)]))
        .service(resource("/v1/audit", "GET, HEAD", [get(audit::list)]))
        .service(resource(
            "/v1/preferences",
            "GET, HEAD, PUT",
            [get(preferences::show), web::put().to(preferences::change)],
        ))
        .service(resource("/v1/stream", "GET, HEAD", [get(stream::open)]))
        .default_service(web::to(|| async { Err::<HttpResponse, _>(Problem::no_route()) }))
}

/// A resource that names its methods to whoever tries another.
fn resource<const N: usize>(path: &str, allow: &'static str, routes: [Route; N]) -> Resource {
    routes.into_iter().fold(web::resource(path), Resource::route).default_service(web::to(
        move || async move { Err::<HttpResponse, _>(Problem::method_not_allowed(allow)) },
    ))
}

fn get<F, Args>(handler: F) -> Route
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(handler)
}
