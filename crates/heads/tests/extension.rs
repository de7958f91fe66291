//! A pooling and heads that are defined outside the crate work like the built-in ones.

mod common;

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::{ModuleT, VarBuilder, VarMap};
use common::{CLASSES, assert_close, features};
use heads::{
    ClassifierHead, Description, Evidence, Head, HeadBuilder, HeadConfig, HeadKind, Layer, Linear, Mode, PoolLinear,
    Pooling, Reduction, RegisterHeadError, ops, parse_list, register,
};

const SHAPES: [&[usize]; 2] = [&[6, 4, 7], &[6, 9]];

/// The global minimum.
struct Min;

impl Pooling for Min {
    fn name(&self) -> &str {
        "GlobalMinPool"
    }

    fn pool(&self, features: &Tensor, _mode: Mode) -> Result<Tensor> {
        ops::global_max_pool(&features.neg()?)?.neg()
    }
}

/// Minimum and maximum side by side, which is more than one value per channel.
struct Range;

impl Pooling for Range {
    fn name(&self) -> &str {
        "GlobalMinMaxPool"
    }

    fn pool(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        Tensor::cat(&[Min.pool(features, mode)?, ops::global_max_pool(features)?], 1)
    }

    fn outputs(&self, channels: usize) -> usize {
        2 * channels
    }
}

/// Claims one value per channel but gives two.
struct Mistaken;

impl Pooling for Mistaken {
    fn name(&self) -> &str {
        "Mistaken"
    }

    fn pool(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        Range.pool(features, mode)
    }
}

/// Flattened features of length 1, then a linear layer.
struct UnitLength(Linear);

impl Layer for UnitLength {
    fn forward(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        self.0.forward(&self.pooled(features, mode)?, mode)
    }

    fn describe(&self, input: &[usize]) -> Result<Description> {
        Ok(Description::chain("UnitLength", input, vec![self.0.describe(&[input.iter().product()])?]))
    }
}

impl ClassifierHead for UnitLength {
    fn pooled(&self, features: &Tensor, _mode: Mode) -> Result<Tensor> {
        let flat = features.flatten_from(1)?;
        flat.broadcast_div(&flat.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?)
    }

    fn fixed_input(&self) -> bool {
        true
    }
}

/// Builds a head and returns it with its parameters.
fn build(make: impl FnOnce(VarBuilder) -> Result<Head>) -> Result<(Head, VarMap)> {
    let variables = VarMap::new();
    let head = make(VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu))?;
    Ok((head, variables))
}

fn pooled_by<P: Pooling + 'static>(pooling: P, channels: usize) -> Result<(Head, VarMap)> {
    build(|vb| Ok(PoolLinear::new(pooling, channels, CLASSES, vb)?.into()))
}

/// Checks that a head computes the same in all forms, and that its description and its maps fit.
fn assert_works(head: &Head, variables: &VarMap, shape: &[usize]) -> Result<()> {
    let xs = features(shape);
    let logits = head.forward(&xs, Mode::Eval)?;
    assert_eq!(logits.dims(), [2, CLASSES]);
    assert_close(&head.forward_t(&xs, true)?, &logits, "ModuleT");

    let description = head.describe(shape)?;
    assert_eq!(description.output, [CLASSES]);
    assert_eq!(description.params, variables.all_vars().iter().map(|v| v.elem_count()).sum::<usize>());

    let mut prepared = vec![0.; 2 * CLASSES];
    head.prepare(shape)?.run(&xs.flatten_all()?.to_vec1()?, &mut prepared)?;
    assert_close(&Tensor::from_vec(prepared, (2, CLASSES), &Device::Cpu)?, &logits, "prepared");

    assert_eq!(head.class_maps(&xs)?.maps.dims(), [&[2, CLASSES], &shape[1..]].concat());
    Ok(())
}

#[test]
fn a_pooling_from_outside_needs_only_a_name_and_its_function() -> Result<()> {
    for shape in SHAPES {
        let (head, variables) = pooled_by(Min, shape[0])?;
        assert_works(&head, &variables, shape)?;
        assert!(!head.fixed_input());
        assert_eq!(head.describe(shape)?.children[0].kind, "GlobalMinPool");
        assert_close(&head.pooled(&features(shape), Mode::Eval)?, &features(shape).flatten_from(2)?.min(2)?, "minimum");
    }
    Ok(())
}

#[test]
fn a_pooling_with_more_values_than_channels_has_maps_of_contributions() -> Result<()> {
    for shape in SHAPES {
        let (head, variables) = pooled_by(Range, shape[0])?;
        assert_works(&head, &variables, shape)?;
        let Evidence { maps, bias, reduction, .. } = head.class_maps(&features(shape))?;
        assert_eq!(reduction, Reduction::None, "the default does not know that values come from single positions");
        let sums = maps.flatten_from(2)?.sum(2)?.broadcast_add(&bias.unwrap())?;
        assert_close(&sums, &head.forward(&features(shape), Mode::Eval)?, "the sum of the contributions");
    }
    Ok(())
}

#[test]
fn a_pooling_that_gives_another_number_of_values_than_it_says_is_named() -> Result<()> {
    let error = pooled_by(Mistaken, 6)?.0.forward(&features(&[6, 9]), Mode::Eval).unwrap_err().to_string();
    assert!(error.contains("Mistaken") && error.contains("[2, 12]") && error.contains("[2, 6]"), "{error}");
    Ok(())
}

#[test]
fn a_head_from_outside_works_wherever_a_built_in_one_does() -> Result<()> {
    for shape in SHAPES {
        let (head, variables) = build(|vb| Ok(UnitLength(Linear::new(shape.iter().product(), CLASSES, vb)?).into()))?;
        assert_works(&head, &variables, shape)?;
        assert!(head.fixed_input());
    }
    Ok(())
}

#[test]
fn a_registered_head_is_parsed_printed_listed_and_built_by_its_name() {
    fn scaled(arguments: &str) -> Option<HeadBuilder> {
        let factors: Vec<u32> = match arguments {
            "" => vec![1],
            _ => arguments.strip_prefix(':')?.split(',').map(|factor| factor.parse().ok()).collect::<Option<_>>()?,
        };
        let printed: Vec<String> = factors.iter().map(u32::to_string).collect();
        Some(HeadBuilder::new(format!(":{}", printed.join(",")), |features, classes, vb| {
            Ok(Box::new(PoolLinear::new(Min, features[0], classes, vb)?))
        }))
    }
    register(HeadKind::new("own-min-fc", "global minimum, linear", |features, classes, vb| {
        Ok(Box::new(PoolLinear::new(Min, features[0], classes, vb)?))
    }))
    .unwrap();
    register(HeadKind::with_arguments("scaled", "scaled once", scaled).examples(&[("scaled:2,3", "scaled twice")]))
        .unwrap();

    let list = parse_list("own-min-fc,fc:120,84,scaled:4,5,gap").unwrap();
    assert_eq!(
        list.iter().map(HeadConfig::to_string).collect::<Vec<_>>(),
        ["own-min-fc", "fc:120,84", "scaled:4,5", "gap"]
    );
    assert_eq!("scaled".parse::<HeadConfig>().unwrap(), "scaled:1".parse().unwrap());
    assert_eq!(serde_json::to_string(&list[0]).unwrap(), "\"own-min-fc\"");
    assert_eq!(serde_json::from_str::<HeadConfig>("\"own-min-fc\"").unwrap(), list[0]);

    let examples = HeadConfig::examples().into_iter().map(|(head, description)| (head.to_string(), description));
    let own: Vec<_> =
        examples.filter(|(head, _)| head.starts_with("own-min-fc") || head.starts_with("scaled")).collect();
    let expected =
        [("own-min-fc", "global minimum, linear"), ("scaled:1", "scaled once"), ("scaled:2,3", "scaled twice")];
    assert_eq!(own, expected.map(|(head, description)| (head.to_string(), description)));
    let error = "max-fc".parse::<HeadConfig>().unwrap_err().to_string();
    assert!(error.contains("attn-fc") && error.contains("own-min-fc") && error.contains("`max-fc`"), "{error}");

    for shape in SHAPES {
        let (head, variables) = build(|vb| Head::new(&list[0], shape, CLASSES, vb)).unwrap();
        assert_works(&head, &variables, shape).unwrap();
    }
}

#[test]
fn a_name_is_registered_once_and_only_if_it_can_be_told_from_arguments() {
    let kind = |name| {
        HeadKind::new(name, "global minimum, linear", |features, classes, vb| {
            Ok(Box::new(PoolLinear::new(Min, features[0], classes, vb)?))
        })
    };
    assert_eq!(register(kind("gap")), Err(RegisterHeadError::Taken("gap")));
    register(kind("twice")).unwrap();
    assert_eq!(register(kind("twice")), Err(RegisterHeadError::Taken("twice")));
    for name in ["", "3d", "min:fc", "min,fc", "min+fc", "min fc"] {
        assert_eq!(register(kind(name)), Err(RegisterHeadError::Name(name)));
    }
    let example = register(kind("sometimes").examples(&[("sometimes:5", "an argument that the kind does not take")]));
    assert_eq!(example, Err(RegisterHeadError::Example("sometimes:5", "sometimes")));
}
