//! `media erase`: what a person, or the whole tenant, left here goes for good; and the receipt of it.

use std::time::Duration;

use media_domain::{ErasureId, OwnerId, TenantId};
use media_proto::v1::{
    EraseOwnerRequest, EraseTenantRequest, Erasure, ErasureItem, ErasureOutcome, ErasureState, GetErasureRequest, GetErasureResponse,
};
use uuid::Uuid;

use crate::{
    api::{Api, call},
    asset_text::when,
    failure::Failure,
    output::{self, printable},
};

/// The most that the service puts on a page.
const PAGE_SIZE_MAX: i32 = 200;
const LOOK_AGAIN: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Subcommand)]
pub enum Erase {
    /// Erase every asset of a person; nothing takes it back
    Owner {
        owner: OwnerId,
        /// Wait until it is done; what is held keeps it open
        #[arg(long)]
        wait: bool,
    },
    /// Erase all of the tenant; nothing takes it back
    Tenant {
        /// The tenant's id once more, so that it is no other
        tenant_id: TenantId,
        /// Wait until it is done; what is held keeps it open
        #[arg(long)]
        wait: bool,
    },
    /// Show an erasure and its receipt
    Show { erasure: ErasureId },
}

impl Erase {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        let request_id = Uuid::new_v4().to_string();
        let (erasure, wait) = match self {
            Erase::Show { erasure } => return show(api, &erasure.to_string(), json).await,
            Erase::Owner { owner, wait } => {
                let request = EraseOwnerRequest { owner_user_id: owner.to_string(), request_id };
                let answer = call(|| {
                    let (mut retention, request) = (api.retention.clone(), request.clone());
                    async move { retention.erase_owner(request).await }
                });
                (answer.await?.erasure, wait)
            }
            Erase::Tenant { tenant_id, wait } => {
                let request = EraseTenantRequest { tenant_id: tenant_id.to_string(), request_id };
                let answer = call(|| {
                    let (mut retention, request) = (api.retention.clone(), request.clone());
                    async move { retention.erase_tenant(request).await }
                });
                (answer.await?.erasure, wait)
            }
        };
        let mut erasure = erasure.unwrap_or_default();
        if !wait {
            return if json { output::json(&erasure) } else { output::line(&row(&erasure)) };
        }
        while erasure.state() != ErasureState::Done {
            tokio::time::sleep(LOOK_AGAIN).await;
            erasure = page(api, &erasure.id, "").await?.erasure.unwrap_or_default();
        }
        show(api, &erasure.id, json).await
    }
}

async fn page(api: &Api, id: &str, token: &str) -> Result<GetErasureResponse, Failure> {
    let request = GetErasureRequest { erasure_id: id.to_owned(), page_size: PAGE_SIZE_MAX, page_token: token.to_owned() };
    call(|| {
        let (mut retention, request) = (api.retention.clone(), request.clone());
        async move { retention.get_erasure(request).await }
    })
    .await
}

/// The erasure, and then a line for each of its receipt.
async fn show(api: &Api, id: &str, json: bool) -> Result<(), Failure> {
    let mut next = page(api, id, "").await?;
    let erasure = next.erasure.take().unwrap_or_default();
    if json {
        output::json(&erasure)?
    } else {
        output::line(&row(&erasure))?
    }
    loop {
        for item in &next.items {
            if json { output::json(item)? } else { output::line(&item_row(item))? }
        }
        if next.next_page_token.is_empty() {
            return Ok(());
        }
        next = page(api, id, &next.next_page_token).await?;
    }
}

fn row(erasure: &Erasure) -> String {
    let state = match erasure.state() {
        ErasureState::Done => format!("done {}", when(erasure.finish_time)),
        _ => "running".to_owned(),
    };
    let counts = erasure
        .counts
        .iter()
        .map(|count| format!("  {} {} assets, {} objects", word(count.outcome()), count.asset_count, count.object_count));
    format!("{}  begun {}  {state}{}", erasure.id, when(erasure.create_time), counts.collect::<String>())
}

fn item_row(item: &ErasureItem) -> String {
    format!("{:<10}  {}  {}", word(item.outcome()), item.asset_id, printable(&item.key))
}

fn word(outcome: ErasureOutcome) -> String {
    outcome.as_str_name().trim_start_matches("ERASURE_OUTCOME_").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use media_proto::v1::ErasureCount;

    use super::*;

    #[test]
    fn an_erasure_says_how_far_it_is_and_what_became_of_how_many() {
        let held = ErasureCount { outcome: ErasureOutcome::Held.into(), asset_count: 1, object_count: 0 };
        let erasure = Erasure { id: "E".into(), state: ErasureState::Running.into(), counts: vec![held], ..Erasure::default() };
        let text = row(&erasure);
        assert!(text.starts_with("E  begun ") && text.ends_with("  running  held 1 assets, 0 objects"), "{text}");
        let item = ErasureItem { asset_id: "A".into(), key: "k".into(), outcome: ErasureOutcome::Shared.into(), ..ErasureItem::default() };
        assert_eq!(item_row(&item), "shared      A  k");
    }
}
