//! A picture through a [`Lattice`]: from planes of any depth and chroma to I420.

use gstreamer as gst;
use gstreamer_video::{VideoFormatInfo, VideoFrameExt, VideoFrameRef, VideoInterlaceMode};

use super::lattice::{CODE_BITS, Lattice};

/// Whether pictures of this format are luma and chroma in plain little-endian samples.
pub fn are_readable(format: &VideoFormatInfo) -> bool {
    let depth = format.depth().first().copied().unwrap_or(0);
    let is_plain = format.is_yuv() && format.n_components() >= 3 && !format.is_complex() && !format.is_tiled();
    let is_readable = depth == 8 || (9..=16).contains(&depth) && format.is_le();
    is_plain && is_readable && format.w_sub()[1] <= 1 && format.h_sub()[1] <= 1
}

/// Maps a picture. Where it is interlaced, each field keeps its own chroma.
///
/// None where a plane is smaller than it has to be.
pub fn map(lattice: &Lattice, from: &VideoFrameRef<&gst::BufferRef>, to: &mut VideoFrameRef<&mut gst::BufferRef>) -> Option<()> {
    let (width, height) = (usize::try_from(from.width()).ok()?, usize::try_from(from.height()).ok()?);
    let is_interlaced = from.info().interlace_mode() != VideoInterlaceMode::Progressive;
    let [luma, blue, red] = [0, 1, 2].map(|component| Component::of(from, component));
    let (luma, blue, red) = (luma?, blue?, red?);
    let chroma_width = width.div_ceil(2);
    let rows = height.div_ceil(2);
    let [mut above, mut below] = [(); 2].map(|()| Vec::with_capacity(width));
    let (mut blue, mut red) = (Chroma::new(blue, width, is_interlaced), Chroma::new(red, width, is_interlaced));
    let (mut luma_out, mut cb_out, mut cr_out) = (vec![0; 2 * width], vec![0; chroma_width], vec![0; chroma_width]);
    for row in 0..rows {
        let lines = lines_of(row, is_interlaced, height);
        luma.read(lines[0], &mut above)?;
        luma.read(lines[1], &mut below)?;
        blue.read(row, rows, height)?;
        red.read(row, rows, height)?;
        let (out_above, out_below) = luma_out.split_at_mut(width);
        for at in 0..chroma_width {
            let (left, right) = (2 * at, (2 * at + 1).min(width - 1));
            let pixel = |luma: &[u16], line: usize, x: usize| [luma[x], blue.lines[line][x], red.lines[line][x]];
            let four = [pixel(&above, 0, left), pixel(&above, 0, right), pixel(&below, 1, left), pixel(&below, 1, right)];
            let block = lattice.block(four, blue.rows[1][at], red.rows[1][at]);
            [out_above[left], out_above[right], out_below[left], out_below[right]] = block.luma;
            (cb_out[at], cr_out[at]) = (block.cb, block.cr);
        }
        write(to, 0, lines[0], &luma_out[..width])?;
        write(to, 0, lines[1], &luma_out[width..])?;
        write(to, 1, row, &cb_out)?;
        write(to, 2, row, &cr_out)?;
    }
    Some(())
}

/// From full range to limited, in 8 bit (ITU-R BT.709, 4; ITU-T T.871): as it is stored, each plane by itself.
///
/// None where a plane is smaller than it has to be.
pub fn narrow(from: &VideoFrameRef<&gst::BufferRef>, to: &mut VideoFrameRef<&mut gst::BufferRef>) -> Option<()> {
    let tables = [(16.0, 219.0, 0.0), (128.0, 224.0, 128.0)].map(|(zero, span, middle): (f32, f32, f32)| {
        (0..=u8::MAX).map(|level| (zero + (f32::from(level) - middle) * span / 255.0).round() as u8).collect::<Vec<u8>>()
    });
    let info = from.info();
    // The second chroma is a plane of its own, or lies in the first's.
    for component in (0..3).filter(|component| *component < 2 || info.comp_plane(2) == 2) {
        let plane = usize::try_from(info.comp_plane(component)).ok()?;
        let stride = usize::try_from(*from.plane_stride().get(plane)?).ok()?;
        let line_bytes = usize::try_from(info.comp_width(component)).ok()? * usize::try_from(info.comp_pstride(component)).ok()?;
        let data = from.plane_data(u32::try_from(plane).ok()?).ok()?;
        let table = &tables[usize::from(component > 0)];
        let mut line = vec![0; line_bytes];
        for row in 0..usize::try_from(info.comp_height(component)).ok()? {
            let stored = data.get(row * stride..row * stride + line_bytes)?;
            line.iter_mut().zip(stored).for_each(|(narrow, full)| *narrow = table[usize::from(*full)]);
            write(to, plane, row, &line)?;
        }
    }
    Some(())
}

/// One chroma around a row of blocks, and what of it each pixel of their two lines has.
struct Chroma<'a> {
    component: Component<'a>,
    is_interlaced: bool,
    /// The row before, the row itself, the row behind.
    rows: [Vec<u16>; 3],
    /// By pixels: chroma lies on every second of them, and between the two lines (ITU-T H.273, figure 1: type 0).
    lines: [Vec<u16>; 2],
}

impl<'a> Chroma<'a> {
    fn new(component: Component<'a>, width: usize, is_interlaced: bool) -> Self {
        Self { component, is_interlaced, rows: [(); 3].map(|()| Vec::new()), lines: [(); 2].map(|()| vec![0; width]) }
    }

    fn read(&mut self, row: usize, rows: usize, height: usize) -> Option<()> {
        // In a field the neighbours are two rows away; there, each line takes its own row.
        let near = if self.is_interlaced { [row; 3] } else { [row.saturating_sub(1), row, (row + 1).min(rows - 1)] };
        for (row, codes) in near.into_iter().zip(&mut self.rows) {
            self.component.read_halved(row, lines_of(row, self.is_interlaced, height), codes)?;
        }
        let [before, here, behind] = &self.rows;
        for (other, line) in [before, behind].into_iter().zip(&mut self.lines) {
            let mixed = |at: usize| 3 * here[at] + other[at];
            let last = here.len() - 1;
            for (at, pair) in line.chunks_mut(2).enumerate() {
                let (one, next) = (mixed(at), mixed((at + 1).min(last)));
                pair[0] = (one + 2) / 4;
                if let Some(second) = pair.get_mut(1) {
                    *second = (one + next + 4) / 8;
                }
            }
        }
        Some(())
    }
}

/// The two lines of luma that a line of chroma belongs to: neighbours, or neighbours in their field.
fn lines_of(row: usize, is_interlaced: bool, height: usize) -> [usize; 2] {
    let (first, distance) = if is_interlaced { (row / 2 * 4 + row % 2, 2) } else { (row * 2, 1) };
    // What is left over at the bottom of a field belongs to the last lines.
    let first = first.min(height - 1);
    [first, if first + distance < height { first + distance } else { (first + 1).min(height - 1) }]
}

fn write(to: &mut VideoFrameRef<&mut gst::BufferRef>, plane: usize, row: usize, line: &[u8]) -> Option<()> {
    let stride = usize::try_from(*to.plane_stride().get(plane)?).ok()?;
    let data = to.plane_data_mut(u32::try_from(plane).ok()?).ok()?;
    data.get_mut(row * stride..row * stride + line.len())?.copy_from_slice(line);
    Some(())
}

/// The samples of one component of a picture.
struct Component<'a> {
    data: &'a [u8],
    line_bytes: usize,
    sample_bytes: usize,
    width: usize,
    /// From a stored sample to its value.
    shift: u32,
    depth: u32,
    halved: (bool, bool),
}

impl<'a> Component<'a> {
    fn of(frame: &'a VideoFrameRef<&gst::BufferRef>, component: u8) -> Option<Self> {
        let (info, at) = (frame.info(), usize::from(component));
        let format = info.format_info();
        Some(Self {
            data: frame.comp_data(u32::from(component)).ok()?,
            line_bytes: usize::try_from(*frame.plane_stride().get(usize::try_from(info.comp_plane(component)).ok()?)?).ok()?,
            sample_bytes: usize::try_from(info.comp_pstride(component)).ok()?,
            width: usize::try_from(info.comp_width(component)).ok()?,
            shift: *format.shift().get(at)?,
            depth: *format.depth().get(at)?,
            halved: (format.w_sub().get(at) == Some(&1), format.h_sub().get(at) == Some(&1)),
        })
    }

    /// One line, in codes of [`CODE_BITS`].
    fn read(&self, line: usize, codes: &mut Vec<u16>) -> Option<()> {
        let data = self.data.get(line * self.line_bytes..)?;
        let end = (self.width - 1) * self.sample_bytes + if self.depth > 8 { 2 } else { 1 };
        let samples = data.get(..end)?.chunks(self.sample_bytes);
        codes.clear();
        if self.depth > 8 {
            let down = self.depth.saturating_sub(CODE_BITS) + self.shift;
            codes.extend(samples.map(|sample| (u16::from_le_bytes([sample[0], sample[1]]) >> down).min((1 << CODE_BITS) - 1)));
        } else {
            codes.extend(samples.map(|sample| u16::from(sample[0]) << (CODE_BITS - 8)));
        }
        Some(())
    }

    /// The chroma of two lines of luma, one sample for two pixels each way.
    fn read_halved(&self, row: usize, lines: [usize; 2], codes: &mut Vec<u16>) -> Option<()> {
        match self.halved {
            (true, true) => return self.read(row, codes),
            (_, true) => self.read(row, codes)?,
            (_, false) => {
                let mut below = Vec::with_capacity(self.width);
                self.read(lines[0], codes)?;
                self.read(lines[1], &mut below)?;
                codes.iter_mut().zip(below).for_each(|(code, below)| *code = (*code + below).div_ceil(2));
            }
        }
        if !self.halved.0 {
            let width = self.width.div_ceil(2);
            for at in 0..width {
                codes[at] = (codes[2 * at] + codes[(2 * at + 1).min(self.width - 1)]).div_ceil(2);
            }
            codes.truncate(width);
        }
        Some(())
    }
}
