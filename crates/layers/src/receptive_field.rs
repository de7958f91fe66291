use ops::Window;

/// The part of the input that an output position sees along one axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReceptiveField {
    /// The number of input pixels that a position sees.
    pub size: usize,
    /// The distance in input pixels between neighbouring positions.
    pub jump: usize,
    /// The input pixel that position 0 is centred on; 0 is the centre of the first pixel.
    pub start: f64,
}

impl ReceptiveField {
    /// The receptive field of a layer that treats each position by itself.
    pub const IDENTITY: Self = Self { size: 1, jump: 1, start: 0. };

    /// Returns the receptive field of a window along one axis; `padding` is the padding before the first pixel.
    pub fn new(kernel: usize, stride: usize, padding: usize) -> Self {
        Self { size: kernel, jump: stride, start: kernel.saturating_sub(1) as f64 / 2. - padding as f64 }
    }

    /// Returns the receptive field of a window along its two axes.
    pub fn of_window(window: &Window) -> Vec<Self> {
        [0, 1].map(|axis| Self::new(window.kernel[axis], window.stride[axis], window.padding[axis])).to_vec()
    }

    /// Returns the input pixel that output position `i` is centred on.
    pub fn centre(&self, i: usize) -> f64 {
        self.start + self.jump as f64 * i as f64
    }

    /// Returns the receptive field of `next` after a layer with this one.
    pub(crate) fn then(&self, next: &Self) -> Self {
        Self {
            size: self.size.saturating_add(next.size.saturating_sub(1).saturating_mul(self.jump)),
            jump: self.jump.saturating_mul(next.jump),
            start: self.start + next.start * self.jump as f64,
        }
    }

    /// Returns the smallest receptive field that includes both, or `None` if their jumps differ.
    pub(crate) fn union(&self, other: &Self) -> Option<Self> {
        let ends = |field: &Self| {
            let reach = field.size.saturating_sub(1) as f64 / 2.;
            [field.start - reach, field.start + reach]
        };
        let ([low, high], [other_low, other_high]) = (ends(self), ends(other));
        let (low, high) = (low.min(other_low), high.max(other_high));
        let size = (high - low).round() as usize + 1;
        (self.jump == other.jump).then_some(Self { size, jump: self.jump, start: (low + high) / 2. })
    }
}
