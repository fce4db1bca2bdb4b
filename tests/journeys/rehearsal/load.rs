//! Who calls during a roll-out, and what the calls go to. None may fail, whichever version answers it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use media_domain::TenantId;
use media_proto::v1::{AssetKind, AssetStatus, GetPlaybackRequest, ListAssetsRequest, WatchAssetRequest};
use reqwest::StatusCode;
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Status};
use url::Url;
use uuid::Uuid;

use super::LIMIT;
use crate::{
    harness::{Caller, samples},
    refusals::{reason, refusal},
};

/// The apis that are in rotation, as a load balancer knows them, and what was called so far.
pub struct Rotation {
    apis: Mutex<Vec<String>>,
    pub calls: AtomicUsize,
    pub assets: AtomicUsize,
    /// Watches that an api ended because it stopped, and that another one goes on with.
    pub resumed: AtomicUsize,
    over: AtomicBool,
}

impl Rotation {
    pub fn of(api: String) -> Arc<Self> {
        Arc::new(Self {
            apis: Mutex::new(vec![api]),
            calls: AtomicUsize::new(0),
            assets: AtomicUsize::new(0),
            resumed: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        })
    }

    pub fn add(&self, api: String) {
        self.apis.lock().unwrap().push(api);
    }

    pub fn remove(&self, api: &str) {
        self.apis.lock().unwrap().retain(|other| other != api);
    }

    /// No caller begins anything new.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    fn choose(&self, turn: usize) -> String {
        let apis = self.apis.lock().unwrap();
        apis[turn % apis.len()].clone()
    }

    /// A watch was ended by an api: only because it stops, and saying so.
    pub fn count_resumed(&self, ended: &Status) {
        assert_eq!(refusal(ended), reason(Code::Unavailable, "UNAVAILABLE"), "{ended:?}");
        self.resumed.fetch_add(1, Ordering::Relaxed);
    }
}

/// A service of one tenant, whose every call goes to the next api in rotation.
pub struct Client {
    rotation: Arc<Rotation>,
    tenant: TenantId,
    turn: usize,
    known: HashMap<String, Caller>,
    player: reqwest::Client,
}

impl Client {
    pub fn new(rotation: Arc<Rotation>, tenant: TenantId) -> Self {
        Self { rotation, tenant, turn: 0, known: HashMap::new(), player: reqwest::Client::new() }
    }

    /// The api for the next call. Nothing keeps it in rotation: it may be leaving when the call comes to it.
    async fn api(&mut self) -> Caller {
        self.rotation.calls.fetch_add(1, Ordering::Relaxed);
        self.turn += 1;
        let api = self.rotation.choose(self.turn);
        if let Some(caller) = self.known.get(&api) {
            return caller.clone();
        }
        let caller = Caller::connect(&api, self.tenant).await;
        self.known.insert(api, caller.clone());
        caller
    }

    /// Hands over a file; answers its asset's id.
    async fn upload(&mut self, kind: AssetKind, name: &str, file: &[u8]) -> String {
        let mut caller = self.api().await;
        let created = caller.create(caller.request(kind, name, file.len())).await;
        caller.put_all(&created, file).await;
        let id = created.asset.unwrap().id;
        self.api().await.complete(&id).await.unwrap();
        self.api().await.assets.list_assets(ListAssetsRequest::default()).await.unwrap();
        id
    }

    /// Asks again and again until an asset is ready.
    async fn poll(&mut self, id: &str) {
        let until = Instant::now() + LIMIT;
        loop {
            let status = self.api().await.get(id).await.asset.unwrap().status();
            if status == AssetStatus::Ready {
                return;
            }
            assert!(status != AssetStatus::Failed && Instant::now() < until, "{id} is {status:?}");
            sleep(Duration::from_millis(200)).await;
        }
    }

    /// Watches until an asset is ready, also where its api stops: then at another.
    pub async fn watch(&mut self, id: &str) {
        loop {
            let mut caller = self.api().await;
            let mut stream = caller.assets.watch_asset(WatchAssetRequest { asset_id: id.to_owned() }).await.unwrap().into_inner();
            loop {
                match timeout(LIMIT, stream.message()).await.expect("the stream moves") {
                    Ok(Some(now)) => match now.asset.unwrap().status() {
                        AssetStatus::Ready => return,
                        status => assert!(status != AssetStatus::Failed, "{id} failed"),
                    },
                    Ok(None) => panic!("{id}: the stream ended before the asset was ready"),
                    Err(ended) => {
                        self.rotation.count_resumed(&ended);
                        break;
                    }
                }
            }
        }
    }

    /// Plays what is ready, at the door of the api that gave the URLs: of a film its playlists and a range of its bytes.
    async fn play(&mut self, id: &str) {
        let request = GetPlaybackRequest { asset_id: id.to_owned() };
        let playback = self.api().await.playback.get_playback(request).await.unwrap().into_inner().playback.unwrap();
        if playback.hls_url.is_empty() {
            self.player.get(playback.images[0].url.as_str()).send().await.unwrap().error_for_status().unwrap().bytes().await.unwrap();
            return;
        }
        let playlist = self.first_named(&playback.hls_url.parse().unwrap()).await;
        let bytes = self.first_named(&playlist).await;
        let answer = self.player.get(bytes).header("range", "bytes=0-99").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(answer.bytes().await.unwrap().len(), 100);
    }

    /// What a playlist names first.
    async fn first_named(&self, playlist: &Url) -> Url {
        let text = self.player.get(playlist.clone()).send().await.unwrap().error_for_status().unwrap().text().await.unwrap();
        playlist.join(text.lines().find(|line| !line.is_empty() && !line.starts_with('#')).unwrap()).unwrap()
    }
}

/// Films with sound by the first caller, so that every binary has work; pictures by the others. No two are the same.
fn something(number: usize, round: usize) -> (AssetKind, &'static str, Vec<u8>) {
    let (number, round) = (u32::try_from(number).unwrap(), u32::try_from(round).unwrap());
    if number == 0 {
        return (AssetKind::Video, "film.mp4", samples::video(320 + 2 * round, 180, 2));
    }
    (AssetKind::Image, "card.png", samples::picture(64 + round, 60 + number))
}

/// Hands over a file, waits for it and plays it, again and again. No call of it may fail, and no asset may stay behind.
pub async fn call(rotation: Arc<Rotation>, number: usize) {
    let mut client = Client::new(rotation.clone(), TenantId(Uuid::new_v4()));
    for round in 0.. {
        if rotation.over.load(Ordering::Relaxed) {
            return;
        }
        let (kind, name, file) = something(number, round);
        let id = client.upload(kind, name, &file).await;
        if kind == AssetKind::Video {
            client.watch(&id).await;
        } else {
            client.poll(&id).await;
        }
        client.play(&id).await;
        rotation.assets.fetch_add(1, Ordering::Relaxed);
    }
}
