//! Pictures in, pictures out: judged by the pixels and bytes of each output, in every format that we make.
//!
//! - formats: what we read, and what a file must be to be read
//! - colours: profiles and depths, held against the colours that went in
//! - shapes: orientation, alpha, and sizes at the edge
//! - secrets: what must not come out

mod colours;
mod formats;
mod judge;
mod secrets;
mod shapes;
