//! Pids on the wire: signed JSON, so that nothing has to be remembered of a session that is gone.

use carillon_domain::ports::{Pids, Secret};
use carillon_domain::{Entitled, Entitlement, Epoch, Offset, Pid, Position, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

/// Longer texts are no pids of ours. One has some 400 characters: five rooms of at most 128 and a signature.
const MAX_PID_BYTES: usize = 4 * 1024;

/// Signs pids with the secret that the nodes over one log share (HS256). No pid is a token or a token a pid: their
/// keys differ.
pub struct PidSealer {
    signing: EncodingKey,
    checking: DecodingKey,
    validation: Validation,
}

/// Short names: it travels with every CONNECT.
#[derive(Serialize, Deserialize)]
struct Sealed {
    /// Socket id.
    s: String,
    /// User id.
    u: String,
    /// Rooms, and the position since which each is theirs.
    r: Vec<(String, u64)>,
    /// Where the session began: epoch and position.
    b: (u64, u64),
    /// The offset held when it began.
    h: Option<(u64, u64)>,
    /// When it was given out, in milliseconds.
    t: i64,
}

impl PidSealer {
    /// A sealer with this secret.
    #[must_use]
    pub fn new(Secret(secret): &Secret) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        // A pid has none of a token's claims; its age is judged by who opens it.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        Self {
            signing: EncodingKey::from_secret(secret),
            checking: DecodingKey::from_secret(secret),
            validation,
        }
    }
}

impl Pids for PidSealer {
    fn seal(&self, pid: &Pid) -> String {
        let rooms = pid.who.rooms.iter().map(|e| (e.room.to_string(), e.since.get()));
        let sealed = Sealed {
            s: pid.socket_id.clone(),
            u: pid.who.user_id.to_string(),
            r: rooms.collect(),
            b: numbers(pid.start),
            h: pid.held.map(numbers),
            t: pid.issued_at.as_millis(),
        };
        #[expect(
            clippy::expect_used,
            reason = "texts and numbers always serialise, and the key is of this kind"
        )]
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &sealed, &self.signing)
            .expect("a pid can be signed")
    }

    fn open(&self, text: &str) -> Option<Pid> {
        if text.len() > MAX_PID_BYTES {
            return None;
        }
        let sealed = jsonwebtoken::decode::<Sealed>(text, &self.checking, &self.validation).ok()?.claims;
        let entitlement = |(room, since): (String, u64)| {
            Some(Entitlement { room: room.parse().ok()?, since: Position::new(since)? })
        };
        let rooms = sealed.r.into_iter().map(entitlement).collect::<Option<Vec<_>>>()?;
        Some(Pid {
            socket_id: sealed.s,
            who: Entitled { user_id: sealed.u.parse().ok()?, rooms },
            start: offset(sealed.b)?,
            held: sealed.h.and_then(offset),
            issued_at: Timestamp::from_millis(sealed.t)?,
        })
    }
}

fn numbers(offset: Offset) -> (u64, u64) {
    (offset.epoch.get(), offset.position.get())
}

fn offset((epoch, position): (u64, u64)) -> Option<Offset> {
    Some(Offset { epoch: Epoch::new(epoch), position: Position::new(position)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid() -> Pid {
        let at = |n| Position::new(n).unwrap();
        let entitled = |room: &str, since| Entitlement { room: room.parse().unwrap(), since: at(since) };
        Pid {
            socket_id: "Zz_-09".into(),
            who: Entitled {
                user_id: "Ärztin-7:\u{1F600}".parse().unwrap(),
                rooms: vec![entitled("all", 12), entitled("role:doctor", Position::END.get())],
            },
            start: Offset { epoch: Epoch::new(u64::MAX), position: at(12) },
            held: Some(Offset { epoch: Epoch::new(3), position: at(11) }),
            issued_at: Timestamp::from_millis(1_700_000_000_123).unwrap(),
        }
    }

    fn sealer(byte: u8) -> PidSealer {
        PidSealer::new(&Secret([byte; 32]))
    }

    #[test]
    fn a_pid_comes_back_as_it_was_given_out() {
        let text = sealer(1).seal(&pid());
        assert!(text.len() < 500, "{}", text.len());
        assert_eq!(sealer(1).open(&text), Some(pid()));
    }

    #[test]
    fn nothing_else_is_a_pid() {
        let text = sealer(1).seal(&pid());
        assert_eq!(sealer(2).open(&text), None, "another log's");
        for cut in 0..text.len() {
            assert_eq!(sealer(1).open(&text[..cut]), None, "cut at {cut}");
        }
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(sealer(1).open(&changed).is_none_or(|opened| opened == pid()), "changed at {at}");
        }
        let unsigned = "eyJhbGciOiJub25lIn0.e30.";
        for wrong in ["", ".", "..", unsigned, &"a".repeat(100_000)] {
            assert_eq!(sealer(1).open(wrong), None);
        }
        // A token signed with the very same secret has other claims.
        let key = EncodingKey::from_secret(&[1; 32]);
        let token =
            jsonwebtoken::encode(&Header::default(), &serde_json::json!({"sub": "1", "exp": 1}), &key);
        assert_eq!(sealer(1).open(&token.unwrap()), None);
    }
}
