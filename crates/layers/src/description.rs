use crate::receptive_field::ReceptiveField;

/// A description of a layer for one input: its output, size and cost.
///
/// [`Description::pointwise`] and [`Description::global`] make it, and [`Description::chain`] and [`Description::sum`] for
/// a layer that consists of others.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Description {
    /// The path of the layer's parameters within its parent, such as `features.3`; empty if it has no parent.
    pub path: String,
    /// The type and settings, such as `Conv2d(1, 32, 3x3)`.
    pub kind: String,
    /// The shape of the output, without the batch axis.
    pub output: Vec<usize>,
    /// The number of trainable parameters.
    pub params: usize,
    /// The number of stored values that are not trained: the running statistics of batch normalisation.
    pub buffers: usize,
    /// The multiply-accumulates of convolutions and linear layers for one input, by their definitions. Biases,
    /// normalisation and pooling count none.
    pub macs: u64,
    /// The part of the input that an output position sees, per spatial axis; `None` if it sees all of it.
    pub receptive_field: Option<Vec<ReceptiveField>>,
    /// True if the output overwrites the input, so that it takes no memory.
    pub in_place: bool,
    /// The layers that this one consists of, in order.
    pub children: Vec<Description>,
}

impl Description {
    /// Describes a layer without parameters that treats each position by itself.
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
            in_place: false,
            children: Vec::new(),
        }
    }

    /// Describes a layer without parameters whose every output sees the whole input.
    pub fn global(kind: impl Into<String>, output: Vec<usize>) -> Self {
        Self { receptive_field: None, ..Self::pointwise(kind, output) }
    }

    /// Describes layers that are applied one after the other to an `input` of this shape.
    pub fn chain(kind: impl Into<String>, input: &[usize], children: Vec<Description>) -> Self {
        let output = children.last().map_or(input, |last| &last.output).to_vec();
        let start = Some(vec![ReceptiveField::IDENTITY; input.len().saturating_sub(1)]);
        let receptive_field =
            children.iter().fold(start, |seen, child| compose(seen, child.receptive_field.as_deref()));
        Self { output, receptive_field, ..Self::sum(kind, children) }
    }

    /// Describes a layer of several parts: parameters and costs are their sums, shape and receptive field are those of the
    /// last.
    pub fn sum(kind: impl Into<String>, children: Vec<Description>) -> Self {
        let last = children.last();
        let output = last.map_or(Vec::new(), |last| last.output.clone());
        Self {
            params: children.iter().map(|child| child.params).sum(),
            buffers: children.iter().map(|child| child.buffers).sum(),
            macs: children.iter().map(|child| child.macs).sum(),
            receptive_field: last.and_then(|last| last.receptive_field.clone()),
            children,
            ..Self::pointwise(kind, output)
        }
    }

    /// Sets the number of trainable parameters.
    pub fn with_params(self, params: usize) -> Self {
        Self { params, ..self }
    }

    /// Sets the number of stored values that are not trained.
    pub fn with_buffers(self, buffers: usize) -> Self {
        Self { buffers, ..self }
    }

    /// Sets the multiply-accumulates.
    pub fn with_macs(self, macs: u64) -> Self {
        Self { macs, ..self }
    }

    /// Sets what an output position sees of the input, per spatial axis.
    pub fn with_receptive_field(self, receptive_field: Option<Vec<ReceptiveField>>) -> Self {
        Self { receptive_field, ..self }
    }

    /// Sets the shape of the output.
    pub fn with_output(self, output: Vec<usize>) -> Self {
        Self { output, ..self }
    }

    /// Marks the layer as one whose output overwrites its input.
    pub fn in_place(self) -> Self {
        Self { in_place: true, ..self }
    }

    /// Sets the path of the parameters within the parent.
    pub fn at(self, path: impl Into<String>) -> Self {
        Self { path: path.into(), ..self }
    }

    /// Returns the number of values of every layer's output for one input. Their sum is what a training step keeps for its
    /// backward pass if no layers are fused. A layer that works in place has none.
    pub fn activations(&self) -> Vec<usize> {
        if !self.children.is_empty() {
            return self.children.iter().flat_map(Self::activations).collect();
        }
        if self.in_place {
            Vec::new()
        } else {
            vec![self.output.iter().fold(1, |count, &size| count.saturating_mul(size))]
        }
    }
}

/// Composes the receptive fields of two layers, per axis.
fn compose(seen: Option<Vec<ReceptiveField>>, next: Option<&[ReceptiveField]>) -> Option<Vec<ReceptiveField>> {
    let (seen, next) = (seen?, next?);
    // Ids have no channel axis before they are embedded: their axis of positions first counts in the embedding's output.
    if seen.is_empty() {
        return Some(next.to_vec());
    }
    Some(seen.iter().zip(next).map(|(seen, next)| seen.then(next)).collect())
}
