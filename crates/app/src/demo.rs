//! `carillon demo`: a node with embedded defaults, demo users, and a simulated clinic that publishes through the HTTP API.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use anyhow::Context as _;
use carillon_auth_jwt::{Signer, TokenClaims};
use carillon_domain::{
    AppointmentCanceled, AppointmentCreated, AppointmentUpdated, Payload as _, PaymentCompleted,
    PrescriptionCreated, ReviewCreated, Role, ScheduleUpdated, Timestamp, UserId,
};
use rand::seq::IndexedRandom as _;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::serve::{Extra, Node};
use crate::settings::{Faults, JwtSource, PublishKey, Settings};

/// The demo's publish key. Anyone may know it: the demo listens on this machine alone.
pub(crate) const DEMO_KEY: &str = "demo-publish-key-not-a-secret";
const TOKEN_FOR: Duration = Duration::from_secs(12 * 3_600);

/// Someone to be.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct DemoUser {
    user_id: &'static str,
    name: &'static str,
    email: &'static str,
    role: Role,
}

const USERS: [DemoUser; 5] = [
    DemoUser { user_id: "admin", name: "Ada Brandt", email: "admin@clinic.example", role: Role::Admin },
    DemoUser {
        user_id: "doctor",
        name: "Dr. Sofia Marin",
        email: "doctor@clinic.example",
        role: Role::Doctor,
    },
    DemoUser {
        user_id: "doctor-2",
        name: "Dr. Kenji Mori",
        email: "doctor-2@clinic.example",
        role: Role::Doctor,
    },
    DemoUser { user_id: "patient", name: "Paul Weber", email: "patient@clinic.example", role: Role::Patient },
    DemoUser {
        user_id: "patient-2",
        name: "Nia Okafor",
        email: "patient-2@clinic.example",
        role: Role::Patient,
    },
];

/// Runs the demo until it is stopped.
///
/// # Errors
/// A host other than this machine: the demo hands out tokens to whoever asks.
pub(crate) async fn run(mut settings: Settings) -> anyhow::Result<()> {
    if !is_loopback(&settings.socket_host) {
        let fault = "must be this machine (127.0.0.1) for the demo, which hands out tokens to whoever asks";
        return Err(Faults::one("socket_host", fault).into());
    }
    let secret = SecretString::from(hex(rand::random::<[u8; 32]>()));
    settings.jwt_source = Some(JwtSource::JwtSecret(secret.clone()));
    settings.publish_keys.push(PublishKey { name: "demo".into(), key: DEMO_KEY.into() });
    let desk = Arc::new(Desk {
        signer: Signer::new(&secret)?,
        issuer: settings.jwt_issuer.clone(),
        audience: settings.jwt_audience.clone(),
    });
    let node = Node::start(&settings, Some(routes(Arc::clone(&desk)))).await?;
    welcome(&desk, node.address)?;
    tokio::spawn(clinic(node.address));
    node.run().await
}

/// Where demo users get their tokens.
struct Desk {
    signer: Signer,
    issuer: Option<String>,
    audience: Option<String>,
}

impl Desk {
    fn token(&self, user: DemoUser) -> anyhow::Result<String> {
        let issued_at = Timestamp::from(jiff::Timestamp::now());
        let claims = TokenClaims {
            user_id: user.user_id.parse()?,
            role: user.role,
            email: Some(user.email.into()),
            doctor_id: None,
            patient_id: None,
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            issued_at,
            expires_at: issued_at.saturating_add(TOKEN_FOR),
        };
        self.signer.sign(&claims).context("signing a token")
    }
}

/// `GET /demo/users` and `GET /demo/token/{userId}`: the page asks for a new token at each connect, so that it comes
/// back by itself after the demo was stopped and started again.
fn routes(desk: Arc<Desk>) -> Extra {
    Arc::new(move |app| {
        let desk = Arc::clone(&desk);
        let token = move |id: web::Path<String>| {
            let user = USERS.into_iter().find(|user| user.user_id == id.as_str());
            let token = user.and_then(|user| desk.token(user).ok());
            async move { token.map_or_else(|| HttpResponse::NotFound().finish(), |t| HttpResponse::Ok().body(t)) }
        };
        app.route("/demo/users", web::get().to(async || web::Json(USERS)))
            .route("/demo/token/{user}", web::get().to(token));
    })
}

fn welcome(desk: &Desk, address: SocketAddr) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "Carillon demo: a clinic that publishes every few seconds\n")?;
    writeln!(out, "  the page      http://{address}/")?;
    writeln!(out, "  publish key   {DEMO_KEY}\n")?;
    writeln!(out, "One token for each role, good for 12 hours (any demo user's: GET /demo/token/USER):\n")?;
    for user in [USERS[0], USERS[1], USERS[3]] {
        writeln!(out, "  {} ({})\n  {}\n", user.role.as_str(), user.user_id, desk.token(user)?)?;
    }
    Ok(())
}

/// What the clinic's services could not get rid of while the gateway was away: it comes as soon as it is back.
const WAITING: u64 = 3;

/// Publishes what a clinic's services would, for as long as the process lives.
async fn clinic(address: SocketAddr) {
    let http = reqwest::Client::new();
    let url = format!("http://{address}/api/v1/events");
    for number in 1_u64.. {
        let pause = if number <= WAITING { 0 } else { rand::random_range(1_500..4_500) };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let Ok(body) = happening(number) else { continue };
        let sent = http.post(&url).bearer_auth(DEMO_KEY).json(&body).send().await;
        match sent.and_then(reqwest::Response::error_for_status) {
            Ok(_) => {}
            Err(fault) => tracing::warn!(error = %fault, "the simulated clinic could not publish"),
        }
    }
}

/// Something that happens in a clinic: an event for random demo users.
fn happening(number: u64) -> Result<Value, serde_json::Error> {
    let someone = |role: Role| -> UserId {
        let of_role: Vec<_> = USERS.iter().filter(|user| user.role == role).collect();
        #[expect(clippy::expect_used, reason = "there is a demo user of each role, and their ids are ids")]
        of_role.choose(&mut rand::rng()).and_then(|user| user.user_id.parse().ok()).expect("a demo user")
    };
    let (doctor_id, patient_id) = (someone(Role::Doctor), someone(Role::Patient));
    let id = |kind: &str| format!("{kind}-{number}");
    let with = |details: Value| details.as_object().cloned().unwrap_or_default();
    let room = rand::random_range(1..9_u8);
    let (action, mut body) = match rand::random_range(0..10_u8) {
        0..=2 => {
            let details = with(json!({"room": room, "minutes": 30}));
            let booked =
                AppointmentCreated { details, appointment_id: id("appointment"), doctor_id, patient_id };
            ("/dashboard/appointments", booked.body()?)
        }
        3 | 4 => {
            let (details, status) = (with(json!({"room": room})), "RESCHEDULED".into());
            let appointment_id = id("appointment");
            let moved = AppointmentUpdated { details, appointment_id, doctor_id, patient_id, status };
            ("/dashboard/appointments", moved.body()?)
        }
        5 => {
            let appointment_id = id("appointment");
            let canceled = AppointmentCanceled { details: Map::new(), appointment_id, doctor_id, patient_id };
            ("/dashboard/appointments", canceled.body()?)
        }
        6 => {
            let details = with(json!({"amount": 10 * u32::from(room), "currency": "EUR"}));
            (
                "/dashboard/payments",
                PaymentCompleted { details, payment_id: id("payment"), patient_id }.body()?,
            )
        }
        7 => {
            let prescription_id = id("prescription");
            let prescribed = PrescriptionCreated { details: Map::new(), prescription_id, patient_id };
            ("/dashboard/prescriptions", prescribed.body()?)
        }
        8 => {
            let details = with(json!({"stars": 1 + room % 5}));
            ("/dashboard/reviews", ReviewCreated { details, review_id: id("review"), doctor_id }.body()?)
        }
        _ => {
            let schedule_id = id("schedule");
            let changed = ScheduleUpdated { details: Map::new(), schedule_id, doctor_id };
            ("/dashboard/schedule", changed.body()?)
        }
    };
    body["actionUrl"] = action.into();
    Ok(body)
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use carillon_domain::Draft;
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn whatever_happens_in_the_demo_clinic_can_be_published() {
        for number in 0..200 {
            Draft::parse_event(happening(number).unwrap()).unwrap();
        }
    }

    #[test]
    fn the_demo_listens_on_this_machine_alone() {
        assert!(is_loopback("127.0.0.1") && is_loopback("::1") && is_loopback("localhost"));
        assert!(!is_loopback("0.0.0.0") && !is_loopback("10.0.0.1") && !is_loopback("example.com"));
    }

    #[test]
    fn the_demo_key_is_one_that_settings_accept() {
        assert!(DEMO_KEY.len() >= 24 && !DEMO_KEY.contains([',', ' ']));
        assert_eq!(SecretString::from(DEMO_KEY).expose_secret(), DEMO_KEY);
    }
}
