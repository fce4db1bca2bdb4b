//! What an MPEG transport stream lacks at its head for its demuxer to tell the time (ISO/IEC 13818-1).
//!
//! 1.22's `tsdemux` knows no time of what comes before the first clock reference, and where pictures carry the clock and begin
//! later than the sound, it gives up times altogether: both tracks would begin at once. So references are put in front, from
//! the first presentation on.

use super::{boxes::ReadAt, failed::Failed};

/// How far into the stream its first times are looked for.
const SEARCH_BYTES: u64 = 4 << 20;
const SYNC: u8 = 0x47;
const PACKET_BYTES: usize = 188;
/// Packets may have a time stamp in front (Blu-ray) or check bytes behind.
const STRIDES: [(usize, usize); 3] = [(0, 188), (4, 192), (0, 204)];
/// Clock references stand at most 100 ms apart (2.7.2); a demuxer may take longer for a leap.
const REFERENCE_EVERY: u64 = HZ / 25;
/// Longest gap that references are put into, in the clock's units.
const GAP_MAX: u64 = 600 * HZ;
const HZ: u64 = 90_000;

/// What is to stand in front of a stream: packets of clock references, where what is shown first comes before the first.
///
/// # Errors
/// [`Failed`] where the file cannot be read.
pub fn opening(file: &impl ReadAt) -> Result<Vec<u8>, Failed> {
    let head = file.read_at(0, SEARCH_BYTES.min(file.size()))?;
    let Some((lead, stride)) = spacing(&head) else { return Ok(Vec::new()) };
    let packets = head.chunks_exact(stride).map(|chunk| &chunk[lead..lead + PACKET_BYTES]).filter(|packet| packet[0] == SYNC);
    let mut reference = None;
    let mut first_shown: Option<u64> = None;
    let mut tracks = Vec::new();
    for packet in packets {
        let pid = u16::from_be_bytes([packet[1], packet[2]]) & 0x1fff;
        reference = reference.or_else(|| clock_reference(packet).map(|clock| (pid, clock)));
        if let Some(time) = first_time(packet).filter(|_| !tracks.contains(&pid)) {
            tracks.push(pid);
            first_shown = Some(first_shown.map_or(time, |first| first.min(time)));
        }
    }
    let (Some((pid, clock)), Some(shown)) = (reference, first_shown) else { return Ok(Vec::new()) };
    if clock.saturating_sub(shown) > GAP_MAX {
        return Ok(Vec::new());
    }
    let missing = (shown..clock).step_by(usize::try_from(REFERENCE_EVERY).unwrap_or(usize::MAX));
    Ok(missing.flat_map(|clock| reference_packet(pid, clock, lead, stride)).collect())
}

/// Whether the stream's end is that of a packet: it may have been cut off anywhere else. What is no transport stream ends as it does.
///
/// # Errors
/// [`Failed`] where the file cannot be read.
pub fn ends_in_a_packet(file: &impl ReadAt) -> Result<bool, Failed> {
    let head = file.read_at(0, SEARCH_BYTES.min(file.size()))?;
    Ok(spacing(&head).is_none_or(|(_, stride)| file.size().is_multiple_of(stride as u64)))
}

/// What stands before each packet, and how far apart they are.
fn spacing(head: &[u8]) -> Option<(usize, usize)> {
    STRIDES.into_iter().find(|(lead, stride)| (0..4).all(|packet| head.get(lead + packet * stride) == Some(&SYNC)))
}

/// Of a packet's adaptation field, in units of 90 kHz (2.4.3.5).
fn clock_reference(packet: &[u8]) -> Option<u64> {
    let has_field = packet[3] & 0x20 != 0 && packet[4] >= 7 && packet[5] & 0x10 != 0;
    has_field.then(|| u64::from(u32::from_be_bytes([packet[6], packet[7], packet[8], packet[9]])) << 1 | u64::from(packet[10] >> 7))
}

/// When the picture or sound that begins in this packet is shown (2.4.3.7).
fn first_time(packet: &[u8]) -> Option<u64> {
    let begins = packet[1] & 0x40 != 0 && packet[3] & 0x10 != 0;
    let start = if packet[3] & 0x20 != 0 { 5 + usize::from(packet[4]) } else { 4 };
    let header = packet.get(start..).filter(|_| begins)?;
    let is_timed = header.starts_with(&[0, 0, 1]) && matches!(header.get(3)?, 0xbd | 0xc0..=0xef | 0xfd) && header.get(7)? & 0x80 != 0;
    let time: [u64; 5] = header.get(9..14).filter(|_| is_timed)?.iter().map(|byte| u64::from(*byte)).collect::<Vec<_>>().try_into().ok()?;
    Some((time[0] >> 1 & 7) << 30 | time[1] << 22 | time[2] >> 1 << 15 | time[3] << 7 | time[4] >> 1)
}

/// A packet that holds nothing but a clock reference.
fn reference_packet(pid: u16, clock: u64, lead: usize, stride: usize) -> Vec<u8> {
    let mut packet = vec![0xff; stride];
    packet[..lead].fill(0);
    let [high, low] = pid.to_be_bytes();
    let [.., a, b, c, d] = (clock >> 1).to_be_bytes();
    let field = [SYNC, high, low, 0x20, 183, 0x10, a, b, c, d, (u8::try_from(clock & 1).unwrap_or(0) << 7) | 0x7e, 0];
    packet[lead..lead + field.len()].copy_from_slice(&field);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet in which a track's first sample begins.
    fn timed(pid: u16, time: u64) -> Vec<u8> {
        let mut packet = vec![0; PACKET_BYTES];
        let [high, low] = pid.to_be_bytes();
        packet[..4].copy_from_slice(&[SYNC, high | 0x40, low, 0x10]);
        let parts = [0x21 | (time >> 29 & 0xe), time >> 22 & 0xff, time >> 14 & 0xff | 1, time >> 7 & 0xff, time << 1 & 0xff | 1];
        packet[4..13].copy_from_slice(&[0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5]);
        packet[13..18].copy_from_slice(&parts.map(|part| u8::try_from(part).unwrap()));
        packet
    }

    fn stream(packets: &[Vec<u8>]) -> Vec<u8> {
        [packets.concat(), reference_packet(0x1fff, 0, 0, PACKET_BYTES).repeat(4)].concat()
    }

    #[test]
    fn references_are_put_before_a_clock_that_starts_late() {
        let late = stream(&[timed(0x101, HZ), reference_packet(0x100, 2 * HZ, 0, PACKET_BYTES), timed(0x100, 3 * HZ)]);
        let opening = opening(&late).unwrap();
        assert_eq!(opening.len() / PACKET_BYTES, 25);
        assert_eq!(clock_reference(&opening), Some(HZ));
    }

    #[test]
    fn a_clock_that_runs_ahead_as_it_should_needs_nothing() {
        let usual = stream(&[reference_packet(0x100, HZ, 0, PACKET_BYTES), timed(0x101, 2 * HZ), timed(0x100, 3 * HZ)]);
        assert_eq!(opening(&usual).unwrap(), Vec::<u8>::new());
    }

    #[test]
    fn what_is_no_transport_stream_gets_nothing() {
        assert_eq!(opening(&b"these are words".repeat(100)).unwrap(), Vec::<u8>::new());
        assert_eq!(opening(&Vec::new()).unwrap(), Vec::<u8>::new());
    }
}
