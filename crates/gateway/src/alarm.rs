//! One connection's timer.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

/// Goes off at a deadline that is moved all the time, and nearly always to a later one: then nothing is done until the
/// time that was set before, since each setting costs the runtime's timer wheel a lock.
#[derive(Default)]
pub(crate) struct Alarm(Option<(Pin<Box<Sleep>>, Duration)>);

impl Alarm {
    /// Whether the deadline, in time since `origin`, has passed; if not, the task is woken when it has.
    pub(crate) fn poll_passed(
        &mut self,
        origin: Instant,
        deadline: Option<Duration>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let moment = deadline.and_then(|deadline| Some((origin.checked_add(deadline)?, deadline)));
        let Some((at, deadline)) = moment else { return Poll::Pending };
        let (sleep, set_to) =
            self.0.get_or_insert_with(|| (Box::pin(tokio::time::sleep_until(at.into())), deadline));
        if deadline < *set_to {
            sleep.as_mut().reset(at.into());
            *set_to = deadline;
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if *set_to == deadline {
                self.0 = None;
                return Poll::Ready(());
            }
            sleep.as_mut().reset(at.into());
            *set_to = deadline;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{advance, timeout};

    use super::*;

    async fn goes_off(alarm: &mut Alarm, origin: Instant, deadline: u64, within: u64) -> bool {
        let deadline = Some(Duration::from_secs(deadline));
        let passed = poll_fn(|cx| alarm.poll_passed(origin, deadline, cx));
        timeout(Duration::from_secs(within), passed).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_off_at_the_latest_deadline_and_not_at_one_before() {
        let (mut alarm, origin) = (Alarm::default(), tokio::time::Instant::now().into_std());
        assert!(!goes_off(&mut alarm, origin, 10, 5).await);
        // Later: the time that was set before passes, and nothing happens.
        assert!(!goes_off(&mut alarm, origin, 20, 10).await);
        // Sooner again, and then over already.
        assert!(goes_off(&mut alarm, origin, 16, 2).await);
        advance(Duration::from_secs(10)).await;
        assert!(goes_off(&mut alarm, origin, 1, 1).await);
        assert!(!goes_off(&mut alarm, origin, 40, 5).await);
        let never = poll_fn(|cx| alarm.poll_passed(origin, None, cx));
        assert!(timeout(Duration::from_secs(3600), never).await.is_err());
    }
}
