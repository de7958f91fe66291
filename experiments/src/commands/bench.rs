use std::path::PathBuf;

use anyhow::Result;
use candle_core::Device;
use heads::HeadConfig;
use layers::Layer;
use models::{DEEP_CONV_DTI, DeepConvDti, DeepConvDtiConfig, ModelConfig, ModelName, Preset};
use records::create_folder;
use report::bench::Baseline;
use timing::{
    EnergyMeter, INFER_BATCH, Instruments, LATENCY_BATCH, Machine, Measurement, OwnNetwork, Peer, Request, Scaling,
    TRAIN_BATCH, Task, run_round,
};
use training::Parameters;

use crate::{
    bench_baseline::BenchBaseline,
    bench_record::BenchRecord,
    machine,
    misuse::Misuse,
    network_name::NetworkName,
    output::{note, print_document, print_json},
    peak_memory::peak_memory,
    run::check_memory,
};

/// The classifiers that are compared if neither models nor heads are given, besides the first of [`DEEP_CONV_DTI`].
const CLASSIFIERS: [(&str, &str, [usize; 3]); 8] = [
    ("two-conv", "fc:128", [1, 28, 28]),
    ("two-conv", "gmp", [1, 28, 28]),
    ("lenet5", "fc:120,84", [1, 28, 28]),
    ("resnet8", "gap-fc", [3, 32, 32]),
    ("resnet20", "gap-fc", [3, 32, 32]),
    ("vgg-small", "gap-fc", [3, 32, 32]),
    ("all-cnn-c", "gap", [3, 32, 32]),
    ("mobilenet-v1@0.25", "gap-fc", [3, 96, 96]),
];

/// The number of protein–drug pairs in a training step and in a forward pass.
const PAIRS_BATCH: usize = 32;

/// The options of `bench`.
#[derive(Debug)]
pub struct BenchOptions {
    pub models: Option<Vec<NetworkName>>,
    pub heads: Option<Vec<HeadConfig>>,
    /// The number of images or pairs per training step, if it is not the default.
    pub batch_size: Option<usize>,
    pub threads: usize,
    /// The command lines of the programs to compare with.
    pub peers: Vec<String>,
    pub rounds: usize,
    /// The file of an earlier run to compare with.
    pub baseline: Option<PathBuf>,
    /// The folder of results that the run is written into.
    pub out: Option<PathBuf>,
    pub json: bool,
}

/// Times networks, and compares them with other programs and an earlier run if there are such.
pub fn bench(options: &BenchOptions) -> Result<()> {
    let mut measurements = Vec::new();
    for network in networks(options)? {
        measurements.extend(network.measurements(options).map_err(Misuse::from)?);
    }
    let cpu = machine::cpu();
    let baseline =
        options.baseline.as_deref().map(|path| BenchBaseline::read(path, &cpu, &measurements)).transpose()?;
    let out = options.out.as_ref().map(|out| out.join("bench"));
    // A folder that cannot be written is known before anything is timed.
    out.as_deref().map(create_folder).transpose()?;
    let mut peers = options.peers.iter().map(|command| Peer::start(command)).collect::<Result<Vec<_>>>()?;
    let (energy, no_energy) =
        EnergyMeter::open().map_or_else(|reason| (None, Some(reason)), |meter| (Some(meter), None));
    let most_bytes = measurements.iter().filter_map(|measurement| measurement.least_bytes).max().unwrap_or_default();
    let instruments = Instruments { machine: Machine::new(options.threads, most_bytes)?, energy };
    for round in 1..=options.rounds {
        run_round(&mut measurements, &mut peers, &instruments)?;
        if !options.json {
            note(&format!("round {round} of {}", options.rounds));
        }
    }
    for measurement in &mut measurements {
        measurement.scaling = Some(Scaling::measure(&mut OwnNetwork::new(&measurement.request)?)?);
    }
    for measurement in measurements.iter_mut().filter(|measurement| measurement.request.task == Task::Train) {
        measurement.peak_rss_mb = peak_memory(&measurement.request)?;
    }
    let record = BenchRecord {
        cpu,
        experiments: env!("CARGO_PKG_VERSION").into(),
        peers: peers.iter().map(|peer| peer.name().to_string()).collect(),
        no_energy,
        measurements,
    };
    let baseline = baseline.map(|baseline| baseline.compare(&record.measurements));
    // Neither is lost if the other fails.
    let printed = print_record(&record, baseline.as_ref(), options.json);
    out.map(|out| record.save(&out)).transpose()?;
    printed
}

fn print_record(record: &BenchRecord, baseline: Option<&Baseline>, as_json: bool) -> Result<()> {
    if !as_json {
        print_document(&record.terminal_page(baseline)?)
    } else if record.peers.is_empty() {
        print_json(&record.speeds(baseline)?)
    } else {
        let mut json = serde_json::to_value(record)?;
        if let Some(baseline) = baseline {
            json["baseline"] = serde_json::to_value(&baseline.rows)?;
        }
        print_json(&json)
    }
}

/// A network that is timed.
enum Network {
    Images(ModelName, ModelConfig),
    Pairs(&'static Preset, DeepConvDtiConfig),
}

fn networks(options: &BenchOptions) -> Result<Vec<Network>> {
    if options.models.is_none() && options.heads.is_none() {
        let classifier = |(model, head, input): (&str, &str, _)| {
            let model: ModelName = model.parse()?;
            Ok(Network::Images(model, ModelConfig { head: head.parse()?, input, ..model.config()? }))
        };
        let pairs = DEEP_CONV_DTI.iter().take(1).map(|preset| Ok(Network::Pairs(preset, (preset.config)())));
        return CLASSIFIERS.into_iter().map(classifier).chain(pairs).collect();
    }
    let models =
        options.models.clone().map_or_else(|| Ok(vec![NetworkName::Images("two-conv".parse()?)]), anyhow::Ok)?;
    let heads = |default: &HeadConfig| options.heads.clone().unwrap_or_else(|| vec![default.clone()]);
    let mut networks = Vec::new();
    for model in models {
        match model {
            NetworkName::Images(model) => {
                let config = model.config()?;
                let network = |head| Network::Images(model, ModelConfig { head, ..config.clone() });
                networks.extend(heads(&config.head).into_iter().map(network));
            }
            NetworkName::Pairs(preset) => {
                let config = (preset.config)();
                let network = |head| Network::Pairs(preset, DeepConvDtiConfig { head, ..config.clone() });
                networks.extend(heads(&config.head).into_iter().map(network));
            }
        }
    }
    Ok(networks)
}

impl Network {
    /// The three measurements of the network: training, inference and latency.
    fn measurements(&self, options: &BenchOptions) -> Result<[Measurement; 3]> {
        let parameters = Parameters::zeros(&Device::Cpu);
        let (description, train, infer) = match self {
            Self::Images(model, config) => {
                let network = model.architecture().build(config, parameters.builder())?;
                (network.describe(&config.input)?, options.batch_size.unwrap_or(TRAIN_BATCH), INFER_BATCH)
            }
            Self::Pairs(_, config) => {
                let network = DeepConvDti::new(config, parameters.builder())?;
                (network.describe()?, options.batch_size.unwrap_or(PAIRS_BATCH), PAIRS_BATCH)
            }
        };
        check_memory(&description, train)?;
        let tasks = [(Task::Train, train), (Task::Infer, infer), (Task::Infer, LATENCY_BATCH)];
        Ok(tasks.map(|(task, batch)| {
            let request = match self {
                Self::Images(model, config) => Request::new(model, config, task, batch, options.threads),
                Self::Pairs(preset, config) => Request::of_pairs(preset, config, task, batch, options.threads),
            };
            Measurement::new(request, &description, options.peers.len())
        }))
    }
}
