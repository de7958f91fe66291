/// What a layer is: its output, its size and its cost for one input.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// The path of its parameters within its parent, e.g. `features.3`; empty for a layer on its own.
    pub path: String,
    /// Its type and settings, e.g. `Conv2d(1, 32, 3x3)`.
    pub kind: String,
    /// The output's shape, without the batch axis.
    pub output: Vec<usize>,
    /// Trainable parameters.
    pub params: usize,
    /// Values that are kept but not trained: batch normalisation's running statistics.
    pub buffers: usize,
    /// Multiply-accumulates of convolutions and linear layers, as defined, for one input; biases, normalisation and
    /// pooling count none.
    pub macs: u64,
    /// What one output position sees of the input, per spatial axis; none where it is all of it.
    pub receptive_field: Option<Vec<ReceptiveField>>,
    /// The parts it is made of, in order.
    pub children: Vec<Description>,
}

impl Description {
    /// A layer that works on each position by itself and has no parameters.
    pub fn pointwise(kind: impl Into<String>, output: Vec<usize>) -> Self {
        let axes = output.len().saturating_sub(1);
        Self {
            path: String::new(),
            kind: kind.into(),
            output,
            params: 0,
            buffers: 0,
            macs: 0,
            receptive_field: Some(vec![ReceptiveField::IDENTITY; axes]),
            children: Vec::new(),
        }
    }

    /// A layer whose every output sees the whole input, without parameters.
    pub fn global(kind: impl Into<String>, output: Vec<usize>) -> Self {
        Self { receptive_field: None, ..Self::pointwise(kind, output) }
    }

    pub fn with_params(self, params: usize) -> Self {
        Self { params, ..self }
    }

    pub fn with_macs(self, macs: u64) -> Self {
        Self { macs, ..self }
    }

    pub fn at(self, path: impl Into<String>) -> Self {
        Self { path: path.into(), ..self }
    }

    /// The number of values of each layer's output for one input: what a training step keeps for its backward pass, if
    /// nothing is computed along with something else.
    pub fn activations(&self) -> Vec<usize> {
        if self.children.is_empty() {
            return vec![self.output.iter().product()];
        }
        self.children.iter().flat_map(Self::activations).collect()
    }

    /// Layers one after the other.
    pub fn chain(kind: impl Into<String>, input: &[usize], children: Vec<Description>) -> Self {
        let output = children.last().map_or(input, |last| &last.output).to_vec();
        let start = Some(vec![ReceptiveField::IDENTITY; input.len().saturating_sub(1)]);
        let receptive_field =
            children.iter().fold(start, |seen, child| ReceptiveField::then(seen, child.receptive_field.as_deref()));
        Self { output, receptive_field, ..Self::sum(kind, children) }
    }

    /// The parameters and costs of parts together; shape and receptive field are the last part's.
    pub fn sum(kind: impl Into<String>, children: Vec<Description>) -> Self {
        let last = children.last();
        Self {
            path: String::new(),
            kind: kind.into(),
            output: last.map_or(Vec::new(), |last| last.output.clone()),
            params: children.iter().map(|c| c.params).sum(),
            buffers: children.iter().map(|c| c.buffers).sum(),
            macs: children.iter().map(|c| c.macs).sum(),
            receptive_field: last.and_then(|last| last.receptive_field.clone()),
            children,
        }
    }
}

/// What one output position sees along one axis of the input: `size` pixels, moving by `jump` from one position to the
/// next, the first centred on pixel `start` (0 is the centre of the first pixel).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReceptiveField {
    pub size: usize,
    pub jump: usize,
    pub start: f64,
}

impl ReceptiveField {
    /// Each position sees itself.
    pub const IDENTITY: Self = Self { size: 1, jump: 1, start: 0. };

    /// The two axes of a sliding window.
    pub fn of_window(window: &ops::Window) -> Vec<Self> {
        let axis = |i: usize| Self {
            size: window.kernel[i],
            jump: window.stride[i],
            start: (window.kernel[i] - 1) as f64 / 2. - window.padding[i] as f64,
        };
        vec![axis(0), axis(1)]
    }

    /// The field of a layer behind others.
    fn then(seen: Option<Vec<Self>>, next: Option<&[Self]>) -> Option<Vec<Self>> {
        let (seen, next) = (seen?, next?);
        let axis = |(a, b): (&Self, &Self)| Self {
            size: a.size + (b.size - 1) * a.jump,
            jump: a.jump * b.jump,
            start: a.start + b.start * a.jump as f64,
        };
        Some(seen.iter().zip(next).map(axis).collect())
    }

    /// The pixel that output position `i` is centred on.
    pub fn centre(&self, i: usize) -> f64 {
        self.start + (self.jump * i) as f64
    }
}
