use super::row::{BenchRow, BenchTask, Ratio, ratio_cell, short_key_cells, short_keys};
use crate::{
    document::{Cell, Column, Table},
    number::{NONE, extent, whole},
};

/// Builds the table of a comparison with all of the named peers, which is wide.
pub fn comparison_table(rows: &[BenchRow], peers: &[String]) -> Table {
    let columns = [Column::key("network"), Column::key("task, batch size")];
    let of_peers = peers.iter().map(|peer| format!("× {peer}"));
    let numbers = ["here", "× one thread"].map(String::from).into_iter().chain(of_peers);
    let mut table = Table::new(columns.into_iter().chain(numbers.map(Column::number)));
    for row in rows {
        let cells = [
            Cell::from(format!("{} {}", row.network, extent(&row.input))),
            Cell::from(row.task.name()),
            Cell::number(speed(row), row.samples_per_sec),
            ratio_cell(row.one_thread),
        ];
        table.push(cells.into_iter().chain(row.peers.iter().map(|&peer| ratio_cell(peer))));
    }
    table
}

/// Builds the table of a comparison with the best peer of each row, which fits into a terminal.
pub fn best_peers(rows: &[BenchRow], peers: &[String]) -> Table {
    let columns = [Column::number("× the best peer"), Column::text("which is")];
    let mut table = Table::new(short_keys().into_iter().chain(columns));
    for row in rows {
        let best = best(row);
        let name = best.map_or(NONE, |(peer, _)| without_version(&peers[peer]));
        let cells = [ratio_cell(best.map(|(_, ratio)| ratio)), name.into()];
        table.push(short_key_cells(row).into_iter().chain(cells));
    }
    table
}

/// The peer that this program leads by the least, by its number; `None` if no peer has the network.
fn best(row: &BenchRow) -> Option<(usize, Ratio)> {
    let peers = row.peers.iter().enumerate().filter_map(|(peer, ratio)| Some((peer, (*ratio)?)));
    peers.min_by(|(_, a), (_, b)| a.median.total_cmp(&b.median))
}

fn without_version(peer: &str) -> &str {
    peer.rsplit_once(' ').map_or(peer, |(name, _)| name)
}

/// The images per second, or the time of a single image.
fn speed(row: &BenchRow) -> String {
    match row.task {
        BenchTask::Latency => format!("{} µs", whole(1e6 / row.samples_per_sec)),
        BenchTask::Training(_) | BenchTask::Inference(_) => format!("{} samples/s", whole(row.samples_per_sec)),
    }
}
