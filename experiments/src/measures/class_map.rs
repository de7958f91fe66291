//! A head's evidence for the true class, less the mean over all classes, interpolated to the pixels of the image.

use anyhow::{Context, Result};
use candle_core::Tensor;
use datasets::{Images, Order};
use layers::{Layer, Mode};
use localisation::{PixelMap, Upsampling};
use timing::INFER_BATCH;
use training::predictions;

use super::network::TrainedNetwork;

/// A network's evidence for the true class of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassMap {
    pub map: PixelMap,
    /// True if the network classified the image right.
    pub correct: bool,
}

/// Calls `visit` with each image's map, in the order of the images.
///
/// # Errors
/// A backbone whose positions all see the whole image.
pub fn for_each(network: &TrainedNetwork, images: &Images, mut visit: impl FnMut(ClassMap)) -> Result<()> {
    let description = network.model.backbone.describe(&images.shape)?;
    let fields = description
        .receptive_field
        .context("the backbone has no class maps: every position of its features sees the whole image")?;
    let upsampling = Upsampling::new(&fields, &description.output[1..], &images.shape[1..]);
    for batch in images.batches(INFER_BATCH, Order::Sequential, network.standardization, network.device) {
        let (xs, labels) = batch?;
        let features = network.model.forward_features(&xs, Mode::Inference)?;
        let predictions = predictions(&network.model.head.forward(&features, Mode::Inference)?)?;
        let maps = network.model.head.class_maps(&features)?.maps.detach();
        // Adding one vector to the weights of all classes would change the maps, but no probability.
        let maps = of_classes(&maps.broadcast_sub(&maps.mean_keepdim(1)?)?, &labels)?;
        let correct = predictions.into_iter().zip(labels.to_vec1()?).map(|(class, label)| class == Some(label));
        for (map, correct) in maps.to_vec2()?.iter().zip(correct) {
            visit(ClassMap { map: upsampling.apply(map), correct });
        }
    }
    Ok(())
}

/// Collects the maps of a few images.
pub fn class_maps(network: &TrainedNetwork, images: &Images) -> Result<Vec<ClassMap>> {
    let mut maps = Vec::with_capacity(images.len());
    for_each(network, images, |map| maps.push(map))?;
    Ok(maps)
}

/// Selects from maps (N, K, …) the one of each image's class (N). The result has the shape (N, positions).
fn of_classes(maps: &Tensor, classes: &Tensor) -> candle_core::Result<Tensor> {
    let maps = maps.flatten_from(2)?;
    let (n, _, positions) = maps.dims3()?;
    let index = classes.reshape((n, 1, 1))?.broadcast_as((n, 1, positions))?.contiguous()?;
    maps.contiguous()?.gather(&index, 1)?.squeeze(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn each_image_gets_the_map_of_its_class() {
        let maps = Tensor::arange(0f32, 24., &Device::Cpu).unwrap().reshape((2, 3, 2, 2)).unwrap();
        let classes = Tensor::new(&[2u32, 0], &Device::Cpu).unwrap();
        let chosen: Vec<Vec<f32>> = of_classes(&maps, &classes).unwrap().to_vec2().unwrap();
        assert_eq!(chosen, [[8., 9., 10., 11.], [12., 13., 14., 15.]]);
    }
}
