//! The places of uploads that stream through us: each holds two parts in memory, so there are few, and no tenant gets them all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use media_domain::TenantId;

use crate::error::ApiError;

/// A stream that keeps its place brings as much in each `idle_max` of waiting for it.
const BROUGHT_MIN_BYTES: usize = 1 << 20;

/// How many places there are, and who has them.
#[derive(Debug)]
pub struct UploadPlaces {
    taken: Mutex<HashMap<TenantId, usize>>,
    most: usize,
    idle_max: Duration,
}

/// A place that is taken, until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<UploadPlaces>,
    tenant: TenantId,
}

impl UploadPlaces {
    pub fn new(most: usize, idle_max: Duration) -> Arc<Self> {
        Arc::new(Self { taken: Mutex::default(), most, idle_max })
    }

    /// A place for one upload of a tenant. One tenant has at most half of all, rounded up.
    ///
    /// # Errors
    /// [`ApiError::Busy`] if there is none.
    pub fn take(self: &Arc<Self>, tenant: TenantId) -> Result<Place, ApiError> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.values().sum::<usize>() >= self.most {
            return Err(ApiError::Busy("as many uploads stream through as may at once"));
        }
        let own = taken.entry(tenant).or_default();
        if *own >= self.most.div_ceil(2) {
            return Err(ApiError::Busy("as many of the tenant's uploads stream through as may at once"));
        }
        *own += 1;
        Ok(Place { places: Arc::clone(self), tenant })
    }

    /// The patience with one stream, from its begin.
    pub fn pace(&self) -> Pace {
        Pace { idle_max: self.idle_max, waited: Duration::ZERO, brought: 0 }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.tenant) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.tenant);
            }
        }
    }
}

/// How long a stream is waited for: one that sends a byte now and then keeps no place from others.
#[derive(Debug)]
pub struct Pace {
    idle_max: Duration,
    waited: Duration,
    brought: usize,
}

impl Pace {
    /// How long the next message may take.
    pub fn patience(&self) -> Duration {
        self.idle_max.saturating_sub(self.waited)
    }

    /// So many bytes came after such a wait.
    pub fn came(&mut self, bytes: usize, waited: Duration) {
        self.brought += bytes;
        self.waited += waited;
        if self.brought >= BROUGHT_MIN_BYTES {
            (self.brought, self.waited) = (0, Duration::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn no_tenant_has_more_than_half_of_the_places_and_all_together_not_more_than_there_are() {
        let places = UploadPlaces::new(5, MINUTE);
        let [one, two, three] = [1, 2, 3].map(|number| TenantId(Uuid::from_u128(number)));
        let mut held: Vec<Place> = (0..3).map(|_| places.take(one).unwrap()).collect();
        assert!(matches!(places.take(one), Err(ApiError::Busy(_))), "a fourth of five for one tenant");
        held.extend((0..2).map(|_| places.take(two).unwrap()));
        assert!(matches!(places.take(three), Err(ApiError::Busy(_))), "a sixth of five");
        held.remove(0);
        held.push(places.take(three).unwrap());
        drop(held);
        assert!(places.taken.lock().unwrap().is_empty(), "who has none is not remembered");
        places.take(one).unwrap();
    }

    #[test]
    fn the_only_place_is_anybodys() {
        let places = UploadPlaces::new(1, MINUTE);
        places.take(TenantId(Uuid::from_u128(1))).unwrap();
    }

    #[test]
    fn who_sends_a_byte_now_and_then_is_not_waited_for_longer_and_who_sends_enough_is() {
        let mut pace = UploadPlaces::new(1, MINUTE).pace();
        for _ in 0..59 {
            pace.came(1, MINUTE / 60);
        }
        assert_eq!(pace.patience(), MINUTE / 60);
        pace.came(BROUGHT_MIN_BYTES, Duration::ZERO);
        assert_eq!(pace.patience(), MINUTE);
        pace.came(1, 2 * MINUTE);
        assert_eq!(pace.patience(), Duration::ZERO);
    }
}
