//! What the tests say to each server, in its own protocol.

use std::time::Duration;

use futures::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use media_devstack::{Isolated, S3Identity};
use reqwest::StatusCode;
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const EICAR: &[u8] = br"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*";
const PERSISTENT: u8 = 2;
const LIMIT: Duration = Duration::from_secs(10);

/// What clamd says of `bytes`. It hangs up on a stream that is too long, but has answered before.
pub async fn scan(address: &str, bytes: &[u8]) -> String {
    let mut clamd = TcpStream::connect(address).await.unwrap();
    let mut request = b"zINSTREAM\0".to_vec();
    request.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
    request.extend(bytes);
    request.extend([0; 4]);
    clamd.write_all(&request).await.ok();
    let mut answer = Vec::new();
    BufReader::new(clamd).read_until(0, &mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

pub async fn scan_of_eicar(address: &str) -> String {
    scan(address, EICAR).await
}

pub async fn publish(place: &Isolated, body: &[u8]) {
    let connection = Connection::connect(place.amqp_url().as_str(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(Default::default()).await.unwrap();
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare("news".into(), durable, FieldTable::default()).await.unwrap();
    let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    let confirm = channel.basic_publish("".into(), "news".into(), BasicPublishOptions::default(), body, properties).await.unwrap();
    assert!(confirm.await.unwrap().is_ack());
    connection.close(200, ShortString::from("done")).await.unwrap();
}

pub async fn consume(place: &Isolated) -> Vec<u8> {
    let connection = Connection::connect(place.amqp_url().as_str(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut news =
        channel.basic_consume("news".into(), "reader".into(), BasicConsumeOptions::default(), FieldTable::default()).await.unwrap();
    let delivery = tokio::time::timeout(LIMIT, news.next()).await.expect("a delivery").unwrap().unwrap();
    delivery.ack(BasicAckOptions::default()).await.unwrap();
    connection.close(200, ShortString::from("done")).await.unwrap();
    delivery.data
}

/// An object store, seen by one binary.
pub struct S3 {
    bucket: Bucket,
    credentials: Credentials,
}

impl S3 {
    pub fn of(place: &Isolated, identity: S3Identity, bucket: &str) -> Self {
        let keys = place.s3_credentials(identity);
        Self {
            bucket: Bucket::new(place.s3_endpoint().clone(), UrlStyle::Path, bucket.to_owned(), place.s3_region().to_owned()).unwrap(),
            credentials: Credentials::new(keys.access_key.clone(), keys.secret_key.clone()),
        }
    }

    pub async fn put(&self, key: &str, body: &'static str) -> StatusCode {
        let url = self.bucket.put_object(Some(&self.credentials), key).sign(LIMIT);
        reqwest::Client::new().put(url).body(body).send().await.unwrap().status()
    }

    pub async fn get(&self, key: &str) -> (StatusCode, String) {
        let url = self.bucket.get_object(Some(&self.credentials), key).sign(LIMIT);
        let answer = reqwest::get(url).await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    pub async fn delete(&self, key: &str) -> StatusCode {
        let url = self.bucket.delete_object(Some(&self.credentials), key).sign(LIMIT);
        reqwest::Client::new().delete(url).send().await.unwrap().status()
    }
}
