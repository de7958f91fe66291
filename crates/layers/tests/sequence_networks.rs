//! Networks over sequences: parallel branches, and a network of all of it.

mod common;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{VarBuilder, VarMap};
use common::{TRAIN, builder, input, max_difference, names};
use layers::{Conv1dOptions, GlobalMaxPool, Layer, Mode, Parallel, Sequential, Stack};

#[test]
fn parallel_branches_are_concatenated_in_order_along_the_channels() -> Result<()> {
    let variables = VarMap::new();
    let vb = builder(&variables, DType::F32);
    let net = Stack::new(&[3, 12], vb.clone())
        .parallel([10, 5], |branch, window| branch.conv1d_with(window, Conv1dOptions::same(window)).batch_norm().elu())
        .build()?;
    assert_eq!(names(&variables)[..3], ["0.0.0.bias", "0.0.0.weight", "0.0.1.bias"]);
    let xs = input(&[2, 3, 12]).to_dtype(DType::F32)?;
    let ys = net.forward(&xs, Mode::Eval)?;
    let branch = |i: usize, window| {
        let branch = Stack::new(&[3, 12], vb.pp("0").pp(i)).conv1d_with(window, Conv1dOptions::same(window));
        branch.batch_norm().elu().build()?.forward(&xs, Mode::Eval)
    };
    assert_eq!(max_difference(&ys.narrow(1, 0, 10)?, &branch(0, 10)?)?, 0.);
    assert_eq!(max_difference(&ys.narrow(1, 10, 5)?, &branch(1, 5)?)?, 0.);
    let description = net.describe(&[3, 12])?;
    assert_eq!(description.output, [15, 12]);
    assert_eq!(description.params, (3 * 10 + 1 + 2) * 10 + (3 * 5 + 1 + 2) * 5);
    // Windows of 10 from −4 and of 5 from −2.
    let field = description.receptive_field.expect("convolutions keep positions")[0];
    assert_eq!((field.size, field.jump, field.start), (10, 1, 0.5));
    Ok(())
}

#[test]
fn branches_that_do_not_fit_together_are_an_error() -> Result<()> {
    let stack = Stack::new(&[3, 12], builder(&VarMap::new(), DType::F32));
    let error = stack.parallel([3, 4], |branch, window| branch.conv1d(2, window)).build().err().expect("10 and 9");
    let error = error.to_string();
    assert!(error.contains("branch 1") && error.contains("[2, 9]") && error.contains("[2, 10]"), "{error}");
    let stack = Stack::new(&[3, 12], builder(&VarMap::new(), DType::F32));
    let error = stack.parallel([3, 13], |branch, window| branch.conv1d(2, window)).build().err().expect("too small");
    assert!(error.to_string().contains("branch 1"), "{error}");
    assert!(Parallel::new(Vec::new()).is_err());
    Ok(())
}

/// DeepConv-DTI's protein branch (Lee, Keum & Nam 2019), in small.
fn protein_network(vb: VarBuilder<'static>) -> Result<Sequential> {
    Stack::new(&[40], vb)
        .embedding(26, 20)
        .spatial_dropout(0.2)
        .parallel([10, 15, 20], |branch, window| {
            branch.conv1d_with(8, Conv1dOptions::same(window)).batch_norm().elu().global_max_pool()
        })
        .linear(16)
        .batch_norm()
        .elu()
        .dropout(0.2)
        .linear(1)
        .build()
}

#[test]
fn a_network_over_sequences_trains_and_describes_itself() -> Result<()> {
    let variables = VarMap::new();
    let net = protein_network(builder(&variables, DType::F32))?;
    let ids: Vec<u32> = (0..4 * 40).map(|i| i * 7 % 26).collect();
    let ids = Tensor::from_vec(ids, (4, 40), &Device::Cpu)?;
    let gradients = net.forward(&ids, TRAIN)?.sqr()?.sum_all()?.backward()?;
    for (name, variable) in variables.data().lock().unwrap().iter() {
        assert_eq!(gradients.get(variable).is_some(), !name.contains("running_"), "{name}");
    }
    let description = net.describe(&[40])?;
    assert_eq!(net.forward(&ids, Mode::Inference)?.dims()[1..], description.output);
    let stored: usize = variables.all_vars().iter().map(|variable| variable.elem_count()).sum();
    assert_eq!(description.params + description.buffers, stored);
    let kinds: Vec<&str> = description.children.iter().map(|child| child.kind.as_str()).collect();
    let expected = ["Embedding(26, 20)", "SpatialDropout(0.2)", "Parallel", "Linear(24, 16)", "BatchNorm(16)", "ELU"];
    assert_eq!(kinds[..6], expected);
    Ok(())
}

#[test]
fn a_convolution_of_an_embedding_has_the_receptive_field_of_its_window() -> Result<()> {
    let stack = Stack::new(&[40], builder(&VarMap::new(), DType::F32)).embedding(26, 20);
    let net = stack.conv1d(8, 10).max_pool1d(2).conv1d(4, 3).build()?;
    let field = net.describe(&[40])?.receptive_field.expect("convolutions keep positions")[0];
    assert_eq!((field.size, field.jump, field.start), (15, 2, 7.));
    Ok(())
}

#[test]
fn a_network_over_sequences_computes_the_same_when_prepared() -> Result<()> {
    let net = protein_network(builder(&VarMap::new(), DType::F32))?;
    let prepared = net.prepare(&[40])?;
    for batch in [1, 3, 20] {
        let ids: Vec<u32> = (0..batch * 40).map(|i| (i * 11 % 26) as u32).collect();
        let plain = net.forward(&Tensor::from_slice(&ids, (batch, 40), &Device::Cpu)?, Mode::Inference)?;
        let mut values = vec![f32::NAN; batch];
        prepared.run(&ids.iter().map(|&id| id as f32).collect::<Vec<f32>>(), &mut values)?;
        assert!(max_difference(&Tensor::from_vec(values, (batch, 1), &Device::Cpu)?, &plain)? < 1e-5);
    }
    for wrong in [26., -1., 0.5, f32::NAN] {
        let error = prepared.run(&[wrong; 40], &mut [0.]).unwrap_err().to_string();
        assert!(error.contains("0 to 25"), "{error}");
    }
    assert_eq!(GlobalMaxPool.prepare(&[3, 5])?.sizes(), [15, 3]);
    Ok(())
}
