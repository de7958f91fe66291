use crate::{Description, Layer, Mode, Normalised, Prepared, Projection};
use candle_core::{Context, Result, Tensor};
use ops::prepared::{Chain, Identity};

/// Layers one after the other, as `torch.nn.Sequential`. Made by a [`crate::Stack`].
pub struct Sequential {
    pub(crate) entries: Vec<Entry>,
}

pub(crate) struct Entry {
    /// The name of its parameters within this sequence.
    pub path: String,
    pub layer: Box<dyn Layer>,
    /// The layer before computes this one along with itself; it still describes itself.
    pub absorbed: bool,
}

impl Sequential {
    /// How many modules there are, those computed along with another included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The layers that compute something.
    fn active(&self) -> impl Iterator<Item = &dyn Layer> {
        self.entries.iter().filter(|entry| !entry.absorbed).map(|entry| &*entry.layer)
    }

    /// All that is computed in training, if that is convolutions with batch normalisation.
    pub(crate) fn all_normalised(&self) -> Option<Vec<Normalised<'_>>> {
        self.active().map(|layer| layer.normalised()).collect()
    }
}

impl Layer for Sequential {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        let active: Vec<&dyn Layer> = self.active().collect();
        let (mut xs, mut rest) = (xs.clone(), &active[..]);
        while let [first, ..] = rest {
            let row: Vec<Normalised> = match mode {
                Mode::Train { .. } => rest.iter().map_while(|layer| layer.normalised()).collect(),
                _ => Vec::new(),
            };
            xs = if row.is_empty() { first.forward(&xs, mode)? } else { Normalised::train(&xs, &row)? };
            rest = &rest[row.len().max(1)..];
        }
        Ok(xs)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let mut children: Vec<Description> = Vec::with_capacity(self.entries.len());
        for Entry { path, layer, .. } in &self.entries {
            let shape = children.last().map_or(input, |last| &last.output);
            children.push(layer.describe(shape).with_context(|| format!("layer {path}"))?.at(path));
        }
        Ok(Description::chain("Sequential", input, children))
    }

    fn projection(&self) -> Option<Projection<'_>> {
        let mut layers = self.active();
        let first = layers.next()?;
        if layers.next().is_some() { None } else { first.projection() }
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        let mut shape = input.to_vec();
        // Dropped, unless there is nothing else.
        let mut steps: Vec<Box<dyn Prepared>> = vec![Box::new(Identity(input.iter().product()))];
        for Entry { path, layer, absorbed } in &self.entries {
            if !absorbed {
                steps.push(layer.prepare(&shape).with_context(|| format!("layer {path}"))?);
            }
            shape = layer.describe(&shape).with_context(|| format!("layer {path}"))?.output;
        }
        Ok(Box::new(Chain::new(steps)?))
    }
}
