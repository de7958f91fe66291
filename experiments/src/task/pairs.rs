use std::{path::Path, sync::Arc};

use anyhow::{Result, bail};
use candle_core::Device;
use datasets::{Order, Pairs};
use models::{DeepConvDti, DeepConvDtiConfig, DeepConvDtiInfo};
use records::{Point, RunConfig};
use serde_json::{Value, json};
use statistics::Ranking;
use timing::{INFER_BATCH, TimedNetwork};
use training::{Batch, Evaluation, Loss, Model, OptimizerConfig, Parameters, Validation, evaluate};

use super::{Anatomy, Batches, Network, Part, Task};
use crate::{
    files::Pictures,
    measures::{Answered, BINDING, measure_binding},
    pair_data::PairData,
};

/// The question whether a drug binds a protein.
#[derive(Clone, Debug)]
pub struct PairTask {
    pub data: Arc<PairData>,
    /// The name of the configuration that the network's options change.
    pub model: String,
    pub config: DeepConvDtiConfig,
}

impl Task for PairTask {
    fn config(&self) -> RunConfig {
        let Self { data, model, config } = self;
        RunConfig {
            classes: 2,
            data_fingerprint: data.fingerprint.clone(),
            dataset: data.name.clone(),
            head: config.head.to_string(),
            input: format!("{}+{}", config.length, config.fingerprint_bits),
            measure: Some(BINDING.into()),
            model: model.clone(),
            network: Some(json!(config)),
            planted: data.planted.as_ref().map(|planted| json!(planted)),
            train_size: data.train.len(),
            validation: data.validation.as_ref().map_or(0, Pairs::len),
            ..RunConfig::default()
        }
    }

    fn train_len(&self) -> usize {
        self.data.train.len()
    }

    fn class_names(&self) -> Vec<String> {
        ["does not bind", "binds"].map(String::from).to_vec()
    }

    fn test_labels(&self) -> Vec<u32> {
        self.data.test.labels().into_iter().map(u32::from).collect()
    }

    fn build<'a>(&'a self, parameters: &Parameters) -> Result<Box<dyn Network + 'a>> {
        let model = DeepConvDti::new(&self.config, parameters.builder())?;
        Ok(Box::new(PairNetwork { task: self, model, device: parameters.device().clone() }))
    }

    fn start(&self) -> Result<Option<String>> {
        Ok(None)
    }

    fn timed(&self, device: &Device, optimizer: &OptimizerConfig) -> Result<TimedNetwork> {
        let build = |parameters: &Parameters| DeepConvDti::new(&self.config, parameters.builder());
        let network = timing::Network::new(device, optimizer, build)?;
        TimedNetwork::new(network, |size| {
            let indices: Vec<usize> = (0..size).map(|index| index % self.data.train.len()).collect();
            let (inputs, targets) = self.data.train.batch(&indices, self.config.length, device)?;
            Ok((inputs.into(), targets))
        })
    }
}

/// A network that tells whether a drug binds a protein.
struct PairNetwork<'a> {
    task: &'a PairTask,
    model: DeepConvDti,
    device: Device,
}

impl PairNetwork<'_> {
    fn evaluate_on(&self, pairs: &Pairs) -> Result<Evaluation> {
        let batches = pairs.batches(INFER_BATCH, Order::Sequential, self.task.config.length, &self.device);
        Ok(evaluate(&self.model, batches, &self.loss())?)
    }
}

impl Network for PairNetwork<'_> {
    fn model(&self) -> &dyn Model {
        &self.model
    }

    fn loss(&self) -> Loss {
        Loss::BinaryCrossEntropy
    }

    fn anatomy(&self) -> Result<Anatomy> {
        let DeepConvDtiConfig { windows, filters, length, fingerprint_bits, .. } = &self.task.config;
        let bits = self.task.data.train.fingerprint_bits();
        if bits != *fingerprint_bits {
            bail!("the fingerprints have {bits} bits, but the network takes {fingerprint_bits}")
        }
        Ok(Anatomy {
            whole: self.model.describe()?,
            head_params: self.model.head_params()?,
            features: vec![windows.len() * filters, *length],
            receptive_field: windows.iter().max().map(|&window| vec![window]),
        })
    }

    fn training_batches(&self, batch_size: usize, [seed, epoch]: [u64; 2]) -> Batches<'_> {
        let order = Order::Shuffled { seed, epoch: epoch as usize };
        let batches = self.task.data.train.batches(batch_size, order, self.task.config.length, &self.device);
        Box::new(batches.map(|batch| batch.map(Batch::from)))
    }

    fn evaluate(&self, part: Part) -> Result<Option<Evaluation>> {
        let data = &self.task.data;
        let pairs = match part {
            Part::Training => Some(&data.train),
            Part::Validation => data.validation.as_ref(),
            Part::Test => Some(&data.test),
        };
        pairs.map(|pairs| self.evaluate_on(pairs)).transpose()
    }

    fn validate(&self) -> Result<Option<Validation>> {
        let Some(pairs) = &self.task.data.validation else { return Ok(None) };
        let answered = Answered { pairs, evaluation: self.evaluate_on(pairs)? };
        let auroc = answered.ranking().as_ref().map(Ranking::auroc);
        Ok(Some(Validation { auroc, ..Validation::from(&answered.evaluation) }))
    }

    fn measure(&self, test: &Evaluation, _: u64) -> Result<Vec<Point>> {
        let data = &self.task.data;
        let answered = |pairs| anyhow::Ok(Answered { pairs, evaluation: self.evaluate_on(pairs)? });
        let validation = data.validation.as_ref().map(answered).transpose()?;
        let longer = data.longer.as_ref().map(answered).transpose()?;
        let test = Answered { pairs: &data.test, evaluation: test.clone() };
        measure_binding(&self.model, &self.device, validation.as_ref(), &test, longer.as_ref())
    }

    fn draw(&self, _: &Evaluation) -> Result<Pictures> {
        Ok(Pictures::default())
    }

    fn save(&self, parameters: &Parameters, path: &Path, training: Value) -> Result<()> {
        let (config, dataset) = (self.task.config.clone(), Some(self.task.data.name.clone()));
        Ok(DeepConvDtiInfo { config, dataset, training: Some(training) }.save(parameters, path)?)
    }
}
