use std::time::Duration;

use media_messaging::{AmqpConfig, Broker, MessagingError};
use secrecy::ExposeSecret;

use crate::place::{Place, within};

#[tokio::test]
async fn wrong_credentials_and_an_unknown_virtual_host_are_refused_at_once() {
    let place = Place::of("refused").await;
    let url = place.config.url.expose_secret();
    let (scheme, rest) = url.split_once("//").unwrap();
    let (_, address) = rest.split_once('@').unwrap();
    for url in [format!("{scheme}//nobody:wrong@{address}"), format!("{url}-nowhere")] {
        let refused = within(Duration::from_secs(8), "the refusal", Broker::connect(&AmqpConfig::at(url), "test")).await;
        assert!(matches!(refused, Err(MessagingError::Refused(_))), "{:?}", refused.err());
    }
}

#[tokio::test]
async fn another_version_of_a_queue_is_a_mismatch_and_no_retry() {
    let place = Place::of("mismatch").await;
    let _broker = place.broker().await;
    let other = within(Duration::from_secs(8), "the mismatch", Broker::connect(&place.config, "test")).await;
    assert!(matches!(other, Err(MessagingError::TopologyMismatch(_))), "{:?}", other.err());
}

#[tokio::test]
async fn settings_that_cannot_work_are_told_apart_from_trouble() {
    let place = Place::of("settings").await;
    let heartbeat = AmqpConfig { heartbeat: Duration::from_millis(10), ..place.config.clone() };
    for config in [AmqpConfig::at("http://localhost"), heartbeat] {
        assert!(matches!(Broker::connect(&config, "test").await, Err(MessagingError::Settings(_))));
    }
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_unreachable_after_a_while() {
    let config = AmqpConfig::at("amqp://guest:guest@127.0.0.1:1/%2f");
    let away = within(Duration::from_secs(20), "giving up", Broker::connect(&config, "test")).await;
    assert!(matches!(away, Err(MessagingError::Unreachable(Some(_)))), "{:?}", away.err());
}
