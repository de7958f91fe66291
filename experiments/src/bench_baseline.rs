//! The comparison of a run of `bench` with an earlier one on the same machine.

use std::path::Path;

use anyhow::Result;
use records::Cpu;
use report::bench::{Baseline, BaselineRow, Ratio};
use timing::{Change, Measurement};

use crate::{bench_record::BenchRecord, misuse::Misuse};

/// An earlier run on the same machine.
pub struct BenchBaseline {
    file: String,
    measurements: Vec<Measurement>,
}

impl BenchBaseline {
    /// Reads the earlier run, to compare it with measurements that are about to be made on this CPU.
    ///
    /// # Errors
    /// [`Misuse`] for a run on another CPU, with another instruction set or number of threads, and for one without any of
    /// the networks.
    pub fn read(path: &Path, cpu: &Cpu, planned: &[Measurement]) -> Result<Self> {
        let BenchRecord { cpu: cpu_then, measurements, .. } = BenchRecord::read_file(path)?;
        let file = path.display().to_string();
        let threads = |measurements: &[Measurement]| measurements.first().map_or(0, |first| first.request.threads);
        let machine = |cpu: &Cpu, threads| format!("{} ({}), {threads} threads", cpu.model, cpu.instruction_set);
        let (then, now) = (machine(&cpu_then, threads(&measurements)), machine(cpu, threads(planned)));
        if then != now {
            return Err(Misuse::new(format!(
                "the baseline {file} was measured on {then}, and this is {now}; only runs of the same machine can be \
                 compared, with the same `--threads` and `OPS_ISA`"
            ))
            .into());
        }
        if !planned.iter().any(|planned| find(&measurements, planned).is_some()) {
            return Err(Misuse::new(format!(
                "the baseline {file} has none of these networks with this batch size; it has: {}",
                networks(&measurements)
            ))
            .into());
        }
        Ok(Self { file, measurements })
    }

    /// Compares measurements with those of the earlier run.
    pub fn compare(self, now: &[Measurement]) -> Baseline {
        let rows = now.iter().map(|now| row(&now.here, &find(&self.measurements, now)?.here)).collect();
        let products = |measurements: &[Measurement]| {
            measurements.iter().flat_map(|measurement| measurement.matmul_gflops.iter().copied()).collect::<Vec<_>>()
        };
        Baseline { file: self.file, rows, product: row(&products(now), &products(&self.measurements)) }
    }
}

/// The measurement of the same network and task.
fn find<'a>(then: &'a [Measurement], now: &Measurement) -> Option<&'a Measurement> {
    then.iter().find(|then| then.request == now.request)
}

fn row(now: &[f64], then: &[f64]) -> Option<BaselineRow> {
    let Change { ratio: median, least, most, slower } = Change::between(now, then)?;
    Some(BaselineRow { ratio: Ratio { median, least, most }, slower })
}

/// The networks of a run, each once.
fn networks(measurements: &[Measurement]) -> String {
    let mut names: Vec<String> =
        measurements.iter().map(|Measurement { request, .. }| format!("{} {}", request.model, request.head)).collect();
    names.dedup();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use layers::Description;
    use tempfile::TempDir;
    use timing::{Request, Task};

    fn cpu(instruction_set: &str) -> Cpu {
        Cpu { model: "A CPU".into(), instruction_set: instruction_set.into(), cache_kib: vec![32] }
    }

    fn measurement(model: &str, threads: usize, speeds: [f64; 5]) -> Measurement {
        let request = Request {
            model: model.into(),
            head: "gap".into(),
            input: [1, 28, 28],
            classes: 10,
            task: Task::Infer,
            batch: 256,
            threads,
        };
        let mut measurement = Measurement::new(request, &Description::global("net", vec![10]), 0);
        measurement.here = speeds.into();
        measurement.matmul_gflops = vec![100.; 5];
        measurement
    }

    fn saved(folder: &TempDir, measurements: Vec<Measurement>) -> std::path::PathBuf {
        let (experiments, peers) = ("0.1.0".into(), Vec::new());
        let record = BenchRecord { cpu: cpu("avx2+fma"), experiments, peers, no_energy: None, measurements };
        record.save(folder.path()).unwrap();
        folder.path().join("bench.json")
    }

    #[test]
    fn what_is_slower_than_the_spread_is_flagged_and_nothing_else() {
        const THEN: [f64; 5] = [100., 96., 98., 102., 104.];
        let folder = TempDir::new().unwrap();
        let then = ["two-conv", "lenet5", "nin", "gone"].map(|model| measurement(model, 2, THEN));
        let file = saved(&folder, then.into());
        let now = [("two-conv", 0.9), ("lenet5", 0.96), ("nin", 1.3), ("new", 1.)];
        let now = now.map(|(model, factor)| measurement(model, 2, THEN.map(|speed| speed * factor)));
        let baseline = BenchBaseline::read(&file, &cpu("avx2+fma"), &now).unwrap().compare(&now);
        let slower: Vec<_> = baseline.rows.iter().map(|row| row.map(|row| row.slower)).collect();
        assert_eq!(slower, [Some(true), Some(false), Some(false), None]);
        assert!(baseline.product.is_some_and(|product| product.ratio.median == 1. && !product.slower));
    }

    #[test]
    fn a_run_of_another_machine_is_refused_with_both_named() {
        let folder = TempDir::new().unwrap();
        let file = saved(&folder, vec![measurement("two-conv", 2, [1.; 5])]);
        let refusal = |cpu: &Cpu, threads, model| {
            let error = BenchBaseline::read(&file, cpu, &[measurement(model, threads, [1.; 5])]).err().unwrap();
            assert!(error.is::<Misuse>(), "{error:?}");
            error.to_string()
        };
        let message = refusal(&cpu("avx512"), 2, "two-conv");
        assert!(message.contains("on A CPU (avx2+fma), 2 threads, and this is A CPU (avx512), 2 threads"), "{message}");
        let message = refusal(&cpu("avx2+fma"), 4, "two-conv");
        assert!(message.contains("2 threads") && message.contains("4 threads"), "{message}");
        let other = Cpu { model: "Another CPU".into(), ..cpu("avx2+fma") };
        assert!(refusal(&other, 2, "two-conv").contains("this is Another CPU"));
        assert!(refusal(&cpu("avx2+fma"), 2, "nin").contains("it has: two-conv gap"));
    }
}
