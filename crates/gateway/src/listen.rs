//! Both doors on one port: requests go to the App, connections that become WebSockets to their drivers.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use actix_http::{HttpService, KeepAlive};
use actix_service::{fn_service, map_config};
use actix_web::dev::AppConfig;
use actix_web::middleware::from_fn;
use actix_web::{App, web};
use tokio::net::TcpStream;

use crate::application::Application;
use crate::origin::guard;
use crate::server::Server;
use crate::transport::{self, upgrade};

/// How long a request may take to send its headers (FAULTS.md H15).
const HEADERS_WITHIN: Duration = Duration::from_secs(5);
/// How long a closed connection may take to go, so that the last answer arrives before a reset could.
const DISCONNECT_WITHIN: Duration = Duration::from_secs(1);
/// How long a connection without a request is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long what was sent may wait for a client that does not take it, dead or unwilling: then the kernel ends its
/// connection. Of a response that streams, actix itself would wait for ever.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
/// Connections that may wait to be accepted, if the system lets them (Linux: `net.core.somaxconn`, 4,096).
const WAITING: i32 = 4_096;
/// How long requests under way may take to end when the server is stopped.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Listens, and serves the application and whatever `routes` mounts beside it until the server is stopped. The port may be
/// 0; the address says which one it became.
///
/// # Errors
/// The address cannot be listened on.
pub fn listen<A: Application>(
    address: impl ToSocketAddrs,
    server: Arc<Server<A>>,
    routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> io::Result<(actix_server::Server, SocketAddr)> {
    let listener = std::net::TcpListener::bind(address.to_socket_addrs()?.collect::<Vec<_>>().as_slice())?;
    listen_at_length(&listener);
    let address = listener.local_addr()?;
    let running = actix_server::Server::build()
        .disable_signals()
        .shutdown_timeout(STOP_WITHIN.as_secs())
        .listen("carillon", listener, move || {
            let (data, upgraded, routes) =
                (web::Data::from(Arc::clone(&server)), Arc::clone(&server), routes.clone());
            let app = App::new()
                .app_data(data)
                .wrap(from_fn(guard::<A>))
                .configure(transport::configure::<A>)
                .configure(routes);
            let drained = Arc::clone(&server);
            HttpService::build()
                // After a drain, connections without a request under way are closed rather than waited for. While it lasts
                // they are not: each new one would be, before its request is read.
                .graceful_shutdown_signal(move || drained.stopping())
                .client_request_timeout(HEADERS_WITHIN)
                .client_disconnect_timeout(DISCONNECT_WITHIN)
                .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
                // A long poll that its client abandoned is noticed at once only so.
                .h1_allow_half_closed(false)
                .on_connect_ext(|io: &TcpStream, _| {
                    send_at_once(io);
                    bound_sending(io, UNACKNOWLEDGED);
                })
                .upgrade(fn_service(move |(request, io)| {
                    let served = upgrade::serve(Arc::clone(&upgraded), request, io);
                    async {
                        served.await;
                        Ok::<(), Infallible>(())
                    }
                }))
                .finish(map_config(app, |_| AppConfig::default()))
                .tcp()
        })?
        .run();
    Ok((running, address))
}

/// The standard library lets 128 connections wait to be accepted. When everyone comes back at once the kernel drops the others'
/// SYN, and they try again a second later.
fn listen_at_length(listener: &std::net::TcpListener) {
    if let Err(fault) = socket2::SockRef::from(listener).listen(WAITING) {
        tracing::warn!(error = %fault, "few connections may wait to be accepted");
    }
}

/// Without Nagle's delay: the second of two small messages would otherwise wait for the first one's acknowledgement,
/// which clients hold back for 40 ms.
fn send_at_once(io: &TcpStream) {
    if let Err(fault) = io.set_nodelay(true) {
        tracing::debug!(error = %fault, "a connection sends with a delay");
    }
}

#[cfg(target_os = "linux")]
fn bound_sending(io: &TcpStream, bound: Duration) {
    if let Err(fault) = socket2::SockRef::from(io).set_tcp_user_timeout(Some(bound)) {
        tracing::debug!(error = %fault, "a connection has no bound on sending");
    }
}

/// Other systems have no such bound: they give up when their TCP does.
#[cfg(not(target_os = "linux"))]
fn bound_sending(_: &TcpStream, _: Duration) {}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn hundreds_may_wait_to_be_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listen_at_length(&listener);
        let address = listener.local_addr().unwrap();
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_secs(30)).unwrap();
        // The standard library's 128 would leave the rest to try again and again.
        assert_eq!((0..300).map(connect).collect::<Vec<_>>().len(), 300);
    }
}
