use candle_core::Device;
use datasets::{Images, Order, Standardization};
use models::Classifier;
use timing::INFER_BATCH;
use training::{Evaluation, Loss, evaluate};

/// A trained network and the standardisation of its input.
#[derive(Clone, Copy)]
pub struct TrainedNetwork<'a> {
    pub model: &'a Classifier,
    pub standardization: &'a Standardization,
    pub device: &'a Device,
}

impl TrainedNetwork<'_> {
    /// Classifies the images in their order.
    pub fn evaluate(&self, images: &Images) -> candle_core::Result<Evaluation> {
        let batches = images.batches(INFER_BATCH, Order::Sequential, self.standardization, self.device);
        evaluate(self.model, batches, &Loss::default())
    }
}
