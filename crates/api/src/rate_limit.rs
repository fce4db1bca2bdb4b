//! How fast a tenant may create, or ask for work. Counted by this instance alone: behind several, a tenant gets so much of each.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
};
use media_domain::TenantId;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// The settings of [`RateLimit`].
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimitConfig {
    /// Creates of one tenant in the long run.
    pub creates_per_second: NonZeroU32,
    /// How many may come at once, after as much time without any.
    pub creates_at_once: NonZeroU32,
}

/// A bucket of creates for each tenant that creates.
#[derive(Debug)]
pub struct RateLimit {
    tenants: DefaultKeyedRateLimiter<TenantId>,
}

impl RateLimit {
    pub fn new(config: RateLimitConfig) -> Self {
        Self { tenants: RateLimiter::keyed(Quota::per_second(config.creates_per_second).allow_burst(config.creates_at_once)) }
    }

    /// Takes the right to create once.
    ///
    /// # Errors
    /// [`ApiError::RateLimited`] with the time after which there is one.
    pub fn take(&self, tenant: TenantId) -> Result<(), ApiError> {
        self.tenants.check_key(&tenant).map_err(|wait| ApiError::RateLimited(wait.wait_time_from(DefaultClock::default().now())))
    }

    /// Forgets the tenants whose buckets are full again, from time to time for ever.
    pub async fn forget_the_idle(&self) -> ! {
        loop {
            tokio::time::sleep(FORGET_EVERY).await;
            self.tenants.retain_recent();
            self.tenants.shrink_to_fit();
        }
    }
}

const FORGET_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn one_tenant_that_creates_too_fast_is_told_when_to_come_back_and_others_are_not() {
        let two = NonZeroU32::new(2).unwrap();
        let limit = RateLimit::new(RateLimitConfig { creates_per_second: two, creates_at_once: two });
        let [one, other] = [1, 2].map(|number| TenantId(Uuid::from_u128(number)));
        limit.take(one).unwrap();
        limit.take(one).unwrap();
        let Err(ApiError::RateLimited(wait)) = limit.take(one) else { panic!("a third create was let through") };
        assert!(wait > Duration::ZERO && wait <= Duration::from_millis(500), "{wait:?}");
        limit.take(other).unwrap();
    }
}
