use std::io::ErrorKind;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::PATIENCE;

/// Long enough to believe that something does not come.
const A_WHILE: Duration = Duration::from_millis(150);

/// A proxy, a link through it, and the server's end of that link.
struct Line {
    proxy: FaultProxy,
    server: TcpListener,
    near: TcpStream,
    far: TcpStream,
}

async fn line() -> Line {
    let server = listen("127.0.0.1:0").await;
    let proxy = FaultProxy::start(&server.local_addr().unwrap().to_string()).await;
    let near = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut far, _) = server.accept().await.unwrap();
    let mut near = near;
    passes(&mut near, &mut far, b"hello").await;
    Line { proxy, server, near, far }
}

async fn passes(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) {
    from.write_all(bytes).await.unwrap();
    hears(to, bytes).await;
}

async fn hears(stream: &mut TcpStream, bytes: &[u8]) {
    let mut heard = vec![0; bytes.len()];
    timeout(PATIENCE, stream.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!(heard, bytes);
}

/// Everything up to the end of the stream, and how it ended.
async fn rest(stream: &mut TcpStream) -> (Vec<u8>, Result<(), ErrorKind>) {
    let mut heard = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut heard)).await.unwrap();
    (heard, end.map(drop).map_err(|error| error.kind()))
}

async fn is_silent(stream: &mut TcpStream) {
    assert!(timeout(A_WHILE, stream.read_u8()).await.is_err(), "something came");
}

#[tokio::test]
async fn what_is_said_passes_both_ways_and_is_counted() {
    let Line { proxy, mut near, mut far, .. } = line().await;
    let much: Vec<u8> = (0..1_000_000).map(|n: u32| n.to_le_bytes()[1]).collect();
    let (send, receive) = (near.write_all(&much), async {
        let mut heard = vec![0; much.len()];
        far.read_exact(&mut heard).await.map(|_| heard)
    });
    let (sent, heard) = tokio::join!(send, receive);
    sent.unwrap();
    assert_eq!(heard.unwrap(), much);
    passes(&mut far, &mut near, b"answer").await;
    // The last word may be counted just after it was heard.
    while proxy.counts() != (Counts { accepted: 1, open: 1, up: 1_000_005, down: 6, cuts: 0 }) {
        assert!(proxy.counts().up <= 1_000_005, "{:?}", proxy.counts());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn one_side_may_finish_before_the_other() {
    let Line { proxy: _proxy, mut near, mut far, .. } = line().await;
    near.write_all(b"last").await.unwrap();
    near.shutdown().await.unwrap();
    assert_eq!(rest(&mut far).await, (b"last".to_vec(), Ok(())));
    far.write_all(b"answer").await.unwrap();
    drop(far);
    assert_eq!(rest(&mut near).await, (b"answer".to_vec(), Ok(())));
}

#[tokio::test]
async fn latency_delays_without_slowing() {
    let Line { proxy, mut near, mut far, .. } = line().await;
    let latency = Duration::from_secs(1);
    proxy.weather(Weather { up: Flow { latency, ..Flow::default() }, ..Weather::default() });
    let begin = Instant::now();
    let words = 20;
    for _ in 0..words {
        near.write_all(b"word").await.unwrap();
        sleep(Duration::from_millis(2)).await;
    }
    hears(&mut far, &b"word".repeat(words)).await;
    let took = begin.elapsed();
    assert!(took >= latency && took < latency * 10, "{took:?}");
    let begin = Instant::now();
    passes(&mut far, &mut near, b"the other way").await;
    assert!(begin.elapsed() < latency, "only one way is late");
}

#[tokio::test]
async fn rate_slows() {
    let Line { proxy, mut near, mut far, .. } = line().await;
    proxy.weather(Weather { down: Flow { rate: Some(50_000), ..Flow::default() }, ..Weather::default() });
    let begin = Instant::now();
    passes(&mut far, &mut near, &[7; 15_000]).await;
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(180), "{took:?}");
}

#[tokio::test]
async fn a_stall_holds_everything_and_loses_nothing() {
    let Line { proxy, mut near, mut far, .. } = line().await;
    let stalled = Flow { stalled: true, ..Flow::default() };
    proxy.weather(Weather { up: stalled, ..Weather::default() });
    near.write_all(b"later").await.unwrap();
    is_silent(&mut far).await;
    passes(&mut far, &mut near, b"meanwhile").await;
    // The sender is held up in the end, since nothing is read.
    let flood = vec![0; 64 * 1024 * 1024];
    assert!(timeout(A_WHILE, near.write_all(&flood)).await.is_err(), "nothing held the sender up");
    proxy.heal();
    hears(&mut far, b"later").await;
}

#[tokio::test]
async fn a_blackhole_swallows_and_takes_new_connections() {
    let Line { proxy, server, mut near, mut far } = line().await;
    proxy.weather(Weather::blackhole());
    near.write_all(b"lost").await.unwrap();
    far.write_all(b"lost").await.unwrap();
    is_silent(&mut far).await;
    is_silent(&mut near).await;
    let mut second = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut its_far, _) = server.accept().await.unwrap();
    second.write_all(b"lost too").await.unwrap();
    is_silent(&mut its_far).await;
    proxy.heal();
    passes(&mut near, &mut far, b"heard").await;
    passes(&mut second, &mut its_far, b"heard too").await;
}

#[tokio::test]
async fn links_end_as_told() {
    for end in [End::Close, End::Reset] {
        let Line { proxy, server, mut near, mut far } = line().await;
        proxy.end_links(end);
        let expected = if end == End::Close { Ok(()) } else { Err(ErrorKind::ConnectionReset) };
        assert_eq!(rest(&mut near).await, (Vec::new(), expected), "{end:?}");
        assert_eq!(rest(&mut far).await, (Vec::new(), expected), "{end:?}");
        // Only those of then.
        let mut second = TcpStream::connect(proxy.address()).await.unwrap();
        let (mut its_far, _) = server.accept().await.unwrap();
        passes(&mut second, &mut its_far, b"after").await;
        assert_eq!(proxy.counts().open, 1);
    }
}

#[tokio::test]
async fn half_open_tells_the_client_alone_and_silence_nobody() {
    let Line { proxy, mut near, mut far, .. } = line().await;
    proxy.end_links(End::HalfOpen);
    assert_eq!(rest(&mut near).await.1, Err(ErrorKind::ConnectionReset));
    is_silent(&mut far).await;
    far.write_all(b"to nobody").await.unwrap();

    let Line { proxy, mut near, mut far, .. } = line().await;
    proxy.end_links(End::Silence);
    is_silent(&mut near).await;
    is_silent(&mut far).await;
    near.write_all(b"to nobody").await.unwrap();
    is_silent(&mut far).await;
    assert_eq!(proxy.counts().open, 0);
}

#[tokio::test]
async fn a_cut_comes_after_so_many_bytes() {
    for way in [Way::Up, Way::Down] {
        let Line { proxy, mut near, mut far, .. } = line().await;
        let passed = if way == Way::Up { b"hello".len() as u64 } else { 0 };
        proxy.arm(Cut { way, at: Place::After(passed + 10), end: End::Close, times: 1 });
        let (from, to) = if way == Way::Up { (&mut near, &mut far) } else { (&mut far, &mut near) };
        from.write_all(b"0123").await.unwrap();
        hears(to, b"0123").await;
        from.write_all(b"456789abcdef").await.unwrap();
        assert_eq!(rest(to).await, (b"456789".to_vec(), Ok(())), "{way:?}");
        assert_eq!(proxy.counts().cuts, 1);
    }
}

#[tokio::test]
async fn a_cut_inside_a_text_withholds_its_last_byte_from_so_many_links() {
    let Line { proxy, server, mut near, mut far } = line().await;
    proxy.arm(Cut { way: Way::Down, at: Place::Inside("secret"), end: End::Reset, times: 2 });
    passes(&mut far, &mut near, b"an open word").await;
    far.write_all(b"a secret word").await.unwrap();
    hears(&mut near, b"a secret wor").await;
    assert_eq!(rest(&mut near).await.1, Err(ErrorKind::ConnectionReset));
    for is_cut in [true, false] {
        let mut near = TcpStream::connect(proxy.address()).await.unwrap();
        let (mut far, _) = server.accept().await.unwrap();
        far.write_all(b"secret").await.unwrap();
        drop(far);
        let heard = rest(&mut near).await;
        assert_eq!(heard.1.is_err(), is_cut, "{heard:?}");
        assert!(is_cut || heard.0 == b"secret", "{heard:?}");
    }
}

#[tokio::test]
async fn a_cut_comes_past_the_head_of_a_websocket() {
    let Line { proxy, server, near: _near, far: _far } = line().await;
    proxy.arm(Cut { way: Way::Up, at: Place::PastHead("Upgrade: x", 3), end: End::Close, times: 1 });
    for (head, heard) in
        [(&b"GET / HTTP/1.1\r\n\r\n"[..], &b"abcdef"[..]), (b"GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n", b"abc")]
    {
        let mut near = TcpStream::connect(proxy.address()).await.unwrap();
        let (mut far, _) = server.accept().await.unwrap();
        passes(&mut near, &mut far, head).await;
        near.write_all(b"ab").await.unwrap();
        hears(&mut far, b"ab").await;
        near.write_all(b"cdef").await.unwrap();
        near.shutdown().await.unwrap();
        assert_eq!(rest(&mut far).await.0, heard[2..]);
    }
    proxy.cuts(1).await;
}

#[tokio::test]
async fn it_refuses_and_accepts_again() {
    let Line { proxy, server, mut near, mut far } = line().await;
    proxy.refuse().await;
    let refused = TcpStream::connect(proxy.address()).await.map(drop).map_err(|error| error.kind());
    assert_eq!(refused, Err(ErrorKind::ConnectionRefused));
    passes(&mut near, &mut far, b"links stay").await;
    proxy.accept().await;
    let mut second = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut its_far, _) = server.accept().await.unwrap();
    passes(&mut second, &mut its_far, b"as before").await;
}

#[tokio::test]
async fn it_leads_elsewhere_and_resets_where_nobody_listens() {
    let Line { proxy, mut near, mut far, .. } = line().await;
    let other = listen("127.0.0.1:0").await;
    proxy.retarget(&other.local_addr().unwrap().to_string());
    passes(&mut near, &mut far, b"the old link stays").await;
    let mut second = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut its_far, _) = other.accept().await.unwrap();
    passes(&mut second, &mut its_far, b"there").await;
    let address = other.local_addr().unwrap();
    drop((other, its_far));
    assert!(TcpStream::connect(address).await.is_err());
    let mut third = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(rest(&mut third).await.1, Err(ErrorKind::ConnectionReset));
}
