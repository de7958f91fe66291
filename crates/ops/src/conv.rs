use crate::cpu::{self, conv, fast, read};
use crate::{Window, composed};
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};

/// 2-d convolution (cross-correlation), as `torch.nn.functional.conv2d` with zero padding.
///
/// # Shapes
/// `xs` (N, C_in, H, W), `weight` (C_out, C_in, kh, kw) with the kernel of `window`, `bias` (C_out) → (N, C_out, oh,
/// ow) with `window.output_size([H, W])`.
///
/// # Errors
/// Shapes that do not fit, or an input smaller than the kernel.
pub fn conv2d(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: &Window) -> Result<Tensor> {
    convolve(xs, weight, bias, window, false)
}

/// [`conv2d`] with ReLU on top, in one operator: one buffer and one pass less than `relu(conv2d(…))`.
pub fn conv2d_relu(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: &Window) -> Result<Tensor> {
    convolve(xs, weight, bias, window, true)
}

/// 1-d convolution, as `torch.nn.functional.conv1d`: [`conv2d`] on images of height 1.
///
/// # Shapes
/// `xs` (N, C_in, L), `weight` (C_out, C_in, k), `bias` (C_out) → (N, C_out, (L + 2·padding − k) / stride + 1).
///
/// # Errors
/// As [`conv2d`].
pub fn conv1d(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, stride: usize, padding: usize) -> Result<Tensor> {
    let window = Window::row(weight.dim(2)?, stride, padding);
    conv2d(&xs.unsqueeze(2)?, &weight.unsqueeze(2)?, bias, &window)?.squeeze(2)
}

fn convolve(xs: &Tensor, weight: &Tensor, bias: Option<&Tensor>, window: &Window, relu: bool) -> Result<Tensor> {
    let (batch, in_channels, height, width) = xs.dims4()?;
    let out_channels = weight.dim(0)?;
    if weight.elem_count() == 0 || weight.dims()[1..] != [in_channels, window.kernel[0], window.kernel[1]] {
        bail!("conv2d: weights {:?} do not fit the input {:?} and {window:?}", weight.dims(), xs.dims())
    }
    if bias.is_some_and(|b| b.dims() != [out_channels]) {
        bail!("conv2d: a bias for {out_channels} channels must be a vector of {out_channels}")
    }
    let input = [height, width];
    let output = window.output_size(input)?;
    if !fast(&[xs, weight, bias.unwrap_or(weight)]) {
        let ys = composed::conv2d(xs, weight, bias, window)?;
        return if relu { composed::relu(&ys) } else { Ok(ys) };
    }
    let shape = conv::Shape { batch, in_channels, out_channels, input, output, window: *window };
    let op = Conv2d { shape, relu };
    match bias {
        Some(bias) => xs.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, op),
        None => xs.contiguous()?.apply_op2(&weight.contiguous()?, op),
    }
}

#[derive(Clone, Copy)]
struct Conv2d {
    shape: conv::Shape,
    relu: bool,
}

impl Conv2d {
    fn forward(&self, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> (CpuStorage, Shape) {
        let conv::Shape { batch, out_channels, output: [h, w], .. } = self.shape;
        let y = conv::forward(&self.shape, x, weight, bias, self.relu);
        (CpuStorage::F32(y), Shape::from((batch, out_channels, h, w)))
    }

    /// Gradients of input (unless it takes part in no graph), weight and bias.
    fn backward(
        &self,
        xs: &Tensor,
        weight: &Tensor,
        ys: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Tensor, Tensor)> {
        let (grad, device) = (grad.contiguous()?, xs.device());
        let y = if self.relu { Some(read(ys)?) } else { None };
        let want_dx = xs.track_op();
        let gradients = conv::backward(&self.shape, &read(xs)?, &read(weight)?, y.as_deref(), &read(&grad)?, want_dx);
        let dx = want_dx.then(|| Tensor::from_vec(gradients.x, xs.shape(), device)).transpose()?;
        let dw = Tensor::from_vec(gradients.weight, weight.shape(), device)?;
        Ok((dx, dw, Tensor::from_vec(gradients.bias, self.shape.out_channels, device)?))
    }
}

impl CustomOp2 for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, w: &CpuStorage, lw: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(self.forward(cpu::storage(x, lx)?, cpu::storage(w, lw)?, None))
    }

    fn bwd(&self, xs: &Tensor, w: &Tensor, ys: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dx, dw, _) = self.backward(xs, w, ys, grad)?;
        Ok((dx, Some(dw)))
    }
}

impl CustomOp3 for Conv2d {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        w: &CpuStorage,
        lw: &Layout,
        b: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        Ok(self.forward(cpu::storage(x, lx)?, cpu::storage(w, lw)?, Some(cpu::storage(b, lb)?)))
    }

    fn bwd(
        &self,
        xs: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        ys: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, dw, db) = self.backward(xs, weight, ys, grad)?;
        Ok((dx, Some(dw), Some(db)))
    }
}
