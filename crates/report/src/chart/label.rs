use std::ops::Range;

use super::draw::text_width;

/// The pixels that a marker takes on either side of its point.
const MARKER: i32 = 8;

/// A rectangle in pixels.
#[derive(Clone, Copy)]
struct Box {
    left: i32,
    top: i32,
    right: i32,
    bottom: i32,
}

/// The upper left corners of the names that fit next to their points, to the right or else to the left, without covering
/// a marker or another name. `across` is the range of pixels in which they lie.
pub fn next_to_points<'a>(
    points: &[(&'a str, (i32, i32))],
    across: Range<i32>,
    size: i32,
) -> Vec<(&'a str, (i32, i32))> {
    let mut taken: Vec<Box> = points.iter().map(|&(_, (x, y))| Box::around(x, y, MARKER - 2)).collect();
    let mut names = Vec::new();
    for &(name, (x, y)) in points {
        let width = text_width(name, size);
        let candidates = [x + MARKER, x - MARKER - width].map(|left| Box {
            left,
            top: y - size / 2,
            right: left + width,
            bottom: y + size / 2,
        });
        let is_free = |candidate: &Box| {
            across.contains(&candidate.left)
                && across.contains(&candidate.right)
                && !taken.iter().any(|other| other.meets(candidate))
        };
        if let Some(free) = candidates.into_iter().find(is_free) {
            taken.push(free);
            names.push((name, (free.left, free.top)));
        }
    }
    names
}

impl Box {
    fn around(x: i32, y: i32, distance: i32) -> Self {
        Self { left: x - distance, top: y - distance, right: x + distance, bottom: y + distance }
    }

    fn meets(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_points_in_one_place_do_not_cover_each_other() {
        let names = ["gap-fc", "gmp-fc", "avgmax-fc", "gem-fc", "lse-fc", "attn-fc"];
        let points: Vec<_> =
            names.iter().enumerate().map(|(i, &name)| (name, (200 + 3 * i as i32, 40 + 10 * i as i32))).collect();
        let placed = next_to_points(&points, 60..450, 12);
        assert!(placed.len() >= 2, "{placed:?}");
        let boxes: Vec<Box> = placed
            .iter()
            .map(|&(name, (x, y))| Box { left: x, top: y, right: x + text_width(name, 12), bottom: y + 12 })
            .collect();
        for (i, name) in boxes.iter().enumerate() {
            assert!(boxes[..i].iter().all(|other| !other.meets(name)), "{} covers another", placed[i].0);
            assert!(
                points.iter().all(|&(_, (x, y))| !Box::around(x, y, 5).meets(name)),
                "{} covers a point",
                placed[i].0
            );
        }
    }
}
