//! A sequence, step by step in the model and for real; and of one that fails, a shorter one that fails too.

use std::time::{Duration, Instant};

use tonic::Status;

use super::{
    facts::{self, Facts},
    real::{Real, Stage, reason},
    state::{Answer, NOT_FOUND, Tenant},
    steps::{OnAsset, Step, TENANTS, chosen},
};

/// How long a shorter sequence is looked for: each try plays one.
const SHORTENING: Duration = Duration::from_secs(90);

/// Where model and service part.
pub struct Parted {
    /// How many steps it took, of which the last is the one.
    pub steps: usize,
    /// What was done, a line each, and then the difference.
    pub said: String,
}

/// Plays a sequence; answers how many of its steps had something to be done on.
pub async fn play(stage: &Stage, sequence: &[Step]) -> Result<usize, Parted> {
    let mut real = stage.clear().await;
    let mut model: Vec<Tenant> = (0..TENANTS).map(|_| Tenant::new(&stage.contents)).collect();
    let (mut done, mut said) = (0, String::new());
    for (at, step) in sequence.iter().enumerate() {
        let Some((told, answers)) = both(&mut model, &mut real, step).await else { continue };
        done += 1;
        said.push_str(&format!("  {told}\n"));
        let expected: Facts = model.iter_mut().enumerate().flat_map(|(number, tenant)| facts::expected(number, tenant)).collect();
        let found = Box::pin(facts::found(&real)).await;
        if answers.is_ok() && expected == found {
            continue;
        }
        if let Err(answer) = answers {
            said.push_str(&format!("{answer}\n"));
        }
        expected.difference(&found).for_each(|fact| said.push_str(&format!("only the model says: {fact}\n")));
        found.difference(&expected).for_each(|fact| said.push_str(&format!("only the service says: {fact}\n")));
        return Err(Parted { steps: at + 1, said });
    }
    Ok(done)
}

/// Leaves out what can be left out, as long as model and service still part: all of one tenant, then larger pieces, then smaller ones. (A
/// sequence takes seconds, so not one step at a time from its start, as proptest would.)
pub async fn shorten(stage: &Stage, sequence: &[Step], parted: Parted) -> (Vec<Step>, Parted) {
    let begun = Instant::now();
    let mut shortest = (sequence[..parted.steps].to_vec(), parted);
    for tenant in 0..TENANTS {
        let others = |step: &Step| step.tenant() != Some(tenant);
        shortest = shorter(stage, shortest.0.iter().filter(|step| others(step)).cloned().collect(), shortest).await;
    }
    let mut piece = shortest.0.len().div_ceil(2);
    while piece > 0 {
        let mut from = 0;
        while from < shortest.0.len() && begun.elapsed() < SHORTENING {
            let (before, mut without) = (shortest.0.len(), shortest.0.clone());
            without.drain(from..(from + piece).min(before));
            shortest = shorter(stage, without, shortest).await;
            from += if shortest.0.len() == before { piece } else { 0 };
        }
        piece /= 2;
    }
    shortest
}

/// The shorter one, if model and service part in it too.
async fn shorter(stage: &Stage, without: Vec<Step>, than: (Vec<Step>, Parted)) -> (Vec<Step>, Parted) {
    if without.len() == than.0.len() {
        return than;
    }
    match play(stage, &without).await {
        Ok(_) => than,
        Err(parted) => (without[..parted.steps].to_vec(), parted),
    }
}

/// Does a step twice; answers what was done, and whether both were answered alike. `None`: there is nothing to do it on.
async fn both(model: &mut [Tenant], real: &mut Real<'_>, step: &Step) -> Option<(String, Result<(), String>)> {
    let mut told = format!("{step:?}");
    let mut answers = Ok(());
    let mut agree = |call: &str, answers_of: (Answer, Result<(), Status>)| {
        let (expected, found) = (answers_of.0.map_err(str::to_owned), answers_of.1.map_err(|status| reason(&status)));
        told.push_str(&format!(" {call}: {}", expected.as_ref().map_or_else(String::as_str, |()| "done")));
        if expected != found {
            answers = Err(format!("{call}: the model answers {expected:?}, the service {found:?}"));
        }
        expected.is_ok() && found.is_ok()
    };
    match step {
        Step::Upload { tenant, owner, content, declared, calls } => {
            let id = model[*tenant].assets.len();
            let created = model[*tenant].create(*owner, *content, *declared);
            let mut goes_on = agree(&format!("{tenant}/{id}"), (created, real.create(*tenant, *owner, *content, *declared).await));
            goes_on &= model[*tenant].assets.get(id).is_some_and(|asset| asset.upload.is_some());
            for act in [OnAsset::Send, OnAsset::Complete].iter().take(usize::from(*calls)).take_while(|_| goes_on) {
                let expected = model[*tenant].act(id, act);
                agree(&format!("{act:?}"), (expected, real.act(*tenant, *tenant, id, act).await));
            }
        }
        Step::On { tenant, pick, act } => {
            let id = chosen(&model[*tenant], *pick)?;
            if matches!(act, OnAsset::Send) && model[*tenant].assets[id].upload.is_none() {
                return None;
            }
            let expected = model[*tenant].act(id, act);
            agree(&format!("{tenant}/{id}"), (expected, real.act(*tenant, *tenant, id, act).await));
        }
        Step::Foreign { tenant, pick, act } => {
            let id = chosen(&model[*tenant], *pick).filter(|_| !matches!(act, OnAsset::Send))?;
            agree(&format!("{tenant}/{id}"), (NOT_FOUND, real.act((*tenant + 1) % TENANTS, *tenant, id, act).await));
        }
        Step::SetBundle { tenant, bundle, picks } => {
            let mut wanted: Vec<(usize, Option<i64>)> = Vec::new();
            for (pick, hours) in picks {
                let id = chosen(&model[*tenant], *pick).filter(|id| wanted.iter().all(|(other, _)| other != id));
                wanted.extend(id.map(|id| (id, *hours)));
            }
            let expected = model[*tenant].set_bundle(*bundle, &wanted);
            agree(&format!("{wanted:?}"), (expected, real.set_bundle(*tenant, *bundle, &wanted).await));
        }
        Step::ChangePolicy { tenant, policy } => {
            let expected = model[*tenant].change_policy(policy.clone());
            agree("policy", (expected, real.change_policy(*tenant, policy).await));
        }
        Step::EraseOwner { tenant, owner } => {
            let expected = model[*tenant].begin_erasure(Some(*owner));
            agree("erasure", (expected, real.begin_erasure(*tenant, Some(*owner)).await));
        }
        Step::EraseTenant { tenant } => {
            // A second one at once would only be told twice.
            if model[*tenant].erasures.iter().any(|erasure| erasure.owner.is_none() && !erasure.is_done) {
                return None;
            }
            let expected = model[*tenant].begin_erasure(None);
            agree("erasure", (expected, real.begin_erasure(*tenant, None).await));
        }
        Step::Scan => {
            model.iter_mut().for_each(Tenant::scan);
            real.stage.scan().await;
        }
        Step::Sweep => {
            real.stage.sweep().await;
            for (number, tenant) in model.iter_mut().enumerate() {
                let ended = |tenant: &Tenant| tenant.erasures.iter().filter(|erasure| erasure.owner.is_none() && erasure.is_done).count();
                let before = ended(tenant);
                tenant.sweep();
                if ended(tenant) > before {
                    real.sweep_to_the_end_of(number).await;
                }
            }
        }
        Step::Wait(hours) => {
            model.iter_mut().for_each(|tenant| tenant.now += hours);
            real.stage.wait(*hours).await;
        }
    }
    Some((told, answers))
}
