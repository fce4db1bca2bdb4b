//! What an asset that shares the variants of another still needs.

use super::{Plan, PlannedGroup, PlannedJob, plan};
use crate::{Kind, MediaInfo, Profiles, profile::ProfileName};

/// What is made of a file beside what it `has` from another with the same bytes: what was asked for here and not there. `info` is
/// what the probe found; what is not looked into lacks nothing.
pub fn lacking(kind: Kind, info: Option<&MediaInfo>, profiles: &Profiles, asked: Option<&[ProfileName]>, has: &[ProfileName]) -> Plan {
    // What is over a limit today was within it when the other was made.
    let Some(Ok(whole)) = info.map(|info| plan(kind, info, profiles, asked)) else { return Plan::default() };
    let left = |planned: PlannedGroup| {
        // It is ready as the other was: nothing that is made later may take that back.
        let jobs = planned.jobs.into_iter().filter(|job| !has.contains(&job.profile)).map(|job| PlannedJob { required: false, ..job });
        let jobs: Vec<PlannedJob> = jobs.collect();
        (!jobs.is_empty()).then_some(PlannedGroup { group: planned.group, jobs })
    };
    Plan { groups: whole.groups.into_iter().filter_map(left).collect(), skipped: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::info::PictureInfo;

    fn names(names: &[&str]) -> Vec<ProfileName> {
        names.iter().map(|name| ProfileName::try_from((*name).to_owned()).unwrap()).collect()
    }

    fn lacks(info: Option<&MediaInfo>, asked: Option<&[&str]>, has: &[&str]) -> Vec<String> {
        let asked = asked.map(names);
        let plan = lacking(Kind::Image, info, &Profiles::built_in().unwrap(), asked.as_deref(), &names(has));
        plan.groups.iter().flat_map(|group| &group.jobs).map(|job| job.profile.to_string()).collect()
    }

    #[test]
    fn only_what_was_asked_for_and_applies_and_is_not_there_is_lacking() {
        let picture = PictureInfo { width: 600, height: 400, frames: 1 };
        let info = MediaInfo { picture: Some(picture), ..MediaInfo::default() };
        let all = lacks(Some(&info), None, &[]);
        assert!(all.len() > 3, "{all:?}");
        let has: Vec<&str> = all.iter().map(String::as_str).collect();
        assert!(lacks(Some(&info), None, &has).is_empty());
        assert_eq!(lacks(Some(&info), None, &has[1..]), [all[0].clone()]);
        assert_eq!(lacks(Some(&info), Some(&["avif-320", "webp-2048"]), &["webp-320"]), ["avif-320"], "the source is smaller than 2048");
        assert!(lacks(None, None, &[]).is_empty(), "what is not looked into lacks nothing");
    }
}
