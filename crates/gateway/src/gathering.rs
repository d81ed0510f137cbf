//! Questions of many connections, put to the store as one.
//!
//! ```text
//!   first to get a turn ──asks for all who wait──▶ store ──answers──▶ each of them
//! ```
//!
//! When thousands come at once, a visit to the store for each would cost more than what it is for. Nobody waits for others to
//! come: whoever finds a free turn asks at once, and those who come meanwhile are asked for together by the next.

use std::sync::{Mutex, MutexGuard, PoisonError};

use carillon_domain::ports::PortError;
use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, oneshot};

/// Questions that are asked at the same time.
const TURNS: usize = 2;
/// Questions in one.
const MOST: usize = 256;

type Waiting<Q, A> = (Q, oneshot::Sender<Result<A, PortError>>);

/// Where questions of one kind are gathered. A connection asks one at a time, so that there are no more of them than
/// connections.
pub(crate) struct Gathering<Q, A> {
    waiting: Mutex<Vec<Waiting<Q, A>>>,
    turns: Semaphore,
}

impl<Q, A> Default for Gathering<Q, A> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), turns: Semaphore::new(TURNS) }
    }
}

impl<Q: Clone, A> Gathering<Q, A> {
    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting<Q, A>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to one question; `ask` answers several in their order. Where the store is away, that is the answer to all of
    /// them; where it fails otherwise, each asks for itself: one that cannot be answered keeps no other from its answer.
    ///
    /// # Errors
    /// Those of `ask`, for this question alone.
    pub(crate) async fn ask<'a>(
        &self,
        question: Q,
        ask: impl Fn(Vec<Q>) -> BoxFuture<'a, Result<Vec<A>, PortError>>,
    ) -> Result<A, PortError> {
        let (reply, mut answer) = oneshot::channel();
        self.waiting().push((question.clone(), reply));
        let mut is_asked = false;
        loop {
            let turn = tokio::select! {
                biased;
                answer = &mut answer => match answer {
                    Ok(answer) => return answer,
                    // Whoever asked for it has failed, or gone.
                    Err(_) => break,
                },
                turn = self.turns.acquire(), if !is_asked => turn,
            };
            let (questions, replies): (Vec<Q>, Vec<_>) = {
                let mut waiting = self.waiting();
                // While the store was slow, many may have come and gone.
                waiting.retain(|(_, reply)| !reply.is_closed());
                let most = waiting.len().min(MOST);
                waiting.drain(..most).unzip()
            };
            // With nothing left to ask, this question too is being asked by someone.
            is_asked = questions.is_empty();
            if is_asked {
                continue;
            }
            match ask(questions).await {
                Ok(answers) => {
                    for (reply, answer) in replies.into_iter().zip(answers) {
                        // It may have gone.
                        drop(reply.send(Ok(answer)));
                    }
                }
                Err(PortError::Unavailable { port, source }) => {
                    let text = source.to_string();
                    for reply in replies {
                        drop(reply.send(Err(PortError::Unavailable { port, source: text.clone().into() })));
                    }
                }
                Err(_) => {}
            }
            drop(turn);
        }
        let _turn = self.turns.acquire().await;
        let answered = ask(vec![question]).await?;
        answered
            .into_iter()
            .next()
            .ok_or_else(|| PortError::Rejected { port: "gathering", source: "no answer".into() })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use futures_util::future::join_all;
    use tokio::time::sleep;

    use super::*;

    /// Answers ten times the question, and fails whenever it is asked about 13.
    async fn tenfold(asked: &Mutex<Vec<usize>>, questions: Vec<usize>) -> Result<Vec<usize>, PortError> {
        asked.lock().unwrap().push(questions.len());
        sleep(Duration::from_millis(1)).await;
        if questions.contains(&13) {
            return Err(PortError::Rejected { port: "test", source: "unlucky".into() });
        }
        Ok(questions.iter().map(|question| question * 10).collect())
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_come_meanwhile_are_asked_for_together() {
        let (gathering, asked) = (Gathering::default(), Mutex::default());
        let ask = |n| gathering.ask(n, |all| tenfold(&asked, all).boxed());
        let answers: Vec<_> = join_all((100..1_000).map(ask)).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, (100..1_000).map(|n| n * 10).collect::<Vec<_>>());
        let asked = asked.into_inner().unwrap();
        assert!(asked.len() < 10 && asked.iter().all(|questions| *questions <= MOST), "{asked:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_cannot_be_answered_harms_no_other() {
        let (gathering, asked) = (Gathering::default(), Mutex::default());
        let ask = |n| gathering.ask(n, |all| tenfold(&asked, all).boxed());
        let answers = join_all((0..20).map(ask)).await;
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.ok(), (n != 13).then_some(n * 10));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_is_away_is_asked_once_for_all() {
        let (gathering, asked) = (Gathering::<usize, usize>::default(), Mutex::new(Vec::new()));
        let away = |all: Vec<usize>| {
            asked.lock().unwrap().push(all.len());
            sleep(Duration::from_millis(1))
                .map(|()| Err(PortError::Unavailable { port: "test", source: "gone".into() }))
                .boxed()
        };
        let answers = join_all((0..200).map(|n| gathering.ask(n, away))).await;
        assert!(
            answers.iter().all(|answer| matches!(answer, Err(PortError::Unavailable { port: "test", .. })))
        );
        assert!(asked.lock().unwrap().len() < 5, "{asked:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_goes_while_it_asks_harms_no_other() {
        let (gathering, asked) = (Gathering::default(), Mutex::default());
        let ask = |n| gathering.ask(n, |all| tenfold(&asked, all).boxed());
        let mut first = Box::pin(ask(1));
        let mut second = Box::pin(ask(2));
        let others = join_all((3..9).map(ask));
        // Those two hold both turns, and the others' questions with them, when they go.
        assert!(futures_util::poll!(&mut first).is_pending());
        let mut others = Box::pin(others);
        assert!(futures_util::poll!(&mut others).is_pending());
        assert!(futures_util::poll!(&mut second).is_pending());
        drop((first, second));
        let answers: Vec<_> = others.await.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers, (3..9).map(|n| n * 10).collect::<Vec<_>>());
    }
}
