use candle_core::{Context, Result, Tensor, bail};
use ops::prepared::{Prepared, scratch};

use crate::{
    description::Description,
    graph::{Graph, Value},
    layer::{Layer, Mode},
    receptive_field::ReceptiveField,
};

/// Branches with the same input whose outputs are concatenated along the channels.
///
/// # Shapes
/// Each branch gives (N, C_i, …) with the same other axes → (N, C_1 + C_2 + …, …).
///
/// [`Stack::parallel`](crate::Stack::parallel) builds it with the branches' parameters under `0`, `1` and so on, as those of
/// a `torch.nn.ModuleList`:
///
/// ```
/// use candle_core::{DType, Device};
/// use candle_nn::{VarBuilder, VarMap};
/// use layers::{Conv1dOptions, Layer, Stack};
///
/// # fn main() -> candle_core::Result<()> {
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// // Motifs of 10, 20 and 30 amino acids, 64 of each length.
/// let net = Stack::new(&[2500], vb)
///     .embedding(26, 20)
///     .parallel([10, 20, 30], |branch, window| {
///         branch.conv1d_with(64, Conv1dOptions::same(window)).elu().global_max_pool()
///     })
///     .build()?;
/// assert_eq!(net.describe(&[2500])?.output, [3 * 64]);
/// # Ok(())
/// # }
/// ```
pub struct Parallel {
    branches: Vec<(String, Box<dyn Layer>)>,
}

impl Parallel {
    /// Builds the layer from its branches, each with the path of its parameters.
    ///
    /// # Errors
    /// Fails without branches.
    pub fn new(branches: Vec<(String, Box<dyn Layer>)>) -> Result<Self> {
        if branches.is_empty() {
            bail!("Parallel of no branches is not possible; it needs at least one")
        }
        Ok(Self { branches })
    }
}

impl Layer for Parallel {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        let outputs = self.branches.iter().map(|(_, branch)| branch.forward(xs, mode)).collect::<Result<Vec<_>>>()?;
        Tensor::cat(&outputs, 1)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        let mut branches: Vec<Description> = Vec::with_capacity(self.branches.len());
        let (mut output, mut receptive_field) = (Vec::new(), None);
        for (path, branch) in &self.branches {
            let branch = branch.describe(input).with_context(|| format!("branch {path}"))?.at(path);
            match branches.first() {
                None => {
                    output.clone_from(&branch.output);
                    receptive_field.clone_from(&branch.receptive_field);
                }
                Some(first) if branch.output.is_empty() || first.output.get(1..) != branch.output.get(1..) => {
                    let (others, own) = (&first.output, &branch.output);
                    bail!("branch {path} gives {own:?} and another {others:?}; only the channels may differ")
                }
                Some(_) => {
                    output[0] += branch.output[0];
                    receptive_field = union(receptive_field, branch.receptive_field.as_deref());
                }
            }
            branches.push(branch);
        }
        Ok(Description::sum("Parallel", branches).with_output(output).with_receptive_field(receptive_field))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        self.describe(input)?;
        let mut branches = Vec::with_capacity(self.branches.len());
        for (path, branch) in &self.branches {
            branches.push(branch.prepare(input).with_context(|| format!("branch {path}"))?);
        }
        Ok(Box::new(PreparedParallel { branches }))
    }

    fn export(&self, input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let mut outputs = Vec::with_capacity(self.branches.len());
        for (path, branch) in &self.branches {
            let output = graph.scoped(path, |graph| branch.export(input, graph, xs));
            outputs.push(output.with_context(|| format!("branch {path}"))?);
        }
        let outputs: Vec<&Value> = outputs.iter().collect();
        Ok(graph.node("Concat", &outputs, &[("axis", 1.into())]))
    }
}

/// Returns what a position of concatenated feature maps sees, per axis; `None` if one sees all of the input.
fn union(a: Option<Vec<ReceptiveField>>, b: Option<&[ReceptiveField]>) -> Option<Vec<ReceptiveField>> {
    a?.iter().zip(b?).map(|(a, b)| a.union(b)).collect()
}

struct PreparedParallel<'a> {
    branches: Vec<Box<dyn Prepared + 'a>>,
}

impl Prepared for PreparedParallel<'_> {
    fn sizes(&self) -> [usize; 2] {
        let inputs = self.branches.first().map_or(0, |branch| branch.sizes()[0]);
        [inputs, self.branches.iter().map(|branch| branch.sizes()[1]).sum()]
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        let (batch, [_, outputs]) = (self.batch(x, y)?, self.sizes());
        let mut start = 0;
        for branch in &self.branches {
            let [_, len] = branch.sizes();
            scratch(batch * len, |results| {
                branch.run(x, results)?;
                // Channels are the outermost axis of an output, so concatenating them concatenates whole outputs.
                for n in 0..batch {
                    y[n * outputs + start..][..len].copy_from_slice(&results[n * len..][..len]);
                }
                Ok::<_, candle_core::Error>(())
            })?;
            start += len;
        }
        Ok(())
    }

    fn prefers_whole_batch(&self) -> bool {
        self.branches.iter().any(|branch| branch.prefers_whole_batch())
    }

    fn flops(&self) -> usize {
        self.branches.iter().fold(0, |sum, branch| sum.saturating_add(branch.flops()))
    }

    fn divides_input(&self) -> bool {
        self.branches.iter().any(|branch| branch.divides_input())
    }

    fn working_set(&self) -> usize {
        let largest = self.branches.iter().map(|branch| branch.working_set()).max().unwrap_or(0);
        self.sizes().iter().sum::<usize>() + largest
    }
}
