//! What a client asks for, served in its order and one at a time: each event with the rights that its socket has when its
//! turn comes, so that nothing asked after a change of role is answered by the old one.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytestring::ByteString;
use carillon_domain::ports::PortError;
use carillon_domain::{Entitled, Principal};
use carillon_protocol::socket::{AckId, Args};
use futures_util::future::{BoxFuture, MaybeDone, maybe_done};

use crate::events::{self, Answer, Fresh};
use crate::gateway::Gateway;
use crate::recovery::{self, Arrival, Auth};

/// Events of one client that may be under way; while there are more, its link is not read.
const WORK: usize = 16;

/// What one client has asked for.
#[derive(Default)]
pub(crate) struct Asking {
    waiting: VecDeque<Asked>,
    /// The answer apart: most of the time there is none.
    under_way: Option<MaybeDone<BoxFuture<'static, Box<Done>>>>,
}

/// Something that takes a visit to the store.
pub(crate) enum Asked {
    /// To be let in.
    Entry(Principal, Auth),
    /// An event.
    Event { name: ByteString, args: Args, ack: Option<AckId> },
}

/// An answer from the domain.
pub(crate) enum Done {
    Entered(Principal, Result<Arrival, PortError>),
    Answered(Option<AckId>, Answer),
    Refreshed(Option<AckId>, Result<Fresh, Answer>),
}

/// Who asks.
pub(crate) struct Asker {
    pub(crate) who: Arc<Entitled>,
    pub(crate) socket_id: String,
}

impl Asking {
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() + usize::from(self.under_way.is_some()) < WORK
    }

    pub(crate) fn push(&mut self, asked: Asked) {
        self.waiting.push_back(asked);
    }

    /// Begins what is next, unless something is under way. Events of a socket that has left meanwhile are passed over.
    pub(crate) fn begin(&mut self, gateway: &Arc<Gateway>, asker: impl Fn() -> Option<Asker>) {
        while self.under_way.is_none()
            && let Some(asked) = self.waiting.pop_front()
        {
            let gateway = Arc::clone(gateway);
            let served: Option<BoxFuture<'static, Box<Done>>> = match asked {
                Asked::Entry(principal, auth) => Some(Box::pin(async move {
                    let arrival = recovery::arrive(&gateway, &principal, &auth).await;
                    Box::new(Done::Entered(principal, arrival))
                })),
                Asked::Event { name, args, ack } => {
                    asker().map(|asker| serve(gateway, asker, &name, args, ack))
                }
            };
            self.under_way = served.map(maybe_done);
        }
        if self.waiting.is_empty() {
            // Most clients ask for little more than to be let in.
            self.waiting = VecDeque::new();
        }
    }

    /// What is under way, once it is done.
    pub(crate) fn poll_done(&mut self, cx: &mut Context<'_>) -> Poll<Box<Done>> {
        self.poll_work(cx);
        let done = self.under_way.as_mut().and_then(|under_way| Pin::new(under_way).take_output());
        let Some(done) = done else { return Poll::Pending };
        self.under_way = None;
        Poll::Ready(done)
    }

    /// Lets it go on, and keeps what comes of it.
    pub(crate) fn poll_work(&mut self, cx: &mut Context<'_>) {
        if let Some(under_way) = &mut self.under_way {
            // Whether it is done is asked for by `poll_done`.
            let _ = Pin::new(under_way).poll(cx);
        }
    }
}

fn serve(
    gateway: Arc<Gateway>,
    Asker { who, socket_id }: Asker,
    name: &str,
    args: Args,
    ack: Option<AckId>,
) -> BoxFuture<'static, Box<Done>> {
    if name == events::REFRESH {
        return Box::pin(async move {
            Box::new(Done::Refreshed(ack, events::refresh(&gateway, &who, &args).await))
        });
    }
    if name == events::ACK {
        return Box::pin(async move {
            Box::new(Done::Answered(ack, events::acknowledge(&gateway.broadcaster, &who, &args).await))
        });
    }
    if matches!(name, events::WATCH | events::UNWATCH) {
        let name = name.to_owned();
        return Box::pin(async move {
            Box::new(Done::Answered(ack, events::watch(&gateway.attendance, &socket_id, &name, &args).await))
        });
    }
    let answer = events::answer(gateway.reader.clone(), who, socket_id, name.to_owned(), args);
    Box::pin(async move { Box::new(Done::Answered(ack, answer.await)) })
}
