//! What is over is not delivered.

use carillon_domain::testing::{FixedClock, instant};

use super::*;

/// Also by a node that reads it late; and the place moves on, so that what follows is heard.
#[test]
fn a_row_that_has_expired_is_passed_over() {
    let (hub, who) = (hub(10).with_clock(Arc::new(FixedClock::new(instant(5)))), patient("p", 0));
    let (_, mailbox) = join(&hub, &who);
    go_live(&hub, &who, &mailbox);
    let brief = |n, seconds| row_with(n, &own(&who), String::new(), Some(instant(seconds)));
    hub.deliver(EPOCH, vec![brief(11, 5), brief(12, 6), row(13, &own(&who))]);
    assert_eq!(heard(&mailbox), [12, 13]);
    assert_eq!(hub.offset(), offset(13));
}
