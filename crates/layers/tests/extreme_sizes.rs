//! Strides, paddings and channels from all of `usize` give a result or an error, in every method of a layer.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarBuilder;
use layers::{
    AvgPool2d, Conv1d, Conv1dOptions, Conv2d, Conv2dOptions, Layer, MaxPool1d, MaxPool2d, Mode, PaddedIdentity,
    Pool1dOptions, Window,
};

/// Numbers at which sums and products wrap, and small ones.
const NUMBERS: [usize; 10] =
    [0, 1, 2, 3, 7, usize::MAX / 2, usize::MAX / 2 + 1, usize::MAX - 3, usize::MAX - 1, usize::MAX];

/// Calls every method of a layer for an input; a panic fails the test. Returns whether the layer takes the input.
fn takes(layer: &dyn Layer, input: &[usize]) -> Result<bool> {
    let xs = Tensor::ones([&[1], input].concat(), DType::F32, &Device::Cpu)?;
    let forward = layer.forward(&xs, Mode::Eval);
    let described = layer.describe(input);
    if let (Ok(ys), Ok(description)) = (&forward, &described) {
        assert_eq!(ys.dims()[1..], description.output);
    }
    if let Ok(prepared) = layer.prepare(input) {
        let mut y = vec![0.; prepared.sizes()[1]];
        prepared.run(&xs.flatten_all()?.to_vec1()?, &mut y)?;
        assert_eq!(forward.as_ref().ok().map(|ys| ys.elem_count()), Some(y.len()));
    }
    Ok(forward.is_ok())
}

#[test]
fn a_padded_identity_takes_any_stride_and_refuses_channels_that_it_cannot_add() -> Result<()> {
    for stride in NUMBERS {
        for channels in NUMBERS {
            let layer = PaddedIdentity { stride, channels };
            let possible = stride > 0 && (3..100).contains(&channels);
            assert_eq!(takes(&layer, &[3, 5, 4])?, possible, "{layer:?}");
        }
    }
    takes(&PaddedIdentity { stride: 1, channels: 0 }, &[0, 5, 4])?;
    assert!(PaddedIdentity { stride: 1, channels: 4 }.describe(&[2, usize::MAX, usize::MAX]).is_err());
    Ok(())
}

#[test]
fn windows_of_layers_take_any_size() -> Result<()> {
    let vb = VarBuilder::zeros(DType::F32, &Device::Cpu);
    for stride in NUMBERS {
        for padding in NUMBERS {
            for kernel in NUMBERS {
                let window = Window::new([kernel, 2], [stride, 1], [padding, 1]);
                takes(&MaxPool2d(window), &[2, 5, 4])?;
                takes(&AvgPool2d(window), &[2, 5, 4])?;
                takes(&MaxPool1d(Pool1dOptions::new(kernel).stride(stride).padding(padding)), &[2, 5])?;
            }
            let conv = Conv2d::new(2, 3, Conv2dOptions::new(2).stride(stride).padding(padding), vb.pp("conv2d"))?;
            takes(&conv, &[2, 5, 4])?;
            let mut options = Conv1dOptions::new(2).stride(stride);
            options.padding = [1, padding];
            takes(&Conv1d::new(2, 3, options, vb.pp("conv1d"))?, &[2, 5])?;
        }
    }
    Ok(())
}
