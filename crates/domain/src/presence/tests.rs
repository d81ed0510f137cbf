use super::*;

const GRACE: Duration = Duration::from_secs(5);

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn person(id: &str) -> Person {
    Person { user_id: user(id), email: None, role: Role::Patient, profile_id: None }
}

fn s(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The news, shortly: `+` or `-` and the user; for those who left, seconds since, and `!` if it is ours to keep.
fn news(roster: &mut Roster, now: u64) -> String {
    let said = roster.advance(s(now)).into_iter().map(|news| match news {
        News::Online(person) => format!("+{}", person.user_id),
        News::Offline(Offline { person, reason, ago, is_ours }) => {
            let mark = if is_ours { "!" } else { "" };
            format!("-{} {reason} {}{mark}", person.user_id, ago.as_secs())
        }
    });
    said.collect::<Vec<_>>().join(", ")
}

#[test]
fn the_node_of_the_last_connection_keeps_when_it_ended() {
    let mut roster = Roster::new(GRACE);
    roster.joined(person("a"));
    roster.other_has("n2", person("a"));
    roster.other_has("n2", person("b"));
    assert_eq!(news(&mut roster, 0), "+a, +b");
    roster.other_lacks("n2", &user("a"), "ping timeout");
    roster.other_lacks("n2", &user("b"), "ping timeout");
    assert_eq!(news(&mut roster, 10), "");
    roster.left(&user("a"), "transport close");
    assert_eq!(news(&mut roster, 14), "");
    assert_eq!(news(&mut roster, 16), "-b ping timeout 6");
    assert_eq!(news(&mut roster, 30), "-a transport close 16!");
}

#[test]
fn the_users_of_a_lost_node_are_everybodys_to_keep() {
    let mut roster = Roster::new(GRACE);
    roster.joined(person("here"));
    for id in ["here", "there", "back"] {
        roster.other_has("n2", person(id));
    }
    assert_eq!(news(&mut roster, 0), "+here, +there, +back");
    roster.other_lost("n2");
    assert_eq!(news(&mut roster, 1), "");
    roster.other_has("n3", person("back"));
    assert_eq!(news(&mut roster, 60), "-there node lost 59!");
    assert_eq!(roster.others().collect::<Vec<_>>(), ["n3"]);
}

#[test]
fn what_a_node_is_said_to_have_replaces_what_it_had() {
    let mut roster = Roster::new(GRACE);
    roster.other_is("n2", vec![person("a"), person("b")]);
    roster.other_is("n2", vec![person("b"), person("c")]);
    assert_eq!(news(&mut roster, 0), "+a, +b, +c");
    assert_eq!(news(&mut roster, 5), "-a transport close 5");
}

#[test]
fn the_others_are_told_of_each_change_once() {
    let mut roster = Roster::new(GRACE);
    for id in ["a", "b", "c"] {
        roster.joined(person(id));
    }
    roster.joined(person("a"));
    roster.left(&user("b"), "transport close");
    let told = |roster: &mut Roster, most| {
        let untold = roster.take_untold(most);
        untold.iter().map(|(id, here)| format!("{id}{}", u8::from(here.is_some()))).collect::<Vec<_>>()
    };
    assert_eq!(told(&mut roster, 2), ["a1", "b0"]);
    assert_eq!(told(&mut roster, 2), ["c1"]);
    assert_eq!(told(&mut roster, 2), [""; 0]);
    // A second tab is nobody's news; another role is.
    roster.joined(person("a"));
    assert_eq!(told(&mut roster, 2), [""; 0]);
    roster.joined(Person { role: Role::Doctor, ..person("a") });
    assert_eq!(told(&mut roster, 2), ["a1"]);
    roster.left(&user("c"), "transport close");
    assert_eq!(roster.take_all().len(), 1);
    assert_eq!(told(&mut roster, 2), [""; 0]);
    assert_eq!(roster.own_connections(), 4);
}

#[test]
fn at_the_end_of_time_nobody_is_left() {
    let mut roster = Roster::new(GRACE);
    roster.joined(person("a"));
    roster.left(&user("a"), "server shutting down");
    assert!(matches!(&roster.advance(Duration::MAX)[..], [News::Online(_), News::Offline(_)]));
    assert_eq!(roster.counts(), Counts::default());
    assert_eq!(roster.people(None).count(), 0);
}

#[test]
fn those_who_are_here_are_paged_by_id() {
    let mut roster = Roster::new(GRACE);
    for id in ["c", "a", "b"] {
        roster.joined(person(id));
    }
    let ids = |after: Option<&str>| -> Vec<_> {
        roster.people(after.map(user).as_ref()).map(|person| person.user_id.to_string()).collect()
    };
    assert_eq!(ids(None), ["a", "b", "c"]);
    assert_eq!(ids(Some("a")), ["b", "c"]);
    assert_eq!(ids(Some("bb")), ["c"]);
}

#[test]
fn two_with_one_profile_are_both_that_doctor() {
    let doctor = |id| Person { role: Role::Doctor, profile_id: Some(user("profile")), ..person(id) };
    let mut roster = Roster::new(Duration::ZERO);
    roster.joined(doctor("a"));
    roster.joined(doctor("b"));
    roster.left(&user("a"), "transport close");
    roster.advance(s(1));
    assert!(roster.has_doctor(&user("profile")) && !roster.has_doctor(&user("a")));
    roster.left(&user("b"), "transport close");
    roster.advance(s(2));
    assert!(!roster.has_doctor(&user("profile")));
}
