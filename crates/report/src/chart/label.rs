use std::ops::Range;

use super::style::text_width;

/// The distance in pixels from a point to its name.
const DISTANCE: i32 = 8;

/// Left, top, right and bottom in pixels.
type Rect = [i32; 4];

/// The heights of the names of lines at their right ends, in the order of the lines: as near to the end of its line as possible,
/// at least `size` apart, and all within `down`.
pub fn at_line_ends(ends: &[i32], down: Range<i32>, size: i32) -> Vec<i32> {
    let mut order: Vec<usize> = (0..ends.len()).collect();
    order.sort_by_key(|&line| ends[line]);
    let mut heights = ends.to_vec();
    // From above, each gets out of the way of the one before it; then from below, all that have left the panel return.
    let mut least = down.start;
    for &line in &order {
        heights[line] = heights[line].max(least);
        least = heights[line] + size;
    }
    let mut most = down.end;
    for &line in order.iter().rev() {
        heights[line] = heights[line].min(most);
        most = heights[line] - size;
    }
    heights
}

/// The upper left corners of the names that fit next to their points, to the right or else to the left, above or below, without
/// covering a marker or another name. A point whose marker lies below that of a later point has no name, which would be taken for
/// that of the other. `across` is the range of pixels in which names lie.
pub fn next_to_points<'a>(
    points: &[(&'a str, (i32, i32))],
    across: Range<i32>,
    size: i32,
) -> Vec<(&'a str, (i32, i32))> {
    let mut taken: Vec<Rect> = points.iter().map(|&(_, at)| around(at, DISTANCE - 2)).collect();
    let mut names = Vec::new();
    for (i, &(name, (x, y))) in points.iter().enumerate() {
        let covers = |other: &(&str, (i32, i32))| (other.1.0 - x).abs().max((other.1.1 - y).abs()) < DISTANCE;
        if points[i + 1..].iter().any(covers) {
            continue;
        }
        let width = text_width(name, size);
        let beside = [x + DISTANCE, x - DISTANCE - width].map(|left| [left, y - size / 2, left + width, y + size / 2]);
        let (left, right) = (x - width / 2, x - width / 2 + width);
        let across_it =
            [[left, y - DISTANCE - size, right, y - DISTANCE], [left, y + DISTANCE, right, y + DISTANCE + size]];
        let candidates = beside.into_iter().chain(across_it);
        let is_free = |candidate: &Rect| {
            let is_inside = across.contains(&candidate[0]) && across.contains(&candidate[2]);
            is_inside && !taken.iter().any(|other| meet(other, candidate))
        };
        if let Some(free) = candidates.into_iter().find(is_free) {
            taken.push(free);
            names.push((name, (free[0], free[1])));
        }
    }
    names
}

fn around((x, y): (i32, i32), distance: i32) -> Rect {
    [x - distance, y - distance, x + distance, y + distance]
}

fn meet(a: &Rect, b: &Rect) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_lines_lie_near_their_ends_and_apart() {
        assert_eq!(at_line_ends(&[50, 100, 20], 0..200, 12), [50, 100, 20], "where there is room, at the ends");
        assert_eq!(at_line_ends(&[50, 50, 51], 0..200, 12), [50, 62, 74]);
        assert_eq!(at_line_ends(&[199, 200, 198], 0..200, 12), [188, 200, 176]);
    }

    #[test]
    fn names_of_points_in_one_place_do_not_cover_each_other() {
        let names = ["gap-fc", "gmp-fc", "avgmax-fc", "gem-fc", "lse-fc", "attn-fc"];
        for step in [0, 10] {
            let point = |(i, &name): (usize, &&'static str)| (name, (200 + 3 * i as i32, 100 + step * i as i32));
            let points: Vec<_> = names.iter().enumerate().map(point).collect();
            let placed = next_to_points(&points, 60..450, 12);
            // Where they lie in a row, each is covered by the next.
            assert!(if step == 0 { placed.len() == 1 } else { placed.len() >= 2 }, "{placed:?}");
            let rects: Vec<Rect> =
                placed.iter().map(|&(name, (x, y))| [x, y, x + text_width(name, 12), y + 12]).collect();
            for (i, rect) in rects.iter().enumerate() {
                let name = placed[i].0;
                assert!(rects[..i].iter().all(|other| !meet(other, rect)), "{name} covers another");
                assert!(points.iter().all(|&(_, at)| !meet(&around(at, 5), rect)), "{name} covers a point");
                assert!(rect[0] >= 60 && rect[2] <= 450, "{name} lies outside");
            }
        }
    }
}
