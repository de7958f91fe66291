//! What `bench` measured, as text.

use crate::{
    bench::{Measurement, Request, Speed, What},
    machine::Cpu,
    speed::median_and_spread,
};
use models::thousands;
use tabled::{
    builder::Builder,
    settings::{Alignment, Modify, Style, object::Columns},
};

fn title(measurement: &Measurement) -> String {
    let Request { model, head, input: [c, h, w], .. } = &measurement.request;
    format!("{model} {head} {c}×{h}×{w}")
}

fn what(measurement: &Measurement) -> String {
    match measurement.request.what {
        What::Train => format!("training, {}", measurement.request.batch),
        What::Infer if measurement.is_latency() => "latency, 1".into(),
        What::Infer => format!("inference, {}", measurement.request.batch),
    }
}

fn cells(measurement: &Measurement) -> Vec<String> {
    let rate = measurement.samples_per_sec();
    let here = if measurement.is_latency() {
        format!("{} µs", thousands((1e6 / rate).round() as u64))
    } else {
        format!("{} img/s", thousands(rate.round() as u64))
    };
    let mut cells = vec![
        title(measurement),
        what(measurement),
        here,
        format!("{:.0} ({:.0} %)", measurement.gflops(), 100. * measurement.efficiency()),
        ratio(&measurement.here, &measurement.one_thread),
    ];
    cells.extend(measurement.peers.iter().map(|peer| ratio(&measurement.here, peer)));
    cells
}

fn columns(peers: &[String]) -> Vec<String> {
    let mut columns = vec![
        "network".to_string(),
        "what, batch".into(),
        "here".into(),
        "GFLOP/s (of a matrix product's)".into(),
        "× one thread".into(),
    ];
    columns.extend(peers.iter().map(|peer| format!("× {peer}")));
    columns
}

/// How many times as fast, round by round: the median, and from the least to the most.
fn ratio(here: &[f64], there: &[f64]) -> String {
    let mut ratios: Vec<f64> = here.iter().zip(there).map(|(here, there)| here / there).collect();
    if ratios.is_empty() {
        return "–".into();
    }
    ratios.sort_unstable_by(f64::total_cmp);
    let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
    format!("{:.2} ({least:.2}–{most:.2})", median_and_spread(ratios).median)
}

pub fn comparison_table(measurements: &[Measurement], peers: &[String]) -> String {
    tabulated(columns(peers), measurements.iter().map(cells), 2)
}

pub fn speed_table(speeds: &[Speed]) -> String {
    let columns = [
        "network",
        "input",
        "training (img/s)",
        "inference (img/s)",
        "latency (µs)",
        "95th percentile",
        "peak memory (MB)",
    ];
    let number = |value: f64| thousands(value.round() as u64);
    let rows = speeds.iter().map(|speed| {
        let [c, h, w] = speed.input;
        vec![
            format!("{} {}", speed.model, speed.head),
            format!("{c}×{h}×{w}"),
            number(speed.train_samples_per_sec),
            number(speed.infer_samples_per_sec),
            number(speed.latency_us),
            number(speed.latency_p95_us),
            speed.peak_rss_mb.map_or("–".into(), number),
        ]
    });
    tabulated(columns.map(String::from).into(), rows, 2)
}

/// `words` columns of words, then numbers.
fn tabulated(columns: Vec<String>, rows: impl Iterator<Item = Vec<String>>, words: usize) -> String {
    let mut builder = Builder::default();
    builder.push_record(columns);
    rows.for_each(|row| builder.push_record(row));
    let mut table = builder.build();
    table.with(Style::sharp()).with(Modify::new(Columns::new(words..)).with(Alignment::right()));
    table.to_string()
}

/// The page of `results/bench`.
pub fn comparison_page(measurements: &[Measurement], peers: &[String], cpu: &Cpu) -> String {
    let Some(first) = measurements.first() else { return String::new() };
    let (columns, rounds, threads) = (columns(peers), first.here.len(), first.request.threads);
    let mut page =
        String::from("# bench\n\nHow fast the networks train and infer, beside the same networks elsewhere.\n\n");
    page += &format!("| {} |\n| --- | --- |{}\n", columns.join(" | "), " ---: |".repeat(columns.len() - 2));
    measurements.iter().for_each(|measurement| page += &format!("| {} |\n", cells(measurement).join(" | ")));
    page += &format!(
        "\n`× X` is how many times as fast as X: the median of {rounds} rounds, in which all took turns, and the range. \
         Single figures are medians too; on a shared machine only the ratios mean something. A step of training counts \
         6 operations for each multiply-accumulate, inference 2 (those of the network as it is defined; inference runs \
         its prepared form, `Classifier::prepare`); beside it what a 512×512 matrix product reached in the \
         same rounds.\n\n- {} ({}), {threads} threads; `× one thread` compares with a single one\n- experiments {}\n",
        cpu.model,
        cpu.instruction_set,
        env!("CARGO_PKG_VERSION")
    );
    peers.iter().for_each(|peer| page += &format!("- {peer}\n"));
    page + "\nHow to run it: `experiments/peers/README.md`.\n"
}
