use super::super::tile::WIDTH;
use super::Shape;
use super::phases::Phases;
use super::shift::Shift;

/// What the kernel sees of a plane: for each of its columns a copy of the pixels that it meets, as wide as the output.
pub struct Seen {
    phases: Phases,
    parts: Vec<Part>,
    /// For each tap where its values for the outputs start.
    pub starts: Vec<usize>,
    len: usize,
}

/// The pixels of a class as a column of the kernel meets them.
struct Part {
    /// Its number.
    class: usize,
    shift: Shift,
    /// Of the copy.
    start: usize,
}

impl Seen {
    pub fn new(s: &Shape) -> Self {
        let ([kh, kw], [sh, sw], [ph, pw]) = (s.window.kernel, s.window.stride, s.window.padding);
        let (phases, [oh, ow]) = (Phases::new(s), s.output);
        // Row `o` of the output meets row `o·stride + ky − padding` of the plane: which of a class is that?
        let quotient = |k: usize, padding, stride: usize| (k as isize - padding as isize).div_euclid(stride as isize);
        let remainder = |k: usize, padding, stride: usize| (k + stride - padding % stride) % stride;
        let above = ph.div_ceil(sh);
        let below = quotient(kh - 1, ph, sh).max(0) as usize;
        let rows = above + s.input[0].div_ceil(sh).max(oh + below);

        let (mut parts, mut len) = (Vec::new(), 0);
        for kx in 0..kw {
            for y in 0..sh {
                let first = [y, remainder(kx, pw, sw)];
                if let Some(class) = phases.classes.iter().position(|class| class.first == first) {
                    let shift = Shift::new(ow, phases.classes[class].count[1], quotient(kx, pw, sw));
                    parts.push(Part { class, shift, start: len + above * ow });
                }
                len += rows * ow;
            }
        }
        let start = |tap: usize| {
            let (ky, kx) = (tap / kw, tap % kw);
            let row = above.strict_add_signed(quotient(ky, ph, sh));
            ((kx * sh + remainder(ky, ph, sh)) * rows + row) * ow
        };
        Self { starts: (0..s.taps()).map(start).collect(), phases, parts, len: len + WIDTH }
    }

    /// Values of a buffer for all copies, and what a block may read beyond them.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Copies a plane; what is above and below it in the copies stays what it was. `sorted` is scratch for a plane.
    #[inline(always)]
    pub fn copy(&self, x: &[f32], sorted: &mut [f32], copies: &mut [f32]) {
        let sorted = self.phases.sorted(x, sorted);
        for Part { class, shift, start } in &self.parts {
            let class = &self.phases.classes[*class];
            shift.copy(&sorted[class.pixels()], &mut copies[*start..][..class.count[0] * shift.width()]);
        }
    }
}
