//! Who is here: doctors for everyone, all else for admins.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use carillon_domain::ports::Connected;
use carillon_domain::{DoctorState, Faults, Role, Timestamp, UserId, UserState};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::State;
use crate::openapi::{Document, Operation, Who, bodies, schemas};
use crate::problem::Problem;

/// Doctors in one question.
const MOST_DOCTORS: usize = 100;
/// Users or connections in one answer.
const MOST: u32 = 1_000;
const USUAL: u32 = 100;

/// Which doctors are here.
#[derive(Serialize, ToSchema)]
struct Doctors {
    /// In the order in which they were asked for.
    #[schema(value_type = Vec<schemas::DoctorState>)]
    doctors: Vec<DoctorState>,
}

/// A page of users.
#[derive(Serialize, ToSchema)]
#[schema(as = UserPage)]
struct Users {
    /// In the order of their ids.
    #[schema(value_type = Vec<schemas::UserState>)]
    users: Vec<UserState>,
    /// The `after` that continues; null at the end.
    #[schema(value_type = schemas::Next)]
    page: Next<UserId>,
}

/// A page of this node's sockets.
#[derive(Serialize, ToSchema)]
#[schema(as = ConnectionPage)]
struct Sockets {
    #[schema(inline)]
    connections: Vec<Socket>,
    /// The `after` that continues; null at the end.
    #[schema(value_type = schemas::Next)]
    page: Next<String>,
}

/// What to ask for next: `after`.
#[derive(Serialize)]
struct Next<T> {
    next: Option<T>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Socket {
    socket_id: String,
    #[schema(value_type = schemas::UserId)]
    user_id: UserId,
    #[schema(value_type = schemas::Role)]
    role: Role,
    #[schema(value_type = schemas::Instant)]
    connected_at: Timestamp,
}

/// These routes in the API's document.
pub(crate) fn describe(document: &mut Document) {
    let operation = |who, path, id, summary| Operation::new("get", path, id, summary).by(who, "presence");
    let (limit, after) = (bodies::limit(USUAL, MOST), "Those after this one: `page.next`");
    let doctors =
        operation(Who::Users, "/api/v1/presence/doctors", "listDoctors", "Whether these doctors are here");
    document.add(
        doctors.asks(&bodies::doctor_ids(MOST_DOCTORS)).gives::<Doctors>(StatusCode::OK, "They are, or not"),
    );
    let counts = operation(Who::Admins, "/api/v1/presence/counts", "countPresence", "How many are here");
    document.add(counts.gives::<schemas::Counts>(StatusCode::OK, "So many"));
    let users = operation(Who::Admins, "/api/v1/presence/users", "listUsers", "Who is here, or was");
    document.add(
        users
            .query("role", &bodies::role(), "Only those of this role")
            .query(
                "online",
                &json!({"type": "boolean", "default": true}),
                "Those who are here, or those who were before",
            )
            .query("after", &bodies::user_id(), after)
            .query("limit", &limit, "How many at most")
            .gives::<Users>(StatusCode::OK, "A page of them"),
    );
    let connections = operation(Who::Admins, "/api/v1/connections", "listConnections", "This node's sockets");
    document.add(
        connections
            .query("after", &json!({"type": "string"}), after)
            .query("limit", &limit, "How many at most")
            .gives::<Sockets>(StatusCode::OK, "A page of them"),
    );
}

impl From<Connected> for Socket {
    fn from(Connected { socket_id, user_id, role, since }: Connected) -> Self {
        Self { socket_id, user_id, role, connected_at: since }
    }
}

/// `GET /api/v1/presence/doctors?ids=a,b`
pub(crate) async fn doctors(request: HttpRequest, api: web::Data<State>) -> Result<HttpResponse, Problem> {
    api.user(&request)?;
    let query = Query::of(&request, &["ids"])?;
    let ids = query.text("ids").unwrap_or_default();
    let ids: Vec<UserId> = ids
        .split(',')
        .filter(|id| !id.is_empty())
        .map(|id| id.parse().map_err(|_| Faults::one("/ids", "holds what is no id")))
        .collect::<Result<_, _>>()?;
    if !(1..=MOST_DOCTORS).contains(&ids.len()) {
        return Err(Faults::one("/ids", "must be 1 to 100 ids with commas between them").into());
    }
    let doctors = api.within(api.parts.reception.doctors(&ids)).await?;
    Ok(HttpResponse::Ok().json(Doctors { doctors }))
}

/// `GET /api/v1/presence/counts`
pub(crate) async fn counts(request: HttpRequest, api: web::Data<State>) -> Result<HttpResponse, Problem> {
    api.admin(&request)?;
    Ok(HttpResponse::Ok().json(api.parts.reception.counts()))
}

/// `GET /api/v1/presence/users?role=&online=true|false&after=ID&limit=100`
pub(crate) async fn users(request: HttpRequest, api: web::Data<State>) -> Result<HttpResponse, Problem> {
    api.admin(&request)?;
    let query = Query::of(&request, &["role", "online", "after", "limit"])?;
    let role = query.parsed("role", "must be one of ADMIN, SUPER_ADMIN, DOCTOR, PATIENT")?;
    let online = query.parsed("online", "must be true or false")?.unwrap_or(true);
    let after: Option<UserId> = query.parsed("after", "must be a user's id")?;
    let step = api.parts.reception.users(online, role, after.as_ref(), query.limit()?);
    let page = api.within(step).await?;
    Ok(HttpResponse::Ok().json(Users { users: page.users, page: Next { next: page.next } }))
}

/// `GET /api/v1/connections?after=SOCKET_ID&limit=100`: this node's.
pub(crate) async fn connections(
    request: HttpRequest,
    api: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    api.admin(&request)?;
    let query = Query::of(&request, &["after", "limit"])?;
    let limit = query.limit()? as usize;
    let found = api.parts.connections.connected(query.text("after"), limit);
    let next = found.last().filter(|_| found.len() == limit).map(|last| last.socket_id.clone());
    let connections = found.into_iter().map(Socket::from).collect();
    Ok(HttpResponse::Ok().json(Sockets { connections, page: Next { next } }))
}

/// A query string whose names are known, each given once at most.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(request: &HttpRequest, known: &[&str]) -> Result<Self, Problem> {
        let pairs = web::Query::<Vec<(String, String)>>::from_query(request.query_string())
            .map_err(|_| Faults::one("", "is not a query string"))?
            .into_inner();
        for (n, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(Faults::one(format!("/{name}"), "is not known").into());
            }
            if pairs[..n].iter().any(|(earlier, _)| earlier == name) {
                return Err(Faults::one(format!("/{name}"), "is given twice").into());
            }
        }
        Ok(Self(pairs))
    }

    fn text(&self, name: &str) -> Option<&str> {
        let pair = self.0.iter().find(|(known, _)| known == name);
        pair.map(|(_, text)| text.as_str())
    }

    fn parsed<T: std::str::FromStr>(&self, name: &str, what: &'static str) -> Result<Option<T>, Faults> {
        let parsed = self.text(name).map(str::parse).transpose();
        parsed.map_err(|_| Faults::one(format!("/{name}"), what))
    }

    fn limit(&self) -> Result<u32, Faults> {
        let what = "must be a whole number from 1 to 1000";
        let limit = self.parsed("limit", what)?.unwrap_or(USUAL);
        if (1..=MOST).contains(&limit) { Ok(limit) } else { Err(Faults::one("/limit", what)) }
    }
}
