use anyhow::Result;
use candle_core::Device;
use heads::HeadConfig;
use models::ModelName;
use training::Parameters;

use crate::{
    cli::Shape,
    misuse::Misuse,
    output::{print, print_json},
};

pub fn summary(
    model: &ModelName,
    head: Option<HeadConfig>,
    input: Option<Shape>,
    classes: Option<usize>,
    json: bool,
) -> Result<()> {
    let mut config = model.config()?;
    config.head = head.unwrap_or(config.head);
    config.input = input.map_or(config.input, |input| input.0);
    config.classes = classes.unwrap_or(config.classes);
    let parameters = Parameters::seeded(0, &Device::Cpu);
    let network = models::build(model.architecture().name, &config, parameters.builder()).map_err(Misuse::from)?;
    let summary = models::summary(&network, &config.input).map_err(Misuse::from)?;
    if json { print_json(&summary) } else { print(&summary.to_string()) }
}
