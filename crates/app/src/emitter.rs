//! What back ends emit over Redis, on its way to this node's sockets and to the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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
    close: oneshot::Sender<()>,
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
        going_down: Arc<AtomicBool>,
    ) -> anyhow::Result<Self> {
        let (Heard { words, postings, close }, hearing) = hear(settings)?;
        Ok(Self {
            close,
            hearing: tokio::spawn(hearing),
            telling: tokio::spawn(tell(words, gateway)),
            intake: tokio::spawn(take_in(postings, intake, going_down)),
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

    /// Hears no more, and waits until what was heard is told and kept.
    pub(crate) async fn close(self) {
        // It has ended by itself, if nobody hears this.
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

/// Publishes postings in their order, each until it is known to be kept; those that are not when the node goes down are left to
/// the node that comes after.
async fn take_in(mut postings: mpsc::Receiver<Posting>, intake: Intake, going_down: Arc<AtomicBool>) {
    let (mut batch, mut failing, mut warned) = (Vec::new(), false, false);
    while postings.recv_many(&mut batch, Intake::MOST).await > 0 {
        loop {
            // All at once: they enter the publisher's queue in their order, and share its commits.
            let mut fates = join_all(batch.iter().map(|posting| intake.take(posting))).await.into_iter();
            batch.retain(|_| {
                let fate = fates.next().unwrap_or(Intaken::Unknown);
                count(&fate);
                if matches!(fate, Intaken::Refused(_) | Intaken::Mismatch) && !std::mem::replace(&mut warned, true) {
                    tracing::warn!("a back end emits notifications that cannot be kept: see carillon_emitter_ignored_total");
                }
                fate == Intaken::Unknown
            });
            if batch.is_empty() {
                failing = false;
                break;
            }
            if !std::mem::replace(&mut failing, true) {
                tracing::warn!("what back ends emit as notifications cannot be kept now; trying again");
            }
            if going_down.load(Ordering::Acquire) {
                batch.clear();
                break;
            }
            sleep(AFTER_A_FAULT).await;
        }
    }
}

fn count(fate: &Intaken) {
    match fate {
        Intaken::Kept { known: false } => taken("notification"),
        Intaken::Kept { known: true } => taken("known"),
        Intaken::Refused(_) => ignored("invalid"),
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
