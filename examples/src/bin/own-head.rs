//! A pooling of one's own: the root mean square of each channel. It is registered as the head `rms-fc`, and then works in
//! every network of the zoo like a built-in head.
//!
//! ```sh
//! cargo run -p examples --bin own-head
//! ```

use anyhow::Result;
use candle_core::{Device, Tensor};
use datasets::{LoadOptions, Order, Standardization};
use heads::{HeadKind, PoolLinear, Pooling};
use layers::Mode;
use models::{ModelConfig, ModelName};
use training::{FitConfig, Length, Loss, Parameters, Schedule, evaluate, fit};

/// The root mean square of each channel, which lies between its average and its maximum.
struct RmsPool;

impl Pooling for RmsPool {
    fn name(&self) -> &str {
        "GlobalRmsPool"
    }

    fn pool(&self, features: &Tensor, _mode: Mode) -> candle_core::Result<Tensor> {
        // The small number keeps the gradient of the root finite where a whole channel is zero.
        (ops::global_avg_pool(&features.sqr()?)? + 1e-6)?.sqrt()
    }
}

const RMS_FC: HeadKind = HeadKind::new("rms-fc", "root mean square, linear", |features, classes, vb| {
    Ok(Box::new(PoolLinear::new(RmsPool, features[0], classes, vb)?))
});

fn main() -> Result<()> {
    heads::register(RMS_FC)?;

    let device = Device::Cpu;
    let data = datasets::load(&"mnist-mini".parse()?, &LoadOptions::default())?;
    let train = data.train.stratified_subset(2_000, 0)?;
    let standardization = Standardization::of(&train)?;

    let parameters = Parameters::seeded(0, &device);
    let model: ModelName = "vgg-small@0.25".parse()?;
    let config = ModelConfig { input: [1, 28, 28], head: "rms-fc".parse()?, ..model.config()? };
    let network = model.build(&config, parameters.builder())?;
    println!("{}\n", models::summary(&network, &config.input)?);

    let fitting = FitConfig::new(Length::Epochs(3), 0.01).schedule(Schedule::one_cycle());
    let batches = |epoch| train.batches(64, Order::Shuffled { seed: 0, epoch }, &standardization, &device);
    fit(&network, &parameters, batches, &Loss::default(), &fitting, |_| Ok(()))?;
    let test =
        evaluate(&network, data.test.batches(256, Order::Sequential, &standardization, &device), &Loss::default())?;
    println!("test accuracy: {:.1} %", 100. * test.top1);

    // What a built-in head can do, this one can do as well.
    let (images, _) = data.test.batches(1, Order::Sequential, &standardization, &device).next().expect("an image")?;
    let features = network.forward_features(&images, Mode::Inference)?;
    println!("class maps: {:?}", network.head.class_maps(&features)?.maps.dims());
    let logits = network.prepare(&config.input)?.forward(&images)?;
    println!("logits of the prepared network: {:?}", logits.dims());
    Ok(())
}
