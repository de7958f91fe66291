use super::{
    baseline::{Baseline, baseline_notes, baseline_table},
    comparison::{best_peers, comparison_table},
    limits::limits_table,
    row::BenchRow,
    scaling::scaling_table,
    speeds::{NetworkSpeed, speed_table},
};
use crate::document::Document;

/// The conditions of a comparison, which its page names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions {
    /// The CPU and its instruction set.
    pub cpu: String,
    /// How many threads each program had.
    pub threads: usize,
    /// How many rounds were timed.
    pub rounds: usize,
    /// The version of this program.
    pub version: String,
    /// The names and versions of the other programs.
    pub peers: Vec<String>,
    /// Why energy was not measured; `None` if it was, or if the run says nothing about it.
    pub no_energy: Option<String>,
}

/// Builds the page of a run, with all peers.
pub fn comparison_page(rows: &[BenchRow], conditions: &Conditions) -> Document {
    let Conditions { cpu, threads, rounds, version, peers, .. } = conditions;
    let mut page = Document::new("bench");
    page.paragraph("How fast do the networks train and infer, compared with the same networks in other programs?");
    page.table(comparison_table(rows, peers));
    page.paragraph(format!(
        "`× X` is how many times as fast as X: the median of {rounds} rounds, in which all programs took turns, and the \
         range. The other numbers are medians too; on a shared machine only the ratios are reliable. Inference runs the \
         prepared form of the network (`Classifier::prepare`)."
    ));
    page.heading(1, "What limits the speed");
    page.table(limits_table(rows));
    page.paragraph(explanation(rows));
    energy(&mut page, conditions);
    if let Some(table) = scaling_table(rows) {
        page.heading(1, "What more threads could gain");
        page.table(table);
        page.paragraph(SCALING);
    }
    let machine = format!("{cpu}, {threads} threads; `× one thread` compares with a single thread");
    page.list([machine, format!("experiments {version}")].into_iter().chain(peers.iter().cloned()));
    page.paragraph("How to run it: `experiments/peers/README.md`.");
    page
}

/// Builds what a terminal shows of a run: speeds, limits, the best peer of each row, and the changes since an earlier run.
pub fn terminal_page(
    speeds: &[NetworkSpeed],
    rows: &[BenchRow],
    conditions: &Conditions,
    baseline: Option<&Baseline>,
) -> Document {
    let mut page = Document::default();
    page.table(speed_table(speeds));
    page.table(limits_table(rows));
    page.paragraph(explanation(rows));
    energy(&mut page, conditions);
    if let Some(table) = scaling_table(rows) {
        page.table(table);
        page.paragraph(SCALING);
    }
    if !conditions.peers.is_empty() {
        page.table(best_peers(rows, &conditions.peers));
        page.paragraph(
            "How many times as fast as the best of the other programs, with the range over rounds. `--out DIR` writes a \
             page with all of them.",
        );
    }
    if let Some(baseline) = baseline {
        page.table(baseline_table(rows, baseline));
        baseline_notes(baseline).into_iter().for_each(|note| page.paragraph(note));
    }
    page
}

/// Explains the table of limits.
fn explanation(rows: &[BenchRow]) -> &'static str {
    if rows.iter().all(|row| row.roofline.is_none()) {
        return "GFLOP/s count 2 operations for each multiply-accumulate of the network's definition in inference, and 6 in \
                training. This run did not measure the limits of the machine.";
    }
    "GFLOP/s count 2 operations for each multiply-accumulate of the network's definition in inference, and 6 in training. \
     GB/s count the least that moves if the network is computed layer by layer: every convolution and linear layer reads its \
     input and parameters and writes its output once, and training does the same for gradients and the optimiser. Bound is \
     the limit that would be reached first: a product of two 512×512 matrices, or reading as much memory, or cache where it \
     fits into one. Both were measured in the same rounds. More than 100 % is possible, since Winograd's algorithm \
     multiplies less than is counted, table look-ups replace most multiplications of embedded sequences (`deep-conv-dti`), \
     and caches keep data from one layer to the next. Memory is the peak of a process \
     that does nothing but train the network."
}

/// Explains the table of what more threads could gain.
const SCALING: &str = "The greatest speed-up over one thread that more threads could reach, an estimate: every task of a parallel \
                       loop was timed on one thread, and the tasks were distributed by calculation. Serial is the share of \
                       the time that is spent outside parallel loops, including candle's own operations. The estimates leave \
                       out what handing over tasks costs, and what threads lose to each other by sharing caches and memory. \
                       Measured speed-ups may exceed them slightly, since both vary from run to run.";

/// Says why there is no column of energy.
fn energy(page: &mut Document, conditions: &Conditions) {
    if let Some(reason) = &conditions.no_energy {
        page.paragraph(format!("Energy could not be measured: {reason}."));
    }
}
