//! Embeddings: their vectors, gradients, padding and errors.

mod common;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarMap;
use common::{TRAIN, assert_gradient_is_right, builder, loss, max_difference};
use layers::{Embedding, EmbeddingOptions, Layer, Mode};

#[test]
fn an_embedding_gives_the_vectors_of_its_ids_and_an_exact_gradient() -> Result<()> {
    for channels_first in [false, true] {
        let (variables, options) = (VarMap::new(), EmbeddingOptions::default());
        let options = if channels_first { options.channels_first() } else { options };
        let embedding = Embedding::new(5, 3, options, builder(&variables, DType::F64))?;
        // One id is repeated, and one is not used.
        let ids = Tensor::new(&[[1u32, 4, 1, 0], [2, 1, 2, 0]], &Device::Cpu)?;
        let ys = embedding.forward(&ids, TRAIN)?;
        let (vectors, ids_of) = (embedding.weight().to_vec2::<f64>()?, ids.to_vec2::<u32>()?);
        let by_position = if channels_first { ys.transpose(1, 2)? } else { ys.clone() }.to_vec3::<f64>()?;
        for (n, position) in (0..2).flat_map(|n| (0..4).map(move |position| (n, position))) {
            assert_eq!(by_position[n][position], vectors[ids_of[n][position] as usize]);
        }
        let description = embedding.describe(&[4])?;
        assert_eq!((&description.output[..], description.params), (&ys.dims()[1..], 15));
        let weight = variables.all_vars().remove(0);
        assert_gradient_is_right("embedding", &weight, || embedding.forward(&ids, TRAIN))?;
        for dtype in [DType::U8, DType::I64] {
            assert_eq!(max_difference(&embedding.forward(&ids.to_dtype(dtype)?, TRAIN)?, &ys)?, 0.);
        }
    }
    Ok(())
}

#[test]
fn the_padding_of_an_embedding_is_zero_and_has_no_gradient() -> Result<()> {
    let variables = VarMap::new();
    let options = EmbeddingOptions::default().padding_idx(2);
    let embedding = Embedding::new(4, 3, options, builder(&variables, DType::F64))?;
    let ids = Tensor::new(&[[2u32, 1, 2, 3]], &Device::Cpu)?;
    let ys = embedding.forward(&ids, TRAIN)?;
    assert_eq!(ys.get(0)?.get(2)?.to_vec1::<f64>()?, [0.; 3]);
    let weight = variables.all_vars().remove(0);
    assert_gradient_is_right("embedding with padding", &weight, || embedding.forward(&ids, TRAIN))?;
    let gradients = loss(&ys)?.backward()?;
    assert_eq!(gradients.get(&weight).expect("a gradient").get(2)?.to_vec1::<f64>()?, [0.; 3]);
    Ok(())
}

#[test]
fn an_embedding_refuses_what_is_no_id() -> Result<()> {
    let embedding = Embedding::new(4, 3, EmbeddingOptions::default(), builder(&VarMap::new(), DType::F32))?;
    let error = |ids: Tensor| embedding.forward(&ids, Mode::Eval).unwrap_err().to_string();
    for (ids, named) in [([0i64, 4], "id 4"), ([-1, 0], "id -1"), ([0, u32::MAX as i64], "id 4294967295")] {
        let ids = Tensor::new(&[ids], &Device::Cpu)?;
        let error = error(ids);
        assert!(error.contains(named) && error.contains("0 to 3"), "{error}");
    }
    assert!(error(Tensor::new(&[[u32::MAX]], &Device::Cpu)?).contains("id 4294967295"));
    assert!(error(Tensor::new(&[[1f32]], &Device::Cpu)?).contains("F32"));
    assert!(error(Tensor::new(&[1u32], &Device::Cpu)?).contains("[1]"));
    let options = EmbeddingOptions::default().padding_idx(4);
    let error = Embedding::new(4, 3, options, builder(&VarMap::new(), DType::F32)).unwrap_err().to_string();
    assert!(error.contains("padding_idx 4") && error.contains("less than 4"), "{error}");
    Ok(())
}
