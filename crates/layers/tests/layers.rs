//! Descriptions of layers, and that fused modules compute what they compute one after the other.

mod common;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{VarBuilder, VarMap};
use common::{TRAIN, max_difference, names};
use layers::{
    BatchNorm, BatchNormOptions, Conv1d, Conv1dOptions, Conv2dOptions, DepthwiseConv2d, Description, Dropout, Layer,
    MaxPool2d, Mode, PaddedIdentity, Relu, Residual, Stack, Window, rng,
};
use rand_chacha::rand_core::Rng;

fn builder(variables: &VarMap) -> VarBuilder<'static> {
    common::builder(variables, DType::F32)
}

fn input(shape: &[usize]) -> Tensor {
    common::input(shape).to_dtype(DType::F32).unwrap()
}

/// Fails unless both layers have the same results up to `tolerance`, and the same gradients of `xs` and the variables.
fn assert_same([a, b]: [&dyn Layer; 2], xs: &Var, variables: &VarMap, mode: Mode, tolerance: f64) -> Result<()> {
    let (a, b) = (a.forward(xs, mode)?, b.forward(xs, mode)?);
    assert!(max_difference(&a, &b)? < tolerance, "{mode:?}");
    let (a, b) = (a.sqr()?.sum_all()?.backward()?, b.sqr()?.sum_all()?.backward()?);
    assert!(a.get(xs).is_some(), "{mode:?}");
    for variable in variables.all_vars().iter().chain([xs]) {
        match (a.get(variable), b.get(variable)) {
            (Some(a), Some(b)) => assert!(max_difference(a, b)? < 1e-4, "{mode:?}"),
            (a, b) => assert_eq!(a.is_some(), b.is_some(), "{mode:?}"),
        }
    }
    Ok(())
}

#[test]
fn activations_list_the_sizes_of_all_outputs_including_those_of_children() -> Result<()> {
    let variables = VarMap::new();
    let body = Stack::new(&[2, 4, 4], builder(&variables).pp("body")).conv_same(2, 3).batch_norm().build()?;
    let net = Stack::new(&[1, 6, 6], builder(&variables)).conv(2, 3).layer(|_, _| Ok(Residual::new(body))).build()?;
    let activations = net.describe(&[1, 6, 6])?.activations();
    assert!(activations.len() > 2 && activations.iter().all(|&values| values == 32), "{activations:?}");
    Ok(())
}

#[test]
fn modules_are_numbered_as_a_torch_sequential_and_may_be_named() -> Result<()> {
    let variables = VarMap::new();
    Stack::new(&[1, 12, 12], builder(&variables))
        .conv(4, 3)
        .relu()
        .max_pool(2)
        .name("bn")
        .batch_norm()
        .conv_with(8, Conv2dOptions::same(3).without_bias())
        .flatten()
        .linear(2)
        .build()?;
    let expected = [
        "0.bias",
        "0.weight",
        "4.weight",
        "6.bias",
        "6.weight",
        "bn.bias",
        "bn.running_mean",
        "bn.running_var",
        "bn.weight",
    ];
    assert_eq!(names(&variables), expected);
    Ok(())
}

#[test]
fn a_fused_relu_gives_what_a_separate_relu_gives_and_is_still_described() -> Result<()> {
    let variables = VarMap::new();
    let shape = [2, 9, 9];
    let fused =
        Stack::new(&shape, builder(&variables)).conv(4, 3).relu().batch_norm().relu().flatten().linear(5).relu();
    let fused = fused.build()?;
    // The same parameters, with each ReLU a layer that is never fused.
    let relu = |stack: Stack<'static>| stack.layer(|_, _| Ok(Relu));
    let plain = relu(Stack::new(&shape, builder(&variables)).conv(4, 3));
    let plain = relu(relu(plain.batch_norm()).flatten().linear(5)).build()?;
    assert_eq!(fused.describe(&shape)?, plain.describe(&shape)?);
    let xs = Var::from_tensor(&input(&[3, 2, 9, 9]))?;
    // Training moves the running statistics, so evaluation comes after both layers have trained.
    [TRAIN, Mode::Eval, Mode::Inference]
        .into_iter()
        .try_for_each(|mode| assert_same([&fused, &plain], &xs, &variables, mode, 1e-6))
}

#[test]
fn fused_convolution_relu_and_pooling_give_what_the_separate_layers_give() -> Result<()> {
    let variables = VarMap::new();
    let shape = [2, 9, 8];
    let fused = Stack::new(&shape, builder(&variables)).conv(4, 3).relu().max_pool(2).build()?;
    // The same parameters, with layers that are never fused.
    let plain = Stack::new(&shape, builder(&variables)).conv(4, 3).layer(|_, _| Ok(Relu));
    let plain = plain.layer(|_, _| Ok(MaxPool2d(Window::pool(2)))).build()?;
    let description = fused.describe(&shape)?;
    assert_eq!(description, plain.describe(&shape)?);
    let kinds: Vec<&str> = description.children.iter().map(|child| child.kind.as_str()).collect();
    assert_eq!(kinds, ["Conv2d(2, 4, 3x3)", "ReLU", "MaxPool2d(2x2, stride 2)"]);
    let xs = Var::from_tensor(&input(&[3, 2, 9, 8]))?;
    let gradients = fused.forward(&xs, TRAIN)?.sum_all()?.backward()?;
    assert!(variables.all_vars().iter().all(|variable| gradients.get(variable).is_some()));
    assert_same([&fused, &plain], &xs, &variables, TRAIN, 1e-6)
}

#[test]
fn a_depthwise_convolution_fused_with_batch_normalisation_and_relu_gives_what_they_give() -> Result<()> {
    let (variables, shape, config) = (VarMap::new(), [3, 9, 8], Conv2dOptions::same(3).stride(2));
    let fused = Stack::new(&shape, builder(&variables)).depthwise_with(config).batch_norm().relu().build()?;
    let plain = Stack::new(&shape, builder(&variables)).layer(|s, vb| DepthwiseConv2d::new(s[0], config, vb));
    let plain = plain.batch_norm().relu().build()?;
    assert_eq!(fused.describe(&shape)?, plain.describe(&shape)?);
    let xs = Var::from_tensor(&input(&[4, 3, 9, 8]))?;
    [TRAIN, Mode::Eval, Mode::Inference]
        .into_iter()
        .try_for_each(|mode| assert_same([&fused, &plain], &xs, &variables, mode, 1e-5))
}

#[test]
fn the_description_of_a_pooling_names_its_padding() -> Result<()> {
    let kind = |window| Ok::<_, candle_core::Error>(MaxPool2d(window).describe(&[2, 9, 9])?.kind);
    assert_eq!(kind(Window::pool(2))?, "MaxPool2d(2x2, stride 2)");
    assert_eq!(kind(Window::pool(3).stride(2).padding(1))?, "MaxPool2d(3x3, stride 2, padding 1)");
    assert_eq!(kind(Window::new([2, 3], [2, 1], [1, 0]))?, "MaxPool2d(2x3, stride 2x1, padding 1x0)");
    Ok(())
}

#[test]
fn the_first_error_of_a_stack_names_its_layer_and_shape() {
    let stack = Stack::new(&[1, 6, 6], builder(&VarMap::new())).conv(4, 3).max_pool(2).conv(8, 3).relu().max_pool(2);
    let error = stack.build().err().expect("2x2 is too small for a 3x3 kernel").to_string();
    assert!(error.contains("layer 2") && error.contains("[4, 2, 2]"), "{error}");
}

#[test]
fn receptive_fields_compose_with_size_jump_and_start() -> Result<()> {
    let stack = Stack::new(&[1, 32, 32], builder(&VarMap::new()));
    let net = stack.conv_same(2, 3).max_pool(2).conv_with(2, Conv2dOptions::new(5).stride(2)).build()?;
    let field = net.describe(&[1, 32, 32])?.receptive_field.expect("convolutions keep positions")[1];
    // 3 → 3 + 1 → 4 + 4·2; the first position is centred on 0 + 0.5 + 2·2.
    assert_eq!((field.size, field.jump, field.start), (12, 4, 4.5));
    assert_eq!(field.centre(3), 16.5);
    Ok(())
}

#[test]
fn descriptions_have_the_shape_of_the_output() -> Result<()> {
    let stack = Stack::new(&[3, 17, 23], builder(&VarMap::new()));
    let stack =
        stack.conv_with(4, Conv2dOptions::same(5).stride(2)).max_pool_with(Window::pool(3).stride(2).padding(1));
    let net = stack.avg_pool(2).dropout(0.5).build()?;
    let ys = net.forward(&input(&[2, 3, 17, 23]), Mode::Inference)?;
    assert_eq!(ys.dims()[1..], net.describe(&[3, 17, 23])?.output);
    let conv1d = Conv1d::new(3, 5, Conv1dOptions::new(4).stride(2).padding(1), builder(&VarMap::new()))?;
    assert_eq!(conv1d.forward(&input(&[2, 3, 11]), Mode::Eval)?.dims()[1..], conv1d.describe(&[3, 11])?.output);
    Ok(())
}

#[test]
fn running_statistics_follow_the_batch_and_evaluation_uses_them() -> Result<()> {
    let variables = VarMap::new();
    let norm = BatchNorm::new(2, BatchNormOptions::default(), builder(&variables))?;
    let xs = Tensor::new(&[[1f32, 10.], [3., 10.], [5., 40.]], &Device::Cpu)?;
    norm.forward(&xs, TRAIN)?;
    let running = |name: &str| variables.data().lock().unwrap()[name].to_vec1::<f32>();
    // 0.9·0 + 0.1·mean, 0.9·1 + 0.1·unbiased variance (4 and 300).
    assert_eq!(running("running_mean")?, [0.3, 2.]);
    let var = running("running_var")?;
    assert!((var[0] - 1.3).abs() < 1e-6 && (var[1] - 30.9).abs() < 1e-4, "{var:?}");
    let ys = norm.forward(&xs, Mode::Eval)?.to_vec2::<f32>()?;
    assert!((ys[0][0] - 0.7 / 1.30001f32.sqrt()).abs() < 1e-5);
    assert_eq!(running("running_mean")?, [0.3, 2.], "evaluation changes nothing");
    Ok(())
}

#[test]
fn a_residual_block_adds_its_shortcut_before_the_relu() -> Result<()> {
    let body =
        Stack::new(&[2, 5, 5], builder(&VarMap::new())).conv_with(6, Conv2dOptions::same(3).stride(2)).build()?;
    let xs = input(&[1, 2, 5, 5]);
    let shortcut = PaddedIdentity { stride: 2, channels: 6 };
    let padded = shortcut.forward(&xs, Mode::Eval)?;
    assert_eq!(padded.dims(), [1, 6, 3, 3]);
    // Two channels of zeros, the input's every second pixel, two channels of zeros.
    assert_eq!(padded.narrow(1, 0, 2)?.abs()?.sum_all()?.to_scalar::<f32>()?, 0.);
    assert_eq!(padded.get(0)?.to_vec3::<f32>()?[2][1][2], xs.get(0)?.to_vec3::<f32>()?[0][2][4]);
    let expected = (body.forward(&xs, Mode::Eval)? + &padded)?.relu()?;
    let block = Residual::new(body).with_shortcut(shortcut);
    assert_eq!((block.forward(&xs, Mode::Eval)? - expected)?.abs()?.sum_all()?.to_scalar::<f32>()?, 0.);
    assert_eq!(block.describe(&[2, 5, 5])?.output, [6, 3, 3]);
    Ok(())
}

#[test]
fn a_residual_block_lists_every_module_with_the_relu_after_the_sum() -> Result<()> {
    let vb = builder(&VarMap::new());
    let body = Stack::new(&[2, 5, 5], vb.pp("body")).conv_same(6, 3).batch_norm().build()?;
    let projection = Stack::new(&[2, 5, 5], vb.pp("projection")).conv(6, 1).build()?;
    let description = Residual::new(body).with_projection(projection).describe(&[2, 5, 5])?;
    let rows: Vec<[&str; 2]> = description.children.iter().map(|child| [&*child.path, &*child.kind]).collect();
    let conv = "Conv2d(2, 6, 3x3, padding 1)";
    assert_eq!(rows, [["0", conv], ["1", "BatchNorm(6)"], ["downsample", "Sequential"], ["relu", "ReLU"]]);
    // The ReLU works in place, so it adds nothing to what is kept for the backward pass.
    assert_eq!(description.activations(), [150; 3]);
    assert_eq!(description.receptive_field.expect("convolutions keep positions")[0].size, 3);
    Ok(())
}

/// Passes everything to another layer, so that nothing is fused with it.
struct Foreign<L>(L);

impl<L: Layer> Layer for Foreign<L> {
    fn forward(&self, xs: &Tensor, mode: Mode) -> Result<Tensor> {
        self.0.forward(xs, mode)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        self.0.describe(input)
    }
}

#[test]
fn a_residual_block_in_one_operator_gives_what_its_parts_give() -> Result<()> {
    let (variables, shape) = (VarMap::new(), [2, 6, 5]);
    let body = || {
        let stack = Stack::new(&shape, builder(&variables).pp("body")).conv_same(3, 3).batch_norm().relu();
        stack.conv_same(3, 3).batch_norm().build()
    };
    let projection = || Stack::new(&shape, builder(&variables).pp("projection")).conv(3, 1).build();
    let fused = Residual::new(body()?).with_projection(projection()?);
    let parts = Residual::new(body()?).with_shortcut(Foreign(projection()?));
    let xs = Var::from_tensor(&input(&[4, 2, 6, 5]))?;
    [TRAIN, Mode::Eval, Mode::Inference]
        .into_iter()
        .try_for_each(|mode| assert_same([&fused, &parts], &xs, &variables, mode, 1e-5))
}

#[test]
fn dropout_keeps_the_mean_and_drops_its_share() -> Result<()> {
    let xs = Tensor::ones(100_000, DType::F32, &Device::Cpu)?;
    let ys = Dropout::new(0.3, "a")?.forward(&xs, TRAIN)?.to_vec1::<f32>()?;
    let dropped = ys.iter().filter(|y| **y == 0.).count() as f64 / 1e5;
    assert!((dropped - 0.3).abs() < 0.01, "{dropped}");
    assert!((ys.iter().sum::<f32>() / 1e5 - 1.).abs() < 0.02);
    let other = Dropout::new(0.3, "b")?.forward(&xs, TRAIN)?.to_vec1::<f32>()?;
    assert_ne!(ys, other, "another path, another mask");
    assert!(Dropout::new(1., "a").is_err());
    Ok(())
}

#[test]
fn random_streams_depend_on_seed_path_and_step_alone() {
    let first = |seed, path, step| rng(seed, path, step).next_u64();
    assert_eq!(first(1, "a.weight", 0), first(1, "a.weight", 0));
    let others = [first(2, "a.weight", 0), first(1, "b.weight", 0), first(1, "a.weight", 1)];
    assert!(others.iter().all(|other| *other != first(1, "a.weight", 0)));
}
