//! What this pod's WatchAsset streams watch, and its newest state.
//!
//! One connection per pod listens for changes. Each second, what has changed and is watched is read again, in one transaction per
//! tenant, however many streams watch it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use media_domain::{AssetId, TenantId, work::WorkState};
use media_proto::v1::WatchAssetResponse;
use media_storage::{Database, StorageError, TenantTx};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{MissedTickBehavior, interval, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::{
    convert,
    error::{ApiError, chain},
};

/// How often what changed is read again. The most that a watcher is behind.
const READ_EVERY: Duration = Duration::from_secs(1);
/// After so many readings, everything watched is read, in case a notification was lost.
const READ_ALL_AFTER: u32 = 15;
/// The most assets that one reading reads of one tenant; the rest has its turn the next time.
const MAX_ASSETS_READ: usize = 200;
/// How long to wait before the next try to listen.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What is watched on this pod.
#[derive(Debug)]
pub struct Watchers {
    watched: Mutex<HashMap<AssetId, Watched>>,
    streams: Arc<Semaphore>,
    listening: AtomicBool,
    stop: CancellationToken,
}

#[derive(Debug)]
struct Watched {
    tenant: TenantId,
    newest: watch::Sender<Option<Arc<View>>>,
    changed: bool,
}

/// An asset at one moment.
#[derive(Debug, PartialEq)]
pub struct View {
    pub response: WatchAssetResponse,
    /// Nothing more will happen by itself.
    pub last: bool,
}

impl Watchers {
    /// Room for so many streams, until the service stops.
    pub fn new(stop: CancellationToken, streams_max: usize) -> Arc<Self> {
        let watched = Mutex::new(HashMap::new());
        Arc::new(Self { watched, streams: Arc::new(Semaphore::new(streams_max)), listening: AtomicBool::new(false), stop })
    }

    /// Keeps all streams up to date, until the service stops.
    pub async fn run(self: Arc<Self>, database: Database) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            ((), ()) = async { tokio::join!(self.listen(&database), self.read_again(&database)) } => {}
        }
    }

    async fn listen(&self, database: &Database) {
        let mut is_told = false;
        loop {
            if let Err(error) = self.listen_once(database).await {
                // Once per outage.
                let was_listening = self.listening.swap(false, Ordering::Relaxed);
                if was_listening || !is_told {
                    tracing::warn!(error = chain(&error), "changes cannot be listened to: what is watched is read each second");
                    is_told = true;
                }
            }
            sleep(LISTEN_AGAIN_AFTER).await;
        }
    }

    async fn listen_once(&self, database: &Database) -> Result<(), StorageError> {
        let mut listener = database.listen_assets().await?;
        self.listening.store(true, Ordering::Relaxed);
        self.mark_all();
        loop {
            match listener.changed().await? {
                Some(id) => self.mark(id),
                None => self.mark_all(),
            }
        }
    }

    async fn read_again(&self, database: &Database) {
        let mut ticks = interval(READ_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut readings = 0_u32;
        let mut away_since = None;
        loop {
            ticks.tick().await;
            readings = readings.wrapping_add(1);
            if readings.is_multiple_of(READ_ALL_AFTER) || !self.listening.load(Ordering::Relaxed) {
                self.mark_all();
            }
            for (tenant, assets) in self.take_changed() {
                match self.read(database, tenant, &assets).await {
                    Ok(()) => away_since = None,
                    Err(error) => {
                        assets.iter().for_each(|id| self.mark(*id));
                        // Once per outage.
                        if away_since.replace(Instant::now()).is_none() {
                            tracing::warn!(error = chain(&error), tenant.id = %tenant, "watched assets cannot be read: their streams wait");
                        }
                    }
                }
            }
        }
    }

    async fn read(&self, database: &Database, tenant: TenantId, assets: &[AssetId]) -> Result<(), StorageError> {
        let mut tx = database.in_tenant(tenant, "api.watch_asset").await?;
        for id in assets {
            let view = view(&mut tx, *id).await?;
            self.publish(*id, view);
        }
        Ok(())
    }

    /// Room for one more stream, for as long as the permit is held.
    ///
    /// # Errors
    /// [`ApiError::Busy`] if this pod has as many as it takes.
    pub fn admit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.streams).try_acquire_owned().map_err(|_| ApiError::Busy("too many streams are open on this instance"))
    }

    /// Cancelled when the service stops.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// The newest state of an asset of this tenant from now on; it is read again soon in any case.
    pub fn subscribe(&self, tenant: TenantId, id: AssetId) -> watch::Receiver<Option<Arc<View>>> {
        let mut watched = self.lock();
        let entry = watched.entry(id).or_insert_with(|| Watched { tenant, newest: watch::Sender::new(None), changed: true });
        entry.changed = true;
        let mut receiver = entry.newest.subscribe();
        receiver.mark_unchanged();
        receiver
    }

    pub(super) fn publish(&self, id: AssetId, view: Option<View>) {
        let mut watched = self.lock();
        match view {
            // Dropping the sender ends its streams.
            None => drop(watched.remove(&id)),
            Some(view) => {
                if let Some(entry) = watched.get(&id) {
                    entry.newest.send_replace(Some(Arc::new(view)));
                }
            }
        }
    }

    fn mark(&self, id: AssetId) {
        if let Some(entry) = self.lock().get_mut(&id) {
            entry.changed = true;
        }
    }

    fn mark_all(&self) {
        self.lock().values_mut().for_each(|entry| entry.changed = true);
    }

    /// What has to be read, by tenant. Forgets what nobody watches any more.
    fn take_changed(&self) -> BTreeMap<TenantId, Vec<AssetId>> {
        let mut watched = self.lock();
        watched.retain(|_, entry| entry.newest.receiver_count() > 0);
        let mut by_tenant: BTreeMap<TenantId, Vec<AssetId>> = BTreeMap::new();
        for (id, entry) in watched.iter_mut().filter(|(_, entry)| entry.changed) {
            let assets = by_tenant.entry(entry.tenant).or_default();
            if assets.len() < MAX_ASSETS_READ {
                assets.push(*id);
                entry.changed = false;
            }
        }
        by_tenant
    }

    /// A lock whose holder panicked still guards a whole map.
    fn lock(&self) -> MutexGuard<'_, HashMap<AssetId, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The asset as the transaction sees it, also a deleted one.
pub async fn view(tx: &mut TenantTx, id: AssetId) -> Result<Option<View>, StorageError> {
    let Some(asset) = tx.assets().lookup(id).await? else { return Ok(None) };
    let jobs = tx.transcode_jobs().list(id).await?;
    let variants = tx.variants().list(id).await?;
    let busy = jobs.iter().any(|job| matches!(job.state, WorkState::Waiting | WorkState::Running));
    let response = WatchAssetResponse {
        asset: Some(convert::asset(&asset)),
        jobs: jobs.iter().map(convert::job).collect(),
        variants: variants.iter().map(convert::variant).collect(),
    };
    Ok(Some(View { response, last: asset.deleted_at.is_some() || (asset.status.is_final() && !busy) }))
}

#[cfg(test)]
pub(super) mod tests {
    use media_proto::v1;
    use uuid::Uuid;

    use super::*;

    pub fn seen(etag: &str, last: bool) -> View {
        let asset = v1::Asset { etag: etag.into(), ..v1::Asset::default() };
        View { response: WatchAssetResponse { asset: Some(asset), ..WatchAssetResponse::default() }, last }
    }

    #[tokio::test]
    async fn only_what_changed_is_read_and_what_nobody_watches_is_forgotten() {
        let watchers = Watchers::new(CancellationToken::new(), 10);
        let (one, two) = (AssetId::generate(), AssetId::generate());
        let tenant = TenantId(Uuid::from_u128(1));
        let streams = (watchers.subscribe(tenant, one), watchers.subscribe(tenant, two));
        let changed = |watchers: &Watchers| watchers.take_changed().into_values().flatten().collect::<Vec<_>>();
        assert_eq!(changed(&watchers).len(), 2);
        watchers.mark(two);
        watchers.mark(AssetId::generate());
        assert_eq!(changed(&watchers), [two]);
        drop(streams);
        watchers.mark_all();
        assert!(changed(&watchers).is_empty() && watchers.lock().is_empty());
    }

    #[test]
    fn a_pod_takes_a_limited_number_of_streams() {
        let watchers = Watchers::new(CancellationToken::new(), 10);
        let permits: Vec<_> = (0..10).map(|_| watchers.admit().unwrap()).collect();
        assert!(matches!(watchers.admit(), Err(ApiError::Busy(_))));
        drop(permits);
        assert!(watchers.admit().is_ok());
    }
}
