/// A plane moved to the left, `copy[i] = plane[i + shift]` in every row, with 0 where the plane ends.
#[derive(Debug, Clone, Copy)]
pub struct Shift {
    /// Of a row of the copy and of the plane.
    width: usize,
    from: usize,
    /// The columns of the copy that the plane has, and the first of them there.
    first: usize,
    count: usize,
    source: usize,
}

impl Shift {
    pub fn new(width: usize, from: usize, shift: isize) -> Self {
        let source = |i: usize| i.checked_add_signed(shift).filter(|&column| column < from);
        let first = (0..width).find(|&i| source(i).is_some()).unwrap_or(width);
        let count = (first..width).take_while(|&i| source(i).is_some()).count();
        Self { width, from, first, count, source: source(first).unwrap_or(0) }
    }

    /// Of a row of the copy.
    pub fn width(&self) -> usize {
        self.width
    }

    #[inline(always)]
    pub fn copy(&self, plane: &[f32], copy: &mut [f32]) {
        let Self { width, from, first, count, source } = *self;
        if count == 0 {
            return copy.fill(0.);
        }
        if from == width {
            // All at once; what comes from a neighbouring row is replaced below.
            let (len, shift) = (copy.len(), source.abs_diff(first));
            if first < source {
                copy[..len - shift].copy_from_slice(&plane[shift..len]);
            } else {
                copy[shift..].copy_from_slice(&plane[..len - shift]);
            }
        } else {
            for (copy, row) in copy.chunks_exact_mut(width).zip(plane.chunks_exact(from)) {
                copy[first..first + count].copy_from_slice(&row[source..source + count]);
            }
        }
        for column in (0..first).chain(first + count..width) {
            copy[column..].iter_mut().step_by(width).for_each(|value| *value = 0.);
        }
    }
}
