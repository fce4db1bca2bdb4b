//! The client against servers that are not to be trusted, with a resolver that answers as it is told to.
//!
//! 127.0.0.1 is allowed and stands for what is public; 127.0.0.2 stands for what is inside.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use media_import_rules::AddressClass;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;

const OUTSIDE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const INSIDE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Gives one answer after the other, and the last one for ever.
#[derive(Clone)]
struct Script(Arc<Mutex<VecDeque<Vec<IpAddr>>>>, Arc<AtomicUsize>);

impl Script {
    fn of(answers: &[&[Ipv4Addr]]) -> Self {
        let answers = answers.iter().map(|answer| answer.iter().map(|address| IpAddr::from(*address)).collect());
        Self(Arc::new(Mutex::new(answers.collect())), Arc::default())
    }

    fn asked(&self) -> usize {
        self.1.load(Ordering::SeqCst)
    }
}

impl Resolve for Script {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.0.lock().unwrap();
        let next = answers.front().cloned().unwrap_or_default();
        if answers.len() > 1 {
            answers.pop_front();
        }
        Ok(next)
    }
}

/// A server that answers its first request with the first of these, and so on; and one inside, on the same port, that nobody may reach.
struct Servers {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    inside: Arc<AtomicUsize>,
}

impl Servers {
    async fn answering(answers: &[&str]) -> Self {
        let outside = TcpListener::bind((OUTSIDE, 0)).await.unwrap();
        let port = outside.local_addr().unwrap().port();
        let trap = TcpListener::bind((INSIDE, port)).await.unwrap();
        let servers = Servers { port, heads: Arc::default(), inside: Arc::default() };
        let answers: Vec<String> = answers.iter().map(|answer| answer.replace("PORT", &port.to_string())).collect();
        let heads = servers.heads.clone();
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = outside.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                heads.lock().unwrap().push(String::from_utf8(head).unwrap());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let inside = servers.inside.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = trap.accept().await {
                inside.fetch_add(1, Ordering::SeqCst);
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\ninside").await.unwrap();
            }
        });
        servers
    }

    fn url(&self, rules: &ImportRules) -> ImportUrl {
        ImportUrl::parse(&format!("http://files.example.com:{}/film.mp4?sig=1#x", self.port), rules).unwrap()
    }

    /// What comes of the URL, whole.
    async fn fetch(&self, resolver: &Script) -> Result<String, FetchError> {
        let allow = vec!["127.0.0.1/32".parse().unwrap()];
        let rules = ImportRules { plain_http: true, ports: vec![self.port], allow };
        let (connect_timeout, idle_timeout) = (Duration::from_secs(5), Duration::from_secs(1));
        let whole_timeout = Duration::from_secs(60);
        let config = FetchConfig { connect_timeout, idle_timeout, whole_timeout, slowest_bytes_per_second: 0 };
        let client = Client::new(rules.clone(), config, resolver.clone()).unwrap();
        let mut answer = client.get(self.url(&rules)).await?;
        let mut file = Vec::new();
        while let Some(bytes) = answer.body.next().await? {
            file.extend_from_slice(&bytes);
        }
        Ok(String::from_utf8(file).unwrap())
    }

    fn reached_inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }
}

const FILE: &str = "HTTP/1.1 200 OK\r\nset-cookie: a=b\r\ncontent-length: 4\r\n\r\nfilm";

#[tokio::test]
async fn a_name_that_would_answer_otherwise_a_moment_later_is_not_asked_again() {
    let servers = Servers::answering(&[FILE]).await;
    let script = Script::of(&[&[OUTSIDE], &[INSIDE]]);
    assert_eq!(servers.fetch(&script).await.unwrap(), "film");
    assert_eq!((script.asked(), servers.reached_inside()), (1, 0));
}

#[tokio::test]
async fn a_name_that_answers_otherwise_after_a_redirect_is_refused_and_not_connected_to() {
    let servers = Servers::answering(&["HTTP/1.1 302 Found\r\nlocation: /again\r\ncontent-length: 0\r\n\r\n", FILE]).await;
    let script = Script::of(&[&[OUTSIDE], &[INSIDE]]);
    let error = servers.fetch(&script).await.unwrap_err();
    assert_eq!(error, FetchError::RefusedAddress(AddressClass::Loopback));
    assert_eq!((script.asked(), servers.reached_inside()), (2, 0));
    assert!(!error.to_string().contains("127.0.0"), "the class is said, and not the address: {error}");
}

#[tokio::test]
async fn one_address_of_a_name_that_may_not_be_is_enough() {
    for answer in [&[OUTSIDE, INSIDE][..], &[INSIDE, OUTSIDE], &[INSIDE]] {
        let servers = Servers::answering(&[FILE]).await;
        let refused = Err(FetchError::RefusedAddress(AddressClass::Loopback));
        assert_eq!(servers.fetch(&Script::of(&[answer])).await, refused, "{answer:?}");
        assert_eq!((servers.reached_inside(), servers.heads.lock().unwrap().len()), (0, 0), "{answer:?}");
    }
    let servers = Servers::answering(&[FILE]).await;
    assert_eq!(servers.fetch(&Script::of(&[&[]])).await, Err(FetchError::NoSuchName));
}

#[tokio::test]
async fn redirects_are_followed_five_times_and_nothing_is_carried_along() {
    let on = "HTTP/1.1 307 Temporary Redirect\r\nset-cookie: session=1\r\nlocation: http://files.example.com:PORT/next\r\n\r\n";
    let servers = Servers::answering(&[on, on, on, on, on, FILE]).await;
    let script = Script::of(&[&[OUTSIDE]]);
    assert_eq!(servers.fetch(&script).await.unwrap(), "film");
    assert_eq!(script.asked(), 6, "each step is a name of its own");
    let heads = servers.heads.lock().unwrap().clone();
    assert!(heads[0].starts_with("GET /film.mp4?sig=1 HTTP/1.1\r\n"), "{}", heads[0]);
    assert!(heads[5].starts_with("GET /next HTTP/1.1\r\n"), "{}", heads[5]);
    for head in heads {
        let lower = head.to_lowercase();
        assert!(lower.contains(&format!("host: files.example.com:{}\r\n", servers.port)), "{head}");
        assert!(lower.contains("accept-encoding: identity\r\n"), "{head}");
        assert!(["cookie", "referer", "authorization", "proxy", "traceparent"].iter().all(|name| !lower.contains(name)), "{head}");
    }

    let servers = Servers::answering(&[on, on, on, on, on, on, FILE]).await;
    assert_eq!(servers.fetch(&script).await, Err(FetchError::TooManyRedirects(5)));
    let servers = Servers::answering(&["HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n"]).await;
    assert_eq!(servers.fetch(&script).await, Err(FetchError::NoLocation));
}

#[tokio::test]
async fn a_file_is_whole_only_where_its_server_says_so() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfilm\r\n";
    for (answer, expected) in [
        (format!("{chunked}0\r\n\r\n"), Ok("film".to_owned())),
        ("HTTP/1.1 200 OK\r\n\r\nfilm".to_owned(), Ok("film".to_owned())),
        (chunked.to_owned(), Err(FetchError::Broken)),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nfilm".to_owned(), Err(FetchError::LessThanAnnounced(9))),
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nfilm".to_owned(), Err(FetchError::MoreThanAnnounced(3))),
        ("HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-encoding: gzip\r\n\r\nfilm".to_owned(), Err(FetchError::Encoded)),
        ("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_owned(), Err(FetchError::Status(404))),
        ("HTTP/1.1 206 Partial Content\r\ncontent-length: 4\r\n\r\nfilm".to_owned(), Err(FetchError::Status(206))),
        ("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), Err(FetchError::Broken)),
    ] {
        let servers = Servers::answering(&[&answer]).await;
        assert_eq!(servers.fetch(&Script::of(&[&[OUTSIDE]])).await, expected, "{answer}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let silent = TcpListener::bind((OUTSIDE, 0)).await.unwrap();
    let servers = Servers { port: silent.local_addr().unwrap().port(), heads: Arc::default(), inside: Arc::default() };
    assert_eq!(servers.fetch(&Script::of(&[&[OUTSIDE]])).await, Err(FetchError::Stalled));
}
