use anyhow::Result;
use candle_core::Device;
use datasets::Shape;
use heads::HeadConfig;
use models::ModelName;
use training::Parameters;

use crate::{
    misuse::Misuse,
    output::{print_document, print_json},
};

/// The options of `summary`. The default of an option that is `None` is the model's.
#[derive(Debug)]
pub struct SummaryOptions {
    pub model: ModelName,
    pub head: Option<HeadConfig>,
    pub input: Option<Shape>,
    pub classes: Option<usize>,
    pub json: bool,
}

/// Prints the layers of a network with their shapes and costs.
pub fn summary(options: &SummaryOptions) -> Result<()> {
    let mut config = options.model.config()?;
    config.head = options.head.clone().unwrap_or(config.head);
    config.input = options.input.map_or(config.input, |input| input.0);
    config.classes = options.classes.unwrap_or(config.classes);
    let parameters = Parameters::seeded(0, &Device::Cpu);
    let network = options.model.build(&config, parameters.builder()).map_err(Misuse::from)?;
    let summary = models::summary(&network, &config.input).map_err(Misuse::from)?;
    if options.json { print_json(&summary) } else { print_document(&summary.document()) }
}
