//! All trained networks side by side.

use records::{Metric, Number, Record, Row, distinct};

use crate::{
    chart::{Axis, Chart, ChartKind, DataPoint, Panel},
    document::{Block, Cell, Column, Document, Figure, Table, Text},
    error::Result,
    export::MARKDOWN_FILE,
    metric::title,
    number::{NONE, count, fixed, whole},
};

/// A trained network and the suite that trained it.
#[derive(Clone, Copy, Debug)]
pub struct Ranked<'a> {
    /// The name of the suite, which is that of its folder.
    pub suite: &'a str,
    /// The network, over its seeds.
    pub row: &'a Row,
    /// One of its records.
    pub record: &'a Record,
}

impl Ranked<'_> {
    fn number(&self, metric: Metric) -> Option<f64> {
        Some(match metric.value(self.row)? {
            Number::Count(count) => count as f64,
            Number::Exact(value) => value,
            Number::Mean(estimate) => estimate.mean,
            Number::Timed(timed) => timed.median,
        })
    }

    /// The test accuracy in per cent, by which networks are ranked.
    fn top1(&self) -> f64 {
        self.number(Metric::Top1).unwrap_or_default()
    }

    fn parameters(&self) -> f64 {
        self.number(Metric::ParamCount).unwrap_or_default()
    }

    /// The seconds that training takes at the measured speed, with nothing beside it.
    fn training_seconds(&self) -> Option<f64> {
        let config = &self.record.config;
        let samples = match (config.epochs, config.updates) {
            (_, Some(updates)) => updates as f64 * config.batch_size as f64,
            (epochs, None) => epochs? as f64 * config.train_size as f64,
        };
        Some(samples / self.number(Metric::TrainSamplesPerSec)?)
    }

    /// Returns whether `other` is at least as good in accuracy and parameters, and better in one of them.
    fn is_beaten_by(&self, other: &Self) -> bool {
        let (mine, theirs) = ((self.top1(), self.parameters()), (other.top1(), other.parameters()));
        other.row.dataset == self.row.dataset && theirs.0 >= mine.0 && theirs.1 <= mine.1 && theirs != mine
    }
}

/// Builds the page of all trained networks, by data set and accuracy, and its table alone, for CSV. A network without a test
/// accuracy is left out.
///
/// # Errors
/// Returns what the drawing library reports.
pub fn leaderboard(networks: &[Ranked]) -> Result<(Document, Table)> {
    let mut ranked: Vec<Ranked> =
        networks.iter().filter(|network| network.number(Metric::Top1).is_some()).copied().collect();
    ranked.sort_by(|a, b| a.row.dataset.cmp(&b.row.dataset).then(b.top1().total_cmp(&a.top1())));
    let on_front: Vec<bool> =
        ranked.iter().map(|network| !ranked.iter().any(|other| network.is_beaten_by(other))).collect();
    let table = table(&ranked, &on_front);
    let mut page = Document::new("Leaderboard");
    page.paragraph(
        "All networks that the suites have trained, one row per configuration. Accuracies are means over the seeds, on the \
         test samples of the data set, and can be compared within a data set only. “Front” marks the networks that no other \
         one of the same data set beats in accuracy without having more parameters (the Pareto front). The training time is \
         the number of training samples seen, divided by the measured speed; speeds and latencies depend on the machine, \
         which the page of the suite names.",
    );
    page.blocks.extend(figures(&ranked, &on_front)?.into_iter().map(Block::Figure));
    page.heading(1, "All networks");
    page.table(table.clone());
    Ok((page, table))
}

fn table(ranked: &[Ranked], on_front: &[bool]) -> Table {
    let keys = ["data set", "model", "head", "setting"].map(Column::key).into_iter();
    let metrics = [Metric::Top1, Metric::ParamCount, Metric::Macs, Metric::LatencyUs];
    let numbers = ["training samples".into(), "seeds".into()].into_iter().chain(metrics.map(title));
    let numbers = numbers.chain(["training time (s)".into()]).map(Column::number);
    let mut table = Table::new(keys.chain(numbers).chain([Column::text("front"), Column::text("suite")]));
    for (network, on_front) in ranked.iter().zip(on_front) {
        let Row { dataset, model, head, setting, train_size, seeds, .. } = network.row;
        let setting = if setting.is_empty() { NONE } else { setting };
        let number = |value: Option<f64>, words: &dyn Fn(f64) -> String| match value {
            Some(value) => Cell::number(words(value), value),
            None => NONE.into(),
        };
        let counted = |value: usize| Cell::number(count(value as u64), value as f64);
        let two_digits = |value: f64| fixed(value, 2);
        table.push([
            dataset.as_str().into(),
            model.as_str().into(),
            head.as_str().into(),
            setting.into(),
            counted(*train_size),
            counted(*seeds),
            number(network.number(Metric::Top1), &two_digits),
            number(network.number(Metric::ParamCount), &whole),
            number(network.number(Metric::Macs), &whole),
            number(network.number(Metric::LatencyUs), &whole),
            number(network.training_seconds(), &|seconds| fixed(seconds, 1)),
            if *on_front { "front" } else { "" }.into(),
            Text::link(network.suite, format!("{}/{MARKDOWN_FILE}", network.suite)).into(),
        ]);
    }
    table
}

/// Accuracy against parameters, a figure for each data set, of the networks that were trained on nearly all of its training
/// samples; those of fewer are far below.
fn figures(ranked: &[Ranked], on_front: &[bool]) -> Result<Vec<Figure>> {
    let models = distinct(ranked.iter().map(|network| network.row.model.clone()));
    let datasets = distinct(ranked.iter().map(|network| network.row.dataset.clone()));
    let figure = |dataset: String| {
        let mut panel = Panel { title: dataset.clone(), ..Panel::default() };
        let of_dataset = || ranked.iter().zip(on_front).filter(|(network, _)| network.row.dataset == dataset);
        let most = of_dataset().map(|(network, _)| network.row.train_size).max().unwrap_or_default();
        for (network, _) in of_dataset().filter(|(network, _)| 2 * network.row.train_size >= most) {
            let series = models.iter().position(|model| *model == network.row.model).unwrap_or_default();
            let Row { model, head, setting, .. } = network.row;
            let (x, y, name) = (network.parameters(), network.top1(), Some(panel.names.len()));
            panel.names.push(format!("{model} {head} {setting}").trim().into());
            panel.points.push(DataPoint { series, x, y, name, ..DataPoint::default() });
        }
        let front = of_dataset().filter(|(_, on_front)| **on_front);
        panel.front = front.map(|(network, _)| (network.parameters(), network.top1())).collect();
        panel.front.sort_by(|a, b| a.0.total_cmp(&b.0));
        let chart = Chart {
            title: format!("Accuracy against parameters on {dataset}"),
            note: "The dashed line joins the networks of the Pareto front.".into(),
            x: Axis { label: title(Metric::ParamCount), is_log: true },
            y: Axis { label: title(Metric::Top1), is_log: false },
            kind: ChartKind::Points,
            series: models.clone(),
            panels: vec![panel],
            ..Chart::default()
        };
        chart.figure(&format!("leaderboard-{dataset}")).transpose()
    };
    datasets.into_iter().filter_map(figure).collect()
}
