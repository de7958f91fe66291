use std::{fs, path::Path};

use anyhow::{Context, Result};
use candle_core::Device;
use layers::Layer;
use models::{ModelConfig, ModelName};
use serde_json::{Value, json};
use training::Parameters;

use crate::{
    bench::{Contestant, INFER_BATCH, LATENCY_BATCH, Measurement, Peer, Request, Speed, What, measure, peak_memory},
    cli::BenchOptions,
    machine::Cpu,
    misuse::Misuse,
    output::{print, print_json},
    plan::check_memory,
    render::{comparison_page, comparison_table, speed_table},
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
    let mut measurements = Vec::new();
    for (model, config) in networks(options)? {
        let network = model.architecture().build(&config, Parameters::seeded(0, &Device::Cpu).builder());
        let network = network.map_err(Misuse::from)?;
        let description = network.describe(&config.input)?;
        check_memory(&description, options.batch_size).map_err(Misuse::from)?;
        for (what, batch) in
            [(What::Train, options.batch_size), (What::Infer, INFER_BATCH), (What::Infer, LATENCY_BATCH)]
        {
            let request = Request::new(&model, &config, what, batch, options.threads());
            measurements.push(Measurement::new(request, description.macs, options.peers.len()));
        }
    }
    let mut peers = options.peers.iter().map(|command| Peer::start(command)).collect::<Result<Vec<_>>>()?;
    for round in 1..=options.pairs {
        measure(&mut measurements, &mut peers)?;
        if !options.json {
            eprintln!("round {round} of {}", options.pairs);
        }
    }
    if peers.is_empty() {
        let speeds = measurements.chunks_exact(3).map(speed).collect::<Result<Vec<_>>>()?;
        return if options.json { print_json(&speeds) } else { print(&speed_table(&speeds)) };
    }
    let names: Vec<String> = peers.iter().map(Contestant::name).collect();
    let record = json!({ "cpu": Cpu::current(), "experiments": env!("CARGO_PKG_VERSION"), "peers": names,
        "measurements": measurements });
    if let Some(out) = &options.out {
        save(&out.join("bench"), &record, &comparison_page(&measurements, &names, &Cpu::current()))?;
    }
    if options.json { print_json(&record) } else { print(&comparison_table(&measurements, &names)) }
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

/// From a network's training, inference and latency.
fn speed(of_network: &[Measurement]) -> Result<Speed> {
    let [train, infer, single] = of_network else { unreachable!("three are made for each network") };
    let Request { model, head, input, batch, .. } = train.request.clone();
    Ok(Speed {
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

fn save(folder: &Path, record: &Value, page: &str) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    write(&folder.join("bench.json"), &(serde_json::to_string_pretty(record)? + "\n"))?;
    write(&folder.join("README.md"), page)
}
