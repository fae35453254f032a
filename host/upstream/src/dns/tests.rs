use std::io;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::advance;

use super::resolver::Resolver;
use super::*;
use crate::config::tests::parsed;

/// A name server by script: each look-up takes so long and then gives an answer. After the last it is silent.
pub(crate) struct Script {
    steps: Mutex<VecDeque<(Duration, io::Result<Vec<SocketAddr>>)>>,
    asked: AtomicUsize,
}

const FRESH: Duration = Duration::from_secs(30);

// === impl Script ===

impl Script {
    pub(crate) fn new(
        steps: impl IntoIterator<Item = (u64, io::Result<Vec<SocketAddr>>)>,
    ) -> Arc<Self> {
        let steps = steps
            .into_iter()
            .map(|(millis, answer)| (Duration::from_millis(millis), answer));
        Arc::new(Self {
            steps: Mutex::new(steps.collect()),
            asked: AtomicUsize::new(0),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Resolver for Script {
    async fn resolve(&self, _host: &str, _port: u16) -> io::Result<Resolved> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let step = self.steps.lock().pop_front();
        let Some((after, answer)) = step else {
            return std::future::pending().await;
        };
        tokio::time::sleep(after).await;
        answer.map(|addresses| Resolved {
            addresses,
            fresh_for: FRESH,
        })
    }
}

/// The addresses of `upstream.test`, looked up by a script.
pub(crate) fn addresses(script: &Arc<Script>) -> Arc<Addresses> {
    let (configs, _) = parsed("[upstreams.only]\nbase_url = \"http://upstream.test:80\"\n");
    let script: SharedResolver = Arc::<Script>::clone(script);
    Arc::new(Addresses::new(&configs[0], script))
}

pub(crate) fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn found(list: &[&str]) -> io::Result<Vec<SocketAddr>> {
    Ok(list.iter().map(|text| at(text)).collect())
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

async fn peers(addresses: &Arc<Addresses>) -> Vec<SocketAddr> {
    let peers = addresses.peers(soon()).await.expect("the name is known");
    peers.iter().map(|address| address.at).collect()
}

/// Lets tasks run until all of them wait.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn known_addresses_are_given_at_once_however_old_and_looked_up_by_one_look_up_at_a_time() {
    let script = Script::new([(20, found(&["10.0.0.1:80"]))]);
    let addresses = addresses(&script);
    assert_eq!(
        peers(&addresses).await,
        [at("10.0.0.1:80")],
        "the first is waited for"
    );
    advance(FRESH - Duration::from_secs(1)).await;
    peers(&addresses).await;
    settle().await;
    assert_eq!(script.asked(), 1, "what is current is not looked up");

    advance(Duration::from_secs(3600)).await;
    let before = Instant::now();
    for _ in 0..3 {
        assert_eq!(
            peers(&addresses).await,
            [at("10.0.0.1:80")],
            "known, an hour old"
        );
        settle().await;
    }
    assert_eq!(Instant::now(), before, "nobody waited");
    assert_eq!(script.asked(), 2, "one look-up for three requests");
    let status = addresses.status();
    assert!(
        status
            .age
            .is_some_and(|age| age >= Duration::from_secs(3600)),
        "their age can be seen: {status:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn look_ups_that_fail_are_made_less_and_less_often_and_a_good_one_takes_over() {
    let fails = || (0, Err(io::Error::other("no name server")));
    let script = Script::new([
        (0, found(&["10.0.0.1:80"])),
        fails(),
        fails(),
        fails(),
        (0, found(&["10.0.0.2:80"])),
    ]);
    let addresses = addresses(&script);
    peers(&addresses).await;
    advance(FRESH).await;

    let mut moments = Vec::new();
    let start = Instant::now();
    let mut asked = script.asked();
    while peers(&addresses).await == [at("10.0.0.1:80")] {
        settle().await;
        if script.asked() > asked {
            asked = script.asked();
            moments.push(start.elapsed().as_secs());
        }
        advance(Duration::from_millis(250)).await;
    }
    assert_eq!(moments, [0, 1, 3, 7], "seconds: a rest that doubles");
    let status = addresses.status();
    assert_eq!(status.failed_lookups, 3, "all of them are counted");
    assert_eq!(status.lookup_error, None, "and the last one was good");
}

#[tokio::test(start_paused = true)]
async fn the_first_look_up_has_the_time_of_the_connection_and_serves_whoever_comes_later() {
    let script = Script::new([(3000, found(&["10.0.0.1:80"]))]);
    let addresses = addresses(&script);
    let start = Instant::now();
    let late = addresses.peers(start + Duration::from_secs(1)).await;
    assert!(
        late.is_err_and(|error| error.contains("not resolved in time")),
        "it took longer than the connect timeout"
    );
    assert_eq!(
        start.elapsed(),
        Duration::from_secs(1),
        "and no longer was waited"
    );
    assert_eq!(
        peers(&addresses).await,
        [at("10.0.0.1:80")],
        "the next one has it"
    );
    assert_eq!(
        start.elapsed(),
        Duration::from_secs(3),
        "of the same look-up"
    );
    assert_eq!(script.asked(), 1, "which was one for both");
}

#[tokio::test(start_paused = true)]
async fn a_first_look_up_that_fails_is_made_again_for_the_next_request() {
    let script = Script::new([
        (5, Err(io::Error::other("try again"))),
        (5, found(&[])),
        (5, found(&["10.0.0.1:80"])),
    ]);
    let addresses = addresses(&script);
    for said in ["try again", "no address"] {
        let error = addresses.peers(soon()).await.err().unwrap();
        assert!(
            error.contains(said) && error.contains("upstream.test"),
            "it says what is wrong with which name: {error}"
        );
    }
    assert_eq!(
        peers(&addresses).await,
        [at("10.0.0.1:80")],
        "once it can be"
    );
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_never_ends_ends_and_is_counted() {
    let script = Script::new([(0, found(&["10.0.0.1:80"]))]);
    let addresses = addresses(&script);
    peers(&addresses).await;
    advance(FRESH).await;
    peers(&addresses).await;
    settle().await;
    advance(Duration::from_secs(11)).await;
    settle().await;
    let status = addresses.status();
    assert_eq!(status.failed_lookups, 1, "{status:?}");
    assert!(
        status
            .lookup_error
            .is_some_and(|error| error.contains("10s")),
        "it says how long was waited"
    );
    assert_eq!(peers(&addresses).await, [at("10.0.0.1:80")], "still in use");
}

#[tokio::test(start_paused = true)]
async fn families_take_turns_and_what_is_passed_over_goes_last() {
    let list = [
        "[2001:db8::1]:80",
        "[2001:db8::2]:80",
        "10.0.0.1:80",
        "10.0.0.2:80",
        "10.0.0.3:80",
    ];
    let script = Script::new([(0, found(&list))]);
    let addresses = addresses(&script);
    let first = addresses.peers(soon()).await.unwrap();
    let order = |peers: &Peers| -> Vec<String> {
        let candidates = addresses.candidates(peers);
        candidates
            .iter()
            .map(|address| address.at.to_string())
            .collect()
    };
    assert_eq!(
        order(&first),
        [
            "[2001:db8::1]:80",
            "10.0.0.1:80",
            "[2001:db8::2]:80",
            "10.0.0.2:80",
            "10.0.0.3:80"
        ],
        "the preferred family first"
    );
    let second = addresses.peers(soon()).await.unwrap();
    assert_eq!(
        order(&second),
        [
            "[2001:db8::2]:80",
            "10.0.0.2:80",
            "[2001:db8::1]:80",
            "10.0.0.3:80",
            "10.0.0.1:80"
        ],
        "the next connection begins with the next of each"
    );

    addresses.failed(at("[2001:db8::1]:80"), "refused");
    advance(Duration::from_secs(1)).await;
    addresses.failed(at("10.0.0.1:80"), "silent");
    assert_eq!(
        order(&first),
        [
            "[2001:db8::2]:80",
            "10.0.0.2:80",
            "10.0.0.3:80",
            "[2001:db8::1]:80",
            "10.0.0.1:80"
        ],
        "last, the one whose time is over first before the other"
    );
}

#[tokio::test(start_paused = true)]
async fn an_address_is_passed_over_longer_each_time_until_it_takes_a_connection() {
    let bad = at("10.0.0.1:80");
    let script = Script::new([(0, found(&["10.0.0.1:80", "10.0.0.2:80"]))]);
    let addresses = addresses(&script);
    peers(&addresses).await;
    let left = || {
        addresses
            .passed_over(bad)
            .map(|passed_over| passed_over.left.as_secs())
    };
    for seconds in [10, 20, 40, 80, 160, 300, 300] {
        addresses.failed(bad, "silent");
        addresses.failed(bad, "silent");
        assert_eq!(
            left(),
            Some(seconds),
            "two connections that failed together count once"
        );
        advance(Duration::from_secs(seconds)).await;
        assert_eq!(left(), None, "its time is over");
    }
    addresses.connected(bad);
    addresses.failed(bad, "silent");
    assert_eq!(left(), Some(10), "from the beginning");
}
