use candle_core::{Result, Shape};

use crate::{
    conv_norm::Nchw,
    cpu::{parallel, transpose_matrix},
    parameterised::{Parameterised, ParameterisedArgs, ParameterisedGradients},
};

/// Brings feature maps that are channels last into the order of candle's tensors.
pub struct ToPlanes {
    pub sizes: Nchw,
}

impl ToPlanes {
    /// Transposes the matrix of each image, which has these numbers of rows and columns.
    fn transpose(x: &[f32], size: [usize; 2]) -> Vec<f32> {
        let len = size[0] * size[1];
        parallel::filled(x.len(), len, x.len(), |i, y| transpose_matrix(&x[i * len..][..len], y.zeroed(), size))
    }
}

impl Parameterised for ToPlanes {
    fn forward(&self, x: &[f32], _: &[&[f32]]) -> (Vec<f32>, Shape) {
        let (_, channels, height, width) = self.sizes;
        (Self::transpose(x, [height * width, channels]), Shape::from(self.sizes))
    }

    fn backward(&self, args: ParameterisedArgs) -> Result<ParameterisedGradients> {
        let (_, channels, height, width) = self.sizes;
        let x = args.want_dx.then(|| Self::transpose(args.dy, [channels, height * width]));
        Ok(ParameterisedGradients { x, parameters: Vec::new() })
    }
}
