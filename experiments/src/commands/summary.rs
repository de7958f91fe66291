use anyhow::Result;
use candle_core::Device;
use candle_nn::VarBuilder;
use datasets::Shape;
use heads::HeadConfig;
use models::{DeepConvDti, ModelName, Preset, Summary};
use training::Parameters;

use crate::{
    misuse::Misuse,
    network_name::NetworkName,
    output::{print_document, print_json},
};

/// The options of `summary`. The default of an option that is `None` is the model's.
#[derive(Debug)]
pub struct SummaryOptions {
    pub model: NetworkName,
    pub head: Option<HeadConfig>,
    pub input: Option<Shape>,
    pub classes: Option<usize>,
    pub json: bool,
}

/// Prints the layers of a network with their shapes and costs.
pub fn summary(options: &SummaryOptions) -> Result<()> {
    let summary = match &options.model {
        NetworkName::Images(model) => of_images(model, options)?,
        NetworkName::Pairs(preset) => of_pairs(preset, options)?,
    };
    if options.json { print_json(&summary) } else { print_document(&summary.document()) }
}

fn of_images(model: &ModelName, options: &SummaryOptions) -> Result<Summary> {
    let mut config = model.config()?;
    config.head = options.head.clone().unwrap_or(config.head);
    config.input = options.input.map_or(config.input, |input| input.0);
    config.classes = options.classes.unwrap_or(config.classes);
    let network = model.build(&config, unset()).map_err(Misuse::from)?;
    Ok(models::summary(&network, &config.input).map_err(Misuse::from)?)
}

fn of_pairs(preset: &Preset, options: &SummaryOptions) -> Result<Summary> {
    if options.input.is_some() || options.classes.is_some() {
        let reason =
            format!("{} takes proteins and drugs and has one output: leave out --input and --classes", preset.name);
        return Err(Misuse::new(reason).into());
    }
    let mut config = (preset.config)();
    config.head = options.head.clone().unwrap_or(config.head);
    let network = DeepConvDti::new(&config, unset()).map_err(Misuse::from)?;
    Ok(network.summary().map_err(Misuse::from)?)
}

/// Parameters whose values do not matter. Drawing the 100 million of a network that flattens would take seconds.
fn unset() -> VarBuilder<'static> {
    Parameters::zeros(&Device::Cpu).builder()
}
