use super::*;

const LIMITS: KvLimits = KvLimits {
    entries: 3,
    bytes: 40,
    entry_bytes: 20,
};

fn ms(millis: u64) -> Option<Duration> {
    Some(Duration::from_millis(millis))
}

#[test]
fn what_is_set_is_there_until_it_is_deleted() {
    let (store, now) = (KvStore::default(), Instant::now());
    assert_eq!(store.get("a", now), None, "nothing yet");
    store.set("a", b"1".to_vec(), None, &LIMITS, now).unwrap();
    assert_eq!(store.get("a", now).as_deref(), Some(&b"1"[..]), "set");
    assert!(store.delete("a", now), "it was there");
    assert!(!store.delete("a", now), "and is not any more");
    assert_eq!(store.size(now), (0, 0), "nothing is left of it");
}

#[test]
fn an_entry_ends_with_its_time_and_makes_room() {
    let (store, now) = (KvStore::default(), Instant::now());
    for key in ["a", "b", "c"] {
        store.set(key, vec![0; 9], ms(50), &LIMITS, now).unwrap();
    }
    assert_eq!(
        store.set("d", vec![], None, &LIMITS, now),
        Err(Refused::Full),
        "three entries are the limit"
    );
    let later = now + Duration::from_millis(50);
    assert_eq!(store.get("a", later), None, "its time is over");
    assert_eq!(store.size(later), (0, 0), "and so is that of the others");
    store.set("d", vec![], None, &LIMITS, later).unwrap();
}

#[test]
fn setting_again_sets_the_end_again() {
    let (store, now) = (KvStore::default(), Instant::now());
    store.set("a", vec![1], ms(50), &LIMITS, now).unwrap();
    store.set("a", vec![2], None, &LIMITS, now).unwrap();
    let later = now + Duration::from_secs(9);
    assert_eq!(store.get("a", later), Some(vec![2]), "it has no end now");
}

#[test]
fn bytes_are_limited_in_all_and_for_each_entry() {
    let (store, now) = (KvStore::default(), Instant::now());
    assert_eq!(
        store.set("a", vec![0; 20], None, &LIMITS, now),
        Err(Refused::TooLarge(20)),
        "21 bytes with the key"
    );
    store.set("a", vec![0; 19], None, &LIMITS, now).unwrap();
    store.set("b", vec![0; 19], None, &LIMITS, now).unwrap();
    assert_eq!(
        store.set("c", vec![], None, &LIMITS, now),
        Err(Refused::Full),
        "40 bytes are used"
    );
    store.set("a", vec![0; 18], None, &LIMITS, now).unwrap();
    store.set("c", vec![], None, &LIMITS, now).unwrap();
    assert_eq!(store.size(now), (3, 40), "a smaller value made the room");
}

#[test]
fn a_counter_counts_within_the_window_of_its_first_call() {
    let (store, now) = (KvStore::default(), Instant::now());
    assert_eq!(store.increment("n", 2, ms(50), &LIMITS, now), Ok(2), "new");
    let soon = now + Duration::from_millis(40);
    assert_eq!(
        store.increment("n", -5, ms(50), &LIMITS, soon),
        Ok(-3),
        "added"
    );
    let later = now + Duration::from_millis(50);
    assert_eq!(
        store.increment("n", 1, ms(50), &LIMITS, later),
        Ok(1),
        "the window of the first call is over"
    );
    assert_eq!(store.get("n", later).as_deref(), Some(&b"1"[..]), "as text");
}

#[test]
fn what_is_no_number_is_not_added_to() {
    let (store, now) = (KvStore::default(), Instant::now());
    store.set("a", b"x".to_vec(), None, &LIMITS, now).unwrap();
    let largest = i64::MAX.to_string().into_bytes();
    store.set("b", largest, None, &LIMITS, now).unwrap();
    for key in ["a", "b"] {
        assert_eq!(
            store.increment(key, 1, None, &LIMITS, now),
            Err(Refused::NotANumber),
            "{key} stays as it is"
        );
    }
}

#[test]
fn of_all_who_compare_and_set_one_at_a_time_wins() {
    let store = KvStore::default();
    let won = std::thread::scope(|threads| {
        let tries: Vec<_> = (0..8_u8)
            .map(|me| {
                let store = &store;
                threads.spawn(move || {
                    store.compare_and_set("lock", None, vec![me], None, &LIMITS, Instant::now())
                })
            })
            .collect();
        tries
            .into_iter()
            .filter_map(|one| one.join().unwrap().ok())
            .filter(|won| *won)
            .count()
    });
    assert_eq!(won, 1, "the key was absent for one of them");
    let now = Instant::now();
    let owner = store.get("lock", now).unwrap();
    assert_eq!(
        store.compare_and_set("lock", Some(&owner), b"next".to_vec(), None, &LIMITS, now),
        Ok(true),
        "it is what was expected"
    );
    assert_eq!(
        store.compare_and_set("lock", Some(&owner), b"late".to_vec(), None, &LIMITS, now),
        Ok(false),
        "and is not any more"
    );
}

#[test]
fn each_plugin_has_its_own_and_keeps_it() {
    let (tables, now) = (KvStores::default(), Instant::now());
    let (a, b) = (Arc::from("a"), Arc::from("b"));
    tables.of(&a).set("k", vec![1], None, &LIMITS, now).unwrap();
    assert_eq!(tables.of(&b).get("k", now), None, "another plugin's store");
    assert_eq!(tables.of(&a).get("k", now), Some(vec![1]), "the same store");
}
