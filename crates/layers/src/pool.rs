use crate::prepared::volume;
use crate::{Description, Layer, Mode, Prepared, ReceptiveField, Window};
use candle_core::{Result, Tensor, bail};
use ops::prepared::Pool;

/// Local maximum, as `torch.nn.MaxPool2d`; see [`ops::max_pool2d`].
#[derive(Debug, Clone, Copy)]
pub struct MaxPool2d(pub Window);

/// Local average, as `torch.nn.AvgPool2d`; see [`ops::avg_pool2d`].
#[derive(Debug, Clone, Copy)]
pub struct AvgPool2d(pub Window);

impl Layer for MaxPool2d {
    fn forward(&self, xs: &Tensor, _mode: Mode) -> Result<Tensor> {
        ops::max_pool2d(xs, &self.0)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        describe("MaxPool2d", &self.0, input)
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        Ok(Box::new(Pool::max(&self.0, volume(input)?)?))
    }
}

impl Layer for AvgPool2d {
    fn forward(&self, xs: &Tensor, _mode: Mode) -> Result<Tensor> {
        ops::avg_pool2d(xs, &self.0)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        describe("AvgPool2d", &self.0, input)
    }

    fn prepare(&self, input: &[usize]) -> Result<Box<dyn Prepared + '_>> {
        Ok(Box::new(Pool::avg(&self.0, volume(input)?)?))
    }
}

fn describe(name: &str, window: &Window, input: &[usize]) -> Result<Description> {
    let &[channels, height, width] = input else { bail!("{name} takes (channels, height, width), not {input:?}") };
    let [oh, ow] = window.output_size([height, width])?;
    let padding = if window.padding == [0, 0] { String::new() } else { format!(", padding {}", window.padding[0]) };
    let kind = format!("{name}({}x{}, stride {}{padding})", window.kernel[0], window.kernel[1], window.stride[0]);
    Ok(Description {
        receptive_field: Some(ReceptiveField::of_window(window)),
        ..Description::pointwise(kind, vec![channels, oh, ow])
    })
}
