//! Names beside points, so that they cover neither each other nor a point.

use std::{f64::consts::TAU, ops::Range};

use super::style::Size;

pub struct Label {
    pub left: i32,
    pub middle: i32,
    /// Where a line from the point ends; none where the label lies next to its point.
    pub leader: Option<(i32, i32)>,
}

#[derive(Clone, Copy)]
struct Rect {
    left: i32,
    top: i32,
    right: i32,
    bottom: i32,
}

const MARKER: i32 = 7;
const HALF_HEIGHT: i32 = 7;
/// Distances from the point that are tried in turn; a label at the first needs no line.
const RINGS: [f64; 7] = [4., 16., 30., 46., 64., 84., 106.];

/// One for each point, in order: at its right, left, above, below, or else as near as there is room. Where there is
/// none, at its right.
pub fn place(points: &[(&str, (i32, i32))], (across, down): (Range<i32>, Range<i32>)) -> Vec<Label> {
    let bounds = Rect { left: across.start, top: down.start, right: across.end, bottom: down.end };
    let markers: Vec<Rect> = points.iter().map(|&(_, at)| Rect::around(at, MARKER, MARKER)).collect();
    let (mut names, mut lines) = (Vec::<Rect>::new(), Vec::<Rect>::new());
    let mut labels = Vec::new();
    for (own, &(name, at)) in points.iter().enumerate() {
        let width = Size::Small.width(name);
        let is_free = |rect: Rect| {
            let others = markers.iter().enumerate().filter(|&(i, _)| i != own).map(|(_, marker)| marker);
            !others.chain(&names).chain(&lines).any(|other| other.meets(rect))
        };
        let fits = |&(rect, _): &(Rect, _)| bounds.contains(rect) && is_free(rect);
        let covers_name = |dot: Rect| names.iter().any(|name| name.meets(dot));
        let is_clear = |&(_, end): &(_, Option<(i32, i32)>)| !end.is_some_and(|end| dots(at, end).any(covers_name));
        let candidates = || RINGS.iter().enumerate().flat_map(move |(ring, &gap)| around(at, width, gap, ring > 0));
        let best = candidates().filter(fits).find(is_clear).or_else(|| candidates().find(fits));
        let Some((rect, leader)) = best.or_else(|| candidates().next()) else { continue };
        names.push(rect);
        lines.extend(leader.into_iter().flat_map(|end| dots(at, end)));
        labels.push(Label { left: rect.left, middle: (rect.top + rect.bottom) / 2, leader });
    }
    labels
}

/// What a line takes.
fn dots(from: (i32, i32), to: (i32, i32)) -> impl Iterator<Item = Rect> {
    let steps = ((to.0 - from.0).abs().max((to.1 - from.1).abs()) / 3).max(1);
    (0..steps).map(move |step| {
        Rect::around((from.0 + (to.0 - from.0) * step / steps, from.1 + (to.1 - from.1) * step / steps), 1, 1)
    })
}

/// Places for a label of this width at one distance from its point, and where the line to it ends if there is one.
fn around((x, y): (i32, i32), width: i32, gap: f64, leader: bool) -> impl Iterator<Item = (Rect, Option<(i32, i32)>)> {
    // Right, left, above, below, then in between.
    const TURNS: [f64; 16] = [0., 8., 12., 4., 1., 15., 7., 9., 2., 14., 6., 10., 3., 13., 5., 11.];
    TURNS.into_iter().map(move |turn| {
        let (sin, cos) = (turn / 16. * TAU).sin_cos();
        let half = f64::from(width) / 2.;
        let middle = (
            x + (cos * (gap + half + f64::from(MARKER))).round() as i32,
            y + (sin * (gap + f64::from(HALF_HEIGHT + MARKER))).round() as i32,
        );
        let rect = Rect::around(middle, (width + 1) / 2, HALF_HEIGHT);
        (rect, leader.then(|| (x.clamp(rect.left, rect.right), y.clamp(rect.top, rect.bottom))))
    })
}

impl Rect {
    fn around((x, y): (i32, i32), half_width: i32, half_height: i32) -> Self {
        Self { left: x - half_width, top: y - half_height, right: x + half_width, bottom: y + half_height }
    }

    fn meets(self, other: Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    fn contains(self, other: Self) -> bool {
        self.left <= other.left && other.right <= self.right && self.top <= other.top && other.bottom <= self.bottom
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_points_in_one_place_do_not_cover_each_other() {
        let names = ["gap-fc", "gmp-fc", "avgmax-fc", "gem-fc", "lse-fc", "attn-fc"];
        let points: Vec<_> = names.iter().enumerate().map(|(i, &name)| (name, (200 + 3 * i as i32, 100))).collect();
        let labels = place(&points, (60..450, 20..300));
        let rects: Vec<Rect> = labels
            .iter()
            .zip(names)
            .map(|(label, name)| Rect {
                left: label.left,
                top: label.middle - HALF_HEIGHT,
                right: label.left + Size::Small.width(name),
                bottom: label.middle + HALF_HEIGHT,
            })
            .collect();
        for (i, rect) in rects.iter().enumerate() {
            assert!(rects[..i].iter().all(|other| !other.meets(*rect)), "{} covers another", names[i]);
            assert!(rect.left >= 60 && rect.right <= 451 && rect.top >= 20 && rect.bottom <= 300);
        }
        assert!(labels[0].leader.is_none() && labels[5].leader.is_some());
    }
}
