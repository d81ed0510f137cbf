//! One TCP connection that never blocks, with what is left of either direction.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::mem;
use std::net::{SocketAddr, TcpStream};

use anyhow::{Result, bail};
use socket2::{Domain, Socket, Type};

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) socket: TcpStream,
    /// What the kernel did not take yet.
    unsent: Vec<u8>,
    /// The begin of a message whose end has not come yet.
    begun: Vec<u8>,
}

impl Link {
    /// Begins to connect; what is sent meanwhile waits.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), None)?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
                Err(error.into())
            }
            Ok(()) | Err(_) => Ok(Self::of(socket.into())),
        }
    }

    /// One that is connected, and does not block.
    pub(crate) fn of(socket: TcpStream) -> Self {
        Self { socket, unsent: Vec::new(), begun: Vec::new() }
    }

    /// Has these bytes go out after those before.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return self.flush();
        }
        let sent = self.write(bytes)?;
        self.unsent.extend_from_slice(&bytes[sent..]);
        Ok(())
    }

    /// Puts these bytes behind those that [`Link::flush`] sends.
    pub(crate) fn queue(&mut self, bytes: &[u8]) {
        self.unsent.extend_from_slice(bytes);
    }

    /// Whether there is something to flush.
    pub(crate) const fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Sends what the kernel takes of what waits, in one write.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let sent = self.write(&self.unsent)?;
        if sent == self.unsent.len() {
            // An idle connection holds no memory.
            self.unsent = Vec::new();
        } else {
            self.unsent.drain(..sent);
        }
        Ok(())
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match (&self.socket).write(bytes) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => Ok(0),
            written => written,
        }
    }

    /// Reads all there is into `scratch` and hands it to `take` piece by piece, which says how much of it were whole
    /// messages; the rest is handed to it again with what comes later.
    pub(crate) fn receive(
        &mut self,
        scratch: &mut [u8],
        mut take: impl FnMut(&[u8]) -> Result<usize>,
    ) -> Result<()> {
        loop {
            let got = match (&self.socket).read(scratch) {
                Ok(0) => bail!("the other side closed"),
                Ok(got) => got,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            if self.begun.is_empty() {
                let taken = take(&scratch[..got])?;
                self.begun.extend_from_slice(&scratch[taken..got]);
            } else {
                self.begun.extend_from_slice(&scratch[..got]);
                let mut begun = mem::take(&mut self.begun);
                let taken = take(&begun)?;
                if taken < begun.len() {
                    begun.drain(..taken);
                    self.begun = begun;
                }
            }
            // A short read has emptied the socket; what comes afterwards is an event of its own.
            if got < scratch.len() {
                return Ok(());
            }
        }
    }
}
