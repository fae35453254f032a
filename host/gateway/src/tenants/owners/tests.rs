use super::*;

fn stores(folder: &tempfile::TempDir) -> [Owners; 2] {
    [
        Owners::new(Store::open(folder.path(), &[MIGRATION]).unwrap()),
        Owners::new(Store::in_memory(&[MIGRATION]).unwrap()),
    ]
}

#[tokio::test]
async fn what_one_tenant_claimed_is_there_for_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    for owners in stores(&folder) {
        owners.claim(Kind::File, "file_1", "acme").await.unwrap();
        owners.claim(Kind::File, "file_2", "bolt").await.unwrap();
        let again = owners.claim(Kind::File, "file_1", "acme").await;
        assert!(again.is_ok(), "one's own may be claimed again: {again:?}");
        assert!(
            owners.owns(Kind::File, "file_1", "acme").await.unwrap(),
            "acme has what it claimed"
        );
        for (kind, id, owner) in [
            (Kind::File, "file_1", "bolt"),
            (Kind::Batch, "file_1", "acme"),
            (Kind::File, "file_3", "acme"),
        ] {
            assert!(
                !owners.owns(kind, id, owner).await.unwrap(),
                "{owner} has no {} {id}",
                kind.code()
            );
        }
        let ids = ["file_2", "file_3", "file_1"].map(str::to_owned).to_vec();
        let mine = owners.owned(Kind::File, ids, "acme").await.unwrap();
        assert_eq!(mine, ["file_1"], "of many, its own");
        let count = owners.count(Kind::File, "acme").await.unwrap();
        assert_eq!(count, 1, "acme has one file");
    }
}

#[tokio::test]
async fn nobody_can_claim_what_is_anothers_until_it_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    for owners in stores(&folder) {
        owners.claim(Kind::Container, "c", "acme").await.unwrap();
        let taken = owners.claim(Kind::Container, "c", "bolt").await;
        assert!(
            matches!(taken, Err(ClaimError::Taken { .. })),
            "it is acme's: {taken:?}"
        );
        owners.forget(Kind::Container, "c").await.unwrap();
        assert!(
            !owners.owns(Kind::Container, "c", "acme").await.unwrap(),
            "forgotten"
        );
        let free = owners.claim(Kind::Container, "c", "bolt").await;
        assert!(free.is_ok(), "free again: {free:?}");
    }
}

#[tokio::test]
async fn claims_outlive_the_process_that_made_them() {
    let folder = tempfile::tempdir().unwrap();
    let [first, _] = stores(&folder);
    first.claim(Kind::Batch, "b", "acme").await.unwrap();
    drop(first);
    let [second, memory] = stores(&folder);
    assert!(
        second.owns(Kind::Batch, "b", "acme").await.unwrap(),
        "the store was read again"
    );
    assert!(
        !memory.owns(Kind::Batch, "b", "acme").await.unwrap(),
        "a store in memory remembers nothing"
    );
}

#[tokio::test]
async fn a_store_in_memory_keeps_its_bound_and_evicts_the_oldest() {
    let store = Store::in_memory(&[MIGRATION]).unwrap();
    let kept: Vec<String> = store
        .call(|db| {
            for index in 0..10 {
                db.execute(
                    "INSERT INTO owners VALUES ('container', ?1, 'acme', ?2)",
                    params![format!("c{index}"), index],
                )?;
            }
            claim(db, Kind::Container, "newest", "acme", Some(4))?;
            db.prepare("SELECT id FROM owners ORDER BY since_unix_ms")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
        .await
        .unwrap();
    assert_eq!(kept, ["c7", "c8", "c9", "newest"], "the oldest are gone");
}

#[test]
fn a_key_without_a_tenant_is_an_owner_by_itself() {
    let mut caller = Caller {
        id: "alice".into(),
        ..Caller::default()
    };
    assert_eq!(caller.owner(), "key:alice", "the key itself");
    caller.tenant = Some("acme".into());
    assert_eq!(caller.owner(), "acme", "all keys of a tenant are one owner");
}
