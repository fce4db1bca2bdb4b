//! `media dead-letters`: what was given up, and sending it again.

use media_domain::{DeadLetterId, work::Queue};
use media_proto::v1::{DeadLetter, ListDeadLettersRequest, RedriveDeadLettersRequest};

use crate::{
    api::{Api, call},
    failure::Failure,
    operations_text, output, words,
};

/// The most that the service puts on a page, and sends again at once.
const PAGE_SIZE_MAX: usize = 200;

#[derive(Debug, clap::Subcommand)]
pub enum DeadLetters {
    /// List what was given up, newest first
    List(List),
    /// Send dead letters again
    Redrive(Redrive),
}

/// Which dead letters.
#[derive(Debug, clap::Args)]
struct Which {
    /// Only of this queue: scan, transcode, caption
    #[arg(long)]
    queue: Option<Queue>,
    /// Only for this reason, such as worker_lost
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct List {
    #[command(flatten)]
    which: Which,
    /// Also those that were sent again
    #[arg(long)]
    redriven: bool,
    /// How many at most
    #[arg(long, short = 'n', default_value_t = 50)]
    limit: usize,
}

#[derive(Debug, clap::Args)]
pub struct Redrive {
    /// The ids, as `list` shows them
    #[arg(required_unless_present = "all")]
    letters: Vec<DeadLetterId>,
    /// All that were not sent again yet
    #[arg(long, conflicts_with = "letters")]
    all: bool,
    #[command(flatten)]
    which: Which,
}

impl DeadLetters {
    pub async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        match self {
            DeadLetters::List(List { which, redriven, limit }) => {
                for letter in which.list(api, redriven, limit).await? {
                    if json { output::json(&letter)? } else { output::line(&operations_text::letter(&letter))? }
                }
                Ok(())
            }
            DeadLetters::Redrive(redrive) => redrive.run(api, json).await,
        }
    }
}

impl Which {
    async fn list(self, api: &Api, include_redriven: bool, limit: usize) -> Result<Vec<DeadLetter>, Failure> {
        let mut request = ListDeadLettersRequest {
            queue: self.queue.map(words::queue_named).unwrap_or_default().into(),
            reason: self.reason.unwrap_or_default(),
            include_redriven,
            ..ListDeadLettersRequest::default()
        };
        let mut letters = Vec::new();
        while letters.len() < limit {
            request.page_size = i32::try_from((limit - letters.len()).min(PAGE_SIZE_MAX)).unwrap_or(0);
            let page = call(|| {
                let (mut operations, request) = (api.operations.clone(), request.clone());
                async move { operations.list_dead_letters(request).await }
            })
            .await?;
            letters.extend(page.dead_letters);
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        Ok(letters)
    }
}

impl Redrive {
    async fn run(self, api: &Api, json: bool) -> Result<(), Failure> {
        let ids: Vec<String> = match self.all {
            // All of them are read before the first is sent: what stays a dead letter is not met again and again.
            true => self.which.list(api, false, usize::MAX).await?.into_iter().map(|letter| letter.id).collect(),
            false => self.letters.iter().map(ToString::to_string).collect(),
        };
        for some in ids.chunks(PAGE_SIZE_MAX) {
            let request = RedriveDeadLettersRequest { dead_letter_ids: some.to_vec() };
            let answer = call(|| {
                let (mut operations, request) = (api.operations.clone(), request.clone());
                async move { operations.redrive_dead_letters(request).await }
            })
            .await?;
            for redriven in &answer.dead_letters {
                if json { output::json(redriven)? } else { output::line(&operations_text::redriven(redriven))? }
            }
        }
        Ok(())
    }
}
