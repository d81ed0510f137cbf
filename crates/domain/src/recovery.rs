//! What a client that comes back is owed: its session, what it missed, or word that it must reload.
//!
//! ```text
//!   pid of this user, same rooms, an offset ───▶ resume: the same session, from its offset
//!   the same, nothing heard in that session ───▶ resume: the same session, from now; the client reloads
//!   no pid, `since` ───────────────────────────▶ replay: a new session, from there
//!   another user's, forged, too old, other rooms or epoch ─▶ anew: the client reloads
//!   and then: deleted meanwhile, beyond the head, more than the limit ─▶ anew
//! ```
//!
//! Pure. The token decides who someone is and what they may hear; the pid says only what they had. So a stolen one
//! gives nothing, and a session survives any node, since no node keeps it.
//!
//! Who is told to reload hears that before any row. Otherwise a link that broke in between would leave a client with an
//! offset of the session and without the word, and it would be taken for one that has everything.

use std::time::Duration;

use crate::ports::Missed;
use crate::{Entitled, Epoch, Offset, Position, Principal, Timestamp};

/// What a session was, as its client carries it: sealed by [`ports::Pids`](crate::ports::Pids), so that it comes back
/// as it was given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pid {
    /// The Socket.IO session id.
    pub socket_id: String,
    /// Whose it was, and what they were entitled to: it spares the store a visit.
    pub who: Entitled,
    /// The log's life that the session belongs to.
    pub epoch: Epoch,
    /// The offset that its client had already when the session began. The official client sends it until it hears
    /// another: it says nothing of this session, and perhaps not even of this user.
    pub held: Option<Offset>,
    /// When it was given out.
    pub issued_at: Timestamp,
}

/// What a client brings to CONNECT, beside its token. `Some(None)` is something that cannot be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Returning {
    /// The pid of its last session.
    pub pid: Option<Option<Pid>>,
    /// The last offset it heard in that session or, until a new one tells it another, the one before.
    pub offset: Option<Option<Offset>>,
    /// The last offset that a page noted before it was loaded again.
    pub since: Option<Option<Offset>>,
}

/// What to do for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// A new session that begins now; if the client asked for more, why it cannot be had.
    Anew(Option<Loss>),
    /// The same session, from the last place that its client heard of. Without one the client has not loaded its inbox
    /// yet: the session goes on from now.
    Resume(Pid, Option<Offset>),
    /// A new session, from the last place that its page heard of.
    Replay(Offset),
}

/// Why a client is not given all that it missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Loss {
    /// The pid, or the place it came with, is none of ours.
    Forged,
    /// The pid is another user's.
    Stranger,
    /// The user's rooms are others now: what was heard in one of the old ones may have to go.
    Rooms,
    /// The pid was given out too long ago.
    Age,
    /// The offset belongs to another life of the log.
    Epoch,
    /// The offset lies beyond the log.
    Ahead,
    /// Some of what was missed may have been deleted.
    Trimmed,
    /// More was missed than is replayed.
    Limit,
}

impl Loss {
    /// A word for figures and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forged => "forged",
            Self::Stranger => "stranger",
            Self::Rooms => "rooms",
            Self::Age => "age",
            Self::Epoch => "epoch",
            Self::Ahead => "ahead",
            Self::Trimmed => "trimmed",
            Self::Limit => "limit",
        }
    }
}

impl Returning {
    /// What to do for this client, as far as can be told without the log. `max_age` is how long a pid counts.
    #[must_use]
    pub fn plan(self, principal: &Principal, epoch: Epoch, now: Timestamp, max_age: Duration) -> Plan {
        let (pid, from) = match (self.pid, self.offset, self.since) {
            (None, _, None) => return Plan::Anew(None),
            (Some(None), ..) | (Some(_), Some(None), _) | (None, _, Some(None)) => {
                return Plan::Anew(Some(Loss::Forged));
            }
            (None, _, Some(Some(from))) if from.epoch.is_other(epoch) => {
                return Plan::Anew(Some(Loss::Epoch));
            }
            (None, _, Some(Some(from))) => return Plan::Replay(from),
            (Some(Some(pid)), offset, _) => {
                let heard = offset.flatten().filter(|offset| pid.held != Some(*offset));
                (pid, heard)
            }
        };
        let loss = if pid.who.user_id != *principal.user_id() {
            Loss::Stranger
        } else if pid.issued_at.saturating_add(max_age) < now {
            Loss::Age
        } else if pid.epoch.is_other(epoch) || from.is_some_and(|from| from.epoch.is_other(epoch)) {
            Loss::Epoch
        } else if pid.who.rooms.iter().map(|e| &e.room).ne(principal.rooms()) {
            Loss::Rooms
        } else {
            return Plan::Resume(pid, from);
        };
        Plan::Anew(Some(loss))
    }
}

impl Missed {
    /// Whether everything after `from` can be replayed, and is no more than `limit`; `self` must have been counted
    /// from there with a bound above the limit.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, epoch: Epoch, from: Position, limit: u32) -> Result<(), Loss> {
        if self.head.epoch.is_other(epoch) {
            Err(Loss::Epoch)
        } else if from > self.head.position {
            Err(Loss::Ahead)
        } else if from < self.head.trimmed && !mutated!(SilentTrim) {
            Err(Loss::Trimmed)
        } else if self.rows > limit {
            Err(Loss::Limit)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{instant, principal};
    use crate::{Entitlement, Head, Role};

    const NOW: Epoch = Epoch::new(7);
    const DAY: Duration = Duration::from_secs(86_400);

    fn offset(epoch: Epoch, n: u64) -> Offset {
        Offset { epoch, position: Position::new(n).unwrap() }
    }

    fn pid(user: &str, role: Role) -> Pid {
        let principal = principal(user, role);
        let rooms = principal.rooms().iter().cloned();
        let rooms = rooms.map(|room| Entitlement { room, since: Position::START }).collect();
        Pid {
            socket_id: "s".into(),
            who: Entitled { user_id: principal.user_id().clone(), rooms },
            epoch: NOW,
            held: Some(offset(NOW, 2)),
            issued_at: instant(0),
        }
    }

    fn plan(pid: Option<Option<Pid>>, heard: Option<Offset>, since: Option<Offset>, at: i64) -> Plan {
        let returning = Returning { pid, offset: heard.map(Some), since: since.map(Some) };
        returning.plan(&principal("1", Role::Patient), NOW, instant(at), DAY)
    }

    #[test]
    fn a_first_visit_begins_anew_and_a_reloaded_page_where_it_was() {
        assert_eq!(plan(None, None, None, 0), Plan::Anew(None));
        let from = offset(NOW, 5);
        assert_eq!(plan(None, None, Some(from), 0), Plan::Replay(from));
        assert_eq!(plan(None, None, Some(offset(Epoch::new(8), 5)), 0), Plan::Anew(Some(Loss::Epoch)));
        // An offset counts with its session's pid alone.
        assert_eq!(plan(None, Some(from), None, 0), Plan::Anew(None));
    }

    #[test]
    fn a_session_resumes_where_its_client_last_heard() {
        let pid = pid("1", Role::Patient);
        let (heard, since) = (offset(NOW, 5), Some(offset(NOW, 1)));
        let resumed = |heard: Option<Offset>| plan(Some(Some(pid.clone())), heard, since, 0);
        assert_eq!(resumed(Some(heard)), Plan::Resume(pid.clone(), Some(heard)));
        // What it heard before this session says nothing of it, nor does what its page noted.
        assert_eq!(resumed(None), Plan::Resume(pid.clone(), None));
        assert_eq!(resumed(pid.held), Plan::Resume(pid.clone(), None));
    }

    #[test]
    fn nobody_resumes_what_is_not_theirs_or_no_more() {
        let heard = Some(offset(NOW, 5));
        let anew = |pid, heard, at| match plan(Some(pid), heard, heard, at) {
            Plan::Anew(loss) => loss,
            other => panic!("{other:?}"),
        };
        let ours = || Some(pid("1", Role::Patient));
        assert_eq!(anew(None, heard, 0), Some(Loss::Forged));
        assert_eq!(anew(Some(pid("2", Role::Patient)), heard, 0), Some(Loss::Stranger));
        assert_eq!(anew(ours(), heard, 86_401), Some(Loss::Age));
        assert_eq!(anew(ours(), Some(offset(Epoch::new(8), 5)), 0), Some(Loss::Epoch));
        let mut older = ours().unwrap();
        older.epoch = Epoch::new(8);
        assert_eq!(anew(Some(older), heard, 0), Some(Loss::Epoch));
        let unreadable = Returning { pid: Some(ours()), offset: Some(None), since: None };
        let planned = unreadable.plan(&principal("1", Role::Patient), NOW, instant(0), DAY);
        assert_eq!(planned, Plan::Anew(Some(Loss::Forged)));
        assert_eq!(anew(Some(pid("1", Role::Doctor)), heard, 0), Some(Loss::Rooms));
    }

    #[test]
    fn what_was_missed_is_all_there_or_not_given() {
        let at = |n| Position::new(n).unwrap();
        let missed = |rows| Missed { head: Head { epoch: NOW, position: at(9), trimmed: at(4) }, rows };
        assert_eq!(missed(5).check(NOW, at(4), 5), Ok(()));
        assert_eq!(missed(0).check(NOW, at(9), 5), Ok(()));
        assert_eq!(missed(6).check(NOW, at(4), 5), Err(Loss::Limit));
        assert_eq!(missed(0).check(NOW, at(10), 5), Err(Loss::Ahead));
        assert_eq!(missed(1).check(NOW, at(3), 5), Err(Loss::Trimmed));
        assert_eq!(missed(1).check(Epoch::new(8), at(4), 5), Err(Loss::Epoch));
    }
}
