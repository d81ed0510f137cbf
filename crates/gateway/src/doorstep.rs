//! The doorstep: sessions that have been opened and not yet let in by a token. Anyone can open those, so their number is
//! bounded, in all and for each client's address, and so is how often an address may come; beyond, a handshake is refused
//! for now and the client comes back.
//!
//! The bounds are far from what clients do, who send CONNECT a round trip after the open packet: a thousand on the
//! doorstep at 50 ms each are 20,000 arrivals a second. A hospital behind one address whose node died comes back at once.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::clock::DefaultClock;

use crate::application::Handshake;
use crate::limiter::Limiters;
use crate::transport::NotNow;

/// Sessions of one client's address that are not let in yet.
const OF_ONE_ADDRESS: usize = 1_000;
/// Sessions of all that are not let in yet.
const OF_ALL: usize = 20_000;

/// Why one is refused while too many others wait to be let in.
const CROWDED: NotNow = NotNow::Trouble("too many handshakes");

/// Who stands on it, and who came of late.
pub(crate) struct Doorstep {
    crowd: Mutex<Crowd>,
    arrivals: Limiters<IpAddr>,
    burst: NonZeroU32,
}

#[derive(Default)]
struct Crowd {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One session's place, until it is dropped.
pub(crate) struct Place {
    doorstep: Arc<Doorstep>,
    address: Option<IpAddr>,
}

impl Doorstep {
    /// On which one address may come so often a second, and so often at once.
    pub(crate) fn new(rate: NonZeroU32, burst: NonZeroU32) -> Self {
        Self { crowd: Mutex::default(), arrivals: Limiters::new(rate, burst, DefaultClock::default()), burst }
    }

    fn lock(&self) -> MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more of this address, if there is one. Those of whom no address is known are bounded together
    /// with all others alone.
    pub(crate) fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Place, NotNow> {
        let comes = address.map_or(Ok(()), |address| self.arrivals.check(&address));
        comes.map_err(|wait| NotNow::TooOften { burst: self.burst, wait })?;
        let mut crowd = self.lock();
        let of_address = address.and_then(|address| crowd.by_address.get(&address)).copied().unwrap_or(0);
        if crowd.total >= OF_ALL || of_address >= OF_ONE_ADDRESS {
            return Err(CROWDED);
        }
        crowd.total += 1;
        if let Some(address) = address {
            crowd.by_address.insert(address, of_address + 1);
        }
        Ok(Place { doorstep: Arc::clone(self), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut crowd = self.doorstep.lock();
        crowd.total -= 1;
        let Some(address) = self.address else { return };
        if let Some(count) = crowd.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                crowd.by_address.remove(&address);
            }
        }
    }
}

/// The client's address, as the bounds count it. Where the peer is on this host or a private network, it is a proxy of
/// ours, and the client is the last entry of `X-Forwarded-For`, which is what that proxy itself saw; entries before it,
/// and those that strangers send, are anyone's word. A proxy that does not say makes it unknown: to count all its
/// clients as one would turn them away together. IPv6 counts by /64, one customer's.
pub(crate) fn address(handshake: &Handshake<'_>) -> Option<IpAddr> {
    let peer = handshake.address?.ip().to_canonical();
    let forwarded = || {
        let last = handshake.headers.get_all("x-forwarded-for").last()?.to_str().ok()?.rsplit(',').next()?;
        last.trim().parse::<IpAddr>().ok()
    };
    let client = if is_ours(peer) { forwarded()? } else { peer };
    Some(match client.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    })
}

fn is_ours(peer: IpAddr) -> bool {
    match peer {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use actix_web::http::Uri;
    use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    fn counted_as(peer: &str, forwarded: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(HeaderName::from_static("x-forwarded-for"), HeaderValue::from_static(value));
        }
        let peer = SocketAddr::new(peer.parse().unwrap(), 1);
        address(&Handshake { headers: &headers, uri: &Uri::default(), address: Some(peer) })
            .map_or_else(|| "unknown".into(), |address| address.to_string())
    }

    #[test]
    fn only_a_proxy_of_ours_is_believed_and_only_its_own_word() {
        assert_eq!(counted_as("127.0.0.1", &[]), "unknown");
        assert_eq!(counted_as("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(counted_as("10.0.0.2", &["1.1.1.1, 198.51.100.1"]), "198.51.100.1");
        assert_eq!(counted_as("10.0.0.2", &["1.1.1.1", "198.51.100.1"]), "198.51.100.1");
        assert_eq!(counted_as("::ffff:10.0.0.2", &["::ffff:198.51.100.1"]), "198.51.100.1");
        assert_eq!(counted_as("::1", &["2001:db8:1:2:3:4:5:6"]), "2001:db8:1:2::");
        for nonsense in ["unknown", "", "198.51.100.1:99", "_hidden, "] {
            assert_eq!(counted_as("10.0.0.2", &[nonsense]), "unknown", "{nonsense}");
        }
    }

    fn doorstep(burst: u32) -> Arc<Doorstep> {
        let (rate, burst) = (NonZeroU32::MIN, NonZeroU32::new(burst).unwrap());
        Arc::new(Doorstep::new(rate, burst))
    }

    fn host(n: usize) -> Option<IpAddr> {
        Some(IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(n).unwrap())))
    }

    #[test]
    fn one_address_fills_its_own_place_and_all_together_the_whole() {
        let doorstep = doorstep(u32::MAX);
        let mut places: Vec<_> = (0..OF_ONE_ADDRESS).map(|_| doorstep.enter(host(0)).ok().unwrap()).collect();
        assert_eq!(doorstep.enter(host(0)).err(), Some(CROWDED));
        while places.len() < OF_ALL {
            places.push(doorstep.enter(host(1 + places.len() / 100)).ok().unwrap());
        }
        assert!(doorstep.enter(host(9_999)).is_err());
        assert!(doorstep.enter(None).is_err());
        places.pop();
        places.push(doorstep.enter(host(9_999)).ok().unwrap());
        places.clear();
        let crowd = doorstep.lock();
        assert_eq!((crowd.total, crowd.by_address.len()), (0, 0));
    }

    #[test]
    fn one_address_comes_so_often_and_no_more() {
        let doorstep = doorstep(3_000);
        let come = |address| (0..6_000).filter(|_| doorstep.enter(address).is_ok()).count();
        // Each leaves at once. While they come, some more may.
        assert!((3_000..4_000).contains(&come(host(1))), "the bucket has no bottom");
        let refused = (0..10).filter_map(|_| doorstep.enter(host(1)).err()).next();
        assert!(matches!(refused, Some(NotNow::TooOften { .. })), "{refused:?}");
        assert!(doorstep.enter(host(2)).is_ok());
        assert_eq!(come(None), 6_000, "of whom nothing is known is counted together with all others alone");
    }
}
