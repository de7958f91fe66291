use candle_core::{Context, Result, Tensor};
use ops::prepared::{Chain, Identity, Prepared};

use crate::{
    description::Description,
    fusion::{Module, Steps},
    graph::{Graph, Value},
    layer::{Layer, Mode},
};

/// Modules that are applied one after the other, as `torch.nn.Sequential`. A [`Stack`](crate::Stack) builds it.
///
/// Modules that one operator can compute are fused; [`Layer::describe`] lists every module nevertheless.
pub struct Sequential {
    /// Every module with the path of its parameters within this sequence.
    modules: Vec<(String, Module)>,
    pub(crate) steps: Steps,
}

impl Sequential {
    pub(crate) fn new(modules: Vec<(String, Module)>) -> Self {
        let steps = Steps::new(modules.iter().map(|(_, module)| module));
        Self { modules, steps }
    }

    /// Returns the number of modules.
    pub fn len(&self) -> usize {
        self.modules.len()
    }

    /// Returns whether there are no modules: the output is then the input.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }

    /// Describes every module.
    fn descriptions(&self, input: &[usize]) -> Result<Vec<Description>> {
        let mut descriptions: Vec<Description> = Vec::with_capacity(self.modules.len());
        for (path, module) in &self.modules {
            let shape = descriptions.last().map_or(input, |last| &last.output);
            let description = module.layer().describe(shape).with_context(|| format!("layer {path}"))?;
            descriptions.push(description.at(path));
        }
        Ok(descriptions)
    }
}

impl Layer for Sequential {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        self.steps.forward(xs, mode)
    }

    fn forward_parts(&self, xs: &Tensor, mode: Mode, visit: &mut dyn FnMut(&str, &Tensor)) -> Result<Tensor> {
        self.modules.iter().try_fold(xs.clone(), |xs, (path, module)| {
            let ys = module.layer().forward_parts(&xs, mode, &mut |part, ys| visit(&format!("{path}.{part}"), ys))?;
            visit(path, &ys);
            Ok(ys)
        })
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        Ok(Description::chain("Sequential", input, self.descriptions(input)?))
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        let descriptions = self.descriptions(input)?;
        // The chain leaves an identity out, unless it has no other part.
        let mut parts: Vec<Box<dyn Prepared>> = vec![Box::new(Identity(input.iter().product()))];
        for part in self.steps.prepared_parts()? {
            let first = part.first();
            let shape = first.checked_sub(1).map_or(input, |before| &descriptions[before].output);
            parts.push(part.prepare(shape).with_context(|| format!("layer {}", descriptions[first].path))?);
        }
        Ok(Box::new(Chain::new(parts)?))
    }

    fn export(&self, input: &[usize], graph: &mut Graph, xs: &Value) -> Result<Value> {
        let descriptions = self.descriptions(input)?;
        let mut ys = xs.clone();
        for (i, (path, module)) in self.modules.iter().enumerate() {
            let shape = i.checked_sub(1).map_or(input, |before| &descriptions[before].output);
            let output = graph.scoped(path, |graph| module.layer().export(shape, graph, &ys));
            ys = output.with_context(|| format!("layer {path}"))?;
        }
        Ok(ys)
    }
}
