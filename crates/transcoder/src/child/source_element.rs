//! The original as the first element of a pipeline: seekable, of known size, readable by range.

use std::sync::{Arc, OnceLock};

use gstreamer::{glib, subclass::prelude::ObjectSubclassIsExt};

use super::{
    failed::Failed,
    source::{Piece, Source},
};

glib::wrapper! {
    /// A `GstBaseSrc` over a [`Source`]. Chosen over `appsrc`, which turns a failed read into an ordinary end.
    pub struct SourceElement(ObjectSubclass<imp::SourceElement>) @extends gstreamer_base::BaseSrc, gstreamer::Element, gstreamer::Object;
}

impl SourceElement {
    /// Reads `source`, behind an `opening` that stands for bytes in front of it, with `other` bytes from a place on.
    pub fn new(source: Arc<Source>, opening: Vec<u8>, other: Option<(u64, Vec<u8>)>) -> Self {
        let element: Self = glib::Object::new();
        // Only here, on an object that nobody else has yet.
        if element.imp().source.set(imp::Behind { opening, other, source }).is_err() {
            unreachable!("a new element has no source");
        }
        element
    }
}

mod imp {
    use gstreamer_base::{
        prelude::*,
        subclass::{base_src::CreateSuccess, prelude::*},
    };

    use super::*;

    #[derive(Default)]
    pub struct SourceElement {
        pub(super) source: OnceLock<Behind>,
    }

    /// A source behind an opening.
    #[derive(Debug)]
    pub struct Behind {
        pub(super) opening: Vec<u8>,
        pub(super) other: Option<(u64, Vec<u8>)>,
        pub(super) source: Arc<Source>,
    }

    impl Behind {
        fn opening_bytes(&self) -> u64 {
            self.opening.len() as u64
        }

        fn size(&self) -> u64 {
            self.opening_bytes() + self.source.size()
        }

        /// What of the opening lies in this range, and the pieces of the source behind it.
        fn read(&self, offset: u64, length: u64) -> Result<(gstreamer::Buffer, Vec<Piece>), Failed> {
            let opening = self.opening_bytes();
            let (from, to) = (offset.min(opening), offset.saturating_add(length).min(opening));
            let head = match self.opening.get(from as usize..to as usize) {
                Some(bytes) if !bytes.is_empty() => gstreamer::Buffer::from_slice(bytes.to_vec()),
                _ => gstreamer::Buffer::new(),
            };
            let (behind, rest) = (offset.saturating_sub(opening), length - (to - from));
            let pieces = if rest == 0 || behind >= self.source.size() { Vec::new() } else { self.source.pieces(behind, rest)? };
            match &self.other {
                Some((at, bytes)) if *at < offset + length && offset < at + bytes.len() as u64 => {
                    Ok((replaced(head, &pieces, offset, *at, bytes)?, Vec::new()))
                }
                _ => Ok((head, pieces)),
            }
        }
    }

    /// All in one buffer that begins at `offset`, with other bytes from `at` on.
    fn replaced(head: gstreamer::Buffer, pieces: &[Piece], offset: u64, at: u64, bytes: &[u8]) -> Result<gstreamer::Buffer, Failed> {
        let head = head.map_readable().map_err(|error| Failed::internal(error.to_string()))?;
        let mut all = head.to_vec();
        pieces.iter().for_each(|piece| all.extend_from_slice(piece.as_ref()));
        for (place, byte) in (at..).zip(bytes) {
            let target = place.checked_sub(offset).and_then(|index| all.get_mut(usize::try_from(index).ok()?));
            if let Some(target) = target {
                *target = *byte;
            }
        }
        Ok(gstreamer::Buffer::from_slice(all))
    }

    #[glib::object_subclass]
    impl ObjectSubclass for SourceElement {
        const NAME: &'static str = "MediaSourceElement";
        type Type = super::SourceElement;
        type ParentType = gstreamer_base::BaseSrc;
    }

    impl ObjectImpl for SourceElement {
        fn constructed(&self) {
            self.parent_constructed();
            self.obj().set_format(gstreamer::Format::Bytes);
            self.obj().set_blocksize(64 << 10);
        }
    }

    impl GstObjectImpl for SourceElement {}

    impl ElementImpl for SourceElement {
        fn metadata() -> Option<&'static gstreamer::subclass::ElementMetadata> {
            static METADATA: OnceLock<gstreamer::subclass::ElementMetadata> = OnceLock::new();
            Some(METADATA.get_or_init(|| {
                gstreamer::subclass::ElementMetadata::new(
                    "Original",
                    "Source",
                    "Reads the original by asking the parent",
                    "media-transcoder",
                )
            }))
        }

        fn pad_templates() -> &'static [gstreamer::PadTemplate] {
            static TEMPLATES: OnceLock<Vec<gstreamer::PadTemplate>> = OnceLock::new();
            TEMPLATES.get_or_init(|| {
                let any = gstreamer::Caps::new_any();
                gstreamer::PadTemplate::new("src", gstreamer::PadDirection::Src, gstreamer::PadPresence::Always, &any).into_iter().collect()
            })
        }
    }

    impl BaseSrcImpl for SourceElement {
        fn is_seekable(&self) -> bool {
            true
        }

        fn size(&self) -> Option<u64> {
            self.source.get().map(|source| source.size())
        }

        fn create(
            &self,
            offset: u64,
            passed: Option<&mut gstreamer::BufferRef>,
            length: u32,
        ) -> Result<CreateSuccess, gstreamer::FlowError> {
            let source = self.source.get().ok_or(gstreamer::FlowError::Error)?;
            if offset >= source.size() {
                return Err(gstreamer::FlowError::Eos);
            }
            let (head, pieces) = source.read(offset, u64::from(length)).map_err(|failed| {
                gstreamer::element_imp_error!(self, gstreamer::ResourceError::Read, ["{}", failed.text]);
                gstreamer::FlowError::Error
            })?;
            match passed {
                // Some demuxers bring a buffer of their own, of the length that they ask for.
                Some(passed) => {
                    let mut at = head.size();
                    let head = head.map_readable().map_err(|_| gstreamer::FlowError::Error)?;
                    passed.copy_from_slice(0, &head).map_err(|_| gstreamer::FlowError::Error)?;
                    for piece in &pieces {
                        passed.copy_from_slice(at, piece.as_ref()).map_err(|_| gstreamer::FlowError::Error)?;
                        at += piece.as_ref().len();
                    }
                    passed.set_size(at);
                    Ok(CreateSuccess::FilledBuffer)
                }
                None => Ok(CreateSuccess::NewBuffer(without_copy(offset, head, pieces))),
            }
        }
    }

    fn without_copy(offset: u64, head: gstreamer::Buffer, pieces: Vec<Piece>) -> gstreamer::Buffer {
        let mut buffer = head;
        let bytes = buffer.size() + pieces.iter().map(|piece| piece.as_ref().len()).sum::<usize>();
        let writable = buffer.make_mut();
        writable.set_offset(offset);
        writable.set_offset_end(offset + bytes as u64);
        for piece in pieces {
            writable.append_memory(gstreamer::Memory::from_slice(piece));
        }
        buffer
    }
}
