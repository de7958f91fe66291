//! Convolutions up to the global maximum, of ids and of features, against the layers one after the other.

mod common;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::VarMap;
use common::{TRAIN, builder, input, max_difference};
use layers::{
    BatchNorm, BatchNormOptions, Conv1d, Conv1dOptions, Elu, Embedding, EmbeddingOptions, GlobalMaxPool, Layer, Mode,
    Relu, SpatialDropout, Stack,
};

struct Branch {
    variables: VarMap,
    embedding: Embedding,
    dropout: SpatialDropout,
    conv: Conv1d,
    norm: BatchNorm,
}

impl Branch {
    fn new() -> Result<Self> {
        let variables = VarMap::new();
        let vb = builder(&variables, DType::F32);
        let options = EmbeddingOptions::default().channels_first().padding_idx(0);
        let branch = Self {
            embedding: Embedding::new(26, 20, options, vb.pp("embedding"))?,
            dropout: SpatialDropout::new(0.3, "dropout")?,
            conv: Conv1d::new(20, 24, Conv1dOptions::same(10), vb.pp("conv"))?,
            norm: BatchNorm::new(24, BatchNormOptions::default(), vb.pp("norm"))?,
            variables,
        };
        // Scales of both signs, so that minima are wanted, too.
        let scales: Vec<f32> = (0..24).map(|i| (i as f32 - 10.) / 8.).collect();
        branch.variable("norm.weight").set(&Tensor::new(scales, &Device::Cpu)?)?;
        Ok(branch)
    }

    fn variable(&self, name: &str) -> Var {
        self.variables.data().lock().unwrap()[name].clone()
    }

    fn by_layers(&self, ids: &Tensor, mode: Mode) -> Result<Tensor> {
        let xs = self.dropout.forward(&self.embedding.forward(ids, mode)?, mode)?;
        let ys = self.norm.forward(&self.conv.forward(&xs, mode)?, mode)?;
        GlobalMaxPool.forward(&Elu::default().forward(&ys, mode)?, mode)
    }

    fn by_ids(&self, ids: &Tensor, mode: Mode) -> Result<Tensor> {
        let xs = self.dropout.drop_channels(&self.embedding.embed(ids, mode)?, mode)?;
        Elu::default().forward(&xs.normalised_maximum(&self.conv, &self.norm, None, mode)?, mode)
    }
}

/// Returns sequences of ids with padding in front.
fn sequences() -> Result<Tensor> {
    let ids: Vec<u32> = (0..4 * 90).map(|i| if i % 90 < 30 { 0 } else { i * i % 25 + 1 }).collect();
    Tensor::from_vec(ids, (4, 90), &Device::Cpu)
}

#[test]
fn the_maximum_of_ids_is_that_of_the_layers_in_every_mode_with_its_gradients() -> Result<()> {
    let (branch, ids) = (Branch::new()?, sequences()?);
    for mode in [TRAIN, Mode::Eval, Mode::Inference] {
        let running = ["norm.running_mean", "norm.running_var"].map(|name| branch.variable(name));
        let before = running.each_ref().map(|running| running.copy().unwrap());
        let by_layers = branch.by_layers(&ids, mode)?;
        let after = running.each_ref().map(|running| running.copy().unwrap());
        running.iter().zip(&before).try_for_each(|(running, before)| running.set(before))?;
        let by_ids = branch.by_ids(&ids, mode)?;
        assert!(max_difference(&by_ids, &by_layers)? < 1e-5, "{mode:?}");
        for (running, after) in running.iter().zip(&after) {
            assert!(max_difference(running, after)? < 1e-5, "{mode:?}");
        }
        if mode == Mode::Inference {
            assert!(!by_ids.track_op());
            continue;
        }
        let [expected, gradients] = [by_layers, by_ids].map(|ys| ys.sqr().and_then(|ys| ys.sum_all()?.backward()));
        let (expected, gradients) = (expected?, gradients?);
        for name in ["embedding.weight", "conv.weight", "conv.bias", "norm.weight", "norm.bias"] {
            let of = |store: &candle_core::backprop::GradStore| store.get(&branch.variable(name)).unwrap().clone();
            assert!(max_difference(&of(&gradients), &of(&expected))? < 1e-3, "{mode:?}, {name}");
        }
    }
    Ok(())
}

#[test]
fn a_convolution_of_ids_needs_a_stride_of_1() -> Result<()> {
    let branch = Branch::new()?;
    let conv = Conv1d::new(20, 3, Conv1dOptions::new(4).stride(2), builder(&VarMap::new(), DType::F32))?;
    let embedded = branch.embedding.embed(&sequences()?, Mode::Eval)?;
    assert!(embedded.convolve(&conv, Mode::Eval).unwrap_err().to_string().contains("stride of 2"));
    Ok(())
}

#[test]
fn the_maximum_of_a_convolution_is_fused_and_has_the_bits_of_its_layers() -> Result<()> {
    for same in [Conv1dOptions::same(6), Conv1dOptions::new(5).stride(2).padding(3)] {
        let vb = builder(&VarMap::new(), DType::F32);
        let conv = Conv1d::new(7, 20, same, vb.pp("0"))?;
        let net = Stack::new(&[7, 50], vb).conv1d_with(20, same).relu().global_max_pool().build()?;
        let xs = input(&[3, 7, 50]).to_dtype(DType::F32)?;
        for mode in [TRAIN, Mode::Inference] {
            let expected = GlobalMaxPool.forward(&Relu.forward(&conv.forward(&xs, mode)?, mode)?, mode)?;
            assert_eq!(max_difference(&net.forward(&xs, mode)?, &expected)?, 0.);
        }
        let mut prepared = vec![f32::NAN; 60];
        net.prepare(&[7, 50])?.run(&xs.flatten_all()?.to_vec1::<f32>()?, &mut prepared)?;
        let prepared = Tensor::from_vec(prepared, (3, 20), &Device::Cpu)?;
        assert!(max_difference(&prepared, &net.forward(&xs, Mode::Inference)?)? < 1e-5);
    }
    Ok(())
}
