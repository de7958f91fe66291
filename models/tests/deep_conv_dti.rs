//! DeepConv-DTI against its published counts and against PyTorch, whose results `fixtures/deep_conv_dti.py` writes.

use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor};
use datasets::{FINGERPRINT_BITS, Order, PairSplit, PlantedMotifs};
use models::{DEEP_CONV_DTI, DeepConvDti, DeepConvDtiConfig};
use training::{FitConfig, Length, Loss, Mode, Model, OptimizerConfig, Parameters, Schedule, evaluate, fit};

const CPU: Device = Device::Cpu;

fn build(config: &DeepConvDtiConfig) -> (DeepConvDti, Parameters) {
    let parameters = Parameters::seeded(0, &CPU);
    (DeepConvDti::new(config, parameters.builder()).unwrap(), parameters)
}

/// The network of the fixture.
fn small(head: &str, masked: bool) -> DeepConvDtiConfig {
    DeepConvDtiConfig {
        length: 14,
        fingerprint_bits: 16,
        windows: vec![2, 3, 6],
        filters: 4,
        head: head.parse().unwrap(),
        masked,
        protein_layers: vec![5, 3],
        drug_layers: vec![4],
        joint_layers: vec![6],
        dropout: 0.,
        spatial_dropout: 0.,
        ..DeepConvDtiConfig::default()
    }
}

fn fixture() -> HashMap<String, Tensor> {
    candle_core::safetensors::load("tests/fixtures/deep_conv_dti.safetensors", &CPU).unwrap()
}

/// Builds a network with the parameters of the fixture.
fn start(config: &DeepConvDtiConfig, fixture: &HashMap<String, Tensor>) -> Result<(DeepConvDti, Parameters)> {
    let (network, parameters) = build(config);
    for (name, variable) in parameters.all() {
        variable.set(&fixture[&format!("start/{name}")])?;
    }
    Ok((network, parameters))
}

fn difference(a: &Tensor, b: &Tensor) -> Result<f32> {
    (a - b)?.abs()?.max_all()?.to_scalar()
}

#[test]
fn the_presets_have_the_published_numbers_of_parameters() {
    let [script, recommended] = [&DEEP_CONV_DTI[0], &DEEP_CONV_DTI[1]].map(|preset| {
        let (network, parameters) = build(&(preset.config)());
        let stored: usize = parameters.all().iter().map(|(_, variable)| variable.elem_count()).sum();
        let summary = network.summary().unwrap();
        assert_eq!(summary.params, stored);
        (summary.trainable_params, summary.params)
    });
    assert_eq!(script, (491_913, 493_705));
    assert_eq!(recommended, (1_490_057, 1_490_057 + 2 * (5 * 128 + 128 + 512 + 128 + 128)));
}

#[test]
fn the_first_dense_layer_grows_from_41_thousand_to_102_million_if_the_windows_are_flattened() {
    for (head, inputs, expected) in [("gmp-fc", 320, 41_088), ("fc", 800_000, 102_400_128)] {
        let config = DeepConvDtiConfig { head: head.parse().unwrap(), ..DeepConvDtiConfig::default() };
        let network = DeepConvDti::new(&config, Parameters::zeros(&CPU).builder()).unwrap();
        let summary = network.summary().unwrap();
        let layer = summary.layers.iter().find(|layer| layer.path == "protein.dense.0").unwrap();
        assert_eq!((layer.kind.as_str(), layer.trainable_params), (&*format!("Linear({inputs}, 128)"), expected));
    }
}

#[test]
fn the_summary_lists_the_layers_and_fits_into_80_columns() {
    let summary = build(&DeepConvDtiConfig::default()).0.summary().unwrap();
    let layer = |path: &str| summary.layers.iter().find(|layer| layer.path == path).unwrap();
    assert_eq!(layer("protein.embedding").trainable_params, 520);
    assert_eq!(layer("protein.windows.4.conv").kind, "Conv1d(20, 64, 30, padding 14+15)");
    assert_eq!(layer("protein.windows.4.conv").macs, 20 * 64 * 30 * 2500);
    assert_eq!(
        (layer("protein.windows.4.pool").kind.as_str(), &layer("protein.windows").output[..]),
        ("GlobalMaxPool", &[320][..])
    );
    assert_eq!(summary.layers.iter().map(|layer| layer.trainable_params).sum::<usize>(), 491_913);
    let text = summary.to_string();
    assert!(text.contains("2500 + 2048") && text.contains("Receptive field: 30 positions"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn probabilities_are_pytorchs_with_and_without_padding() -> Result<()> {
    let fixture = fixture();
    for (head, masked, name) in [
        ("gmp-fc", false, "gmp"),
        ("gmp-fc", true, "gmp-masked"),
        ("gap-fc", false, "gap"),
        ("gap-fc", true, "gap-masked"),
    ] {
        let (network, _) = start(&small(head, masked), &fixture)?;
        for mode in [Mode::Eval, Mode::Inference] {
            let logits = network.forward(&[fixture["ids"].clone(), fixture["bits"].clone()], mode)?;
            let probabilities = candle_nn::ops::sigmoid(&logits)?;
            let error = difference(&probabilities, &fixture[&format!("probabilities/{name}")])?;
            assert!(error < 1e-6, "{name}: {error}");
        }
    }
    Ok(())
}

#[test]
fn two_training_steps_are_pytorchs() -> Result<()> {
    let fixture = fixture();
    let (network, parameters) = start(&small("gmp-fc", false), &fixture)?;
    let batch = ([fixture["ids"].clone(), fixture["bits"].clone()], fixture["targets"].clone());
    let adam = OptimizerConfig::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-3, l2: 1e-3 };
    let config = FitConfig::new(Length::Epochs(2), 0.01).schedule(Schedule::InverseTime { decay: 0.5 }).optimizer(adam);
    let batches = |_| [Ok(batch.clone())].into_iter();
    let outcome = fit(&network, &parameters, batches, &Loss::BinaryCrossEntropy, &config, |_| Ok(()))?;
    for (epoch, expected) in outcome.epochs.iter().zip(fixture["losses"].to_vec1::<f32>()?) {
        assert!((epoch.train_loss - f64::from(expected)).abs() < 1e-5, "{} instead of {expected}", epoch.train_loss);
    }
    assert_eq!(parameters.all().len(), fixture.keys().filter(|key| key.starts_with("after/")).count());
    for (name, variable) in parameters.all() {
        let error = difference(&variable, &fixture[&format!("after/{name}")])?;
        assert!(error < 1e-5, "{name}: {error}");
    }
    Ok(())
}

#[test]
fn parameters_start_with_glorots_deviation_and_biases_with_0() -> Result<()> {
    let (_, parameters) = build(&DeepConvDtiConfig::default());
    for (name, variable) in parameters.trainable() {
        let values = variable.flatten_all()?;
        let deviation = values.sqr()?.mean_all()?.to_scalar::<f32>()?.sqrt();
        let expected = match (name.as_str(), variable.dims()) {
            (_, [_]) => {
                if name.ends_with("bias") {
                    0.
                } else {
                    1.
                }
            }
            (_, dims) => {
                let fans = (dims[0] + dims[1]) * dims[2..].iter().product::<usize>();
                (2. / fans as f32).sqrt()
            }
        };
        let tolerance = 4. * expected / (2. * values.elem_count() as f32).sqrt();
        assert!((deviation - expected).abs() <= tolerance, "{name}: {deviation} instead of {expected}");
    }
    Ok(())
}

#[test]
fn every_pooling_takes_sequences_of_any_length_and_gives_every_parameter_a_gradient() -> Result<()> {
    let ids = Tensor::from_vec((0..3 * 20).map(|i| i * 7 % 25 + 1).collect::<Vec<u32>>(), (3, 20), &CPU)?;
    let bits = Tensor::from_vec((0..48).map(|i| (i * 5 % 3 % 2) as f32).collect(), (3, 16), &CPU)?;
    let targets = Tensor::new(&[1f32, 0., 1.], &CPU)?;
    let heads = ["gmp-fc", "gap-fc", "avgmax-fc", "catavgmax-fc", "gem-fc", "lse-fc", "spp-fc", "attn-fc", "fc"];
    for head in heads {
        let (network, parameters) = build(&small(head, false));
        let length = if head == "fc" { 14 } else { 20 };
        let inputs = [ids.narrow(1, 0, length)?, bits.clone()];
        let logits = network.forward(&inputs, Mode::Train { seed: 0, step: 0 })?;
        let gradients = Loss::BinaryCrossEntropy.forward(&logits, &targets)?.backward()?;
        for (name, variable) in parameters.trainable() {
            assert!(gradients.get(&variable).is_some(), "{head}: {name}");
        }
        let stored: usize = parameters.all().iter().map(|(_, variable)| variable.elem_count()).sum();
        assert_eq!(network.summary()?.params, stored, "{head}");
    }
    Ok(())
}

#[test]
fn the_winning_window_is_where_the_maximum_is_and_never_padding_if_masked() -> Result<()> {
    let fixture = fixture();
    let ids = &fixture["ids"];
    for masked in [false, true] {
        let (network, _) = start(&small("gmp-fc", masked), &fixture)?;
        let (features, winners) = (network.features(ids, Mode::Inference)?, network.winning_windows(ids)?);
        let mut in_padding = 0;
        for (sequence, winners) in winners.iter().enumerate() {
            assert_eq!(winners.len(), 3 * 4);
            let padding = ids.get(sequence)?.to_vec1::<u32>()?.iter().filter(|&&id| id == 0).count();
            for winner in winners {
                let row = features[winner.window].get(sequence)?.get(winner.filter)?.to_vec1::<f32>()?;
                let size = network.config().windows[winner.window];
                // The window begins (size − 1) / 2 before its position, unless it is cut at the ends.
                let before = (size - 1) / 2;
                let behind = size - 1 - before;
                let position = if winner.positions.start > 0 {
                    winner.positions.start + before
                } else {
                    winner.positions.end - 1 - behind
                };
                assert_eq!(row[position], winner.feature);
                let candidates = &row[if masked { padding } else { 0 }..];
                assert_eq!(winner.feature, candidates.iter().copied().fold(f32::MIN, f32::max));
                in_padding += usize::from(position < padding);
            }
        }
        assert_eq!(in_padding > 0, !masked, "{in_padding} windows won in padding");
    }
    Ok(())
}

#[test]
fn what_is_not_possible_is_an_error_with_the_way_out() -> Result<()> {
    let error = |config: DeepConvDtiConfig| {
        DeepConvDti::new(&config, Parameters::seeded(0, &CPU).builder()).err().unwrap().to_string()
    };
    assert!(error(small("gem-fc", true)).contains("gmp-fc and gap-fc"));
    assert!(error(small("gap", false)).contains("the head gap"));
    assert!(error(small("fc:12", false)).contains("the head fc:12"));
    assert!(error(DeepConvDtiConfig { windows: vec![], ..small("gmp-fc", false) }).contains("there must be a window"));
    assert!(error(DeepConvDtiConfig { filters: 0, ..small("gmp-fc", false) }).contains("filters: 0"));
    let huge = usize::MAX;
    for config in [
        DeepConvDtiConfig { windows: vec![huge, huge], ..small("gmp-fc", false) },
        DeepConvDtiConfig { filters: huge, ..small("gmp-fc", false) },
        DeepConvDtiConfig { joint_layers: vec![huge], ..small("gmp-fc", false) },
        DeepConvDtiConfig { length: 60_000, protein_layers: vec![1000], ..small("fc", false) },
    ] {
        assert!(error(config).contains("use smaller windows, fewer filters or positions"));
    }
    assert!(error(DeepConvDtiConfig { length: huge, ..small("gmp-fc", false) }).contains("at most 65536 are possible"));
    let (network, _) = build(&small("gmp-fc", true));
    let (ids, bits) = (Tensor::zeros((1, 14), DType::U32, &CPU)?, Tensor::zeros((1, 16), DType::F32, &CPU)?);
    let forward = |inputs: &[Tensor]| network.forward(inputs, Mode::Eval).unwrap_err().to_string();
    assert!(forward(&[ids, bits.clone()]).contains("all padding"));
    assert!(forward(&[bits]).contains("2 inputs"));
    Ok(())
}

#[test]
fn a_configuration_is_read_with_the_scripts_defaults_and_typos_are_refused() {
    let read = |text: &str| serde_json::from_str::<DeepConvDtiConfig>(text);
    assert_eq!(read("{}").unwrap(), DeepConvDtiConfig::default());
    let config = read(r#"{"head": "gap-fc", "windows": [5], "activation": "relu"}"#).unwrap();
    assert_eq!((config.head.to_string(), config.windows, config.filters), ("gap-fc".into(), vec![5], 64));
    assert!(read(r#"{"window": [5]}"#).is_err());
}

#[test]
fn the_network_finds_planted_motifs_in_sequences_that_it_has_not_seen() -> Result<()> {
    let generator = PlantedMotifs::new(0).motifs(2, 12).lengths(50..=150);
    let [train, test] = [(PairSplit::Training, 1000), (PairSplit::Test, 200)]
        .map(|(split, count)| generator.pairs(split, count).unwrap());
    let config = DeepConvDtiConfig {
        length: 150,
        fingerprint_bits: FINGERPRINT_BITS,
        windows: vec![12],
        filters: 16,
        protein_layers: vec![32],
        drug_layers: vec![32],
        joint_layers: vec![32],
        ..small("gmp-fc", false)
    };
    let (network, parameters) = build(&config);
    let shuffled = |epoch| train.batches(32, Order::Shuffled { seed: 0, epoch }, 150, &CPU);
    let config = FitConfig::new(Length::Epochs(5), 5e-3).optimizer(OptimizerConfig::adam());
    fit(&network, &parameters, shuffled, &Loss::BinaryCrossEntropy, &config, |_| Ok(()))?;
    let evaluation = evaluate(&network, test.batches(50, Order::Sequential, 150, &CPU), &Loss::BinaryCrossEntropy)?;
    assert!(evaluation.top1 > 0.8, "{}", evaluation.top1);

    // A window at random overlaps the motif with a probability of about 23 in 100. A filter that answers to one of the two
    // motifs is right in every second sequence at least.
    let ([ids, _], _) = test.batch(&(0..100).collect::<Vec<_>>(), 150, &CPU)?;
    let mut overlapping = [0; 16];
    for (index, winners) in network.winning_windows(&ids)?.iter().enumerate() {
        let motif = test.protein(index).padded_motif(150).expect("no sequence is longer");
        for winner in winners {
            let overlaps = winner.positions.start < motif.end && motif.start < winner.positions.end;
            overlapping[winner.filter] += usize::from(overlaps);
        }
    }
    assert!(overlapping.iter().filter(|&&sequences| sequences >= 50).count() >= 2, "{overlapping:?}");
    Ok(())
}

#[test]
fn the_evidence_of_all_windows_is_what_the_protein_adds_to_the_logit() -> Result<()> {
    for (head, masked) in [("gmp-fc", false), ("gmp-fc", true), ("gap-fc", true), ("fc", false)] {
        // Without dense layers the logit is a linear function of what is pooled.
        let config = DeepConvDtiConfig { protein_layers: vec![], joint_layers: vec![], ..small(head, masked) };
        let (network, _) = build(&config);
        let pairs = PlantedMotifs::new(5).motifs(2, 6).lengths(8..=14).pairs(PairSplit::Test, 6).unwrap();
        let ids: Vec<u32> = (0..6).flat_map(|index| pairs.protein(index).padded(14)).collect();
        let proteins = Tensor::from_vec(ids, (6, 14), &CPU)?;
        let drugs = Tensor::zeros((6, 16), DType::F32, &CPU)?;
        let logits = network.forward(&[proteins.clone(), drugs.clone()], Mode::Inference)?.flatten_all()?;
        let logits = logits.to_vec1::<f32>()?;
        let evidence = network.evidence(&proteins, &drugs)?;
        let sums: Vec<f32> = evidence.iter().map(|all| all.iter().map(|window| window.evidence).sum()).collect();
        assert!(evidence.iter().all(|all| all.is_sorted_by(|a, b| a.evidence >= b.evidence)));
        for (sum, logit) in sums.iter().zip(&logits) {
            // All pairs have the same drug.
            let difference = (sum - sums[0]) - (logit - logits[0]);
            assert!(difference.abs() < 1e-5, "{head}: {difference}");
        }
        assert!(sums.iter().any(|sum| (sum - sums[0]).abs() > 1e-3), "{head}: the proteins differ in nothing");
    }
    Ok(())
}
