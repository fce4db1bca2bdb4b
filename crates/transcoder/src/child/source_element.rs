//! The original as the first element of a pipeline: seekable, of known size, readable by range.

use std::sync::{Arc, OnceLock};

use gstreamer::{glib, subclass::prelude::ObjectSubclassIsExt};

use super::source::{Piece, Source};

glib::wrapper! {
    /// A `GstBaseSrc` over a [`Source`]. Chosen over `appsrc`, which turns a failed read into an ordinary end.
    pub struct SourceElement(ObjectSubclass<imp::SourceElement>) @extends gstreamer_base::BaseSrc, gstreamer::Element, gstreamer::Object;
}

impl SourceElement {
    pub fn new(source: Arc<Source>) -> Self {
        let element: Self = glib::Object::new();
        // Only here, on an object that nobody else has yet.
        if element.imp().source.set(source).is_err() {
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
        pub(super) source: OnceLock<Arc<Source>>,
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
            let pieces = source.pieces(offset, u64::from(length)).map_err(|failed| {
                gstreamer::element_imp_error!(self, gstreamer::ResourceError::Read, ["{}", failed.text]);
                gstreamer::FlowError::Error
            })?;
            match passed {
                // Some demuxers bring a buffer of their own, of the length that they ask for.
                Some(passed) => {
                    let mut at = 0;
                    for piece in &pieces {
                        passed.copy_from_slice(at, piece.as_ref()).map_err(|_| gstreamer::FlowError::Error)?;
                        at += piece.as_ref().len();
                    }
                    passed.set_size(at);
                    Ok(CreateSuccess::FilledBuffer)
                }
                None => Ok(CreateSuccess::NewBuffer(without_copy(offset, pieces))),
            }
        }
    }

    fn without_copy(offset: u64, pieces: Vec<Piece>) -> gstreamer::Buffer {
        let bytes: usize = pieces.iter().map(|piece| piece.as_ref().len()).sum();
        let mut buffer = gstreamer::Buffer::new();
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_offset(offset);
            buffer.set_offset_end(offset + bytes as u64);
            for piece in pieces {
                buffer.append_memory(gstreamer::Memory::from_slice(piece));
            }
        }
        buffer
    }
}
