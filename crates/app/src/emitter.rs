//! What back ends emit over Redis, on its way to this node's sockets and to the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use carillon_domain::ports::Clock;
use carillon_domain::{Intake, Intaken, Posting};
use carillon_fanout_redis::emitter::{EmitterSettings, Heard, Waiting, Word, hear};
use carillon_gateway::{Gateway, Server};
use futures_util::future::join_all;
use metrics::counter;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::sleep;

/// How long after a publish has failed it is tried again.
const AFTER_A_FAULT: Duration = Duration::from_secs(1);

/// An ear for back ends, at work.
pub(crate) struct Emitter {
    /// Until it has handed over.
    hand_over: Option<oneshot::Sender<()>>,
    close: oneshot::Sender<()>,
    is_closing: Arc<AtomicBool>,
    hearing: JoinHandle<()>,
    telling: JoinHandle<()>,
    intake: JoinHandle<()>,
}

impl Emitter {
    /// Hears from now on.
    pub(crate) fn start(
        settings: &EmitterSettings,
        gateway: Arc<Server<Gateway>>,
        intake: Intake,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let (Heard { words, postings, is_failing, hand_over, close }, hearing) = hear(settings, clock)?;
        let is_closing = Arc::new(AtomicBool::new(false));
        Ok(Self {
            hand_over: Some(hand_over),
            close,
            is_closing: Arc::clone(&is_closing),
            hearing: tokio::spawn(hearing),
            telling: tokio::spawn(tell(words, gateway)),
            intake: tokio::spawn(take_in(postings, intake, is_failing, is_closing)),
        })
    }

    /// Waits for the end of one of its tasks, which is a fault.
    pub(crate) async fn ends(&mut self) -> Result<(), JoinError> {
        tokio::select! {
            ended = &mut self.hearing => ended,
            ended = &mut self.telling => ended,
            ended = &mut self.intake => ended,
        }
    }

    /// Has another node bring to the log what comes from now on. What was heard before is still kept, and events reach the
    /// sockets that are still here.
    pub(crate) fn hand_over(&mut self) {
        if let Some(hand_over) = self.hand_over.take() {
            // It has ended by itself, if nobody hears this.
            let _ = hand_over.send(());
        }
    }

    /// Hears no more, and waits until what was heard is told and kept.
    pub(crate) async fn close(self) {
        self.is_closing.store(true, Ordering::Release);
        // As above.
        let _ = self.close.send(());
        drop(tokio::join!(self.hearing, self.telling, self.intake));
    }
}

async fn tell(mut words: mpsc::Receiver<Waiting>, gateway: Arc<Server<Gateway>>) {
    while let Some(waiting) = words.recv().await {
        match &waiting.word {
            Word::Emit(emit) => gateway.emit(emit),
            Word::Dismiss(audience) => gateway.dismiss(audience),
        }
    }
}

/// Publishes postings in their order, each until it is known to be kept; those that are not when the emitter closes are left to
/// the node that comes after.
async fn take_in(
    mut postings: mpsc::Receiver<Posting>,
    intake: Intake,
    is_failing: Arc<AtomicBool>,
    is_closing: Arc<AtomicBool>,
) {
    let (mut batch, mut warned) = (Vec::new(), false);
    while postings.recv_many(&mut batch, Intake::MOST).await > 0 {
        loop {
            batch = publish(batch, &intake, &mut warned).await;
            if batch.is_empty() {
                is_failing.store(false, Ordering::Release);
                break;
            }
            if !is_failing.swap(true, Ordering::AcqRel) {
                tracing::warn!("what back ends emit as notifications cannot be kept now; trying again");
            }
            if is_closing.load(Ordering::Acquire) {
                batch.clear();
                break;
            }
            sleep(AFTER_A_FAULT).await;
        }
    }
}

/// Publishes a batch once. Answers what is not known to be kept.
async fn publish(batch: Vec<Posting>, intake: &Intake, warned: &mut bool) -> Vec<Posting> {
    // All at once: they enter the publisher's queue in their order, and share its commits.
    let fates = join_all(batch.iter().map(|posting| intake.take(posting))).await;
    let mut left = Vec::new();
    for (posting, mut fate) in batch.into_iter().zip(fates) {
        if fate == Intaken::Refused {
            // Whatever was written with it was refused too: by itself it may be kept.
            fate = intake.take(&posting).await;
        }
        count(&fate);
        if matches!(fate, Intaken::Refused | Intaken::Mismatch) && !std::mem::replace(warned, true) {
            tracing::warn!(
                "a back end emits notifications that cannot be kept: see carillon_emitter_ignored_total"
            );
        }
        if fate == Intaken::Unknown {
            left.push(posting);
        }
    }
    left
}

fn count(fate: &Intaken) {
    match fate {
        Intaken::Kept { known: false } => taken("notification"),
        Intaken::Kept { known: true } => taken("known"),
        Intaken::Refused => ignored("refused"),
        Intaken::Mismatch => ignored("mismatch"),
        Intaken::Unknown => {}
    }
}

fn taken(what: &'static str) {
    counter!("carillon_emitter_taken_total", "what" => what).increment(1);
}

fn ignored(why: &'static str) {
    counter!("carillon_emitter_ignored_total", "reason" => why).increment(1);
}
