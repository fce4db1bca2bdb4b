//! Listens in on what a binary asks Postgres: passes every byte on, and notes each statement that is executed.
//!
//! It reads the frontend's half of the protocol (<https://www.postgresql.org/docs/15/protocol-message-formats.html>), without TLS.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::AbortHandle,
};
use url::Url;

/// Code of the message that asks whether the server speaks TLS; ours says no, and the client goes on.
const SSL_REQUEST: u32 = 80_877_103;
/// More statements than any test makes.
const STATEMENTS_MAX: usize = 100_000;

type Statements = Arc<Mutex<Vec<String>>>;

pub struct QueryTap {
    address: SocketAddr,
    statements: Statements,
    accepting: AbortHandle,
}

impl QueryTap {
    /// Listens on a port of its own, before the server of this URL.
    pub async fn before(database: &Url) -> Self {
        let server = format!("{}:{}", database.host_str().unwrap(), database.port().unwrap_or(5432));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let statements = Statements::default();
        let accepting = tokio::spawn(accept(listener, server, Arc::clone(&statements))).abort_handle();
        Self { address, statements, accepting }
    }

    /// The same database, by way of the tap.
    pub fn url(&self, database: &Url) -> String {
        let mut url = database.clone();
        url.set_host(Some(&self.address.ip().to_string())).unwrap();
        url.set_port(Some(self.address.port())).unwrap();
        url.to_string()
    }

    /// What was executed since the last time, in order.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.statements.lock().unwrap())
    }
}

impl Drop for QueryTap {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: String, statements: Statements) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(&server).await.unwrap();
        let statements = Arc::clone(&statements);
        tokio::spawn(async move {
            let (mut answers, to_server) = server.into_split();
            let (from_client, mut to_client) = client.into_split();
            // Each half ends with an error when the other side is gone: that is how connections end.
            tokio::select! {
                _ended = copy(&mut answers, &mut to_client) => {}
                _ended = pass(from_client, to_server, statements) => {}
            }
        });
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, statements: Statements) -> std::io::Result<()> {
    let mut prepared: HashMap<Vec<u8>, String> = HashMap::new();
    loop {
        let length = from.read_u32().await?;
        let mut body = vec![0; length as usize - 4];
        from.read_exact(&mut body).await?;
        to.write_u32(length).await?;
        to.write_all(&body).await?;
        if body[..4] != SSL_REQUEST.to_be_bytes() {
            break;
        }
    }
    loop {
        let kind = from.read_u8().await?;
        let length = from.read_u32().await?;
        let mut body = vec![0; length as usize - 4];
        from.read_exact(&mut body).await?;
        let mut texts = body.split(|byte| *byte == 0);
        let mut next = || texts.next().unwrap_or_default().to_vec();
        match kind {
            // Parse: the statement's name and its text.
            b'P' => {
                let (name, text) = (next(), next());
                prepared.insert(name, String::from_utf8_lossy(&text).into_owned());
            }
            // Bind: the portal's name and the statement's.
            b'B' => {
                let (_portal, name) = (next(), next());
                note(&statements, prepared[&name].clone());
            }
            // Query: a text.
            b'Q' => note(&statements, String::from_utf8_lossy(&next()).into_owned()),
            _ => {}
        }
        to.write_u8(kind).await?;
        to.write_u32(length).await?;
        to.write_all(&body).await?;
    }
}

fn note(statements: &Statements, statement: String) {
    let mut statements = statements.lock().unwrap();
    assert!(statements.len() < STATEMENTS_MAX, "a test with more statements than any needs");
    statements.push(statement);
}
