//! Someone comes, or comes back: what they are entitled to, and from where they hear the log.
//!
//! [`Returning`] decides what can be told without the log; this asks the hub's recent rows and, where those do not reach
//! back far enough, the store.

use std::sync::Arc;

use bytestring::ByteString;
use carillon_domain::ports::PortError;
use carillon_domain::{Entitled, Epoch, Loss, Offset, Plan, Principal, Refusal, Returning};
use metrics::counter;
use serde::Deserialize;
use serde_json::Value;

use crate::gateway::Gateway;
use crate::hub::Reach;

/// What a client sends with CONNECT: `token` and `since` are its page's own, `pid` and `offset` are added by the
/// official client (connection state recovery, Socket.IO v5).
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Auth {
    token: Option<Value>,
    pid: Option<Value>,
    offset: Option<Value>,
    since: Option<Value>,
}

/// How someone is let in.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) who: Arc<Entitled>,
    /// The session they resume.
    pub(crate) session: Option<Session>,
    /// The log's life that all this belongs to.
    pub(crate) epoch: Epoch,
    /// Where they hear on; `None`: they begin now.
    pub(crate) from: Option<Offset>,
    /// Whether they have, with what they are about to be given, everything. Then `inbox:state` comes after it; who is to
    /// reload hears that first, or a link that breaks in between would leave them with an offset and without the word.
    pub(crate) is_whole: bool,
    /// The offset that their client holds until it hears another.
    pub(crate) held: Option<Offset>,
}

/// A session as its client knows it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) socket_id: String,
    pub(crate) pid: String,
}

impl Auth {
    /// A CONNECT payload: none, or an object.
    pub(crate) fn read(payload: Option<&ByteString>) -> Result<Self, Refusal> {
        let Some(payload) = payload else { return Ok(Self::default()) };
        serde_json::from_str(payload)
            .map_err(|_| Refusal::TokenInvalid { reason: "the payload is not an object" })
    }

    /// The token it brings, or else the one that the handshake's header did.
    pub(crate) fn token<'a>(&'a self, header: Option<&'a str>) -> Result<Option<&'a str>, Refusal> {
        match &self.token {
            None => Ok(header),
            Some(Value::String(token)) if token.is_empty() => Ok(header),
            Some(Value::String(token)) => Ok(Some(token)),
            Some(_) => Err(Refusal::TokenInvalid { reason: "the token is not a string" }),
        }
    }

    /// What a stream's client brings: no session, at most a place.
    pub(crate) fn since(since: Option<String>) -> Self {
        Self { since: since.map(Value::String), ..Self::default() }
    }

    /// What the client brings back, and its pid as it was sent.
    fn returning(&self, gateway: &Gateway) -> Returning {
        // Official clients leave out what they do not have; others send null, which is nothing too.
        let text =
            |value: &Option<Value>| value.as_ref().map(|value| value.as_str().unwrap_or_default().to_owned());
        let offset = |value: &Option<Value>| text(value).map(|text| text.parse().ok());
        Returning {
            pid: text(&self.pid).map(|pid| gateway.pids.open(&pid)),
            offset: offset(&self.offset),
            since: offset(&self.since),
        }
    }
}

/// How to let a principal in. The block list and the token were asked before.
pub(crate) async fn arrive(
    gateway: &Gateway,
    principal: &Principal,
    auth: &Auth,
) -> Result<Arrival, PortError> {
    let (now, epoch) = (gateway.wall_clock.now(), gateway.hub.offset().epoch);
    let returning = auth.returning(gateway);
    let held = returning.offset.flatten();
    let (session, who, from, is_whole, outcome) =
        match returning.plan(principal, epoch, now, gateway.settings.recovery_age) {
            Plan::Anew(loss) => return anew(gateway, principal, (epoch, held), loss).await,
            Plan::Replay(from) => (None, gateway.enter(principal).await?, from, true, "replayed"),
            Plan::GoOn(from, loss) => (None, gateway.enter(principal).await?, from, false, loss.as_str()),
            Plan::Resume { pid, from, is_whole } => {
                let text = auth.pid.as_ref().and_then(Value::as_str).unwrap_or_default();
                let session = Session { socket_id: pid.socket_id, pid: text.to_owned() };
                (Some(session), pid.who, from, is_whole, "resumed")
            }
        };
    if gateway.hub.mutes().is_outdated(&who, Some(from.position)) {
        return anew(gateway, principal, (epoch, held), Some(Loss::Erased)).await;
    }
    if let Err(loss) = check(gateway, &who, from).await? {
        return anew(gateway, principal, (epoch, held), Some(loss)).await;
    }
    counter!("carillon_recoveries_total", "outcome" => outcome).increment(1);
    let who = Arc::new(who);
    Ok(Arrival { who, session, epoch, from: Some(from), is_whole, held })
}

async fn anew(
    gateway: &Gateway,
    principal: &Principal,
    (epoch, held): (Epoch, Option<Offset>),
    loss: Option<Loss>,
) -> Result<Arrival, PortError> {
    if let Some(loss) = loss {
        tracing::debug!(user = %principal.user_id(), reason = loss.as_str(), "a session was not resumed");
        counter!("carillon_recoveries_total", "outcome" => loss.as_str()).increment(1);
    }
    let who = Arc::new(gateway.enter(principal).await?);
    Ok(Arrival { who, session: None, epoch, from: None, is_whole: false, held })
}

/// Whether everything after a place can be given, and is not too much.
async fn check(gateway: &Gateway, who: &Entitled, from: Offset) -> Result<Result<(), Loss>, PortError> {
    let (limit, now) = (gateway.settings.recovery_limit, gateway.wall_clock.now());
    match gateway.hub.reach(who, from, limit as usize, now) {
        Reach::Recent(rows) if rows <= limit as usize => Ok(Ok(())),
        Reach::Recent(_) => Ok(Err(Loss::Limit)),
        Reach::OtherEpoch => Ok(Err(Loss::Epoch)),
        Reach::Store => {
            let _turn = gateway.store_turn().await;
            let missed = gateway.log.missed(&who.rooms, from.position, limit.saturating_add(1), now).await?;
            Ok(missed.check(from.epoch, from.position, limit))
        }
    }
}
