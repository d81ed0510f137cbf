//! The oracle for one client: what its page has, and what every word of the server must therefore be.

use carillon_domain::{NotificationId, Offset, Position, Room, Timestamp, UserId};

use super::chronicle::Lives;

/// One page of one user.
pub(super) struct Page {
    pub(super) user_id: UserId,
    /// The rooms of the token that the present session came with.
    pub(super) rooms: Vec<Room>,
    /// The rooms it had when it was last told to load its inbox.
    loaded: Option<Vec<Room>>,
    /// It has everything up to here.
    pub(super) at: Option<Offset>,
    /// The last row it heard before it was ever told to load.
    early: Option<Offset>,
}

/// Why a client was told to reload, where that is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    First,
    Epoch,
    Trimmed,
    Limit,
    /// What it brought was not its own.
    Stranger,
    /// What it brought speaks of other rooms.
    Rooms,
    /// Its pid is old.
    Old,
    /// Its offset may be one of the session before.
    Held,
}

/// What a client claims at CONNECT: the place from which it wants to go on, if that is its own to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    Nothing,
    /// Of another user, or of other rooms.
    Unsound(Why),
    From {
        from: Offset,
        /// Why it may be refused.
        doubt: Option<Why>,
    },
}

impl Page {
    pub(super) fn new(user_id: UserId) -> Self {
        Self { user_id, rooms: Vec::new(), loaded: None, at: None, early: None }
    }

    /// `notification` came.
    pub(super) fn hears(&mut self, lives: &mut Lives, offset: Offset, id: NotificationId, now: Timestamp) {
        let place = offset.position.get();
        let wrong = match lives.of(offset.epoch) {
            None => Some(format!("I6: {place} is of a log that never was")),
            Some(life) => match life.rows.get(&offset.position) {
                None => Some(format!("I6: {place} is not in the log")),
                Some(row) if row.notification.id != id => Some(format!("I6: {place} is another row")),
                // A node that has yet to hear of a restored backup takes entitlements of the new life for the old one's.
                Some(row)
                    if !self.rooms.contains(&row.room)
                        || offset.epoch == lives.epoch
                            && !life.is_theirs(row, &self.user_id, &self.rooms) =>
                {
                    Some(format!("I5: {place} in {} is not for {}", row.room, self.user_id))
                }
                Some(_) => self.follows(lives, offset, now),
            },
        };
        if let Some(wrong) = wrong {
            lives.blame(wrong);
        }
        self.early = Some(offset);
        if self.at.is_some() {
            self.at = Some(offset);
        }
    }

    /// What is wrong with this row coming next.
    fn follows(&self, lives: &Lives, next: Offset, now: Timestamp) -> Option<String> {
        let place = next.position.get();
        let Some(at) = self.at else {
            let is_repeated =
                self.early.is_some_and(|last| last.epoch == next.epoch && last.position >= next.position);
            return is_repeated.then(|| format!("I3, I4: {place} comes again or too late"));
        };
        if at.epoch != next.epoch {
            return Some(format!("I7: {place} is of another life, and no reload was asked for"));
        }
        if next.position <= at.position {
            return Some(format!("I3, I4: {place} comes after {}", at.position.get()));
        }
        let before = Position::new(place - 1).unwrap_or_default();
        self.missing(lives, before, now)
            .map(|missing| format!("I2, I7: {place} comes and {} never did", missing.get()))
    }

    /// The first row that should have come by now, up to a place.
    pub(super) fn missing(&self, lives: &Lives, up_to: Position, now: Timestamp) -> Option<Position> {
        let at = self.at?;
        let owed = lives.of(at.epoch)?.owed((at.position, up_to), &self.user_id, &self.rooms, now).next()?;
        Some(owed.position)
    }

    /// `inbox:state` came.
    pub(super) fn is_told(
        &mut self,
        lives: &mut Lives,
        (recovered, offset): (bool, Offset),
        (claim, limit): (Claim, usize),
        now: Timestamp,
    ) -> Option<Why> {
        if recovered {
            let wrong = match self.at {
                None => Some("I7: recovered, and it never had anything".into()),
                Some(_) if matches!(claim, Claim::Unsound(_)) => {
                    Some("I7: recovered with what is not its own".into())
                }
                Some(at) if at.epoch != offset.epoch => Some("I7: recovered into another life".into()),
                Some(at) if at.position > offset.position => Some("I4: the state lies in the past".into()),
                Some(_) if self.loaded.as_ref().is_some_and(|loaded| *loaded != self.rooms) => {
                    Some("I7: recovered with other rooms than it was loaded with".into())
                }
                Some(_) => self.missing(lives, offset.position, now).map(|missing| {
                    format!("I7: recovered up to {} without {}", offset.position.get(), missing.get())
                }),
            };
            wrong.into_iter().for_each(|wrong| lives.blame(wrong));
            self.at = Some(offset);
            return None;
        }
        let why = self.why(lives, offset, claim, limit);
        if why.is_none() {
            lives.blame(format!("told to reload at {} without need", offset.position.get()));
        }
        self.at = Some(offset);
        self.loaded = Some(self.rooms.clone());
        why
    }

    fn why(&self, lives: &Lives, told: Offset, claim: Claim, limit: usize) -> Option<Why> {
        let (from, doubt) = match claim {
            Claim::Nothing => return Some(Why::First),
            Claim::Unsound(why) => return Some(why),
            Claim::From { from, doubt } => (from, doubt),
        };
        // A node may have yet to hear that a backup was restored.
        if from.epoch != lives.epoch || from.epoch != told.epoch {
            return Some(Why::Epoch);
        }
        let life = lives.of(lives.epoch)?;
        // What expired since was counted then.
        let ever = Timestamp::from_millis(0)?;
        let owed = life.owed((from.position, Position::END), &self.user_id, &self.rooms, ever);
        if from.position < life.trimmed {
            Some(Why::Trimmed)
        } else if owed.count() > limit {
            Some(Why::Limit)
        } else {
            doubt
        }
    }
}
