use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use media_devstack::{Binary, DevstackError};
use media_proto::v1::GetUsageRequest;
use tonic::Code;

use super::{
    called_with, is_refused,
    issuer::{Answer, Issuer, SigningKey},
};
use crate::{
    harness::{World, eventually},
    refusals::{reason, refusal},
};

const LIMIT: Duration = Duration::from_secs(30);

/// Settings of an api that knows no shared secret, and asks the issuer so often.
fn asking<'a>(url: &'a str, every: &'a str) -> [(&'static str, &'a str); 4] {
    [
        ("MEDIA__AUTH__HS256_SECRET", ""),
        ("MEDIA__AUTH__JWKS__URL", url),
        ("MEDIA__AUTH__JWKS__PLAIN_HTTP", "true"),
        ("MEDIA__AUTH__JWKS__EVERY", every),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_taken_at_its_first_token_and_an_old_one_is_refused_once_it_is_gone() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let issuer = Issuer::with(Answer::Keys(vec![old.jwk()])).await;
    let mut world = World::new("rotation").await;
    let mut api = world.start(Binary::Api, &asking(&issuer.url(), "1h")).await;
    let caller = world.caller().await;
    let tenant = caller.tenant;
    called_with(&world, &caller, old.token(tenant)).await.unwrap();
    assert!(is_refused(called_with(&world, &caller, new.token(tenant)).await), "nobody published it");

    // Asked again no sooner than ten seconds later: an hour is not over, so it is the token that makes us ask.
    issuer.publishes(&[&old, &new]);
    eventually("the new key", LIMIT, async || called_with(&world, &caller, new.token(tenant)).await).await;
    called_with(&world, &caller, old.token(tenant)).await.unwrap();
    assert_eq!(issuer.asked(), 3, "at the start, for the token that came too early, and for the one that did not");
    assert!(api.stop(LIMIT).await.unwrap());

    let _api = world.start(Binary::Api, &asking(&issuer.url(), "1s")).await;
    called_with(&world, &caller, old.token(tenant)).await.unwrap();
    issuer.publishes(&[&new]);
    eventually("the end of the old key", LIMIT, async || match called_with(&world, &caller, old.token(tenant)).await {
        Err(refused) if refused.code() == Code::Unauthenticated => Ok(()),
        other => Err(other),
    })
    .await;
    called_with(&world, &caller, new.token(tenant)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_unknown_keys_are_no_flood_for_the_issuer() {
    let known = SigningKey::new("known");
    let issuer = Issuer::with(Answer::Keys(vec![known.jwk()])).await;
    let mut world = World::new("unknown-keys").await;
    let _api = world.start(Binary::Api, &asking(&issuer.url(), "1h")).await;
    let caller = world.caller().await;
    let stranger = SigningKey::new("stranger");
    let (before, begun) = (issuer.asked(), Instant::now());
    let tokens: Vec<String> = (0..300).map(|number| stranger.named(format!("made up {number}")).token(caller.tenant)).collect();
    let answers = stream::iter(tokens).map(|token| called_with(&world, &caller, token)).buffer_unordered(50).collect::<Vec<_>>().await;
    assert_eq!(answers.into_iter().filter(|answer| !is_refused(answer.clone())).count(), 0);
    // For the first, and then once for all that come in ten seconds.
    let (asked, took) = (issuer.asked() - before, begun.elapsed());
    assert!((1..=1 + took.as_secs() / 10).contains(&(asked as u64)), "asked {asked} times in {took:?}");
    called_with(&world, &caller, known.token(caller.tenant)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_is_away_or_answers_nonsense_takes_no_key_away() {
    let (known, foreign) = (SigningKey::new("known"), SigningKey::new("foreign"));
    let issuer = Issuer::with(Answer::Keys(vec![known.jwk()])).await;
    let elsewhere = Issuer::with(Answer::Keys(vec![known.jwk(), foreign.jwk()])).await;
    let mut world = World::new("issuer-away").await;
    let api = world.start(Binary::Api, &asking(&issuer.url(), "1s")).await;
    let caller = world.caller().await;
    let too_many: Vec<_> = (0..100).map(|number| foreign.named(format!("{number}")).jwk()).collect();
    for answer in [
        Answer::Unavailable,
        Answer::Redirect(elsewhere.url()),
        Answer::Endless,
        Answer::Text("{\"keys\":[]}"),
        Answer::Text("<html>"),
        Answer::Keys(too_many),
    ] {
        issuer.now_answers(answer);
        let before = issuer.asked();
        eventually("two more fetches", LIMIT, async || if issuer.asked() >= before + 2 { Ok(()) } else { Err(issuer.asked()) }).await;
        called_with(&world, &caller, known.token(caller.tenant)).await.unwrap();
        assert!(is_refused(called_with(&world, &caller, foreign.token(caller.tenant)).await));
    }
    assert_eq!(elsewhere.asked(), 0, "a redirect leads nowhere");
    assert!(api.metrics().await.unwrap().lines().any(|line| {
        line.strip_prefix("media_key_set_fetches_total{outcome=\"failed\"} ").is_some_and(|count| count.parse::<u32>().unwrap() >= 6)
    }));
    assert!(api.log().unwrap().lines().any(|line| line.contains("\"WARN\"") && line.contains("the key set cannot be fetched")));

    issuer.publishes(&[&foreign]);
    eventually("the issuer's new set", LIMIT, async || called_with(&world, &caller, foreign.token(caller.tenant)).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_at_the_start_it_is_not_ready_until_the_issuer_is_there() {
    let known = SigningKey::new("known");
    let issuer = Issuer::with(Answer::Unavailable).await;
    let mut world = World::new("no-keys-yet").await;
    let mut api = world.fleet.launch(Binary::Api, &asking(&issuer.url(), "1h")).unwrap();
    // A port that is not open yet is said to be starting.
    eventually("it listens, and says what it waits for", LIMIT, async || match api.ready(Duration::ZERO).await {
        Err(DevstackError::ServiceDidNotStart { reason, .. })
            if reason.contains("key set") && reason.contains("503") && !reason.contains("starting") =>
        {
            Ok(())
        }
        other => Err(other),
    })
    .await;
    let mut caller = world.caller().await;
    caller.operations.get_usage(GetUsageRequest {}).await.unwrap_err();
    let mut early = crate::harness::Caller::with_token(&world.fleet.grpc_url(), caller.tenant, known.token(caller.tenant)).await;
    let told = early.operations.get_usage(GetUsageRequest {}).await.unwrap_err();
    assert_eq!(refusal(&told), reason(Code::Unavailable, "UNAVAILABLE"), "a good token is not called a bad one");

    issuer.publishes(&[&known]);
    api.ready(LIMIT).await.unwrap();
    early.operations.get_usage(GetUsageRequest {}).await.unwrap();
}
