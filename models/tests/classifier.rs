//! Networks that are made of a backbone and a head.

mod common;

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::{ModuleT, VarBuilder, VarMap};
use common::{assert_close, build, images, vb};
use heads::{ClassifierHead, Head, Reduction};
use layers::{Description, Layer, Mode, Stack};
use models::{Backbone, Classifier, Naming};

/// A head of another crate: the cosine between the mean of the features and the vector of each class.
struct Cosine {
    /// The vectors of the classes, (K, C).
    weight: Tensor,
}

fn unit_length(rows: &Tensor) -> Result<Tensor> {
    rows.broadcast_div(&rows.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?)
}

impl Layer for Cosine {
    fn forward(&self, features: &Tensor, mode: Mode) -> Result<Tensor> {
        self.pooled(features, mode)?.matmul(&unit_length(&mode.parameter(&self.weight))?.t()?)
    }

    fn describe(&self, _input: &[usize]) -> Result<Description> {
        let size = self.weight.elem_count();
        Ok(Description::global("Cosine", vec![self.weight.dim(0)?]).with_params(size).with_macs(size as u64))
    }
}

impl ClassifierHead for Cosine {
    fn pooled(&self, features: &Tensor, _mode: Mode) -> Result<Tensor> {
        unit_length(&features.flatten_from(2)?.mean(2)?)
    }
}

#[test]
fn a_head_of_another_crate_works_like_a_built_in_one() -> Result<()> {
    let variables = VarMap::new();
    let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let input = [3, 32, 32];
    let backbone = models::find("resnet8").unwrap().backbone(input, 0.5, vb.clone())?;
    let init = candle_nn::Init::Randn { mean: 0., stdev: 1. };
    let weight = vb.pp(backbone.naming.head).get_with_hints((5, backbone.output[0]), "weight", init)?;
    let net = Classifier::new(backbone, Cosine { weight })?;

    let images = images(2, input)?;
    let logits = net.forward(&images, Mode::Inference)?;
    assert_eq!(logits.dims(), [2, 5]);
    assert!(logits.abs()?.max_all()?.to_scalar::<f32>()? <= 1.0001);
    assert_close("forward_t", &net.forward_t(&images, false)?, &logits)?;
    assert_close("prepared", &net.prepare(&input)?.forward(&images)?, &logits)?;

    let description = net.describe(&input)?;
    let summary = models::summary(&net, &input)?;
    assert_eq!(description.output, [5]);
    assert_eq!((summary.trainable_params, summary.macs), (description.params, description.macs));
    assert_eq!(summary.params, variables.all_vars().iter().map(|variable| variable.elem_count()).sum::<usize>());
    let row = summary.layers.last().unwrap();
    assert_eq!((row.path.as_str(), row.kind.as_str(), row.params, row.macs), ("fc", "Cosine", 5 * 32, 5 * 32));
    assert!(summary.to_string().contains("Cosine"), "{summary}");

    let features = net.forward_features(&images, Mode::Inference)?;
    let evidence = net.head.class_maps(&features)?;
    assert_eq!((evidence.maps.dims(), evidence.reduction), (&[2, 5, 8, 8][..], Reduction::None));
    assert!(evidence.maps.abs()?.max_all()?.to_scalar::<f32>()? > 0.);
    Ok(())
}

#[test]
fn the_forward_pass_is_that_of_the_features_and_then_of_the_head() -> Result<()> {
    let (net, config, _) = build("resnet8", |config| config);
    let images = images(2, config.input)?;
    let features = net.forward_features(&images, Mode::Inference)?;
    let logits = net.forward_head(&features, Mode::Inference)?.to_vec2::<f32>()?;
    assert_eq!(net.forward(&images, Mode::Inference)?.to_vec2::<f32>()?, logits);
    Ok(())
}

#[test]
fn the_head_is_replaced_for_other_classes_and_the_backbone_stays() -> Result<()> {
    let (mut net, config, _) = build("resnet8", |config| config);
    let images = images(2, config.input)?;
    let features = net.forward_features(&images, Mode::Inference)?.flatten_all()?.to_vec1::<f32>()?;

    let of_head = VarMap::new();
    let vb = VarBuilder::from_varmap(&of_head, DType::F32, &Device::Cpu);
    net.reset_classifier(&"fc:16".parse().unwrap(), 3, vb)?;
    assert_eq!(net.forward(&images, Mode::Inference)?.dims(), [2, 3]);
    assert_eq!(net.forward_features(&images, Mode::Inference)?.flatten_all()?.to_vec1::<f32>()?, features);
    assert!(of_head.data().lock().unwrap().keys().all(|name| name.starts_with("fc.")));
    Ok(())
}

#[test]
fn a_head_for_other_features_is_refused() -> Result<()> {
    let vb = vb();
    let layers = Stack::new(&[1, 8, 8], vb.pp("features")).conv(4, 3).relu().build()?;
    let backbone = Backbone::new("mine", layers, &[1, 8, 8], Naming::VGG)?;
    assert_eq!(backbone.output, [4, 6, 6]);
    let head = Head::new(&"fc".parse().unwrap(), &[4, 5, 5], 10, vb.pp("classifier"))?;
    assert!(Classifier::new(backbone, head).is_err());
    Ok(())
}

#[test]
fn the_dropout_of_candles_interface_changes_from_step_to_step() -> Result<()> {
    let (net, config, _) = build("nin@0.25", |config| config);
    let images = images(2, config.input)?;
    let logits = |train| net.forward_t(&images, train)?.to_vec2::<f32>();
    assert_ne!(logits(true)?, logits(true)?);
    assert_eq!(logits(false)?, logits(false)?);
    assert_eq!(logits(false)?, net.forward(&images, Mode::Eval)?.to_vec2::<f32>()?);
    Ok(())
}
