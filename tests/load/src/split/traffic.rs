//! Who is told things: publishes as a clinic makes them, over users of whom some are told far more than others.

use carillon_tests::Dice;

/// A room by number: the shared ones first, then two for each user.
pub(crate) type Room = u32;

pub(crate) const ALL: Room = 0;
pub(crate) const ADMINS: Room = 1;
const SHARED: Room = 2;
const USERS: u32 = 200_000;
/// The users of most notifications, whose clients are watched for the order in which they hear.
pub(crate) const WATCHED: u32 = 64;
/// One row in so many is for `all`.
const BROADCAST: usize = 20_000;

/// Who is told how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crowd {
    /// Each user as much as any other.
    Even,
    /// The nth user a share of 1/n (Zipf's law); one row in 20,000 goes to everyone.
    Zipf,
    /// The same users by the eight events of a clinic, each as often as any other: most also go to `role:admin`.
    Clinic,
    /// As [`Crowd::Zipf`], but so many of 100 rows are for one room.
    Hot(usize),
}

/// How many of the clinic's eight events go to the admins and to how many rooms of persons (docs/api: the table of events).
const EVENTS: [(bool, usize); 8] =
    [(true, 1), (true, 2), (true, 2), (true, 1), (false, 1), (true, 1), (true, 0), (false, 1)];

/// Throws publishes.
pub(crate) struct Traffic {
    pub(crate) dice: Dice,
    crowd: Crowd,
    /// Up to which share each user comes.
    shares: Vec<f64>,
}

impl Traffic {
    pub(crate) fn new(crowd: Crowd, seed: u64) -> Self {
        let weight = |rank: u32| if crowd == Crowd::Even { 1.0 } else { 1.0 / f64::from(rank) };
        let mut sum = 0.0;
        let shares = (1..=USERS).map(|rank| {
            sum += weight(rank);
            sum
        });
        Self { dice: Dice::new(seed), crowd, shares: shares.collect() }
    }

    /// The rooms of the next publish, one row each.
    pub(crate) fn next(&mut self, rooms: &mut Vec<Room>) {
        rooms.clear();
        match self.crowd {
            Crowd::Clinic => {
                let (to_admins, persons) = self.dice.pick(&EVENTS);
                rooms.extend((0..persons).map(|_| self.person()));
                rooms.extend(to_admins.then_some(ADMINS));
            }
            Crowd::Hot(share) if self.dice.below(100) < share => rooms.push(ADMINS),
            Crowd::Zipf | Crowd::Hot(_) if self.dice.one_in(BROADCAST) => rooms.push(ALL),
            Crowd::Even | Crowd::Zipf | Crowd::Hot(_) => rooms.push(self.person()),
        }
    }

    /// `user:U` or `patient:U` of some U.
    fn person(&mut self) -> Room {
        let at = self.fraction() * self.shares.last().copied().unwrap_or_default();
        let user = self.shares.partition_point(|share| *share <= at);
        let user = u32::try_from(user).map_or(USERS - 1, |user| user.min(USERS - 1));
        self.dice.pick(&rooms_of(user))
    }

    /// From 0 to 1, without the 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        (self.dice.throw() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A wait of this mean, as between things that have nothing to do with each other.
    pub(crate) fn wait(&mut self, mean: f64) -> u64 {
        #[expect(clippy::cast_possible_truncation, reason = "waits are positive and far below 2^53")]
        let wait = (-(1.0 - self.fraction()).ln() * mean).round() as i64;
        wait.unsigned_abs()
    }
}

/// Whose room it is, where it is a person's.
pub(crate) fn user_of(room: Room) -> Option<u32> {
    room.checked_sub(SHARED).map(|room| room / 2)
}

/// `user:U` and `patient:U`.
pub(crate) fn rooms_of(user: u32) -> [Room; 2] {
    [SHARED + 2 * user, SHARED + 2 * user + 1]
}

/// The log that keeps a room, of so many: by a hash, so that nothing need be kept about rooms.
pub(crate) fn log_of(room: Room, logs: usize) -> usize {
    Dice::new(u64::from(room)).below(logs)
}
