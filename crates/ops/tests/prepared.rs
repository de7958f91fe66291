//! Compares convolutions prepared for inference with the compositions (f64) on random shapes and batches, and checks
//! chains.

mod common;

use candle_core::{DType, Device, Result, Tensor};
use common::{close, convolve, distinct, holds};
use ops::prepared::{Chain, Conv2d, Identity, Prepared, Relu, add_relu};
use ops::{Epilogue, Window};
use proptest::prelude::*;

/// Fails unless the prepared convolution has the same results, and the same bits for an image alone as in a batch.
fn same(inputs: &[Tensor], window: &Window, epilogue: Epilogue) -> Result<()> {
    let [xs, weight, bias] = inputs else { unreachable!("three inputs") };
    let (batch, channels, height, width) = xs.dims4()?;
    let exact = inputs.iter().map(|t| t.to_dtype(DType::F64)).collect::<Result<Vec<_>>>()?;
    let expected = convolve(&exact[0], &exact[1], Some(&exact[2]), *window, epilogue)?;

    let prepared = Conv2d::new(weight, Some(bias), window, epilogue, [channels, height, width])?;
    let values: Vec<f32> = xs.flatten_all()?.to_vec1()?;
    let mut y = vec![f32::NAN; expected.elem_count()];
    prepared.run(&values, &mut y)?;
    close("result", &Tensor::from_slice(&y, expected.dims(), &Device::Cpu)?, &expected, 4e-6)?;

    let mut alone = vec![f32::NAN; y.len()];
    let images = values.chunks_exact(values.len() / batch).zip(alone.chunks_exact_mut(y.len() / batch));
    images.into_iter().try_for_each(|(x, y)| prepared.run(x, y))?;
    assert!(alone.iter().zip(&y).all(|(alone, y)| alone.to_bits() == y.to_bits()), "an image alone has other results");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Covers Winograd's algorithm with tiles of 4x4, including those at the edge.
    #[test]
    fn a_prepared_3x3_convolution_of_many_channels_is_the_plain_one(
        batch in 1usize..=7,
        channels in [8usize..=34, 8usize..=34],
        size in [2usize..=17, 2usize..=17],
        padding in [0usize..=3, 0usize..=3],
        epilogue in prop_oneof![Just(Epilogue::None), Just(Epilogue::Relu), Just(Epilogue::ReluMaxPool)],
        seed in 0u64..1 << 32,
    ) {
        let ([c_in, c_out], [h, w]) = (channels, [0, 1].map(|axis| size[axis].max(4 - padding[axis].min(2))));
        let window = Window::new([3, 3], [1, 1], padding);
        let shapes: [&[usize]; 3] = [&[batch, c_in, h, w], &[c_out, c_in, 3, 3], &[c_out]];
        let inputs = (seed..).zip(shapes).map(|(seed, shape)| distinct(shape, seed)?.to_dtype(DType::F32));
        holds(inputs.collect::<Result<Vec<_>>>().and_then(|inputs| same(&inputs, &window, epilogue)))?;
    }
}

#[test]
fn a_chain_refuses_operators_whose_sizes_do_not_fit() -> Result<()> {
    assert!(Chain::new(Vec::new()).is_err());
    assert!(Chain::new(vec![Box::new(Relu(3)), Box::new(Relu(4))]).is_err());
    // The identity is left out, but its size counts.
    assert!(Chain::new(vec![Box::new(Relu(3)), Box::new(Identity(4)), Box::new(Relu(3))]).is_err());
    let chain = Chain::new(vec![Box::new(Relu(3)), Box::new(Identity(3))])?;
    assert_eq!(chain.sizes(), [3, 3]);
    assert!(chain.run(&[1.; 4], &mut [0.; 4]).is_err());
    assert!(chain.run(&[1.; 6], &mut [0.; 3]).is_err());
    assert!(add_relu(&[1.; 2], &mut [0.; 3]).is_err());
    Ok(())
}
