//! One WebSocket: tungstenite's codec on the connection that actix handed over.
//!
//! The codec reads, and is the guard (docs/adr/0004): it looks at a frame's header before its payload, so that an announced
//! length over the limit, a reserved bit or opcode, or a frame without its mask ends the link before any memory is spent on
//! it, and it joins fragments in one buffer under the same limit. Pings, pongs and the closing handshake are its own too.
//!
//! The codec never gives back what it has read into. So it is made anew whenever it is seen to hold nothing, and a client that
//! once said something long costs no more than another. One that sends fragments is never seen so, and keeps what it made.
//!
//! Messages go past it (docs/adr/0006): they are gathered in a buffer that all connections of a worker share, and leave
//! in one system call. So a connection that has nothing to send has no buffer for it.

use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use carillon_protocol::engine::Message;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message as Frame};

use crate::counted;

/// How long a client may take over its part of the closing handshake.
const LINGER: Duration = Duration::from_secs(1);
/// Read at once at most: clients say little, and what is longer is read piece by piece. An idle connection keeps room for this much.
const READ_BUFFER: usize = 128;
/// Pieces read before others have their turn: frames that make no message would else be read for as long as they come.
const READS: u32 = 128;

/// A WebSocket of a client.
pub(crate) struct WebSocket {
    codec: WebSocketContext,
    io: Io,
    /// What was gathered and the socket has not taken. Nothing more is gathered until it has.
    unsent: Vec<u8>,
    /// The codec has met a fault or the end, after which it is not to be asked again.
    is_over: bool,
}

/// The connection, as the codec uses it.
struct Io {
    tcp: TcpStream,
    /// A frame of the codec's own may be sent by half.
    is_amid: bool,
    reads_left: u32,
    /// Bytes that the codec has read since it was made.
    read: usize,
    /// These, less the least that the frames that came of them can have been. None: it holds nothing.
    pending: usize,
}

impl Read for Io {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(left) = self.reads_left.checked_sub(1) else { return Err(ErrorKind::WouldBlock.into()) };
        self.reads_left = left;
        let read = self.tcp.try_read(buffer);
        let length = *read.as_ref().unwrap_or(&0);
        self.read += length;
        self.pending += length;
        read
    }
}

impl Write for Io {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.tcp.try_write(bytes);
        self.is_amid = !matches!(written, Ok(length) if length == bytes.len());
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a client sent.
pub(crate) enum Received {
    /// A message.
    Message(Message),
    /// A ping or pong of the WebSocket's own, which the codec has answered.
    Control,
    /// The client closed the link.
    Closed,
    /// The link broke, or its bytes are no WebSocket's: close with this code, if there is still someone to hear it.
    Failed(Option<u16>),
}

/// Appends a message to what is gathered to be sent.
pub(crate) fn gather(message: &Message, gathered: &mut Vec<u8>) {
    let (kind, payload) = match message {
        Message::Text(text) => (Data::Text, &text.as_bytes()[..]),
        Message::Binary(bytes) => (Data::Binary, &bytes[..]),
    };
    let header = FrameHeader { opcode: OpCode::Data(kind), ..FrameHeader::default() };
    // Writing into memory does not fail.
    drop(header.format(payload.len() as u64, gathered));
    gathered.extend_from_slice(payload);
}

impl WebSocket {
    /// Takes over a connection on which 101 was just sent; `early` are bytes of the client's that came before.
    pub(crate) fn new(tcp: TcpStream, early: Vec<u8>, limit: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(limit))
            .max_frame_size(Some(limit));
        let io = Io { tcp, is_amid: false, reads_left: 0, read: early.len(), pending: early.len() };
        let codec = WebSocketContext::from_partially_read(early, Role::Server, Some(config));
        Self { codec, io, unsent: Vec::new(), is_over: false }
    }

    /// What the client sends next.
    pub(crate) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        if self.is_over {
            return Poll::Ready(Received::Closed);
        }
        self.io.reads_left = READS;
        loop {
            let read = self.codec.read(&mut self.io);
            if let Ok(frame @ (Frame::Text(_) | Frame::Binary(_) | Frame::Ping(_) | Frame::Pong(_))) = &read {
                self.account(frame);
            }
            return Poll::Ready(match read {
                Err(Error::Io(fault)) if fault.kind() == ErrorKind::WouldBlock => match self.poll_more(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(())) => continue,
                    Poll::Ready(Err(_)) => Received::Failed(None),
                },
                Ok(Frame::Text(text)) => match ByteString::try_from(Bytes::from(text)) {
                    Ok(text) => Received::Message(Message::Text(text)),
                    Err(_) => Received::Failed(Some(1007)),
                },
                Ok(Frame::Binary(bytes)) => Received::Message(Message::Binary(bytes)),
                Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_)) => Received::Control,
                Ok(Frame::Close(_)) => Received::Closed,
                Err(fault) => {
                    self.is_over = true;
                    match fault {
                        Error::ConnectionClosed => Received::Closed,
                        fault => Received::Failed(code_of(&fault)),
                    }
                }
            });
        }
    }

    /// Notes what came, and makes the codec anew if it holds nothing. A message in fragments, or in more bytes than it needs, took more
    /// than is assumed here: the codec is not seen to hold nothing ever after.
    fn account(&mut self, frame: &Frame) {
        const MASK: usize = 4;
        let header = match frame.len() {
            0..126 => 2,
            126..65_536 => 4,
            _ => 10,
        };
        self.io.pending -= header + MASK + frame.len();
        // Before it reads a message, the codec takes up the pong that it owes, and `is_amid` is set until that is sent; not so before a
        // ping. Once it has said goodbye, it waits for the client's.
        let is_idle = self.io.pending == 0 && !self.io.is_amid && self.codec.can_write();
        // It makes its buffer longer only while that is more than half full.
        if is_idle && self.io.read > READ_BUFFER / 2 && matches!(frame, Frame::Text(_) | Frame::Binary(_)) {
            self.io.read = 0;
            self.codec = WebSocketContext::new(Role::Server, Some(*self.codec.get_config()));
        }
    }

    /// Whether the codec can go on: there is more to read, or what it answers itself can be sent.
    fn poll_more(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let io = &self.io;
        if io.reads_left == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if io.is_amid
            && let Poll::Ready(ready) = io.tcp.poll_write_ready(cx)
        {
            return Poll::Ready(ready);
        }
        io.tcp.poll_read_ready(cx)
    }

    /// Whether something waits to be sent.
    pub(crate) fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Sends what waits and then what was gathered, and keeps of that what the socket does not take. Ready once all is
    /// sent, with `false` when the link is broken.
    pub(crate) fn poll_send(&mut self, gathered: &mut Vec<u8>, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            let sent = match self.finish_own() {
                Ok(()) if self.unsent.is_empty() && gathered.is_empty() => return Poll::Ready(true),
                Ok(()) if self.unsent.is_empty() => self.tcp().try_write(gathered),
                Ok(()) => self.tcp().try_write(&self.unsent),
                Err(fault) => Err(fault),
            };
            match sent {
                Ok(length) if !self.unsent.is_empty() => {
                    self.unsent.drain(..length);
                    if self.unsent.is_empty() {
                        self.unsent = Vec::new();
                    }
                }
                Ok(length) => self.keep(gathered, length),
                Err(fault) if fault.kind() == ErrorKind::WouldBlock => {
                    self.keep(gathered, 0);
                    if ready!(self.tcp().poll_write_ready(cx)).is_err() {
                        return Poll::Ready(false);
                    }
                }
                Err(_) => return Poll::Ready(false),
            }
        }
    }

    /// Keeps what follows so many bytes of what was gathered.
    fn keep(&mut self, gathered: &mut Vec<u8>, sent: usize) {
        self.unsent.extend_from_slice(&gathered[sent..]);
        gathered.clear();
    }

    /// Sends the rest of a frame that the codec itself has begun: nothing may come between.
    fn finish_own(&mut self) -> io::Result<()> {
        if !self.io.is_amid {
            return Ok(());
        }
        self.codec.flush(&mut self.io).map_err(|fault| match fault {
            Error::Io(fault) => fault,
            other => io::Error::other(other),
        })
    }

    fn tcp(&self) -> &TcpStream {
        &self.io.tcp
    }

    /// Closes with this code, or none, in a task of its own: the client may take its time. What was `gathered` for it is
    /// sent before.
    pub(crate) fn close(mut self, code: Option<u16>, gathered: &mut Vec<u8>) {
        self.keep(gathered, 0);
        counted::spawn(async move {
            // A client that does not answer is cut off.
            drop(timeout(LINGER, self.say_goodbye(code)).await);
        });
    }

    /// The closing handshake (RFC 6455 §7.1.1): our close frame, the client's, and the server ends the connection. It is
    /// read to its end, since a socket dropped with unread bytes sends a reset that overtakes the close frame.
    async fn say_goodbye(mut self, code: Option<u16>) {
        // A link that is broken already fails each of these at once.
        poll_fn(|cx| self.poll_send(&mut Vec::new(), cx)).await;
        let mut frame = code.map(|code| CloseFrame { code: CloseCode::from(code), reason: "".into() });
        poll_fn(|cx| self.poll_closed(&mut frame, cx)).await;
        while let Received::Message(_) | Received::Control = poll_fn(|cx| self.poll_recv(cx)).await {}
        let io = &mut self.io.tcp;
        drop(io.shutdown().await);
        let mut rest = [0; 512];
        while io.read(&mut rest).await.is_ok_and(|n| n > 0) {}
    }

    /// Sends our close frame.
    fn poll_closed(&mut self, frame: &mut Option<CloseFrame>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // Once it is queued, this sends what is left of it.
            match self.codec.close(&mut self.io, frame.take()) {
                Err(Error::Io(fault)) if fault.kind() == ErrorKind::WouldBlock => {
                    if ready!(self.tcp().poll_write_ready(cx)).is_err() {
                        return Poll::Ready(());
                    }
                }
                _ => return Poll::Ready(()),
            }
        }
    }
}

/// What a fault of the client's is called when it is closed for it (RFC 6455 §7.4.1).
fn code_of(fault: &Error) -> Option<u16> {
    match fault {
        Error::Capacity(_) => Some(1009),
        Error::Utf8(_) => Some(1007),
        Error::Protocol(_) => Some(1002),
        _ => None,
    }
}
