use std::{path::Path, sync::Arc};

use anyhow::{Context, Result, bail};
use candle_core::Device;
use datasets::{Augmentation, Order, Resampling, Shape, Splits};
use heads::HeadConfig;
use layers::Layer;
use models::{Classifier, ModelConfig, ModelName, NetworkInfo};
use records::{Point, RunConfig};
use serde_json::Value;
use timing::TimedNetwork;
use training::{Batch, Evaluation, Loss, Model, OptimizerConfig, Parameters};

use super::{Anatomy, Batches, Network, Part, Task};
use crate::{
    files::Pictures,
    init::Init,
    measures::{Measure, TrainedNetwork},
    mistakes::draw_mistakes,
};

/// The classification of images.
#[derive(Clone, Debug)]
pub struct ImageTask {
    pub data: Arc<Splits>,
    pub model: ModelName,
    pub head: HeadConfig,
    pub augmentation: Augmentation,
    /// The trained weights that the network starts from.
    pub init: Option<Init>,
    pub measure: Option<&'static Measure>,
}

impl ImageTask {
    /// The shape (C, H, W) of the images.
    pub fn input(&self) -> [usize; 3] {
        self.data.train.shape
    }

    fn classifier(&self, parameters: &Parameters) -> candle_core::Result<Classifier> {
        let config = ModelConfig {
            input: self.input(),
            classes: self.data.classes,
            head: self.head.clone(),
            width: self.model.width(),
        };
        self.model.build(&config, parameters.builder())
    }

    fn network(&self, parameters: &Parameters) -> Result<ImageNetwork<'_>> {
        let mut model = self.classifier(parameters)?;
        self.init.as_ref().map(|init| init.apply(&mut model, parameters)).transpose()?;
        Ok(ImageNetwork { task: self, model, device: parameters.device().clone() })
    }
}

impl Task for ImageTask {
    fn config(&self) -> RunConfig {
        let Self { data, augmentation, init, .. } = self;
        RunConfig {
            augment: (!augmentation.is_none()).then(|| augmentation.to_string()),
            canvas: data.canvas.map(|canvas| canvas.to_string()),
            classes: data.classes,
            data_fingerprint: data.fingerprint.clone(),
            dataset: data.name.clone(),
            freeze: init.as_ref().is_some_and(|init| init.freeze),
            head: self.head.to_string(),
            init: init.as_ref().map(|init| init.sha256.clone()),
            input: Shape(self.input()).to_string(),
            measure: self.measure.map(|measure| measure.name.to_string()),
            model: self.model.to_string(),
            train_size: data.train.len(),
            validation: data.validation.as_ref().map_or(0, |images| images.len()),
            ..RunConfig::default()
        }
    }

    fn train_len(&self) -> usize {
        self.data.train.len()
    }

    fn class_names(&self) -> Vec<String> {
        self.data.class_names.clone()
    }

    fn test_labels(&self) -> Vec<u32> {
        self.data.test.labels.clone()
    }

    fn of_seed(&self, seed: u64) -> Result<Option<Arc<dyn Task>>> {
        Ok(match self.data.resampling {
            Resampling::None => None,
            _ => Some(Arc::new(Self { data: Arc::new(self.data.of_seed(seed)?), ..self.clone() })),
        })
    }

    fn build<'a>(&'a self, parameters: &Parameters) -> Result<Box<dyn Network + 'a>> {
        Ok(Box::new(self.network(parameters)?))
    }

    fn start(&self) -> Result<Option<String>> {
        let Some(init) = &self.init else { return Ok(None) };
        let parameters = Parameters::zeros(&Device::Cpu);
        Ok(Some(init.describe(&mut self.classifier(&parameters)?, &parameters)?))
    }

    fn timed(&self, device: &Device, optimizer: &OptimizerConfig) -> Result<TimedNetwork> {
        let network = timing::Network::new(device, optimizer, |parameters| self.classifier(parameters))?;
        // The first training images; if there are fewer, they are repeated.
        TimedNetwork::new(network, |size| {
            let Splits { train, standardization, .. } = &*self.data;
            let indices: Vec<usize> = (0..size).map(|index| index % train.len()).collect();
            let images = train.subset(&indices);
            let mut batches = images.batches(size, Order::Sequential, standardization, device);
            let (images, labels) = batches.next().context("there are no images to measure speed with")??;
            Ok((vec![images], labels))
        })
    }
}

/// A classifier of images.
struct ImageNetwork<'a> {
    task: &'a ImageTask,
    model: Classifier,
    device: Device,
}

impl ImageNetwork<'_> {
    fn trained(&self) -> TrainedNetwork<'_> {
        let standardization = &self.task.data.standardization;
        TrainedNetwork { model: &self.model, standardization, device: &self.device }
    }
}

impl Network for ImageNetwork<'_> {
    fn model(&self) -> &dyn Model {
        &self.model
    }

    fn loss(&self) -> Loss {
        Loss::default()
    }

    fn anatomy(&self) -> Result<Anatomy> {
        let (input, classes) = (self.task.input(), self.task.data.classes);
        let whole = self.model.describe(&input)?;
        if whole.output != [classes] {
            bail!("the network's output has the shape {:?} instead of {classes} logits", whole.output)
        }
        let features = self.model.backbone.describe(&input)?;
        let receptive_field = features.receptive_field.map(|axes| axes.iter().map(|axis| axis.size).collect());
        let head_params = self.model.head.describe(&features.output)?.params;
        Ok(Anatomy { whole, head_params, features: features.output, receptive_field })
    }

    fn training_batches(&self, batch_size: usize, stream: [u64; 2]) -> Batches<'_> {
        let Splits { train, standardization, .. } = &*self.task.data;
        let batches = train.training_batches(batch_size, stream, self.task.augmentation, standardization, &self.device);
        Box::new(batches.map(|batch| batch.map(Batch::from)))
    }

    fn evaluate(&self, part: Part) -> Result<Option<Evaluation>> {
        let data = &self.task.data;
        let images = match part {
            Part::Training => Some(&data.train),
            Part::Validation => data.validation.as_ref(),
            Part::Test => Some(&data.test),
        };
        Ok(images.map(|images| self.trained().evaluate(images)).transpose()?)
    }

    fn measure(&self, _: &Evaluation, seed: u64) -> Result<Vec<Point>> {
        let Some(measure) = self.task.measure else { return Ok(Vec::new()) };
        let untrained = self.task.network(&Parameters::seeded(seed, &self.device))?;
        (measure.run)(&self.trained(), &untrained.trained(), &self.task.data)
    }

    fn draw(&self, test: &Evaluation) -> Result<Pictures> {
        let (network, data) = (self.trained(), &*self.task.data);
        let draw = self.task.measure.and_then(|measure| measure.draw);
        Ok(Pictures {
            maps: draw.map(|draw| draw(&network, data)).transpose()?,
            mistakes: draw_mistakes(&network, &data.test, &test.predictions, &data.class_names)?,
        })
    }

    fn save(&self, parameters: &Parameters, path: &Path, training: Value) -> Result<()> {
        let ImageTask { data, model, head, .. } = self.task;
        let info = NetworkInfo {
            model: *model,
            head: head.clone(),
            input: self.task.input(),
            classes: data.class_names.clone(),
            standardization: data.standardization.clone(),
            dataset: Some(data.name.clone()),
            training: Some(training),
        };
        Ok(info.save(parameters, path)?)
    }
}
