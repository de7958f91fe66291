use candle_core::{Result, Tensor};

use super::Block;
use crate::{
    BatchStatistics, ConvBatchNorm, Epilogue, Window, add_relu, batch_norm_train,
    conv::{conv2d, convolve},
    depthwise_conv2d, max_pool2d,
};

/// Computes the blocks by separate operators, for tensors without a kernel.
pub fn one_by_one(xs: &Tensor, blocks: &[Block]) -> Result<(Tensor, Vec<BatchStatistics>)> {
    let (mut xs, mut all) = (xs.clone(), Vec::new());
    for block in blocks {
        let (mut ys, statistics) = layer_by_layer(&xs, block.layers())?;
        match block {
            Block::Conv(conv) => ys = convolve(&xs, conv.weight, conv.bias, &conv.window.into(), conv.epilogue)?,
            Block::ConvBatchNorm(_) => {}
            Block::Residual(_, None) => ys = add_relu(&ys, &xs)?,
            Block::Residual(_, Some(p)) => ys = add_relu(&ys, &conv2d(&xs, p.weight, p.bias, &p.window.into())?)?,
        }
        xs = ys;
        all.extend(statistics);
    }
    Ok((xs, all))
}

/// Computes the layers by separate operators.
fn layer_by_layer(xs: &Tensor, layers: &[ConvBatchNorm]) -> Result<(Tensor, Vec<BatchStatistics>)> {
    let (mut xs, mut all) = (xs.clone(), Vec::new());
    for layer in layers {
        let ConvBatchNorm { weight, bias, window, gamma, beta, eps, epilogue, .. } = *layer;
        let ys = if layer.depthwise {
            depthwise_conv2d(&xs, weight, bias, &window)?
        } else {
            conv2d(&xs, weight, bias, &window.into())?
        };
        let (ys, statistics) = batch_norm_train(&ys, gamma, beta, eps, epilogue != Epilogue::None)?;
        xs = if epilogue == Epilogue::ReluMaxPool { max_pool2d(&ys, &Window::pool(2))? } else { ys };
        all.push(statistics);
    }
    Ok((xs, all))
}
