//! Records made by hand, for tests of this crate and of those that use it.

use crate::{
    bits::hex_bits,
    config::RunConfig,
    confusion::Confusion,
    cpu::Cpu,
    record::{Diverged, EpochPoint, Measured, Outcome, Record, Speed, Status, SuiteInfo, Timings, Versions},
};

/// The number of test images.
const IMAGES: usize = 10_000;

/// A finished run of two-conv with this head and test accuracy.
pub fn record(head: &str, order: usize, seed: u64, top1: f64) -> Record {
    let measured = |median| Measured { median, spread: 0.031 };
    let point = |epoch, top1| EpochPoint {
        epoch,
        train_loss: Some(0.5),
        val_top1: Some(top1),
        val_loss: Some(0.5),
        val_auroc: None,
    };
    let config = RunConfig {
        batch_size: 64,
        classes: 10,
        data_fingerprint: "0123456789abcdef".into(),
        dataset: "mnist-mini".into(),
        device: "cpu".into(),
        epochs: Some(2),
        head: head.into(),
        input: "1x28x28".into(),
        lr: 0.01,
        model: "two-conv".into(),
        optimizer: "sgd(momentum=0.9)".into(),
        schedule: "constant".into(),
        seed,
        train_size: 9000,
        validation: 1000,
        ..RunConfig::default()
    };
    Record {
        suite: SuiteInfo {
            name: "heads".into(),
            question: "What does the head cost?".into(),
            command: "cargo run -p experiments -- run heads".into(),
            order,
        },
        config_hash: config.hash(),
        config,
        status: Status::Ok,
        curve: vec![point(0, top1 - 0.02), point(1, top1)],
        outcome: Some(Outcome { top1, test_loss: Some(0.1), train_top1: 0.99, val_top1: Some(top1) }),
        timings: Timings { train_seconds: 3. },
        speed: Some(Speed {
            train_samples_per_sec: measured(1234.5),
            train_batch_size: 64,
            infer_samples_per_sec: measured(9876.5),
            infer_batch_size: 256,
            latency_us: measured(321.),
            threads: 2,
            rounds: None,
        }),
        param_count: 34_826,
        head_param_count: 16_010,
        macs: 2_412_032,
        activations: 30_730,
        features: vec![64, 5, 5],
        measures: Vec::new(),
        receptive_field: Some(vec![10, 10]),
        weights_sha256: "00".into(),
        test_hits: hex_bits(
            &(0..IMAGES).map(|image| image < (top1 * IMAGES as f64).round() as usize).collect::<Vec<_>>(),
        ),
        confusion: confusion(top1),
        versions: Versions { experiments: "0.1.0".into(), candle: "0.11.1".into(), gemm: None },
        cpu: Cpu { model: "A CPU".into(), instruction_set: "avx2+fma".into(), cache_kib: vec![32, 1024] },
        threads: 1,
    }
}

/// The confusion of ten classes of equal size, whose mistakes all go from one class to the next.
fn confusion(top1: f64) -> Option<Confusion> {
    let classes: Vec<String> = (0..10).map(|class| class.to_string()).collect();
    let hits = (top1 * IMAGES as f64).round() as usize;
    let pair = |image: usize| {
        let class = image as u32 % 10;
        (class, Some(if image < hits { class } else { (class + 1) % 10 }))
    };
    Confusion::new(&classes, (0..IMAGES).map(pair))
}

/// Runs of a head over several seeds that classify this many of 400 images correctly, and with some seeds one or two more.
pub fn runs(head: &str, seeds: u64, right: usize) -> Vec<Record> {
    let run = |seed: u64| {
        let hits: Vec<bool> = (0..400).map(|image| image < right + (seed % 3) as usize).collect();
        let top1 = hits.iter().filter(|&&hit| hit).count() as f64 / 400.;
        Record { test_hits: hex_bits(&hits), confusion: None, ..record(head, 0, seed, top1) }
    };
    (0..seeds).map(run).collect()
}

/// A run that diverged.
pub fn diverged(head: &str, order: usize, seed: u64) -> Record {
    let status = Status::Diverged(Diverged { epoch: 1, step: 12 });
    Record { status, outcome: None, confusion: None, curve: Vec::new(), ..record(head, order, seed, 0.5) }
}

/// The comparisons and the claim of a suite's file, of whose three tests one may hold and another not.
pub const CLAIM_IN_PARTS: &str = r#"
[[comparisons]]
name = "gap"
primary = true
a = { model = "two-conv", head = "gap" }
b = { model = "two-conv", head = "fc" }
[[comparisons]]
name = "gmp"
a = { model = "two-conv", head = "gmp" }
b = { model = "two-conv", head = "fc" }
[[comparisons]]
name = "lse"
a = { model = "two-conv", head = "lse-fc" }
b = { model = "two-conv", head = "fc" }
[[claims]]
claim = "Pooling wins"
tests = [
    { comparison = "gap", when = "with gap", expect = "greater" },
    { comparison = "gmp", when = "with gmp", expect = "greater" },
    { comparison = "lse", when = "with lse", expect = "greater" },
]
"#;
