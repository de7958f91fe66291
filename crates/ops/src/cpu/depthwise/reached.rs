use super::super::tile::{Term, WIDTH};
use super::Shape;
use super::phases::Phases;
use super::shift::Shift;

/// What reaches the pixels of a plane on the way back: for each column of the kernel a copy of the gradient, moved to
/// the pixels that the column has met.
pub struct Reached {
    pub phases: Phases,
    /// For each column of the kernel, with the start of the copy.
    copies: Vec<(usize, Shift)>,
    /// For each class of pixels its taps, and where the gradients start that they multiply.
    taps: Vec<Vec<(usize, usize)>>,
    output: [usize; 2],
    len: usize,
}

impl Reached {
    pub fn new(s: &Shape) -> Self {
        let ([kh, kw], [sh, sw], [ph, pw]) = (s.window.kernel, s.window.stride, s.window.padding);
        let (phases, [oh, ow]) = (Phases::new(s), s.output);
        // The pixel `i·stride + first` was met by the output `i + (first + padding − k) / stride`, if that is whole.
        let quotient = |first: usize, padding: usize, k: usize, stride: usize| {
            let distance = (first + padding) as isize - k as isize;
            (distance % stride as isize == 0).then_some(distance / stride as isize)
        };
        let above = (kh - 1).div_ceil(sh);
        let rows = above + oh.max(s.input[0].div_ceil(sh) + (ph + sh - 1) / sh);

        let (mut copies, mut taps, mut len) = (Vec::new(), vec![Vec::new(); phases.classes.len()], 0);
        for kx in 0..kw {
            let mut copied = None;
            for (class, taps) in phases.classes.iter().zip(&mut taps) {
                let Some(shift) = quotient(class.first[1], pw, kx, sw) else { continue };
                let width = class.count[1];
                let start = *copied.get_or_insert_with(|| {
                    copies.push((len + above * width, Shift::new(width, ow, shift)));
                    len += rows * width;
                    len - rows * width
                });
                for ky in 0..kh {
                    if let Some(row) = quotient(class.first[0], ph, ky, sh) {
                        taps.push((ky * kw + kx, start + above.strict_add_signed(row) * width));
                    }
                }
            }
        }
        Self { phases, copies, taps, output: s.output, len: len + WIDTH }
    }

    /// Values of a buffer for all copies, and what a block may read beyond them.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Copies the gradient of a plane; what is above and below it in the copies stays what it was.
    #[inline(always)]
    pub fn copy(&self, dy: &[f32], copies: &mut [f32]) {
        for (start, shift) in &self.copies {
            shift.copy(dy, &mut copies[*start..][..self.output[0] * shift.width()]);
        }
    }

    /// What the gradient of the pixels of a class is made of.
    #[inline(always)]
    pub fn terms(&self, class: usize, weight: &[f32], terms: &mut Vec<Term>) {
        terms.clear();
        for &(tap, start) in &self.taps[class] {
            terms.push(Term { start, factor: weight[tap] });
        }
    }
}
