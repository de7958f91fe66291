use std::ops::Range;

use candle_core::{Result, Tensor};
use layers::Mode;

use super::{DeepConvDti, window::without_padding};

/// The window of a sequence that gives a filter its largest feature: the one that global max pooling takes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WinningWindow {
    /// The index of the window size in the configuration.
    pub window: usize,
    /// The index of the filter among those of its window size.
    pub filter: usize,
    /// The positions of the sequence, padding included, that the window covers.
    pub positions: Range<usize>,
    /// The feature.
    pub feature: f32,
}

impl DeepConvDti {
    /// Returns the winning window of every filter for each sequence, in the order in which the filters are concatenated. Of
    /// equal features the first wins, as in the pooling. With another head than `gmp-fc` these are the largest features as
    /// well, though not all that the network uses.
    ///
    /// # Shapes
    /// Ids (N, L) → for each of N sequences, windows · filters items.
    ///
    /// # Errors
    /// Ids that are not (N, L) of u32, or have no vector; a sequence without residues if padding is left out.
    pub fn winning_windows(&self, proteins: &Tensor) -> Result<Vec<Vec<WinningWindow>>> {
        let (sequences, length) = proteins.dims2()?;
        let residues = self.residues(proteins)?;
        let mut winners = vec![Vec::new(); sequences];
        for (index, features) in self.features(proteins, Mode::Inference)?.into_iter().enumerate() {
            let features = if self.config.masked { without_padding(&features, &residues)? } else { features };
            let values = features.flatten_all()?.to_vec1::<f32>()?;
            for (row, values) in values.chunks_exact(length).enumerate() {
                let (sequence, filter) = (row / self.config.filters, row % self.config.filters);
                let first_maximum = |best: usize, at: usize| if values[at] > values[best] { at } else { best };
                let position = (0..length).fold(0, first_maximum);
                let positions = self.windows[index].covered(position, length);
                winners[sequence].push(WinningWindow { window: index, filter, positions, feature: values[position] });
            }
        }
        Ok(winners)
    }
}
