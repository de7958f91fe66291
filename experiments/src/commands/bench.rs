use std::{fs, path::Path, thread::sleep, time::Duration};

use anyhow::{Context, Result};
use candle_core::{DType, Device, Tensor};
use models::{ModelConfig, ModelName};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    bench::{Contestant, Here, INFER_BATCH, LATENCY_BATCH, Peer, Request, What, memory_of},
    cli::BenchOptions,
    machine::Cpu,
    misuse::Misuse,
    output::{print, print_json},
    render::{Comparison, comparison_page, comparison_table, speed_table},
    store::write,
};

/// Compared if nothing else is asked for.
const NETWORKS: [(&str, &str, [usize; 3]); 6] = [
    ("two-conv", "fc:128", [1, 28, 28]),
    ("two-conv", "gmp", [1, 28, 28]),
    ("lenet5", "fc:120,84", [1, 28, 28]),
    ("resnet8", "gap-fc", [3, 32, 32]),
    ("vgg-small", "gap-fc", [3, 32, 32]),
    ("mobilenet-v1@0.25", "gap-fc", [3, 96, 96]),
];

pub fn bench(options: &BenchOptions) -> Result<()> {
    let networks = networks(options)?;
    for (model, config) in &networks {
        let parameters = training::Parameters::seeded(0, &Device::Cpu);
        model.architecture().build(config, parameters.builder()).map_err(Misuse::from)?;
    }
    if options.peers.is_empty() { alone(&networks, options) } else { compare(&networks, options) }
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
        let heads = options.heads.as_ref().map_or_else(|| vec![config.head.clone()], |heads| heads.0.clone());
        networks.extend(heads.into_iter().map(|head| (model, ModelConfig { head, ..config.clone() })));
    }
    Ok(networks)
}

/// The speed of one network; scripts rely on the names.
#[derive(Serialize)]
pub struct Speed {
    pub model: String,
    pub head: String,
    pub input: [usize; 3],
    pub train_samples_per_sec: f64,
    pub train_batch_size: usize,
    pub infer_samples_per_sec: f64,
    pub infer_batch_size: usize,
    pub latency_us: f64,
    pub latency_p95_us: f64,
    /// Of a training step; null where the system does not tell.
    pub peak_rss_mb: Option<f64>,
}

fn alone(networks: &[(ModelName, ModelConfig)], options: &BenchOptions) -> Result<()> {
    let threads = options.threads();
    let mut speeds = Vec::new();
    for (model, config) in networks {
        let request = |what, batch| Request::new(model, config, what, batch, threads);
        // Each on its own, so that the memory is that of this network.
        let mut here = Here::default();
        let (train, peak_rss_mb) = memory_of(|| here.time(&request(What::Train, options.batch_size)))?;
        let infer = here.time(&request(What::Infer, INFER_BATCH))?;
        let single = here.time(&request(What::Infer, LATENCY_BATCH))?;
        speeds.push(Speed {
            model: model.to_string(),
            head: config.head.to_string(),
            input: config.input,
            train_samples_per_sec: options.batch_size as f64 / train.median,
            train_batch_size: options.batch_size,
            infer_samples_per_sec: INFER_BATCH as f64 / infer.median,
            infer_batch_size: INFER_BATCH,
            latency_us: 1e6 * single.median,
            latency_p95_us: 1e6 * single.p95,
            peak_rss_mb,
        });
    }
    if options.json { print_json(&speeds) } else { print(&speed_table(&speeds)) }
}

fn compare(networks: &[(ModelName, ModelConfig)], options: &BenchOptions) -> Result<()> {
    let threads = options.threads();
    let mut here = Here::default();
    let mut peers = options.peers.iter().map(|command| Peer::start(command)).collect::<Result<Vec<_>>>()?;
    let mut comparisons = Vec::new();
    for (model, config) in networks {
        let parameters = training::Parameters::seeded(0, &Device::Cpu);
        let network = model.architecture().build(config, parameters.builder())?;
        let macs = models::summary(&network, &config.input)?.macs;
        for (what, batch) in
            [(What::Train, options.batch_size), (What::Infer, INFER_BATCH), (What::Infer, LATENCY_BATCH)]
        {
            comparisons.push(Comparison::new(Request::new(model, config, what, batch, threads), macs, peers.len()));
        }
    }
    for round in 0..options.pairs {
        for comparison in &mut comparisons {
            let request = comparison.request.clone();
            comparison.here.push(rested(&mut here, &request)?.context("this program answers")?);
            for (peer, rates) in peers.iter_mut().zip(&mut comparison.peers) {
                rates.extend(rested(peer, &request)?);
            }
            let alone = Request { threads: 1, ..request };
            comparison.one_thread.push(rested(&mut here, &alone)?.context("this program answers")?);
            comparison.peak.push(peak_gflops(threads)?);
        }
        eprintln!("round {} of {}", round + 1, options.pairs);
    }
    let names: Vec<String> = peers.iter().map(Contestant::name).collect();
    if options.json {
        return print_json(&json(&comparisons, &names));
    }
    if let Some(out) = &options.out {
        save(&out.join("bench"), &comparisons, &names, threads)?;
    }
    print(&comparison_table(&comparisons, &names))
}

/// Waits for the threads of the one before to fall asleep: some wait by spinning.
fn rested(contestant: &mut impl Contestant, request: &Request) -> Result<Option<f64>> {
    sleep(Duration::from_millis(50));
    contestant.samples_per_sec(request)
}

/// What the machine gives at this moment: the fastest of a few products of large matrices by the `gemm` crate.
fn peak_gflops(threads: usize) -> Result<f64> {
    const SIZE: usize = 512;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let matrix = Tensor::ones((SIZE, SIZE), DType::F32, &Device::Cpu)?;
    let seconds = (0..5).map(|_| {
        let start = std::time::Instant::now();
        pool.install(|| matrix.matmul(&matrix))?;
        Ok(start.elapsed().as_secs_f64())
    });
    let fastest = seconds.collect::<Result<Vec<f64>>>()?.into_iter().fold(f64::INFINITY, f64::min);
    Ok(2. * (SIZE as f64).powi(3) / fastest / 1e9)
}

fn json(comparisons: &[Comparison], peers: &[String]) -> Value {
    let of = |comparison: &Comparison| {
        let peers: Vec<Value> = peers
            .iter()
            .zip(&comparison.peers)
            .map(|(name, rates)| json!({ "name": name, "samples_per_sec": rates }))
            .collect();
        json!({ "request": comparison.request, "macs": comparison.macs, "samples_per_sec": comparison.here,
            "one_thread_samples_per_sec": comparison.one_thread, "matmul_gflops": comparison.peak, "peers": peers })
    };
    json!({ "cpu": Cpu::current(), "experiments": env!("CARGO_PKG_VERSION"),
        "networks": comparisons.iter().map(of).collect::<Vec<_>>() })
}

fn save(folder: &Path, comparisons: &[Comparison], peers: &[String], threads: usize) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    write(&folder.join("bench.json"), &(serde_json::to_string_pretty(&json(comparisons, peers))? + "\n"))?;
    write(&folder.join("README.md"), &comparison_page(comparisons, peers, &Cpu::current(), threads))
}
