use std::{
    ops::Deref,
    sync::{OnceLock, PoisonError},
};

use candle_core::{Context, CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::{
    tie::{Gradients, tie},
    to_planes::ToPlanes,
};
use crate::{
    backward::hand_over_values,
    conv_norm::Nchw,
    cpu::{self, read},
    parameterised::{Parameterised, ParameterisedArgs, ParameterisedGradients},
    tape,
};

/// An operator of a [`Chain`] with its parameters, in the order in which the operator takes them.
pub struct Link {
    pub operator: Box<dyn Parameterised>,
    pub parameters: Vec<Tensor>,
}

impl Link {
    /// Creates an operator that brings feature maps of these sizes, which are channels last, into the order of candle's tensors.
    pub fn to_planes(sizes: Nchw) -> Self {
        Self { operator: Box::new(ToPlanes { sizes }), parameters: Vec::new() }
    }

    /// Calls `f` with the values of the parameters.
    fn with_parameters<R>(&self, f: impl FnOnce(&[&[f32]]) -> Result<R>) -> Result<R> {
        let parameters = self.parameters.iter().map(read).collect::<Result<Vec<_>>>()?;
        f(&parameters.iter().map(Deref::deref).collect::<Vec<_>>())
    }
}

/// Applies operators one after the other as a single operator of candle. The feature maps and gradients between them do not
/// pass through candle, and neither do the values of the parameters.
pub fn apply_chain(xs: &Tensor, links: Vec<Link>) -> Result<Tensor> {
    let contiguous = |Link { operator, parameters }: Link| {
        let parameters = parameters.iter().map(Tensor::contiguous).collect::<Result<_>>()?;
        Ok(Link { operator, parameters })
    };
    let links = links.into_iter().map(contiguous).collect::<Result<Vec<_>>>()?;
    let (xs, parameters) =
        (xs.contiguous()?, links.iter().flat_map(|link| link.parameters.clone()).collect::<Vec<_>>());
    let chain = Chain { links, results: OnceLock::new(), gradients: Gradients::default() };
    if tape::records([&xs].into_iter().chain(&parameters)) {
        let (ys, shape) = chain.forward(&read(&xs)?)?;
        return tape::record(ys, shape, move |ys, grad| {
            let gradients = chain.backward(&read(&xs)?, &read(ys)?, &read(grad)?, xs.track_op())?;
            hand_over_values(&xs, gradients.x)?;
            for (parameter, gradient) in parameters.iter().zip(gradients.parameters) {
                hand_over_values(parameter, gradient)?;
            }
            Ok(())
        });
    }
    let tied = tie(&parameters, &chain.gradients)?;
    xs.apply_op2(&tied, chain)
}

/// Operators one after the other, for a single call. Its second argument ties the parameters to the graph.
struct Chain {
    links: Vec<Link>,
    /// The results of all operators but the last, which are set by the forward pass.
    results: OnceLock<Vec<Vec<f32>>>,
    /// Set by the backward pass, for the nodes that tie the parameters to the graph.
    gradients: Gradients,
}

impl Chain {
    /// Computes the result and its shape.
    fn forward(&self, x: &[f32]) -> Result<(Vec<f32>, Shape)> {
        let (mut results, mut shape) = (Vec::<Vec<f32>>::new(), Shape::from(()));
        for link in &self.links {
            let x = results.last().map_or(x, |y| y);
            let (y, of_y) = link.with_parameters(|parameters| Ok(link.operator.forward(x, parameters)))?;
            results.push(y);
            shape = of_y;
        }
        let y = results.pop().context("internal: there is no operator")?;
        // The chain is created for a single call, so nothing has been saved before.
        let _ = self.results.set(results);
        Ok((y, shape))
    }

    /// Computes the gradients of the input, if it needs one, and of the parameters.
    fn backward(&self, x: &[f32], y: &[f32], dy: &[f32], want_dx: bool) -> Result<ParameterisedGradients> {
        let results = self.results.get().context("internal: the operators have not run")?;
        let (mut dx, mut of_links) = (None::<Vec<f32>>, Vec::new());
        for (i, link) in self.links.iter().enumerate().rev() {
            let x = i.checked_sub(1).map_or(x, |before| &results[before]);
            let (y, dy) = (results.get(i).map_or(y, |y| y), dx.as_deref().unwrap_or(dy));
            let want_dx = i > 0 || want_dx;
            let ParameterisedGradients { x, parameters } = link.with_parameters(|parameters| {
                link.operator.backward(ParameterisedArgs { x, parameters, y, dy, want_dx })
            })?;
            dx = x;
            of_links.push(parameters);
        }
        Ok(ParameterisedGradients { x: dx, parameters: of_links.into_iter().rev().flatten().collect() })
    }
}

impl CustomOp2 for Chain {
    fn name(&self) -> &'static str {
        "blocks"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        let (y, shape) = self.forward(cpu::storage(x, lx)?)?;
        Ok((CpuStorage::F32(y), shape))
    }

    fn bwd(&self, xs: &Tensor, tied: &Tensor, ys: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let gradients = self.backward(&read(xs)?, &read(ys)?, &read(&grad)?, xs.track_op())?;
        *self.gradients.lock().unwrap_or_else(PoisonError::into_inner) = gradients.parameters;
        let dx = hand_over_values(xs, gradients.x)?;
        let of_tied = tied.track_op().then(|| tied.zeros_like()).transpose()?;
        Ok((dx, of_tied))
    }
}
