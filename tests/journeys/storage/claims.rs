//! Claiming: nobody gets what another has, and everybody's turn comes.

use std::collections::BTreeSet;

use media_domain::{
    EventId, Kind, WorkId,
    work::{Group, Queue},
};

use super::place::{LEASE, Place, tenant};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_claims_at_once_never_get_the_same_row() {
    const ROWS: usize = 60;
    let place = Place::new("claims-at-once").await;
    let tenants = [tenant(), tenant(), tenant()];
    let mut planned = BTreeSet::new();
    for n in 0..ROWS {
        planned.insert(place.work(tenants[n % tenants.len()], Group::Scan).await);
    }
    let place = std::sync::Arc::new(place);
    let claimers: Vec<_> = (0..20)
        .map(|_| {
            let place = place.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                while let Some(claimed) = place.claim(Queue::Scan).await {
                    assert_eq!(claimed.attempt, 1);
                    mine.push(claimed.work);
                }
                mine
            })
        })
        .collect();
    let mut won: Vec<WorkId> = Vec::new();
    for claimer in claimers {
        won.extend(claimer.await.unwrap());
    }
    assert_eq!(won.len(), ROWS);
    assert_eq!(won.into_iter().collect::<BTreeSet<_>>(), planned);
}

#[tokio::test]
async fn a_message_handled_once_claims_nothing_the_second_time() {
    let place = Place::new("claims-message").await;
    let work = place.work(tenant(), Group::Scan).await;
    let other = place.work(tenant(), Group::Scan).await;
    let scanner = place.scanner.across_tenants();
    let message = EventId::generate();
    let first = scanner.claim(Queue::Scan, "one", LEASE, Some(message)).await.unwrap().unwrap();
    assert_eq!(first.work, work);
    assert_eq!(scanner.claim(Queue::Scan, "two", LEASE, Some(message)).await.unwrap(), None);
    // The row that still waits is there for a claim without a message, and for another message.
    let second = scanner.claim(Queue::Scan, "two", LEASE, Some(EventId::generate())).await.unwrap().unwrap();
    assert_eq!(second.work, other);
    assert_eq!(place.count("media.inbox").await, 2);
}

#[tokio::test]
async fn a_message_that_finds_no_work_is_handled_all_the_same() {
    let place = Place::new("claims-no-work").await;
    let scanner = place.scanner.across_tenants();
    let message = EventId::generate();
    assert_eq!(scanner.claim(Queue::Scan, "one", LEASE, Some(message)).await.unwrap(), None);
    place.work(tenant(), Group::Scan).await;
    assert_eq!(scanner.claim(Queue::Scan, "one", LEASE, Some(message)).await.unwrap(), None);
    assert!(scanner.claim(Queue::Scan, "one", LEASE, None).await.unwrap().is_some());
}

#[tokio::test]
async fn each_consumer_has_an_inbox_of_its_own() {
    let place = Place::new("claims-consumers").await;
    place.work(tenant(), Group::Scan).await;
    place.work(tenant(), Group::Captions).await;
    let message = EventId::generate();
    for queue in [Queue::Scan, Queue::Caption] {
        assert!(place.worker(queue).across_tenants().claim(queue, "one", LEASE, Some(message)).await.unwrap().is_some(), "{queue}");
    }
}

#[tokio::test]
async fn the_tenant_with_the_fewest_running_comes_first() {
    let place = Place::new("claims-fewest").await;
    let (busy, idle) = (tenant(), tenant());
    for _ in 0..3 {
        let asset = place.asset(busy, Kind::Video).await;
        place.plan(busy, asset, Group::Scan, 0).await;
    }
    let asset = place.asset(idle, Kind::Video).await;
    place.plan(idle, asset, Group::Scan, 2).await;
    let mut order = Vec::new();
    for _ in 0..4 {
        order.push(place.claim(Queue::Scan).await.unwrap().tenant);
    }
    // The busy tenant's work is older and more urgent; once it has one running, the idle one's comes all the same.
    assert_eq!(order, [busy, idle, busy, busy]);
    assert_eq!(place.claim(Queue::Scan).await, None);
}

#[tokio::test]
async fn of_tenants_with_as_many_running_the_one_with_the_most_urgent_work_comes_first_then_the_oldest() {
    let place = Place::new("claims-tenants").await;
    let tenants = [tenant(), tenant(), tenant()];
    for (tenant, priority) in tenants.into_iter().zip([2, 1, 1]) {
        let asset = place.asset(tenant, Kind::Video).await;
        place.plan(tenant, asset, Group::Scan, priority).await;
    }
    let mut order = Vec::new();
    while let Some(claimed) = place.claim(Queue::Scan).await {
        order.push(claimed.tenant);
    }
    assert_eq!(order, [tenants[1], tenants[2], tenants[0]]);
}

#[tokio::test]
async fn what_runs_in_another_queue_does_not_count() {
    let place = Place::new("claims-other-queue").await;
    let (busy, idle) = (tenant(), tenant());
    place.work(busy, Group::Captions).await;
    place.claim(Queue::Caption).await.unwrap();
    let older = place.work(busy, Group::Scan).await;
    place.work(idle, Group::Scan).await;
    assert_eq!(place.claim(Queue::Scan).await.unwrap().work, older);
}

#[tokio::test]
async fn then_priority_counts_then_rank_then_age() {
    let place = Place::new("claims-order").await;
    let tenant = tenant();
    // Planned last first, so that neither ids nor the order of insertion could give the right answer.
    let planned = [
        (Group::Ladder, 2, 0),
        (Group::Ladder, 1, 1),
        (Group::Ladder, 1, 2),
        (Group::Speech, 1, 0),
        (Group::Poster, 0, 0),
        (Group::Speech, 0, 0),
    ];
    let mut works = Vec::new();
    for (group, priority, minutes_old) in planned {
        let asset = place.asset(tenant, Kind::Video).await;
        let work = place.plan(tenant, asset, group, priority).await;
        place.set_work(work, &format!("created_at = clock_timestamp() - interval '{minutes_old} minutes'")).await;
        works.push(work);
    }
    let mut order = Vec::new();
    while let Some(claimed) = place.claim(Queue::Transcode).await {
        order.push(works.iter().position(|work| *work == claimed.work).unwrap());
    }
    assert_eq!(order, [5, 4, 3, 2, 1, 0]);
}

#[tokio::test]
async fn a_queue_gives_its_own_work_only_and_only_to_its_worker() {
    let place = Place::new("claims-queues").await;
    let work = place.work(tenant(), Group::Captions).await;
    assert_eq!(place.claim(Queue::Scan).await, None);
    assert_eq!(place.claim(Queue::Transcode).await, None);
    let refused = place.scanner.across_tenants().claim(Queue::Caption, "a scanner", LEASE, None).await;
    assert!(matches!(refused, Err(media_storage::StorageError::Refused(_))), "{refused:?}");
    assert_eq!(place.claim(Queue::Caption).await.unwrap().work, work);
}

#[tokio::test]
async fn the_same_work_is_planned_once_at_a_time_and_asks_its_worker_to_come() {
    let place = Place::new("claims-planned-once").await;
    let tenant = tenant();
    let asset = place.asset(tenant, Kind::Video).await;
    let work = place.plan(tenant, asset, Group::Scan, 1).await;
    let again = async || {
        let mut tx = place.api.in_tenant(tenant, "test.again").await.unwrap();
        let planned = tx.work().plan(asset, Group::Scan, 1).await.unwrap();
        tx.commit().await.unwrap();
        planned
    };
    assert_eq!(again().await, None);
    let lease = place.lease(Queue::Scan).await;
    assert_eq!((lease.work, again().await), (work, None));
    assert_eq!(place.count("media.outbox WHERE kind = 'command' AND routing_key = 'media.scan'").await, 1);
    let mut tx = place.scanner.in_tenant(tenant, "test.complete").await.unwrap();
    tx.work().complete(&lease).await.unwrap();
    tx.commit().await.unwrap();
    assert!(again().await.is_some());
    assert_eq!(place.count("media.outbox WHERE kind = 'command' AND routing_key = 'media.scan'").await, 2);
}

#[tokio::test]
async fn a_claim_reads_by_the_tenants_that_wait_and_not_by_all_their_work() {
    let place = Place::new("claims-many").await;
    let many = "INSERT INTO media.work (id, tenant_id, asset_id, queue, group_name, created_at)
       SELECT gen_random_uuid(), uuid_in(md5('tenant' || n % 20)::cstring), gen_random_uuid(), 'scan', 'scan', now() - n * interval '1 second'
       FROM generate_series(1, 20000) n";
    place.fill(&[many]).await;
    let (claimed, [read]) = place.found_and_read("SELECT tenant_id::text FROM media.claim_scan('one', 60, NULL)", ["work"]).await;
    assert_eq!(claimed.len(), 1);
    assert!((1..200).contains(&read), "{read} rows of 20,000 were read");
}
