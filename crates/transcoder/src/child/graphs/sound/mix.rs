//! From the channels that a track has to those of a rendition, by where they stand in the room.
//!
//! GStreamer's own matrix puts the dialogue of six channels 13 dB down in two and the effects channel above it, and makes
//! everything quieter where only side and rear are exchanged. Here two channels are mixed by ITU-R BS.775-3, annex 4: centre
//! and surrounds at −3 dB, the effects channel not at all. That can be louder than full scale, so a limiter follows.

use gstreamer::{self as gst, prelude::*};
use gstreamer_audio::{self as gst_audio, AudioChannelPosition as At};

use super::super::super::failed::Failed;

/// How much of a channel goes to each channel of the rendition.
type Weights<const N: usize> = [f32; N];
/// −3 dB.
const SHARED: f32 = std::f32::consts::FRAC_1_SQRT_2;

/// A rendition's channels.
#[derive(Clone, Copy)]
pub struct Mix {
    channels: u32,
    weigh: fn(&gst_audio::AudioInfo) -> Vec<Vec<f32>>,
}

/// Left and right.
pub const STEREO: Mix = Mix { channels: 2, weigh: |sound| columns(sound, to_stereo, [[1.0, 0.0], [0.0, 1.0]]) };
/// Front left, right and centre, effects, rear left and right: the order and the places of AAC's 5.1.
pub const SURROUND: Mix = Mix { channels: 6, weigh: |sound| columns(sound, to_surround, identity()) };

/// Gives a mixer its matrix when it hears which channels come. Up to two channels need none.
///
/// # Errors
/// [`Failed`] where it is no mixer: our fault.
pub fn by_places(mixer: &gst::Element, mix: Mix) -> Result<(), Failed> {
    let sink = mixer.static_pad("sink").ok_or_else(|| Failed::internal("a mixer without an input"))?;
    let mixer = mixer.downgrade();
    let _probe = sink.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
        if let Some(gst::PadProbeData::Event(event)) = &info.data
            && let gst::EventView::Caps(caps) = event.view()
            && let Some((mixer, sound)) = mixer.upgrade().zip(gst_audio::AudioInfo::from_caps(caps.caps()).ok())
            && sound.channels() > 2
        {
            let weights = (mix.weigh)(&sound);
            let row = |output: usize| gst::Array::new(weights.iter().map(|weight| weight.get(output).copied().unwrap_or(0.0)));
            mixer.set_property("mix-matrix", gst::Array::new((0..mix.channels as usize).map(row)));
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

/// By place, or, of a recorder's tracks that have none, to one output after the other.
fn columns<const N: usize>(sound: &gst_audio::AudioInfo, by_place: fn(At) -> Weights<N>, outputs: [Weights<N>; N]) -> Vec<Vec<f32>> {
    match sound.positions().filter(|positions| positions.first() != Some(&At::None)) {
        Some(positions) => positions.iter().map(|position| by_place(*position).to_vec()).collect(),
        None => {
            let share = 1.0 / (sound.channels() as f32 / N as f32).max(1.0);
            (0..sound.channels() as usize).map(|channel| outputs[channel % N].map(|weight| weight * share).to_vec()).collect()
        }
    }
}

fn identity<const N: usize>() -> [Weights<N>; N] {
    std::array::from_fn(|row| std::array::from_fn(|column| if row == column { 1.0 } else { 0.0 }))
}

fn to_stereo(place: At) -> Weights<2> {
    match place {
        At::FrontLeft => [1.0, 0.0],
        At::FrontRight => [0.0, 1.0],
        At::FrontCenter | At::TopFrontCenter => [SHARED, SHARED],
        At::Mono => [1.0, 1.0],
        At::Lfe1 | At::Lfe2 => [0.0, 0.0],
        At::RearLeft | At::SideLeft | At::FrontLeftOfCenter | At::WideLeft | At::SurroundLeft => [SHARED, 0.0],
        At::RearRight | At::SideRight | At::FrontRightOfCenter | At::WideRight | At::SurroundRight => [0.0, SHARED],
        _ => [0.5, 0.5],
    }
}

fn to_surround(place: At) -> Weights<6> {
    let [left, right, centre, effects, rear_left, rear_right] = identity::<6>();
    let both = |one: Weights<6>, other: Weights<6>| std::array::from_fn(|output| SHARED * (one[output] + other[output]));
    match place {
        At::FrontLeft | At::WideLeft => left,
        At::FrontRight | At::WideRight => right,
        At::FrontCenter | At::Mono | At::TopFrontCenter => centre,
        At::Lfe1 | At::Lfe2 => effects,
        At::RearLeft | At::SideLeft | At::SurroundLeft => rear_left,
        At::RearRight | At::SideRight | At::SurroundRight => rear_right,
        At::FrontLeftOfCenter => both(left, centre),
        At::FrontRightOfCenter => both(right, centre),
        At::RearCenter => both(rear_left, rear_right),
        _ => both(left, right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound(positions: &[At]) -> gst_audio::AudioInfo {
        gst::init().unwrap();
        let builder = gst_audio::AudioInfo::builder(gst_audio::AUDIO_FORMAT_F32, 48_000, positions.len() as u32);
        builder.positions(positions).build().unwrap()
    }

    #[test]
    fn six_channels_stay_where_they_are_whether_their_surrounds_stand_behind_or_beside() {
        for (left, right) in [(At::RearLeft, At::RearRight), (At::SideLeft, At::SideRight)] {
            let places = [At::FrontLeft, At::FrontRight, At::FrontCenter, At::Lfe1, left, right];
            assert_eq!((SURROUND.weigh)(&sound(&places)), identity::<6>().map(|row| row.to_vec()));
            assert_eq!(
                (STEREO.weigh)(&sound(&places)),
                [[1.0, 0.0], [0.0, 1.0], [SHARED, SHARED], [0.0, 0.0], [SHARED, 0.0], [0.0, SHARED]].map(|row| row.to_vec())
            );
        }
    }

    #[test]
    fn tracks_without_a_place_take_turns() {
        assert_eq!((STEREO.weigh)(&sound(&[At::None; 4])), [[0.5, 0.0], [0.0, 0.5], [0.5, 0.0], [0.0, 0.5]].map(|row| row.to_vec()));
    }
}
