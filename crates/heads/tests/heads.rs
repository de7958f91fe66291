//! Properties of every built-in head, and identities between heads.

mod common;

use std::collections::HashMap;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{ModuleT, VarBuilder, VarMap};
use common::{CLASSES, assert_close, features};
use heads::{Evidence, Head, HeadConfig, Layer, Mode, Reduction};

const SHAPES: [&[usize]; 3] = [&[6, 5, 5], &[6, 4, 7], &[6, 9]];

/// Returns features without zeros and negative values.
fn positive_features(shape: &[usize]) -> Tensor {
    (features(shape).abs().unwrap() + 0.1).unwrap()
}

fn build(name: &str, shape: &[usize]) -> (Head, VarMap) {
    let variables = VarMap::new();
    let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    (Head::new(&name.parse().unwrap(), shape, CLASSES, vb).unwrap(), variables)
}

fn from_tensors(name: &str, shape: &[usize], tensors: &[(&str, Tensor)]) -> Head {
    let tensors: HashMap<String, Tensor> = tensors.iter().map(|(n, t)| (n.to_string(), t.clone())).collect();
    let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
    Head::new(&name.parse().unwrap(), shape, CLASSES, vb).unwrap()
}

/// The pooled vectors of a new head for the features (N, C, …).
fn pooled(name: &str, xs: &Tensor) -> Result<Tensor> {
    build(name, &xs.dims()[1..]).0.pooled(xs, Mode::Eval)
}

fn all() -> impl Iterator<Item = String> {
    HeadConfig::examples()
        .into_iter()
        .map(|(config, _)| config.to_string())
        .chain(["fc+drop0.2", "fc:150"].map(String::from))
}

#[test]
fn every_head_gives_logits_for_one_and_two_spatial_axes_and_describes_its_parameters() -> Result<()> {
    for name in all() {
        for shape in SHAPES {
            let (head, variables) = build(&name, shape);
            let description = head.describe(shape)?;
            assert_eq!(description.output, [CLASSES], "{name}");
            let counted: usize = variables.all_vars().iter().map(|v| v.elem_count()).sum();
            assert_eq!(description.params, counted, "{name} {shape:?}");
            let xs = features(shape);
            for mode in [Mode::Train { seed: 1, step: 2 }, Mode::Eval, Mode::Inference] {
                assert_eq!(head.forward(&xs, mode)?.dims(), [2, CLASSES], "{name} {shape:?}");
            }
            assert_close(&head.forward(&xs, Mode::Eval)?, &head.forward_t(&xs, false)?, &name);
        }
    }
    Ok(())
}

#[test]
fn every_parameter_of_every_head_gets_a_gradient() -> Result<()> {
    for name in all() {
        let (head, variables) = build(&name, SHAPES[0]);
        let logits = head.forward(&positive_features(SHAPES[0]), Mode::Train { seed: 0, step: 0 })?;
        let gradients = logits.sqr()?.sum_all()?.backward()?;
        for (parameter, variable) in variables.data().lock().unwrap().iter() {
            assert!(gradients.get(variable).is_some(), "{name}: no gradient for {parameter}");
        }
    }
    Ok(())
}

#[test]
fn maps_reduce_to_the_logits_where_a_reduction_is_named() -> Result<()> {
    for name in all() {
        for shape in SHAPES {
            let (head, _) = build(&name, shape);
            let xs = features(shape);
            let Evidence { maps, bias, reduction, .. } = head.class_maps(&xs)?;
            assert_eq!(&maps.dims()[2..], &shape[1..], "{name}: maps lie on the features' positions");
            assert_eq!(maps.dims()[..2], [2, CLASSES], "{name}");
            let flat = maps.flatten_from(2)?;
            let reduced = match reduction {
                Reduction::Sum => flat.sum(2)?,
                Reduction::Mean => flat.mean(2)?,
                Reduction::Max => flat.max(2)?,
                Reduction::None => continue,
                other => panic!("{name}: {other:?}"),
            };
            let logits = bias.map_or(Ok(reduced.clone()), |b| reduced.broadcast_add(&b))?;
            assert_close(&logits, &head.forward(&xs, Mode::Eval)?, &format!("{name} {shape:?}"));
        }
    }
    Ok(())
}

#[test]
fn the_reductions_are_those_that_the_heads_promise() -> Result<()> {
    let expected = [
        ("fc", Reduction::Sum),
        ("fc+drop0.2", Reduction::Sum),
        ("fc:128", Reduction::None),
        // With as many hidden units as features.
        ("fc:150", Reduction::None),
        ("gap", Reduction::Mean),
        ("gap-fc", Reduction::Mean),
        ("gmp", Reduction::Max),
        ("gmp-fc", Reduction::None),
        ("gem-fc", Reduction::None),
        ("lse-fc", Reduction::None),
        ("avgmax-fc", Reduction::None),
        ("catavgmax-fc", Reduction::None),
        ("spp-fc", Reduction::Sum),
        ("attn-fc", Reduction::Sum),
    ];
    for (name, reduction) in expected {
        assert_eq!(build(name, SHAPES[0]).0.class_maps(&features(SHAPES[0]))?.reduction, reduction, "{name}");
    }
    Ok(())
}

#[test]
fn a_convolution_before_the_global_average_is_a_linear_layer_after_it_but_not_so_for_the_maximum() -> Result<()> {
    let shape = SHAPES[0];
    let weight = features(&[2, 3, 3]).flatten_all()?.narrow(0, 0, 18)?.reshape((3, 6))?;
    let bias = Tensor::new(&[0.1f32, -0.2, 0.3], &Device::Cpu)?;
    let after = [("weight", weight.clone()), ("bias", bias.clone())];
    let before = [("weight", weight.reshape((3, 6, 1, 1))?), ("bias", bias)];
    let xs = features(shape);
    let logits = |name, tensors: &[(&str, Tensor)]| from_tensors(name, shape, tensors).forward(&xs, Mode::Eval);
    assert_close(&logits("gap", &before)?, &logits("gap-fc", &after)?, "gap is gap-fc");
    let difference = (logits("gmp", &before)? - logits("gmp-fc", &after)?)?.abs()?.max_all()?.to_scalar::<f32>()?;
    assert!(difference > 1e-2, "gmp and gmp-fc are different functions");
    // The same function has the same maps.
    let maps = |name, tensors: &[(&str, Tensor)]| {
        Ok::<_, candle_core::Error>(from_tensors(name, shape, tensors).class_maps(&xs)?.maps)
    };
    assert_close(&maps("gap", &before)?, &maps("gap-fc", &after)?, "the maps of gap and gap-fc");
    Ok(())
}

#[test]
fn the_generalised_mean_with_power_one_is_the_average() -> Result<()> {
    let xs = positive_features(SHAPES[0]);
    let p = Tensor::ones(1, DType::F32, &Device::Cpu)?;
    assert_close(&ops::gem_pool(&xs, &p)?, &ops::global_avg_pool(&xs)?, "GeM with p = 1");
    Ok(())
}

#[test]
fn the_generalised_mean_starts_at_power_3_and_log_sum_exp_at_sharpness_10() -> Result<()> {
    let xs = positive_features(SHAPES[0]);
    let scalar = |value: f32| Tensor::new(&[value], &Device::Cpu);
    assert_close(&pooled("gem-fc", &xs)?, &ops::gem_pool(&xs, &scalar(3.)?)?, "gem-fc");
    assert_close(&pooled("lse-fc", &xs)?, &ops::lse_pool(&xs, &scalar(10.)?)?, "lse-fc");
    Ok(())
}

#[test]
fn the_mixtures_are_half_the_sum_and_the_average_before_the_maximum() -> Result<()> {
    let xs = features(SHAPES[0]);
    let (average, maximum) = (ops::global_avg_pool(&xs)?, ops::global_max_pool(&xs)?);
    assert_close(&pooled("avgmax-fc", &xs)?, &((&average + &maximum)? * 0.5)?, "avgmax-fc");
    assert_close(&pooled("catavgmax-fc", &xs)?, &Tensor::cat(&[average, maximum], 1)?, "catavgmax-fc");
    Ok(())
}

#[test]
fn the_pyramid_is_the_maxima_over_grids_of_1_2_and_4() -> Result<()> {
    let xs = features(SHAPES[0]);
    let level = |n| ops::adaptive_max_pool2d(&xs, [n, n])?.flatten_from(1);
    let pyramid = pooled("spp-fc", &xs)?;
    assert_close(&pyramid, &Tensor::cat(&[level(1)?, level(2)?, level(4)?], 1)?, "spp-fc");
    assert_close(&pyramid.narrow(1, 0, 6)?, &ops::global_max_pool(&xs)?, "level 1");
    Ok(())
}

#[test]
fn attention_is_gated_by_a_sigmoid() -> Result<()> {
    // With f = 1 the hidden units are tanh(0) · σ(0) = 0, with f = 2 they are tanh(ln 2) · σ(ln 3) = 0.6 · 0.75.
    // Their sum of 64, weighted, gives scores of 0 and ln 3, thus weights of 1/4 and 3/4.
    let (ln2, ln3) = (2f32.ln(), 3f32.ln());
    let full = |value: f32, shape: &[usize]| Tensor::full(value, shape, &Device::Cpu);
    let head = from_tensors(
        "attn-fc",
        &[1, 2],
        &[
            ("attention.v.weight", full(ln2, &[64, 1])?),
            ("attention.v.bias", full(-ln2, &[64])?),
            ("attention.u.weight", full(ln3, &[64, 1])?),
            ("attention.u.bias", full(-ln3, &[64])?),
            ("attention.w.weight", full(ln3 / (64. * 0.6 * 0.75), &[1, 64])?),
            ("attention.w.bias", full(0.5, &[1])?),
            ("weight", full(1., &[CLASSES, 1])?),
            ("bias", full(0., &[CLASSES])?),
        ],
    );
    let xs = Tensor::new(&[[[1f32, 2.]]], &Device::Cpu)?;
    assert_close(&head.pooled(&xs, Mode::Eval)?, &full(0.25 * 1. + 0.75 * 2., &[1, 1])?, "attn-fc");
    let maps = head.class_maps(&xs)?.maps.get(0)?.get(0)?;
    assert_close(&maps, &Tensor::new(&[0.25f32, 1.5], &Device::Cpu)?, "the maps of attn-fc");
    Ok(())
}

#[test]
fn multiply_accumulates_are_those_of_convolutions_and_linear_layers() -> Result<()> {
    for (name, macs) in [
        ("fc", 150 * 3),
        ("fc:128", 150 * 128 + 128 * 3),
        ("gap", 25 * 6 * 3),
        ("gap:direct", 0),
        ("gap-fc", 6 * 3),
        ("catavgmax-fc", 12 * 3),
        // Two projections to 64 units and one to the score, at each position.
        ("attn-fc", 25 * (2 * 6 * 64 + 64) + 6 * 3),
    ] {
        let shape = if name == "gap:direct" { &[CLASSES, 5, 5] } else { SHAPES[0] };
        assert_eq!(build(name, shape).0.describe(shape)?.macs, macs, "{name}");
    }
    Ok(())
}

#[test]
fn pooled_heads_take_any_size_and_flattening_ones_say_which_they_take() -> Result<()> {
    for name in all() {
        let (head, _) = build(&name, SHAPES[0]);
        let other = features(&[6, 8, 11]);
        let fixed = name.starts_with("fc");
        assert_eq!(head.fixed_input(), fixed, "{name}");
        match head.forward(&other, Mode::Eval) {
            Ok(logits) => {
                assert!(!fixed, "{name} should not take another size");
                assert_eq!(logits.dims(), [2, CLASSES]);
            }
            Err(error) => {
                assert!(fixed, "{name}: {error}");
                assert!(error.to_string().contains("[6, 5, 5]"), "{error}");
            }
        }
        assert_eq!(head.describe(&[6, 8, 11]).is_err(), fixed, "{name}");
    }
    Ok(())
}

#[test]
fn a_direct_head_has_no_parameters_and_needs_a_channel_per_class() -> Result<()> {
    let (head, variables) = build("gap:direct", &[CLASSES, 4, 4]);
    assert!(variables.all_vars().is_empty());
    let xs = features(&[CLASSES, 4, 4]);
    assert_close(&head.forward(&xs, Mode::Eval)?, &ops::global_avg_pool(&xs)?, "gap:direct");
    let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
    let error = Head::new(&"gmp:direct".parse().unwrap(), SHAPES[0], CLASSES, vb).err().expect("must fail");
    assert!(error.to_string().contains("as many channels as classes"), "{error}");
    Ok(())
}

#[test]
fn dropout_is_a_pure_function_of_seed_and_step() -> Result<()> {
    let (head, _) = build("fc:128+drop0.5", SHAPES[0]);
    let xs = positive_features(SHAPES[0]);
    let logits = |seed, step| head.forward(&xs, Mode::Train { seed, step })?.flatten_all()?.to_vec1::<f32>();
    assert_eq!(logits(1, 1)?, logits(1, 1)?);
    assert_ne!(logits(1, 1)?, logits(1, 2)?);
    assert_ne!(logits(1, 1)?, logits(2, 1)?);
    Ok(())
}

#[test]
fn inference_keeps_no_graph() -> Result<()> {
    for name in all() {
        let (head, variables) = build(&name, SHAPES[0]);
        let xs = positive_features(SHAPES[0]);
        let gradients = head.forward(&xs, Mode::Inference)?.sum_all()?.backward()?;
        assert!(variables.all_vars().iter().all(|v| gradients.get(v).is_none()), "{name}");
        let xs = Var::from_tensor(&xs)?;
        let gradients = head.forward(&xs, Mode::Eval)?.sum_all()?.backward()?;
        assert!(gradients.get(&xs).is_some(), "{name}: gradients flow to the features in evaluation");
    }
    Ok(())
}
