use std::path::PathBuf;

use anyhow::{Result, bail};
use candle_core::Device;
use heads::HeadConfig;
use layers::Layer;
use models::{ModelConfig, ModelName};
use report::bench as table;
use timing::{INFER_BATCH, LATENCY_BATCH, Measurement, Peer, Request, Task, run_round};
use training::Parameters;

use crate::{
    bench_record::BenchRecord,
    machine,
    misuse::Misuse,
    output::{note, print_document, print_json},
    peak_memory::peak_memory,
    plan::check_memory,
};

/// The networks that are compared if neither models nor heads are given.
const NETWORKS: [(&str, &str, [usize; 3]); 6] = [
    ("two-conv", "fc:128", [1, 28, 28]),
    ("two-conv", "gmp", [1, 28, 28]),
    ("lenet5", "fc:120,84", [1, 28, 28]),
    ("resnet8", "gap-fc", [3, 32, 32]),
    ("vgg-small", "gap-fc", [3, 32, 32]),
    ("mobilenet-v1@0.25", "gap-fc", [3, 96, 96]),
];

/// The options of `bench`.
#[derive(Debug)]
pub struct BenchOptions {
    pub models: Option<Vec<ModelName>>,
    pub heads: Option<Vec<HeadConfig>>,
    /// The number of images per training step.
    pub batch_size: usize,
    pub threads: usize,
    /// The command lines of the programs to compare with.
    pub peers: Vec<String>,
    pub rounds: usize,
    /// The folder of results that the comparison is written into.
    pub out: Option<PathBuf>,
    pub json: bool,
}

/// Times networks, and compares them with other programs if there are peers.
pub fn bench(options: &BenchOptions) -> Result<()> {
    let mut measurements = Vec::new();
    for (model, config) in networks(options)? {
        measurements.extend(requests(&model, &config, options).map_err(Misuse::from)?);
    }
    let mut peers = options.peers.iter().map(|command| Peer::start(command)).collect::<Result<Vec<_>>>()?;
    for round in 1..=options.rounds {
        run_round(&mut measurements, &mut peers)?;
        if !options.json {
            note(&format!("round {round} of {}", options.rounds));
        }
    }
    if peers.is_empty() {
        print_speeds(&measurements, options)
    } else {
        print_comparison(measurements, &peers, options)
    }
}

fn networks(options: &BenchOptions) -> Result<Vec<(ModelName, ModelConfig)>> {
    if options.models.is_none() && options.heads.is_none() {
        let config = |(model, head, input): (&str, &str, _)| {
            let model: ModelName = model.parse()?;
            Ok((model, ModelConfig { head: head.parse()?, input, ..model.config()? }))
        };
        return NETWORKS.into_iter().map(config).collect();
    }
    let models = options.models.clone().map_or_else(|| Ok(vec!["two-conv".parse()?]), anyhow::Ok)?;
    let mut networks = Vec::new();
    for model in models {
        let config = model.config()?;
        let heads = options.heads.clone().unwrap_or_else(|| vec![config.head.clone()]);
        networks.extend(heads.into_iter().map(|head| (model, ModelConfig { head, ..config.clone() })));
    }
    Ok(networks)
}

/// The three measurements of a network: training, inference and latency.
fn requests(model: &ModelName, config: &ModelConfig, options: &BenchOptions) -> Result<[Measurement; 3]> {
    let network = model.architecture().build(config, Parameters::seeded(0, &Device::Cpu).builder())?;
    let description = network.describe(&config.input)?;
    check_memory(&description, options.batch_size)?;
    let tasks = [(Task::Train, options.batch_size), (Task::Infer, INFER_BATCH), (Task::Infer, LATENCY_BATCH)];
    Ok(tasks.map(|(task, batch)| {
        let request = Request::new(model, config, task, batch, options.threads);
        Measurement::new(request, description.macs, options.peers.len())
    }))
}

fn print_speeds(measurements: &[Measurement], options: &BenchOptions) -> Result<()> {
    let speeds = measurements.chunks_exact(3).map(network_speed).collect::<Result<Vec<_>>>()?;
    if options.json {
        return print_json(&speeds);
    }
    print_document(&table::speed_table(&speeds).into())
}

fn network_speed(of_network: &[Measurement]) -> Result<table::NetworkSpeed> {
    let [train, infer, single] = of_network else { bail!("a network has three measurements") };
    let Request { model, head, input, batch, .. } = train.request.clone();
    Ok(table::NetworkSpeed {
        model,
        head,
        input,
        train_samples_per_sec: train.samples_per_sec(),
        train_batch_size: batch,
        infer_samples_per_sec: infer.samples_per_sec(),
        infer_batch_size: infer.request.batch,
        latency_us: 1e6 / single.samples_per_sec(),
        latency_p95_us: 1e6 * single.p95(),
        peak_rss_mb: peak_memory(&train.request)?,
    })
}

fn print_comparison(measurements: Vec<Measurement>, peers: &[Peer], options: &BenchOptions) -> Result<()> {
    let record = BenchRecord {
        cpu: machine::cpu(),
        experiments: env!("CARGO_PKG_VERSION").into(),
        peers: peers.iter().map(|peer| peer.name().to_string()).collect(),
        measurements,
    };
    if let Some(out) = &options.out {
        record.save(&out.join("bench"))?;
    }
    if options.json { print_json(&serde_json::to_value(&record)?) } else { print_document(&record.table().into()) }
}
