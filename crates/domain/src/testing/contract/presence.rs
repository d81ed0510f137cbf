//! What nodes must know of each other's users, however they tell each other.

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::{Counts, News, Person, Presence, Role, UserId};

/// How long those who leave are here in these cases. Word between nodes takes far less.
pub const GRACE: Duration = Duration::from_millis(1_500);
/// The longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The presence of two nodes, or of one where there is one only.
pub struct Nodes {
    /// One node's.
    pub here: Presence,
    /// The other's.
    pub there: Option<Presence>,
    /// Lets some 10 ms pass, and says what time it is then.
    pub pass: Box<dyn Fn() -> BoxFuture<'static, Duration> + Send + Sync>,
}

impl Nodes {
    fn there(&self) -> &Presence {
        self.there.as_ref().unwrap_or(&self.here)
    }

    fn both(&self) -> impl Iterator<Item = &Presence> {
        std::iter::once(&self.here).chain(&self.there)
    }

    /// Lets time pass until something holds of every node at once, and gives what was news on each meanwhile: `+` or `-`
    /// and the user.
    async fn until(&self, holds: impl Fn(&Presence, Duration) -> bool) -> Vec<String> {
        let mut news = vec![String::new(); self.both().count()];
        let begun = (self.pass)().await;
        loop {
            let now = (self.pass)().await;
            for (presence, news) in self.both().zip(&mut news) {
                for new in presence.roster().advance(now) {
                    match new {
                        News::Online(person) => *news += &format!("+{} ", person.user_id),
                        News::Offline(offline) => *news += &format!("-{} ", offline.person.user_id),
                    }
                }
            }
            let passed = now.saturating_sub(begun);
            if self.both().all(|presence| holds(presence, passed)) {
                return news;
            }
            assert!(passed < PATIENCE, "it never came to that: {news:?}");
        }
    }

    /// Lets time pass until every grace is over.
    async fn settle(&self) -> Vec<String> {
        self.until(|_, passed| passed > GRACE * 2).await
    }
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn person(id: &str, role: Role) -> Person {
    Person { user_id: user(id), email: Some(format!("{id}@clinic.example")), role, profile_id: None }
}

fn join(presence: &Presence, person: &Person) {
    presence.roster().joined(person.clone());
}

fn leave(presence: &Presence, id: &str) {
    presence.roster().left(&user(id), "transport close");
}

fn has(presence: &Presence, id: &str) -> bool {
    presence.roster().person(&user(id)).is_some()
}

fn all_say(news: &[String], expected: &str) {
    assert!(news.iter().all(|news| news == expected), "{news:?} instead of {expected:?}");
}

/// A user comes once and goes once, on every node, however many tabs they have and wherever.
pub async fn a_user_is_here_once_on_every_node(nodes: Nodes) {
    let ann = person("ann", Role::Patient);
    for presence in [&nodes.here, nodes.there(), &nodes.here] {
        join(presence, &ann);
    }
    let came = nodes.until(|presence, _| presence.roster().counts().connections == 3).await;
    all_say(&came, "+ann ");
    for presence in nodes.both() {
        assert_eq!(
            presence.roster().person(&user("ann")).map(|person| (**person).clone()),
            Some(ann.clone())
        );
    }
    leave(&nodes.here, "ann");
    leave(&nodes.here, "ann");
    all_say(&nodes.settle().await, "");
    leave(nodes.there(), "ann");
    all_say(&nodes.until(|presence, _| !has(presence, "ann")).await, "-ann ");
    for presence in nodes.both() {
        assert_eq!(presence.roster().counts(), Counts::default());
    }
}

/// Whoever comes back within the grace was never gone.
pub async fn a_page_change_is_silent(nodes: Nodes) {
    let ann = person("ann", Role::Patient);
    join(&nodes.here, &ann);
    nodes.until(|presence, _| has(presence, "ann")).await;
    for _ in 0..5 {
        leave(&nodes.here, "ann");
        all_say(&nodes.until(|_, passed| passed > GRACE / 3).await, "");
        join(&nodes.here, &ann);
        all_say(&nodes.until(|_, passed| passed > GRACE / 3).await, "");
    }
    all_say(&nodes.settle().await, "");
}

/// As is whoever comes back elsewhere.
pub async fn a_move_to_another_node_is_silent(nodes: Nodes) {
    let ann = person("ann", Role::Patient);
    join(&nodes.here, &ann);
    nodes.until(|presence, _| has(presence, "ann")).await;
    for (from, to) in [(&nodes.here, nodes.there()), (nodes.there(), &nodes.here)] {
        leave(from, "ann");
        all_say(&nodes.until(|_, passed| passed > GRACE / 3).await, "");
        join(to, &ann);
        all_say(&nodes.settle().await, "");
    }
    leave(&nodes.here, "ann");
    all_say(&nodes.settle().await, "-ann ");
}

/// Counts are of users, and SUPER_ADMIN is an admin.
pub async fn users_are_counted_once_by_role(nodes: Nodes) {
    for (id, role) in [("a", Role::Admin), ("s", Role::SuperAdmin), ("d", Role::Doctor), ("p", Role::Patient)]
    {
        join(&nodes.here, &person(id, role));
        join(nodes.there(), &person(id, role));
    }
    let expected = Counts { admin: 2, doctor: 1, patient: 1, connections: 8 };
    nodes.until(|presence, _| presence.roster().counts() == expected).await;
    leave(&nodes.here, "a");
    leave(nodes.there(), "d");
    leave(&nodes.here, "d");
    let expected = Counts { admin: 2, doctor: 0, patient: 1, connections: 5 };
    nodes.until(|presence, _| presence.roster().counts() == expected).await;
}

/// A doctor is here under their user id and under their profile's; nobody else is a doctor.
pub async fn a_doctor_is_known_by_either_id(nodes: Nodes) {
    let profile_id = Some(user("profile"));
    join(&nodes.here, &Person { profile_id: profile_id.clone(), ..person("doc", Role::Doctor) });
    join(&nodes.here, &Person { profile_id, ..person("pat", Role::Patient) });
    join(nodes.there(), &Person { profile_id: Some(user("other")), ..person("pet", Role::Patient) });
    nodes.until(|presence, _| ["doc", "pat", "pet"].iter().all(|id| has(presence, id))).await;
    let is_here = |presence: &Presence, id| presence.roster().has_doctor(&user(id));
    for presence in nodes.both() {
        assert!(is_here(presence, "doc") && is_here(presence, "profile"));
        assert!(!["pat", "pet", "other", "nobody"].iter().any(|id| is_here(presence, id)));
    }
    leave(&nodes.here, "doc");
    nodes.until(|presence, _| !is_here(presence, "doc") && !is_here(presence, "profile")).await;
}

/// A token with another role or profile counts at once, without anybody having left.
pub async fn what_a_token_tells_anew_is_told(nodes: Nodes) {
    join(&nodes.here, &person("u", Role::Patient));
    nodes.until(|presence, _| has(presence, "u")).await;
    join(&nodes.here, &Person { profile_id: Some(user("profile")), ..person("u", Role::Doctor) });
    leave(&nodes.here, "u");
    let expected = Counts { doctor: 1, connections: 1, ..Counts::default() };
    let news = nodes.until(|presence, _| presence.roster().counts() == expected).await;
    all_say(&news, "");
    assert!(nodes.both().all(|presence| presence.roster().has_doctor(&user("profile"))));
}
