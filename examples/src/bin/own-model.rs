//! An architecture of one's own, trained with three heads by the zoo's protocol, and a table of the results.
//!
//! ```sh
//! cargo run -p examples --bin own-model
//! ```

use anyhow::Result;
use candle_core::Device;
use candle_nn::VarBuilder;
use datasets::{LoadOptions, Order, Standardization};
use layers::{Conv2dOptions, Layer, Sequential, Stack};
use models::{Architecture, ModelConfig, Width};
use report::{Column, Document, Table, terminal};
use training::{FitConfig, Length, Loss, Parameters, Schedule, evaluate, fit};

/// Three convolutions with stride 2: maps of 14, 7 and 4 on an image of 28 pixels.
fn layers(input: &[usize], width: Width, vb: VarBuilder) -> candle_core::Result<Sequential> {
    let halving = Conv2dOptions::same(3).stride(2).without_bias();
    [16, 32, 64]
        .into_iter()
        .fold(Stack::new(input, vb), |stack, channels| stack.conv_with(width.of(channels), halving).batch_norm().relu())
        .build()
}

fn main() -> Result<()> {
    let strided = Architecture::new("strided", layers).description("three convolutions with stride 2");
    models::register(strided.default_input([1, 28, 28]))?;

    let device = Device::Cpu;
    let data = datasets::load(&"mnist-mini".parse()?, &LoadOptions::default())?;
    let train = data.train.stratified_subset(4_000, 0)?;
    let standardization = Standardization::of(&train)?;
    let config = models::find("strided")?.config()?;

    let mut table = Table::new([Column::key("head"), Column::number("parameters"), Column::number("test top-1 (%)")]);
    for head in ["fc", "gap", "gmp-fc"] {
        // Initialisation is seeded per parameter name, so all three start with the same backbone.
        let parameters = Parameters::seeded(0, &device);
        let network =
            models::build("strided", &ModelConfig { head: head.parse()?, ..config.clone() }, parameters.builder())?;
        let fitting = FitConfig::new(Length::Epochs(3), 0.01).schedule(Schedule::one_cycle());
        let batches = |epoch| train.batches(64, Order::Shuffled { seed: 0, epoch }, &standardization, &device);
        fit(&network, &parameters, batches, &Loss::default(), &fitting, |_| Ok(()))?;
        let test =
            evaluate(&network, data.test.batches(256, Order::Sequential, &standardization, &device), &Loss::default())?;
        let params = network.describe(&config.input)?.params;
        table.push([head.to_string(), report::number::count(params as u64), format!("{:.1}", 100. * test.top1)]);
    }
    let mut page = Document::new("strided on mnist-mini, one seed");
    page.table(table);
    print!("{}", terminal(&page, 80));
    Ok(())
}
