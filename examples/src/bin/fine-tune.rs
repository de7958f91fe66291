//! Trained weights that are taken along: a network learns digits and is saved, then it is loaded, gets a new head that tells
//! even digits from odd ones, and only that head is trained.
//!
//! ```sh
//! cargo run -p examples --bin fine-tune
//! ```
//!
//! The file `parity.safetensors` that it writes is all that `models::load` needs, and PyTorch reads it with
//! `safetensors.torch.load_file`.

use anyhow::Result;
use candle_core::{Device, Tensor};
use datasets::{Images, LoadOptions, Order, Standardization};
use models::{NetworkInfo, Trained};
use training::{FitConfig, Length, Loss, Parameters, Schedule, evaluate, fit};

fn main() -> Result<()> {
    let mut data = datasets::load(&"mnist-mini".parse()?, &LoadOptions::default())?;
    let info = NetworkInfo {
        model: "vgg-small@0.25".parse()?,
        head: "gap-fc".parse()?,
        input: [1, 28, 28],
        classes: data.classes.clone(),
        standardization: Standardization::of(&data.train)?,
        dataset: Some(data.name.clone()),
        training: None,
    };
    let digits = Trained::new(info, Parameters::seeded(0, &Device::Cpu))?;
    train(&digits, &data.train.stratified_subset(4_000, 0)?, 2)?;
    digits.save("digits.safetensors")?;

    // Only two hundred images say which digits are even.
    for images in [&mut data.train, &mut data.test] {
        images.labels.iter_mut().for_each(|label| *label %= 2);
    }
    let mut parity = models::load("digits.safetensors")?;
    parity.reset_classifier(&"gap-fc".parse()?, &["even", "odd"], 0)?;
    parity.network.freeze_backbone();
    train(&parity, &data.train.stratified_subset(200, 0)?, 20)?;
    parity.save("parity.safetensors")?;

    let loaded = models::load("parity.safetensors")?;
    let standardization = &loaded.info.standardization;
    let batches = data.test.batches(256, Order::Sequential, standardization, &Device::Cpu);
    let test = evaluate(&loaded.network, batches, &Loss::default())?;
    println!("test accuracy: {:.1} %", 100. * test.top1);

    let pixels = data.test.image(0)?.iter().map(|&value| f32::from(value) / 255.).collect();
    let image = Tensor::from_vec(pixels, (1, 1, 28, 28), &Device::Cpu)?;
    let best = &loaded.predict(&image)?[0].classes[0];
    println!("the first test image is {} with probability {:.3}", best.class, best.probability);
    Ok(())
}

/// Trains what is not frozen.
fn train(trained: &Trained, images: &Images, epochs: usize) -> Result<()> {
    let config = FitConfig::new(Length::Epochs(epochs), 0.01).schedule(Schedule::one_cycle());
    let batches = |epoch| {
        let order = Order::Shuffled { seed: 0, epoch };
        images.batches(64, order, &trained.info.standardization, &Device::Cpu)
    };
    fit(&trained.network, &trained.parameters, batches, &Loss::default(), &config, |_| Ok(()))?;
    Ok(())
}
