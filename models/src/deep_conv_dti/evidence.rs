use std::ops::Range;

use candle_core::{Result, Tensor, Var};
use layers::Mode;

use super::DeepConvDti;

/// The evidence of one window of a sequence for or against the drug binding the protein.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WindowEvidence {
    /// The index of the window size in the configuration.
    pub window: usize,
    /// The positions of the sequence, padding included, that the window covers.
    pub positions: Range<usize>,
    /// Positive values speak for binding, negative ones against it.
    pub evidence: f32,
}

impl DeepConvDti {
    /// Computes what each window of each protein says about whether the drug binds it: for the features of all filters at the
    /// window, the sum of each feature times the derivative of the logit with respect to it. These are the class maps of
    /// Zhou et al. (2016) for the average, the winning windows and their weights for the maximum, and a linear approximation
    /// where dense layers follow.
    ///
    /// # Shapes
    /// Ids (N, L) and fingerprints (N, bits) → for each of N pairs, its windows in the order of their evidence, that which
    /// speaks most for binding first. Windows without evidence are left out.
    ///
    /// # Errors
    /// Ids that are not (N, L) of u32, or have no vector; fingerprints of another length.
    pub fn evidence(&self, proteins: &Tensor, drugs: &Tensor) -> Result<Vec<Vec<WindowEvidence>>> {
        let (sequences, length) = proteins.dims2()?;
        let residues = self.residues(proteins)?;
        let features = self.features(proteins, Mode::Eval)?;
        let features =
            features.iter().map(|features| Var::from_tensor(&features.detach())).collect::<Result<Vec<_>>>()?;
        let pooled = self.windows.iter().zip(&features);
        let pooled = pooled.map(|(window, features)| window.pool(features, &residues, Mode::Eval));
        let logits = self.logits_of(&pooled.collect::<Result<Vec<_>>>()?, drugs, Mode::Eval)?;
        let gradients = logits.sum_all()?.backward()?;

        let mut evidence = vec![Vec::new(); sequences];
        for (index, features) in features.iter().enumerate() {
            let Some(gradient) = gradients.get(features) else { continue };
            let of_filters = (gradient.detach() * features.detach())?;
            for (all, values) in evidence.iter_mut().zip(of_filters.sum(1)?.to_vec2::<f32>()?) {
                let speaking = values.into_iter().enumerate().filter(|(_, evidence)| *evidence != 0.);
                all.extend(speaking.map(|(position, evidence)| {
                    let positions = self.windows[index].covered(position, length);
                    WindowEvidence { window: index, positions, evidence }
                }));
            }
        }
        evidence.iter_mut().for_each(|all| all.sort_by(|a, b| b.evidence.total_cmp(&a.evidence)));
        Ok(evidence)
    }
}
