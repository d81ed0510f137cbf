//! One request, sent again under one key until it is answered for good.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use reqwest::RequestBuilder;
use reqwest::header::{HeaderValue, RETRY_AFTER};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use crate::{Error, Problem, Trouble};

/// How long one try may take. The gateway itself gives up sooner.
const TRY: Duration = Duration::from_secs(10);
/// Between tries, at random up to these: the first, doubled each time, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What was answered for good.
pub(crate) struct Sent<T> {
    pub(crate) value: T,
    /// It had been answered before.
    pub(crate) replayed: bool,
    pub(crate) tries: u32,
    pub(crate) waited: Duration,
}

/// Sends until there is an answer for good, or the next pause would end after the deadline. An answer that is not `is_final`
/// stands then.
pub(crate) async fn send<T: DeserializeOwned>(
    request: impl Fn() -> RequestBuilder,
    key: &str,
    deadline: Instant,
    is_final: fn(&T) -> bool,
) -> Result<Sent<T>, Error> {
    let header = header(key)?;
    let pauses = ExponentialBuilder::default().with_min_delay(FIRST_PAUSE).with_max_delay(LONGEST_PAUSE);
    let mut pauses = pauses.with_jitter().without_max_times().build();
    let started = Instant::now();
    let mut tries = 0;
    loop {
        tries += 1;
        let answer = attempt(request().header("Idempotency-Key", &header).timeout(TRY)).await;
        let at_least =
            if let Err(Missed::ForNow(_, at_least)) = &answer { *at_least } else { Duration::ZERO };
        let pause = pauses.next().unwrap_or(LONGEST_PAUSE).max(at_least);
        let is_last = Instant::now() + pause > deadline;
        let waited = started.elapsed();
        match answer {
            Ok((value, replayed)) if is_last || is_final(&value) => {
                return Ok(Sent { value, replayed, tries, waited });
            }
            Err(Missed::ForGood(fault)) => return Err(fault),
            Err(Missed::ForNow(last, _)) if is_last => {
                return Err(Error::Unavailable { key: key.to_owned(), tries, waited, last });
            }
            Ok(_) | Err(Missed::ForNow(..)) => sleep(pause).await,
        }
    }
}

/// An idempotency key as the gateway takes it.
fn header(key: &str) -> Result<HeaderValue, Error> {
    let is_fit = (1..=255).contains(&key.chars().count()) && !key.chars().any(char::is_control);
    let value = HeaderValue::from_bytes(key.as_bytes()).ok().filter(|_| is_fit);
    value.ok_or(Error::Key("an idempotency key has 1 to 255 characters, none of them a control character"))
}

/// Why there is nothing to return.
enum Missed {
    ForGood(Error),
    /// And how long to leave the server alone.
    ForNow(Trouble, Duration),
}

/// One try: the answer, and whether it had been given before.
async fn attempt<T: DeserializeOwned>(request: RequestBuilder) -> Result<(T, bool), Missed> {
    let no_answer = |fault| Missed::ForNow(Trouble::Connection(fault), Duration::ZERO);
    let response = request.send().await.map_err(no_answer)?;
    let status = response.status();
    let replayed = response.headers().contains_key("Idempotency-Replayed");
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let body = response.bytes().await.map_err(no_answer)?;
    if status.is_success() {
        let value =
            serde_json::from_slice(&body).map_err(|fault| Missed::ForGood(Error::Unreadable(fault)))?;
        return Ok((value, replayed));
    }
    let problem = Problem::read(status.as_u16(), &body);
    if problem.is_passing() {
        Err(Missed::ForNow(Trouble::Answer(Box::new(problem)), Duration::from_secs(seconds.unwrap_or(0))))
    } else {
        Err(Missed::ForGood(Error::Refused(problem)))
    }
}
