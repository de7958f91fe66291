//! A layer prepared for inference computes what it computes in inference.

mod common;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{VarBuilder, VarMap};
use layers::{
    AvgPool1d, AvgPool2d, BatchNorm, BatchNormOptions, Conv1d, Conv1dOptions, Conv2dOptions, DepthwiseConv2d,
    Description, Elu, Flatten, GlobalAvgPool, GlobalMaxPool, Layer, Linear, MaxPool1d, MaxPool2d, Mode, PaddedIdentity,
    Pool1dOptions, Relu, Residual, Stack, Window,
};

fn builder(dtype: DType) -> VarBuilder<'static> {
    common::builder(&VarMap::new(), dtype)
}

/// Fails unless the prepared layer computes what the layer computes in inference, and refuses buffers of wrong lengths.
fn assert_prepared_is_plain(what: &str, layer: &dyn Layer, input: &[usize]) -> Result<()> {
    let prepared = layer.prepare(input)?;
    for batch in [1, 3, 20] {
        let xs = Tensor::randn(0f32, 1., [&[batch], input].concat(), &Device::Cpu)?;
        let plain = layer.forward(&xs, Mode::Inference)?;
        let mut values = vec![f32::NAN; plain.elem_count()];
        prepared.run(&xs.flatten_all()?.to_vec1()?, &mut values)?;
        let values = Tensor::from_slice(&values, plain.shape(), &Device::Cpu)?;
        assert!(common::max_difference(&values, &plain)? < 1e-5, "{what}, batch {batch}");
    }
    let [inputs, outputs] = prepared.sizes();
    for (x, y) in [(inputs + 1, outputs), (2 * inputs, outputs), (inputs, outputs + 1)] {
        let error = prepared.run(&vec![0.; x], &mut vec![0.; y]).expect_err(what).to_string();
        assert!(error.contains("values"), "{what}: {error}");
    }
    Ok(())
}

/// A layer from another crate, without a prepared form.
struct Halved;

impl Layer for Halved {
    fn forward(&self, xs: &Tensor, _mode: Mode) -> Result<Tensor> {
        xs * 0.5
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        Ok(Description::pointwise("Halved", input.to_vec()))
    }
}

#[test]
fn every_layer_computes_the_same_when_prepared() -> Result<()> {
    let vb = || builder(DType::F32);
    let overlapping = Window::pool(3).stride(2).padding(1);
    let body = Stack::new(&[3, 9, 7], vb()).conv_with(5, Conv2dOptions::same(3).stride(2)).batch_norm().build()?;
    let of_images: [(&str, Box<dyn Layer>); 10] = [
        ("depthwise", Box::new(DepthwiseConv2d::new(3, Conv2dOptions::same(3).stride(2).without_bias(), vb())?)),
        ("max pool", Box::new(MaxPool2d(overlapping))),
        ("average pool", Box::new(AvgPool2d(overlapping))),
        ("batch norm", Box::new(BatchNorm::new(3, BatchNormOptions::default(), vb())?)),
        ("ReLU", Box::new(Relu)),
        ("flatten", Box::new(Flatten)),
        ("padded identity", Box::new(PaddedIdentity { stride: 2, channels: 6 })),
        ("residual", Box::new(Residual::new(body).with_shortcut(PaddedIdentity { stride: 2, channels: 5 }))),
        ("own", Box::new(Halved)),
        ("nothing", Box::new(Stack::new(&[3, 9, 7], vb()).dropout(0.5).build()?)),
    ];
    for (what, layer) in &of_images {
        assert_prepared_is_plain(what, layer, &[3, 9, 7])?;
    }
    let strided = Conv1dOptions::new(3).stride(2).padding(1);
    let pool = Pool1dOptions::new(3).stride(2).padding(1);
    let branch =
        |branch: Stack<'static>, window| branch.conv1d_with(3, Conv1dOptions::same(window)).batch_norm().relu();
    let of_sequences: [(&str, Box<dyn Layer>); 8] = [
        ("1-d convolution", Box::new(Conv1d::new(4, 6, strided, vb())?)),
        ("1-d convolution with asymmetric padding", Box::new(Conv1d::new(4, 6, Conv1dOptions::same(6), vb())?)),
        ("1-d max pool", Box::new(MaxPool1d(pool))),
        ("1-d average pool", Box::new(AvgPool1d(pool))),
        ("global max pool", Box::new(GlobalMaxPool)),
        ("global average pool", Box::new(GlobalAvgPool)),
        ("ELU", Box::new(Elu::new(0.5)?)),
        ("parallel", Box::new(Stack::new(&[4, 11], vb()).parallel([3, 6], branch).spatial_dropout(0.5).build()?)),
    ];
    for (what, layer) in &of_sequences {
        assert_prepared_is_plain(what, layer, &[4, 11])?;
    }
    let mlp = Stack::new(&[4, 11], vb()).flatten().linear(33).relu().dropout(0.5).linear(7).build()?;
    assert_prepared_is_plain("linear layers", &mlp, &[4, 11])?;
    let mixed = Stack::new(&[3, 9, 7], vb()).conv(8, 3).layer(|_, _| Ok(Halved)).relu().avg_pool(2).build()?;
    assert_prepared_is_plain("a stack with a layer of someone else's", &mixed, &[3, 9, 7])
}

/// Between convolutions feature maps are channels last, which each kind of shortcut has to take and to return.
#[test]
fn a_residual_block_computes_the_same_next_to_anything_when_prepared() -> Result<()> {
    let vb = || builder(DType::F32);
    for channels in [6, 17] {
        for (before, after) in [(false, false), (false, true), (true, false), (true, true)] {
            for shortcut in ["identity", "projection", "padded identity"] {
                let next_to = |stack: Stack<'static>, convolution| {
                    if convolution { stack.conv_same(channels, 3).relu() } else { stack.avg_pool(1) }
                };
                let [channels, stride] = if shortcut == "identity" { [channels, 1] } else { [channels + 2, 2] };
                let stack = next_to(Stack::new(&[channels, 8, 7], vb()).conv_same(channels, 1).relu(), before);
                let block = |shape: &[usize], vb: VarBuilder<'static>| {
                    let options = Conv2dOptions::same(3).stride(stride);
                    let body = Stack::new(shape, vb.pp("body")).conv_with(channels, options).batch_norm().relu();
                    let block = Residual::new(body.conv_same(channels, 3).batch_norm().build()?);
                    let projection = Conv2dOptions::new(1).stride(stride);
                    let projection = Stack::new(shape, vb.pp("shortcut")).conv_with(channels, projection).build()?;
                    Ok(match shortcut {
                        "identity" => block,
                        "projection" => block.with_projection(projection),
                        _ => block.with_shortcut(PaddedIdentity { stride, channels }),
                    })
                };
                let network = next_to(stack.residual(block), after).build()?;
                assert_prepared_is_plain(&format!("{shortcut}, {before}, {after}"), &network, &[channels, 8, 7])?;
            }
        }
    }
    Ok(())
}

#[test]
fn what_cannot_be_prepared_is_an_error() -> Result<()> {
    let linear = Linear::new(4, 2, builder(DType::F64))?;
    let error = linear.prepare(&[4]).err().expect("f64").to_string();
    assert!(error.contains("f32 on the CPU only") && error.contains("F64"), "{error}");
    let stack = Stack::new(&[1, 8, 8], builder(DType::F32)).conv(4, 3).relu().conv(4, 3).build()?;
    let error = stack.prepare(&[1, 4, 4]).err().expect("2x2 is too small for a 3x3 kernel").to_string();
    assert!(error.contains("layer 2"), "{error}");
    let error = stack.prepare(&[1, 8, 8])?.run(&[0.; 65], &mut [0.; 64]).unwrap_err().to_string();
    assert!(error.contains("65 values"), "{error}");
    Ok(())
}
