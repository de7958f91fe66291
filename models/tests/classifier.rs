//! Networks that are made of a backbone and a head.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{ModuleT, VarBuilder, VarMap};
use heads::Head;
use layers::{Layer, Mode, Stack};
use models::{Backbone, Classifier, ModelName, Naming};

fn build(model: &str, variables: &VarMap) -> Classifier {
    let name: ModelName = model.parse().unwrap();
    name.build(&name.config().unwrap(), VarBuilder::from_varmap(variables, DType::F32, &Device::Cpu)).unwrap()
}

#[test]
fn the_forward_pass_is_that_of_the_features_and_then_of_the_head() -> Result<()> {
    let net = build("resnet8", &VarMap::new());
    let images = Tensor::randn(0f32, 1., (2, 3, 32, 32), &Device::Cpu)?;
    let features = net.forward_features(&images, Mode::Inference)?;
    let logits = net.forward_head(&features, Mode::Inference)?.to_vec2::<f32>()?;
    assert_eq!(net.forward(&images, Mode::Inference)?.to_vec2::<f32>()?, logits);
    Ok(())
}

#[test]
fn the_head_is_replaced_for_other_classes_and_the_backbone_stays() -> Result<()> {
    let variables = VarMap::new();
    let mut net = build("resnet8", &variables);
    let images = Tensor::randn(0f32, 1., (2, 3, 32, 32), &Device::Cpu)?;
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
    let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
    let layers = Stack::new(&[1, 8, 8], vb.pp("features")).conv(4, 3).relu().build()?;
    let backbone = Backbone::new("mine", layers, &[1, 8, 8], Naming::VGG)?;
    assert_eq!(backbone.output, [4, 6, 6]);
    let head = Head::new(&"fc".parse().unwrap(), &[4, 5, 5], 10, vb.pp("classifier"))?;
    assert!(Classifier::new(backbone, head).is_err());
    Ok(())
}

#[test]
fn the_dropout_of_candles_interface_changes_from_step_to_step() -> Result<()> {
    let net = build("nin@0.25", &VarMap::new());
    let images = Tensor::randn(0f32, 1., (2, 3, 32, 32), &Device::Cpu)?;
    let logits = |train| net.forward_t(&images, train)?.to_vec2::<f32>();
    assert_ne!(logits(true)?, logits(true)?);
    assert_eq!(logits(false)?, logits(false)?);
    assert_eq!(logits(false)?, net.forward(&images, Mode::Eval)?.to_vec2::<f32>()?);
    Ok(())
}
