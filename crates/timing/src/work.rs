use layers::Description;

use crate::protocol::Task;

/// The size of a value in bytes.
const VALUE: u64 = 4;

/// Counts the floating-point operations of one batch: two for each multiply-accumulate of a forward pass, and three times
/// as many in a training step.
pub fn operations(macs: u64, task: Task, batch: usize) -> u64 {
    let passes = if task == Task::Train { 3 } else { 1 };
    2 * passes * macs * batch as u64
}

/// Counts the least bytes that one batch moves if the network is computed layer by layer and no cache keeps anything from
/// one layer to the next.
///
/// Layers that multiply read their input and parameters once and write their output once; normalisation, activations and
/// pooling between them are computed on the way. A training step reads each input and each parameter once more for the
/// gradients, writes and reads the gradients of both, and AdamW reads and writes the parameter and its two moments.
pub fn least_bytes(network: &Description, input: &[usize], task: Task, batch: usize) -> u64 {
    let image: usize = input.iter().product();
    let stored = stored_values(network);
    let last = stored.last().copied().unwrap_or_default();
    let stored: usize = stored.iter().sum();
    let (per_image, per_batch) = match task {
        // The last output is written and not read.
        Task::Infer => (image + 2 * stored - last, network.params + network.buffers),
        // The loss reads the last output once, and no layer has it as its input.
        Task::Train => (2 * image + 5 * stored - last, 10 * network.params + 2 * network.buffers),
    };
    VALUE * (batch as u64 * per_image as u64 + per_batch as u64)
}

/// The number of values that each layer with multiply-accumulates leaves for the next one, after the layers between them.
fn stored_values(network: &Description) -> Vec<usize> {
    let mut stored = Vec::new();
    visit(network, &mut |layer| {
        let values = layer.output.iter().product();
        match stored.last_mut() {
            Some(last) if layer.macs == 0 => *last = values,
            None if layer.macs == 0 => {} // works on the images on their way to the first layer
            _ => stored.push(values),
        }
    });
    stored
}

/// Visits the layers that are not made of others, in order.
fn visit(layer: &Description, visitor: &mut impl FnMut(&Description)) {
    if layer.children.is_empty() {
        visitor(layer);
    }
    layer.children.iter().for_each(|child| visit(child, visitor));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Convolution (4 channels, 3×3), ReLU, pooling and a linear layer, on an image of 1×8×8.
    fn network() -> Description {
        let conv = Description::pointwise("conv", vec![4, 6, 6]).with_params(40).with_macs(4 * 36 * 9);
        let norm = Description::pointwise("norm", vec![4, 6, 6]).with_params(8).with_buffers(8);
        let pool = Description::pointwise("pool", vec![4, 3, 3]);
        let linear = Description::global("linear", vec![10]).with_params(370).with_macs(360);
        Description::chain("net", &[1, 8, 8], vec![Description::sum("block", vec![conv, norm, pool]), linear])
    }

    #[test]
    fn inference_moves_images_parameters_and_what_lies_between_layers_that_multiply() {
        // The image and the pooled map are read, the pooled map and the logits are written.
        let per_image = 64 + 2 * 36 + 10;
        assert_eq!(least_bytes(&network(), &[1, 8, 8], Task::Infer, 5), 4 * (5 * per_image + 418 + 8));
    }

    #[test]
    fn training_moves_the_gradients_too() {
        let per_image = 2 * 64 + 5 * 36 + 4 * 10;
        assert_eq!(least_bytes(&network(), &[1, 8, 8], Task::Train, 5), 4 * (5 * per_image + 10 * 418 + 2 * 8));
    }

    #[test]
    fn a_training_step_counts_three_passes() {
        assert_eq!(operations(1000, Task::Infer, 4), 8000);
        assert_eq!(operations(1000, Task::Train, 4), 24_000);
    }
}
