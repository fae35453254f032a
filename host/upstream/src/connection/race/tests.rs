use super::*;
use crate::dns::tests::{Script, addresses, at};

/// The port says what becomes of a connection: it comes about after so many milliseconds.
const SILENT: u16 = 1;
const REFUSED: u16 = 2;

fn connect(at: SocketAddr) -> Connecting<SocketAddr> {
    Box::pin(async move {
        match at.port() {
            SILENT => std::future::pending().await,
            REFUSED => Err(ErrorKind::ConnectionRefused.into()),
            millis => {
                tokio::time::sleep(Duration::from_millis(millis.into())).await;
                Ok(at)
            }
        }
    })
}

/// A race between these, in this order, and its addresses.
async fn race(list: &[&str]) -> (Race<SocketAddr>, Arc<Addresses>) {
    let script = Script::new([(0, Ok(list.iter().map(|text| at(text)).collect()))]);
    begin(&script).await
}

async fn begin(script: &Arc<Script>) -> (Race<SocketAddr>, Arc<Addresses>) {
    let addresses = addresses(script);
    let peers = addresses.peers(Instant::now() + NEWS).await.unwrap();
    (Race::new(&addresses, &peers, connect), addresses)
}

fn is_passed_over(addresses: &Addresses, text: &str) -> bool {
    addresses.passed_over(at(text)).is_some()
}

#[tokio::test(start_paused = true)]
async fn a_silent_address_costs_one_stagger_and_is_passed_over() {
    let (mut race, addresses) = race(&["10.0.0.1:1", "10.0.0.2:20"]).await;
    let start = Instant::now();
    let (winner, _) = race.next().await.expect("one of them lives");
    assert_eq!(winner.at, at("10.0.0.2:20"), "the one that lives");
    assert_eq!(
        start.elapsed().as_millis(),
        270,
        "a stagger, and its own time"
    );
    assert!(
        is_passed_over(&addresses, "10.0.0.1:1"),
        "the silent one is remembered"
    );
    assert!(
        !is_passed_over(&addresses, "10.0.0.2:20"),
        "the other is well"
    );
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_only_slow_wins_its_race() {
    let (mut race, addresses) = race(&["10.0.0.1:300", "10.0.0.2:100"]).await;
    let start = Instant::now();
    let (winner, _) = race.next().await.expect("both live");
    assert_eq!(winner.at, at("10.0.0.1:300"), "it was about to connect");
    assert_eq!(start.elapsed().as_millis(), 300, "in its own time");
    assert!(
        !is_passed_over(&addresses, "10.0.0.2:100"),
        "the other had no time to show anything"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_lets_the_next_start_at_once() {
    let (mut race, addresses) = race(&["10.0.0.1:2", "10.0.0.2:2", "10.0.0.3:20"]).await;
    let start = Instant::now();
    let (winner, _) = race.next().await.expect("one of them lives");
    assert_eq!(winner.at, at("10.0.0.3:20"), "the one that lives");
    assert_eq!(start.elapsed().as_millis(), 20, "no stagger was waited for");
    for refused in ["10.0.0.1:2", "10.0.0.2:2"] {
        assert!(
            is_passed_over(&addresses, refused),
            "{refused} is remembered"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_winner_that_is_of_no_use_the_others_are_tried_again() {
    let (mut race, addresses) = race(&["10.0.0.1:300", "10.0.0.2:20"]).await;
    let (winner, _) = race.next().await.expect("the quicker one");
    assert_eq!(winner.at, at("10.0.0.2:20"), "after its stagger");
    race.lost(&winner, "it speaks gibberish".into());
    let (winner, _) = race.next().await.expect("the slower one");
    assert_eq!(
        winner.at,
        at("10.0.0.1:300"),
        "tried again, for as long as it takes"
    );
    assert!(
        is_passed_over(&addresses, "10.0.0.2:20"),
        "and the first one goes last"
    );
}

#[tokio::test(start_paused = true)]
async fn when_all_refuse_the_last_ones_reason_is_told_at_once() {
    let (mut race, _addresses) = race(&["10.0.0.1:2", "10.0.0.2:2"]).await;
    let start = Instant::now();
    assert!(race.next().await.is_none(), "no address is left");
    assert_eq!(start.elapsed(), Duration::ZERO, "nothing is waited for");
    assert!(
        race.into_reason()
            .is_some_and(|reason| reason.contains("refused")),
        "it says why"
    );
}

#[tokio::test(start_paused = true)]
async fn attempts_that_had_all_the_time_are_passed_over() {
    let (mut race, addresses) = race(&["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"]).await;
    let limit = Duration::from_secs(1);
    assert!(timeout(limit, race.next()).await.is_err(), "all are silent");
    race.give_up(limit);
    for silent in ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"] {
        let passed_over = addresses.passed_over(at(silent)).expect("remembered");
        assert!(passed_over.why.contains("1s"), "{passed_over:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_a_look_up_brings_meanwhile_joins_the_race() {
    for (old, millis) in [("10.0.0.1:1", 270), ("10.0.0.1:2", 120)] {
        let script = Script::new([
            (0, Ok(vec![at(old)])),
            (100, Ok(vec![at(old), at("10.0.0.2:20")])),
        ]);
        let (first, addresses) = begin(&script).await;
        drop(first);
        tokio::time::advance(Duration::from_secs(60)).await;
        // Looked up anew behind the scenes; the race begins with what is known.
        let peers = addresses.peers(Instant::now()).await.unwrap();
        let mut race = Race::new(&addresses, &peers, connect);
        let start = Instant::now();
        let (winner, _) = race.next().await.expect("the new one");
        assert_eq!(winner.at, at("10.0.0.2:20"), "it had moved from {old}");
        assert_eq!(
            start.elapsed().as_millis(),
            millis,
            "as soon as it is known and its turn"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_name_server_is_not_waited_for_long_when_all_addresses_refuse() {
    let script = Script::new([(0, Ok(vec![at("10.0.0.1:2")]))]);
    let (first, addresses) = begin(&script).await;
    drop(first);
    tokio::time::advance(Duration::from_secs(60)).await;
    let peers = addresses.peers(Instant::now()).await.unwrap();
    let mut race = Race::new(&addresses, &peers, connect);
    let start = Instant::now();
    assert!(race.next().await.is_none(), "nothing new came");
    assert_eq!(start.elapsed(), NEWS, "after a moment");
}
