//! Uploads that were begun and not ended: the next run of the same command goes on with them.
//!
//! What is kept is a file with the upload's request id, named by what was announced; the service knows the rest. It is written before
//! the upload begins, and removed when it has ended.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use media_proto::v1::CreateUploadRequest;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// How long the service knows a request id, less an hour: an upload is not begun twice because the id ends meanwhile.
const KEPT: Duration = Duration::from_secs(23 * 60 * 60);

/// One upload, as this machine remembers it.
#[derive(Debug)]
pub struct Attempt {
    pub request_id: String,
    /// Whether an earlier run began it.
    pub begun_before: bool,
    note: Option<PathBuf>,
}

impl Attempt {
    /// The upload that an earlier run began and did not end, of the same file for the same caller, or a new one.
    ///
    /// `who` is whom the service takes the caller for. Where no note can be kept the upload still goes on, and a person is told.
    pub fn of(who: &[String], path: &Path, modified: SystemTime, announced: &CreateUploadRequest) -> Self {
        let noted = dirs::state_dir().or_else(dirs::data_local_dir).map(|folder| {
            let note = folder.join("media/uploads").join(name(who, path, modified, announced));
            take(&note, SystemTime::now()).map(|(request_id, begun_before)| Self { request_id, begun_before, note: Some(note) })
        });
        match noted {
            Some(Ok(attempt)) => attempt,
            Some(Err(error)) => {
                eprintln!("media: if this upload is interrupted it cannot be resumed: {error}");
                Self::forgotten()
            }
            None => Self::forgotten(),
        }
    }

    fn forgotten() -> Self {
        Self { request_id: Uuid::new_v4().to_string(), begun_before: false, note: None }
    }

    /// Begins anew: the earlier upload is none that can be gone on with.
    ///
    /// # Errors
    /// If the note cannot be written.
    pub fn anew(&mut self) -> io::Result<()> {
        self.request_id = Uuid::new_v4().to_string();
        self.begun_before = false;
        self.note.as_deref().map_or(Ok(()), |note| fs::write(note, &self.request_id))
    }

    /// Forgets an upload that has ended.
    ///
    /// # Errors
    /// If the note is there and cannot be removed.
    pub fn ended(self) -> io::Result<()> {
        match self.note.map_or(Ok(()), fs::remove_file) {
            // Another run of the same upload was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

/// The request id that is noted, or that is noted now; and whether it was there.
fn take(note: &Path, now: SystemTime) -> io::Result<(String, bool)> {
    fs::create_dir_all(note.parent().unwrap_or(note))?;
    match fs::read_to_string(note) {
        Ok(noted) => {
            let age = now.duration_since(fs::metadata(note)?.modified()?).unwrap_or_default();
            if age < KEPT && Uuid::parse_str(&noted).is_ok() {
                return Ok((noted, true));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let request_id = Uuid::new_v4().to_string();
    // Whole or not at all: a run that reads it meanwhile finds no half of an id.
    let mut file = tempfile::NamedTempFile::new_in(note.parent().unwrap_or(note))?;
    file.write_all(request_id.as_bytes())?;
    file.persist(note)?;
    Ok((request_id, false))
}

/// What was announced, by whom, of which state of which file: another of these is another upload.
fn name(who: &[String], path: &Path, modified: SystemTime, announced: &CreateUploadRequest) -> String {
    let mut digest = Sha256::new();
    let modified = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos().to_be_bytes();
    let path = path.as_os_str().as_encoded_bytes();
    let announced = announced.encode_to_vec();
    let parts = who.iter().map(|who| who.as_bytes()).chain([path, &modified, &announced]);
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    hex::encode(digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_is_remembered_for_a_day_and_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("uploads/a");
        let now = SystemTime::now();
        let (first, begun_before) = take(&note, now).unwrap();
        assert!(!begun_before);
        assert_eq!(take(&note, now).unwrap(), (first.clone(), true));
        let (late, begun_before) = take(&note, now + KEPT + Duration::from_secs(60)).unwrap();
        assert!(late != first && !begun_before);
    }

    #[test]
    fn a_note_that_is_none_begins_an_upload_and_one_that_ended_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("a");
        fs::write(&note, "half of an i").unwrap();
        let (request_id, begun_before) = take(&note, SystemTime::now()).unwrap();
        assert!(!begun_before);
        let mut attempt = Attempt { request_id: request_id.clone(), begun_before, note: Some(note.clone()) };
        attempt.anew().unwrap();
        assert_ne!(attempt.request_id, request_id);
        assert_eq!(take(&note, SystemTime::now()).unwrap(), (attempt.request_id.clone(), true));
        attempt.ended().unwrap();
        assert!(!note.exists());
    }

    #[test]
    fn another_caller_file_state_or_announcement_is_another_upload() {
        let (path, time, asked) = (Path::new("/a/b"), SystemTime::UNIX_EPOCH, CreateUploadRequest::default());
        let (who, other) = (["x", "yz"].map(str::to_owned), ["xy", "z"].map(str::to_owned));
        let one = name(&who, path, time, &asked);
        assert_eq!(one, name(&who, path, time, &asked));
        let others = [
            name(&other, path, time, &asked),
            name(&who, Path::new("/a/c"), time, &asked),
            name(&who, path, time + Duration::from_nanos(1), &asked),
            name(&who, path, time, &CreateUploadRequest { size_bytes: 1, ..asked.clone() }),
        ];
        assert!(!others.contains(&one));
    }
}
