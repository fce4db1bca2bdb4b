//! Drawings of a few lines that ask for the work of hours. Each is looked at and made, as if the look had found nothing.

use media_domain::{Kind, work::Group};

use super::{
    Cost, attack, attack_probe,
    bombs::{a_picture, write},
    ends_typed,
};
use crate::bench::{Bench, Ran, job};

const SVG: &str = "image/svg+xml";

/// What it became, where it became anything.
fn drawn(name: &str, before: &str, inside: &str, most: Cost) -> Option<Ran> {
    let bench = Bench::new();
    let text = format!(
        "{before}<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' width='90' height='90'>{inside}</svg>"
    );
    let file = write(&bench, name, text.as_bytes());
    if let Err(failure) = attack_probe(&bench, &file, SVG, Kind::Image) {
        println!("{name}: {failure}");
    }
    let mut job = job(&file, SVG, Kind::Image, Group::Stills, &["webp-320", "avif-320"], a_picture(90, 90));
    // What goes on for ever should not do so here for five minutes, and yet be seen on a slow machine.
    job.limits.cpu_ms = 40_000;
    ends_typed(attack(&bench, &file, job, most))
}

#[test]
fn a_drawing_a_hundred_thousand_groups_deep_is_refused() {
    let depth = 100_000;
    let deep = format!("{}{}", "<g>".repeat(depth), "</g>".repeat(depth));
    assert!(drawn("deep.svg", "", &deep, Cost::LOOK).is_none());
}

#[test]
fn a_drawing_that_doubles_itself_forty_times_is_refused_before_it_is_drawn() {
    let leaf = "<defs><g id='g0'><rect width='9' height='9'/></g>".to_owned();
    let doubled = (1..=40).fold(leaf, |text, at| {
        let below = at - 1;
        format!("{text}<g id='g{at}'><use xlink:href='#g{below}'/><use xlink:href='#g{below}' x='1'/></g>")
    });
    // librsvg counts to half a million first.
    let most = Cost { cpu_s: 4.5, ..Cost::LOOK };
    assert!(drawn("doubling.svg", "", &format!("{doubled}</defs><use xlink:href='#g40'/>"), most).is_none());
}

#[test]
fn a_drawing_of_entities_within_entities_is_refused_before_they_are_written_out() {
    let leaf = "<!ENTITY e0 'haha haha haha haha'>".to_owned();
    let nested = (1..=9).fold(leaf, |text, at| format!("{text}<!ENTITY e{at} '{}'>", format!("&e{};", at - 1).repeat(10)));
    let words = "<text y='20'>&e9;</text>";
    assert!(drawn("laughs.svg", &format!("<!DOCTYPE svg [{nested}]>"), words, Cost::LOOK).is_none());
}
