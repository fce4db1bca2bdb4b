//! `media import`: has a file fetched from elsewhere, and follows it if asked to.

use std::io::Read as _;

use media_domain::{Kind, OwnerId, asset::Priority};
use media_proto::v1::ImportAssetRequest;
use url::Url;
use uuid::Uuid;

use crate::{
    api::{Api, call, subject},
    args::Caller,
    asset_text,
    failure::Failure,
    follow::outcome,
    output,
    verbs::watch,
    words,
};

/// Far more than the service takes.
const URL_BYTES_MAX: u64 = 64 << 10;

#[derive(Debug, clap::Args)]
pub struct Import {
    /// Where the file is; `-` reads it from stdin, so that a signature shows in no list of processes
    #[arg(value_name = "URL")]
    url: String,
    /// What it is: image, audio, video, document, subtitle
    #[arg(long)]
    kind: Kind,
    /// What it is called; without it, the last part of the URL's path
    #[arg(long, value_name = "FILENAME")]
    name: Option<String>,
    /// Whose it is; without it, the token's subject
    #[arg(long, value_name = "ULID", env = "MEDIA_OWNER")]
    owner: Option<OwnerId>,
    /// Its exact size, where that is known: another one is refused
    #[arg(long, value_name = "BYTES")]
    size: Option<i64>,
    /// Its SHA-256, where that is known: other bytes are refused
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// Make this profile and the required ones, instead of all; may be given several times
    #[arg(long = "profile", value_name = "PROFILE")]
    profiles: Vec<String>,
    /// Whose turn comes first: interactive, normal, backfill
    #[arg(long, default_value = "normal")]
    priority: Priority,
    /// Follow it until it is done
    #[arg(long, short)]
    wait: bool,
}

impl Import {
    pub async fn run(self, api: &Api, caller: &Caller, json: bool) -> Result<(), Failure> {
        let owner = self.owner.or_else(|| caller.token.as_deref().and_then(subject)).ok_or_else(|| {
            Failure::Usage("whose file is it? Say --owner ULID or set MEDIA_OWNER (the token's subject is no ULID)".into())
        })?;
        let url = if self.url == "-" { from_stdin()? } else { self.url };
        let filename = self
            .name
            .or_else(|| name_in(&url))
            .ok_or_else(|| Failure::Usage("what is the file called? Its URL does not say: give --name FILENAME".into()))?;
        let request = ImportAssetRequest {
            url,
            kind: words::kind_named(self.kind).into(),
            filename,
            size_bytes: self.size.unwrap_or_default(),
            sha256: self.sha256.unwrap_or_default(),
            mime: String::new(),
            owner_user_id: owner.to_string(),
            profiles: self.profiles,
            priority: words::priority_named(self.priority).into(),
            request_id: Uuid::new_v4().to_string(),
        };
        let answer = call(|| {
            let (mut uploads, request) = (api.uploads.clone(), request.clone());
            async move { uploads.import_asset(request).await }
        })
        .await?;
        let asset = answer.asset.ok_or_else(|| Failure::Unexpected("the service sent no asset".into()))?;
        if self.wait {
            return watch::to_the_end(api, &asset.id, json).await.and_then(|asset| outcome(&asset));
        }
        if json { output::json(&asset) } else { output::line(&asset_text::row(&asset)) }
    }
}

fn from_stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .take(URL_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(|error| Failure::Refused(format!("no URL can be read from stdin: {error}")))?;
    Ok(text.trim().to_owned())
}

/// The last part of a URL's path.
fn name_in(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let last = url.path_segments()?.next_back().filter(|last| !last.is_empty())?;
    percent_encoding::percent_decode_str(last).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_as_its_url_ends() {
        assert_eq!(name_in("https://example.com/a/Ferien%20in%20Z%C3%BCrich.mp4?sig=x#y").as_deref(), Some("Ferien in Zürich.mp4"));
        for nameless in ["https://example.com", "https://example.com/a/", "nonsense", "https://example.com/%ff"] {
            assert_eq!(name_in(nameless), None, "{nameless}");
        }
    }
}
