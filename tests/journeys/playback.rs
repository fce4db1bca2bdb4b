//! What players are given: of several assets at once, captions as the tenant has decided, and files under their own names.
//!
//! - batch::each_asset_is_answered_by_itself_and_foreign_ones_like_those_that_never_were
//! - batch::many_assets_cost_as_many_questions_as_few
//! - visibility::where_the_policy_asks_for_no_approval_players_see_what_nobody_has_looked_at
//! - download::a_file_is_saved_under_its_own_name_whatever_it_is_called

mod batch;
mod download;
mod visibility;

use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(120);
