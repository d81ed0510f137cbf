//! The official Socket.IO client: connecting, hearing, asking.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::driver::{Driver, Ears, Event, Life};
use crate::{PATIENCE, User, spoken};

/// What one client may hold before its test looks; a test that lets more pile up is wrong.
const HELD: usize = 100_000;

/// What the server says to admins of its own accord. Tests hear it only where they ask for it by name.
pub(crate) const AMBIENT: [&str; 5] =
    ["user:online", "user:offline", "presence:counts", "broadcast:acks", "auth:expiring"];

/// How to connect: the options of `io(url, options)`.
#[derive(Debug, Clone)]
pub struct Connect {
    user: User,
    options: Map<String, Value>,
    namespace: &'static str,
    version: &'static str,
}

impl Connect {
    /// As `user`, with the token in the CONNECT payload and the client's defaults (polling, then upgrade).
    #[must_use]
    pub fn by(user: &User) -> Self {
        let (options, namespace, version) = (Map::new(), "", "socket.io-client");
        Self { user: user.clone(), options, namespace, version }.auth(json!({"token": user.token()}))
    }

    /// With this CONNECT payload instead.
    #[must_use]
    pub fn auth(self, payload: Value) -> Self {
        self.option("auth", payload)
    }

    /// With a function for its payload, as a page has that fetches its tokens: it gives the first at the first CONNECT, and
    /// so on to the last.
    #[must_use]
    pub fn tokens(self, tokens: &[String]) -> Self {
        self.option("tokens", json!(tokens))
    }

    /// With an `Authorization` header and no payload. Browsers can send it with polling alone, Node with both.
    #[must_use]
    pub fn authorization(self, header: &str) -> Self {
        self.auth(Value::Null).option("extraHeaders", json!({"Authorization": header}))
    }

    /// Over these transports alone, in this order.
    #[must_use]
    pub fn over(self, transports: &[&str]) -> Self {
        self.option("transports", json!(transports))
    }

    /// To another namespace than `/`.
    #[must_use]
    pub fn namespace(self, namespace: &'static str) -> Self {
        Self { namespace, ..self }
    }

    /// With another version of the client: a package of `tests/js/package.json`, such as `sio31` for 3.1.
    #[must_use]
    pub fn version(self, version: &'static str) -> Self {
        Self { version, ..self }
    }

    /// With any option of the client.
    #[must_use]
    pub fn option(mut self, name: &str, value: Value) -> Self {
        self.options.insert(name.to_owned(), value);
        self
    }
}

/// One official client.
#[derive(Debug)]
pub struct Client {
    /// Whose it is.
    pub user: User,
    number: u64,
    driver: Arc<Driver>,
    /// What it was last on.
    transport: String,
    life: mpsc::Receiver<Life>,
    events: mpsc::Receiver<Event>,
}

impl Client {
    /// Opens a client; what becomes of it is told by [`Client::life`].
    pub async fn open(driver: &Arc<Driver>, url: &str, connect: Connect) -> Self {
        let number = driver.numbers.fetch_add(1, Relaxed);
        let (life_in, life) = mpsc::channel(HELD);
        let (events_in, events) = mpsc::channel(HELD);
        let ears = Ears { life: life_in, events: events_in, acks: HashMap::new() };
        driver.with_ears(|all| all.insert(number, ears));
        let url = format!("{url}{}", connect.namespace);
        let Connect { options, version, .. } = &connect;
        let command =
            json!({"cmd": "connect", "client": number, "url": url, "options": options, "version": version});
        driver.tell(&command).await;
        Self {
            user: connect.user,
            number,
            driver: Arc::clone(driver),
            transport: String::new(),
            life,
            events,
        }
    }

    /// What next befalls the connection.
    ///
    /// # Panics
    /// When nothing does within [`PATIENCE`]; so do the other methods that wait.
    #[track_caller]
    pub fn life(&mut self) -> impl Future<Output = Life> {
        let at = Location::caller();
        async move {
            let Ok(Some(life)) = timeout(PATIENCE, self.life.recv()).await else {
                panic!("{at}: nothing became of {}'s connection", self.user.id)
            };
            if let Life::Connect { transport, .. } | Life::Upgrade { transport } = &life {
                self.transport.clone_from(transport);
            }
            life
        }
    }

    /// That it is refused: the message and the data. An upgrade before that may pass.
    ///
    /// # Panics
    /// When anything else comes first.
    #[track_caller]
    pub fn refused(&mut self) -> impl Future<Output = (String, Value)> {
        let at = Location::caller();
        async move {
            loop {
                match self.life().await {
                    Life::Upgrade { .. } => {}
                    Life::ConnectError { message, data, .. } => {
                        let faults = spoken::refused(&message, &data);
                        assert!(faults.is_empty(), "{at}: {message} {data} is not as documented: {faults:?}");
                        return (message, data);
                    }
                    other => panic!("{at}: expected to be refused, but {other:?}"),
                }
            }
        }
    }

    /// That it ends: the reason. An upgrade before that may pass.
    ///
    /// # Panics
    /// When anything else comes first.
    #[track_caller]
    pub fn disconnected(&mut self) -> impl Future<Output = String> {
        let at = Location::caller();
        async move {
            loop {
                match self.life().await {
                    Life::Upgrade { .. } => {}
                    Life::Disconnect { reason } => return reason,
                    other => panic!("{at}: expected the end, but {other:?}"),
                }
            }
        }
    }

    /// That it is connected, at once or after failures and ends, and then told of its inbox: `inbox:state`'s payload.
    ///
    /// # Panics
    /// When another event comes before `inbox:state`, or that one has no offset.
    #[track_caller]
    pub fn connected(&mut self) -> impl Future<Output = Value> {
        let at = Location::caller();
        async move {
            while !matches!(self.life().await, Life::Connect { .. }) {}
            let args = self.hears("inbox:state").await;
            assert!(args.len() == 2 && args[1].is_string(), "{at}: {args:?} is no state with an offset");
            args.into_iter().next().unwrap_or_default()
        }
    }

    /// That it comes back after its connection broke: `inbox:state`'s payload. What had been on its way before the
    /// break may be heard first.
    ///
    /// # Panics
    /// When it does not.
    pub async fn comes_back(&mut self) -> Value {
        while !matches!(self.life().await, Life::Connect { .. }) {}
        loop {
            match timeout(PATIENCE, self.events.recv()).await {
                Ok(Some(Event { name, args })) if name == "inbox:state" => {
                    return args.into_iter().next().unwrap_or_default();
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => panic!("{} was not told of its inbox", self.user.id),
            }
        }
    }

    /// That it is on a WebSocket, or moves to one. The client may do so before its CONNECT is answered.
    ///
    /// # Panics
    /// When anything else befalls it.
    #[track_caller]
    pub fn upgraded(&mut self) -> impl Future<Output = ()> {
        let at = Location::caller();
        async move {
            while self.transport != "websocket" {
                let life = self.life().await;
                assert!(matches!(life, Life::Upgrade { .. }), "{at}: expected an upgrade, but {life:?}");
            }
        }
    }

    /// That the next event is `name`: its arguments.
    ///
    /// # Panics
    /// When the next event is another.
    #[track_caller]
    pub fn hears(&mut self, name: &str) -> impl Future<Output = Vec<Value>> {
        let heard = self.hears_one_of([name]);
        async move { heard.await.1 }
    }

    /// That the next event is one of these: which, and its arguments.
    ///
    /// # Panics
    /// When the next event is another.
    #[track_caller]
    pub fn hears_one_of<const N: usize>(
        &mut self,
        names: [&str; N],
    ) -> impl Future<Output = (String, Vec<Value>)> {
        let at = Location::caller();
        async move {
            loop {
                let next = timeout(PATIENCE, self.events.recv()).await;
                let Ok(Some(event)) = next else { panic!("{at}: {} never heard {names:?}", self.user.id) };
                let faults = spoken::told(&event.name, &event.args);
                assert!(faults.is_empty(), "{at}: {event:?} is not as documented: {faults:?}");
                if names.contains(&event.name.as_str()) {
                    return (event.name, event.args);
                }
                let ambient = AMBIENT.contains(&event.name.as_str());
                assert!(ambient, "{at}: {} waited for {names:?} and heard {event:?}", self.user.id);
            }
        }
    }

    /// All that it hears of a back end up to the event `last`, which is a back end's too: names and arguments, of which the API's
    /// document knows nothing.
    ///
    /// # Panics
    /// When `last` does not come.
    #[track_caller]
    pub fn hears_until(&mut self, last: &str) -> impl Future<Output = Vec<(String, Vec<Value>)>> {
        let at = Location::caller();
        async move {
            let mut heard = Vec::new();
            loop {
                let next = timeout(PATIENCE, self.events.recv()).await;
                let Ok(Some(Event { name, args })) = next else {
                    panic!("{at}: {} never heard {last}, but {heard:?}", self.user.id)
                };
                if name == last {
                    return heard;
                }
                if !AMBIENT.contains(&name.as_str()) {
                    heard.push((name, args));
                }
            }
        }
    }

    /// That the next event is a notification, with an offset: the notification.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn notification(&mut self) -> impl Future<Output = Value> {
        let (at, heard) = (Location::caller(), self.hears("notification"));
        async move {
            let mut args = heard.await;
            assert!(
                args.len() == 2 && args[1].is_string(),
                "{at}: {args:?} is no notification with an offset"
            );
            args.swap_remove(0)
        }
    }

    /// Emits without asking for an answer.
    pub async fn say(&self, event: &str, argument: Value) {
        let args = [json!(event), argument];
        self.driver.tell(&json!({"cmd": "emit", "client": self.number, "args": args})).await;
    }

    /// Emits and waits for the one argument of the answer.
    ///
    /// # Panics
    /// When there is no answer, or not one argument.
    #[track_caller]
    pub fn ask(&self, event: &str, argument: Value) -> impl Future<Output = Value> {
        self.ask_with(event, vec![argument])
    }

    /// [`Client::ask`], with any number of arguments.
    ///
    /// # Panics
    /// As `ask`.
    #[track_caller]
    pub fn ask_with(&self, event: &str, arguments: Vec<Value>) -> impl Future<Output = Value> {
        let at = Location::caller();
        async move {
            let (asked, answer) = oneshot::channel();
            let ack = self.driver.numbers.fetch_add(1, Relaxed);
            self.driver.with_ears(|all| {
                all.get_mut(&self.number).map(|ears| ears.acks.insert(ack, asked));
            });
            let args: Vec<Value> = [&[json!(event)], &arguments[..]].concat();
            self.driver.tell(&json!({"cmd": "emit", "client": self.number, "args": args, "ack": ack})).await;
            let Ok(Ok(args)) = timeout(PATIENCE, answer).await else {
                panic!("{at}: {event} was not answered")
            };
            assert_eq!(args.len(), 1, "{at}: {event} was answered with {args:?}");
            let answer = args.into_iter().next().unwrap_or_default();
            let faults = spoken::answered(event, &arguments, &answer);
            assert!(faults.is_empty(), "{at}: {event} was answered {answer}, not as documented: {faults:?}");
            answer
        }
    }

    /// Leaves for good.
    pub async fn leave(&mut self) {
        self.driver.tell(&json!({"cmd": "disconnect", "client": self.number})).await;
    }

    /// Loses its transport as by a network fault, and comes back by itself.
    pub async fn cut(&mut self) {
        self.driver.tell(&json!({"cmd": "cut", "client": self.number})).await;
    }
}
