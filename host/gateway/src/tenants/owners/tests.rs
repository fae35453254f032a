use super::*;

fn books(folder: &tempfile::TempDir) -> [Owners; 2] {
    [
        Owners::new(Some(State::open(folder.path(), &[MIGRATION]).unwrap())),
        Owners::new(None),
    ]
}

#[tokio::test]
async fn what_one_tenant_claimed_is_there_for_it_alone() {
    let folder = tempfile::tempdir().unwrap();
    for owners in books(&folder) {
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
    for owners in books(&folder) {
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
    let [first, _] = books(&folder);
    first.claim(Kind::Batch, "b", "acme").await.unwrap();
    drop(first);
    let [second, memory] = books(&folder);
    assert!(
        second.owns(Kind::Batch, "b", "acme").await.unwrap(),
        "the state was read again"
    );
    assert!(
        !memory.owns(Kind::Batch, "b", "acme").await.unwrap(),
        "without a state nothing is remembered"
    );
}

#[test]
fn a_book_in_memory_keeps_its_bound_and_lets_the_oldest_go() {
    let mut memory = Memory::default();
    for index in 0..=IN_MEMORY {
        memory.claim(Kind::Container, &format!("c{index}"), "acme");
    }
    assert_eq!(memory.owners.len(), IN_MEMORY, "no more than the bound");
    assert!(
        !memory.is_of(Kind::Container, "c0", "acme"),
        "the oldest went"
    );
    assert!(
        memory.is_of(Kind::Container, &format!("c{IN_MEMORY}"), "acme"),
        "the newest is there"
    );
}

#[test]
fn a_key_without_a_tenant_is_an_owner_by_itself() {
    let mut caller = Caller {
        id: "alice".into(),
        tenant: None,
        user: None,
        tier: None,
        labels: Vec::new(),
        models: None,
        workspaces: None,
        environments: None,
        share: crate::tenants::concurrency::Share::default(),
    };
    assert_eq!(caller.owner(), "key:alice", "the key itself");
    caller.tenant = Some("acme".into());
    assert_eq!(caller.owner(), "acme", "all keys of a tenant are one owner");
}
