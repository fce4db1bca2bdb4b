//! OperationsService: what waits, what was given up, what was told, and how much is stored.

use std::sync::Arc;

use media_domain::{
    DeadLetterId, JobId, Status,
    ids::NotAnId,
    plan::{self, One},
    profile::ProfileName,
    work::{Group, WorkState},
};
use media_proto::v1::{self, operations_service_server::OperationsService};
use media_storage::{again::PlannedOne, assets::Asset, dead_letters::DeadLetterFilter, job_list::JobFilter, outbox_replay::Replay};
use tonic::{Request, Response};

use super::{Api, generate_captions, there};
use crate::{
    auth::Caller,
    convert::{self, operations as show},
    error::{ApiError, Violations},
};

/// How many dead letters one call sends again.
const MAX_REDRIVEN: usize = 200;
/// How many events one call replays: they are marked in one statement.
const MAX_REPLAYED: i64 = 5000;

pub struct Operations(pub Arc<Api>);

#[tonic::async_trait]
impl OperationsService for Operations {
    async fn list_jobs(&self, request: Request<v1::ListJobsRequest>) -> Result<Response<v1::ListJobsResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(self.jobs(&caller, request).await?))
    }

    async fn retry_job(&self, request: Request<v1::RetryJobRequest>) -> Result<Response<v1::RetryJobResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(self.retry(&caller, request).await?))
    }

    async fn list_dead_letters(
        &self,
        request: Request<v1::ListDeadLettersRequest>,
    ) -> Result<Response<v1::ListDeadLettersResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(self.dead_letters(&caller, request).await?))
    }

    async fn redrive_dead_letters(
        &self,
        request: Request<v1::RedriveDeadLettersRequest>,
    ) -> Result<Response<v1::RedriveDeadLettersResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(self.redrive(&caller, request).await?))
    }

    async fn replay_events(&self, request: Request<v1::ReplayEventsRequest>) -> Result<Response<v1::ReplayEventsResponse>, tonic::Status> {
        let (caller, request) = Caller::of(request)?;
        Ok(Response::new(self.replay(&caller, request).await?))
    }

    async fn get_usage(&self, request: Request<v1::GetUsageRequest>) -> Result<Response<v1::GetUsageResponse>, tonic::Status> {
        let (caller, _) = Caller::of(request)?;
        let usage = self.0.begin(&caller, "api.get_usage").await?.usage().await.map_err(ApiError::from)?;
        Ok(Response::new(show::usage(&usage)))
    }
}

impl Operations {
    async fn jobs(&self, caller: &Caller, request: v1::ListJobsRequest) -> Result<v1::ListJobsResponse, ApiError> {
        let filter = job_filter(&request)?;
        let page = self.0.page(caller, &request)?;
        let after = page.after()?;
        let mut tx = self.0.begin(caller, "api.list_jobs").await?;
        let mut jobs = tx.transcode_jobs().page(&filter, after, page.fetch()).await?;
        let next_page_token = page.cut(&mut jobs, |last| last.job.id);
        Ok(v1::ListJobsResponse { jobs: jobs.iter().map(show::asset_job).collect(), next_page_token })
    }

    async fn retry(&self, caller: &Caller, request: v1::RetryJobRequest) -> Result<v1::RetryJobResponse, ApiError> {
        let id: JobId = request.job_id.parse().map_err(|error: NotAnId| Violations::of("job_id", format!("is {error}")))?;
        let mut tx = self.0.begin(caller, "api.retry_job").await?;
        let asset = tx.transcode_jobs().lookup(id).await?.ok_or(ApiError::JobNotFound)?.asset;
        // Read again under the asset's lock: what is decided on it holds.
        let asset = there(tx.assets().lock(asset).await?).map_err(|_| ApiError::JobNotFound)?;
        let listed = tx.transcode_jobs().lookup(id).await?.ok_or(ApiError::JobNotFound)?;
        match asset.status {
            Status::Ready => {}
            Status::Quarantined => return Err(ApiError::Quarantined),
            other => return Err(ApiError::NotReady(other)),
        }
        if !matches!(listed.job.state, WorkState::Failed | WorkState::Cancelled) {
            return Err(ApiError::JobIs(listed.job.state));
        }
        let group = listed.group.or_else(|| self.group_of(&asset, &listed.job.profile));
        if matches!(group, Some(Group::Speech | Group::Captions)) {
            generate_captions::wanted(&mut tx).await?;
        }
        match tx.retry(&asset, &listed, group).await? {
            PlannedOne::Planned => {}
            PlannedOne::GroupRuns => return Err(ApiError::GroupRuns),
        }
        let listed = tx.transcode_jobs().lookup(id).await?.ok_or(ApiError::JobNotFound)?;
        tx.commit().await?;
        Ok(v1::RetryJobResponse { job: Some(show::asset_job(&listed)) })
    }

    /// The group that makes a profile of an asset.
    fn group_of(&self, asset: &Asset, profile: &ProfileName) -> Option<Group> {
        match plan::one(asset.kind, asset.info.as_ref(), &self.0.profiles, profile) {
            One::Make(group) => Some(group),
            One::Skip(_) | One::Unknown => (profile == &ProfileName::captions()).then_some(Group::Captions),
        }
    }

    async fn dead_letters(&self, caller: &Caller, request: v1::ListDeadLettersRequest) -> Result<v1::ListDeadLettersResponse, ApiError> {
        let queue = v1::WorkQueue::try_from(request.queue).map_err(|_| Violations::of("queue", UNKNOWN))?;
        let reason = Some(request.reason.clone()).filter(|reason| !reason.is_empty());
        let filter = DeadLetterFilter { queue: show::read_queue(queue), reason, with_redriven: request.include_redriven };
        if request.reason.contains('\0') {
            return Err(Violations::of("reason", "holds a NUL character"));
        }
        let page = self.0.page(caller, &request)?;
        let after = page.after()?;
        let mut tx = self.0.begin(caller, "api.list_dead_letters").await?;
        let mut letters = tx.dead_letters().list(&filter, after, page.fetch()).await?;
        let next_page_token = page.cut(&mut letters, |last| last.id);
        Ok(v1::ListDeadLettersResponse { dead_letters: letters.iter().map(show::dead_letter).collect(), next_page_token })
    }

    async fn redrive(&self, caller: &Caller, request: v1::RedriveDeadLettersRequest) -> Result<v1::RedriveDeadLettersResponse, ApiError> {
        let ids = letter_ids(&request.dead_letter_ids)?;
        let mut tx = self.0.begin(caller, "api.redrive_dead_letters").await?;
        for id in &ids {
            tx.dead_letters().lock(*id).await?.ok_or(ApiError::DeadLetterNotFound)?;
        }
        drop(tx);
        // A transaction each: none waits with the locks of another's asset.
        let mut redriven = Vec::with_capacity(ids.len());
        for id in ids {
            let mut tx = self.0.begin(caller, "api.redrive_dead_letters").await?;
            let (letter, outcome) = tx.redrive(id).await?.ok_or(ApiError::DeadLetterNotFound)?;
            tx.commit().await?;
            redriven.push(show::redriven(&letter, outcome));
        }
        Ok(v1::RedriveDeadLettersResponse { dead_letters: redriven })
    }

    async fn replay(&self, caller: &Caller, request: v1::ReplayEventsRequest) -> Result<v1::ReplayEventsResponse, ApiError> {
        let page = self.0.page(caller, &request)?;
        let what = Replay { after_seq: page.after()?, ..replay(&request)? };
        let mut tx = self.0.begin(caller, "api.replay_events").await?;
        let (count, last) = tx.outbox().replay(&what, MAX_REPLAYED).await?;
        tx.commit().await?;
        let full = i64::try_from(count).is_ok_and(|count| count == MAX_REPLAYED);
        let next_page_token = last.filter(|_| full).map(|last| page.seal(&last)).unwrap_or_default();
        Ok(v1::ReplayEventsResponse { event_count: count.cast_signed(), next_page_token })
    }
}

const UNKNOWN: &str = "is none that this version knows";

fn job_filter(request: &v1::ListJobsRequest) -> Result<JobFilter, ApiError> {
    let mut violations = Violations::default();
    let state = v1::JobStatus::try_from(request.status).map_err(|_| violations.add("status", UNKNOWN)).ok().and_then(show::read_job_status);
    let queue = v1::WorkQueue::try_from(request.queue).map_err(|_| violations.add("queue", UNKNOWN)).ok().and_then(show::read_queue);
    let asset = match request.asset_id.as_str() {
        "" => None,
        text => text.parse().map_err(|error: NotAnId| violations.add("asset_id", format!("is {error}"))).ok(),
    };
    let profile = match request.profile.as_str() {
        "" => None,
        text => text
            .to_owned()
            .try_into()
            .map_err(|error: media_domain::profile::NotAProfileName| violations.add("profile", error.to_string()))
            .ok(),
    };
    violations.into_result()?;
    Ok(JobFilter { state, asset, profile, queue })
}

fn letter_ids(given: &[String]) -> Result<Vec<DeadLetterId>, ApiError> {
    if given.is_empty() || given.len() > MAX_REDRIVEN {
        return Err(Violations::of("dead_letter_ids", format!("names {} dead letters, and may name 1 to {MAX_REDRIVEN}", given.len())));
    }
    let ids: Result<Vec<DeadLetterId>, NotAnId> = given.iter().map(|id| id.parse()).collect();
    ids.map_err(|error| Violations::of("dead_letter_ids", format!("holds one that is {error}")))
}

fn replay(request: &v1::ReplayEventsRequest) -> Result<Replay, ApiError> {
    let mut violations = Violations::default();
    let asset = match request.asset_id.as_str() {
        "" => None,
        text => text.parse().map_err(|error: NotAnId| violations.add("asset_id", format!("is {error}"))).ok(),
    };
    let mut time = |field, given: &Option<media_proto::Timestamp>| {
        let read = given.as_ref().map(convert::read_timestamp);
        if read == Some(None) {
            violations.add(field, "is no time");
        }
        read.flatten()
    };
    let (from, before) = (time("min_time", &request.min_time), time("max_time", &request.max_time));
    if request.asset_id.is_empty() && request.min_time.is_none() {
        violations.add("min_time", "must be given where no asset is");
    }
    if from.zip(before).is_some_and(|(from, before)| from >= before) {
        violations.add("max_time", "must be after min_time");
    }
    violations.into_result()?;
    Ok(Replay { asset, from, before, after_seq: None })
}

#[cfg(test)]
mod tests {
    use media_proto::Timestamp;

    use super::*;

    fn fields<T: std::fmt::Debug>(refused: Result<T, ApiError>) -> Vec<&'static str> {
        let ApiError::Invalid(violations) = refused.unwrap_err() else { panic!("another error") };
        violations.0.iter().map(|it| it.field).collect()
    }

    #[test]
    fn a_filter_of_jobs_names_every_field_at_fault() {
        let request = v1::ListJobsRequest { status: 99, queue: 99, asset_id: "me".into(), profile: "../x".into(), ..Default::default() };
        assert_eq!(fields(job_filter(&request)), ["status", "queue", "asset_id", "profile"]);
        let any = job_filter(&v1::ListJobsRequest::default()).unwrap();
        assert!(any.state.is_none() && any.queue.is_none() && any.asset.is_none() && any.profile.is_none());
    }

    #[test]
    fn a_replay_is_of_an_asset_or_from_a_time_on_and_not_of_everything_by_accident() {
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        assert_eq!(fields(replay(&v1::ReplayEventsRequest::default())), ["min_time"]);
        let turned = v1::ReplayEventsRequest { min_time: at(10), max_time: at(10), ..Default::default() };
        assert_eq!(fields(replay(&turned)), ["max_time"]);
        let wrong = v1::ReplayEventsRequest { asset_id: "x".into(), min_time: at(i64::MAX), ..Default::default() };
        assert_eq!(fields(replay(&wrong)), ["asset_id", "min_time"]);
        assert!(replay(&v1::ReplayEventsRequest { min_time: at(10), ..Default::default() }).is_ok());
    }

    #[test]
    fn from_1_to_200_dead_letters_are_sent_again_at_once() {
        let some = |count| vec![DeadLetterId::generate().to_string(); count];
        assert_eq!(fields(letter_ids(&[])), ["dead_letter_ids"]);
        assert_eq!(fields(letter_ids(&some(201))), ["dead_letter_ids"]);
        assert_eq!(fields(letter_ids(&["x".to_owned()])), ["dead_letter_ids"]);
        assert_eq!(letter_ids(&some(200)).unwrap().len(), 200);
    }
}
