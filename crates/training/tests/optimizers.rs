//! Compares the optimisers with PyTorch, whose results `fixtures/make.py` writes.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Result, Tensor, backprop::GradStore};
use candle_nn::Init;
use serde::Deserialize;
use training::{Optimizer, OptimizerConfig, Parameters};

type Values = BTreeMap<String, Option<Vec<f32>>>;

#[derive(Deserialize)]
struct Fixture {
    shapes: BTreeMap<String, Vec<usize>>,
    start: Values,
    gradients: Vec<Values>,
    lr: Vec<f64>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    config: OptimizerConfig,
    after: Vec<Values>,
}

#[test]
fn each_optimiser_walks_as_pytorchs_does() -> Result<()> {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/optimizers.json")).unwrap();
    for case in fixture.cases {
        let parameters = Parameters::seeded(0, &Device::Cpu);
        for (name, shape) in &fixture.shapes {
            parameters.builder().get(shape.as_slice(), name)?;
        }
        for (name, variable) in parameters.all() {
            let start = fixture.start[&name].clone().unwrap();
            variable.set(&Tensor::from_vec(start, variable.shape(), &Device::Cpu)?)?;
        }
        let mut optimizer = Optimizer::new(&case.config, &parameters)?;
        for (step, (gradients, &lr)) in fixture.gradients.iter().zip(&fixture.lr).enumerate() {
            let mut store = GradStore::default();
            for (name, variable) in parameters.trainable() {
                if let Some(gradient) = &gradients[&name] {
                    store.insert(&variable, Tensor::from_slice(gradient, variable.shape(), &Device::Cpu)?);
                }
            }
            optimizer.step(&store, lr)?;
            for (name, variable) in parameters.trainable() {
                let expected = case.after[step][&name].as_ref().unwrap();
                for (got, expected) in variable.flatten_all()?.to_vec1::<f32>()?.iter().zip(expected) {
                    let close = (got - expected).abs() <= 2e-6 * expected.abs().max(0.1);
                    assert!(close, "{}, step {step}, {name}: {got} instead of {expected}", case.config);
                }
            }
        }
    }
    Ok(())
}

#[test]
fn a_transposed_gradient_is_read_in_the_parameters_order() -> Result<()> {
    let parameters = Parameters::seeded(0, &Device::Cpu);
    let weight = parameters.builder().get((2, 3), "weight")?;
    let mut store = GradStore::default();
    store.insert(&weight, Tensor::arange(0f32, 6., &Device::Cpu)?.reshape((3, 2))?.t()?);
    Optimizer::new(&OptimizerConfig::sgd(), &parameters)?.step(&store, 1.)?;
    assert_eq!(weight.to_vec2::<f32>()?, [[0., -2., -4.], [-1., -3., -5.]]);
    Ok(())
}

#[test]
fn running_statistics_are_not_optimised() -> Result<()> {
    let parameters = Parameters::seeded(0, &Device::Cpu);
    let mean = parameters.builder().pp("bn").get_with_hints(2, "running_mean", Init::Const(1.))?;
    let weight = parameters.builder().pp("bn").get_with_hints(2, "weight", Init::Const(1.))?;
    let mut store = GradStore::default();
    for parameter in [&mean, &weight] {
        store.insert(parameter, Tensor::ones(2, DType::F32, &Device::Cpu)?);
    }
    Optimizer::new(&OptimizerConfig::sgd(), &parameters)?.step(&store, 1.)?;
    assert_eq!(mean.to_vec1::<f32>()?, [1., 1.]);
    assert_eq!(weight.to_vec1::<f32>()?, [0., 0.]);
    Ok(())
}

#[test]
fn training_nothing_is_an_error() -> Result<()> {
    let parameters = Parameters::seeded(0, &Device::Cpu);
    parameters.builder().get(2, "running_mean")?;
    let error = Optimizer::new(&OptimizerConfig::sgd(), &parameters).unwrap_err();
    assert!(error.to_string().contains("build the model first"), "{error}");
    parameters.builder().get(2, "weight")?;
    let mut optimizer = Optimizer::new(&OptimizerConfig::sgd(), &parameters)?;
    let error = optimizer.step(&GradStore::default(), 1.).unwrap_err();
    assert!(error.to_string().contains("no parameter has a gradient"), "{error}");
    Ok(())
}

#[test]
fn a_gradient_of_another_shape_is_an_error() -> Result<()> {
    let parameters = Parameters::seeded(0, &Device::Cpu);
    let weight = parameters.builder().get((2, 3), "weight")?;
    let mut store = GradStore::default();
    store.insert(&weight, Tensor::zeros((3, 2), DType::F32, &Device::Cpu)?);
    let error = Optimizer::new(&OptimizerConfig::adamw(), &parameters)?.step(&store, 1.).unwrap_err();
    assert!(error.to_string().contains("a gradient of [3, 2] does not fit a parameter of [2, 3]"), "{error}");
    Ok(())
}

#[test]
fn configurations_are_read_with_pytorchs_defaults_and_typos_refused() {
    let read = |text: &str| serde_json::from_str::<OptimizerConfig>(text);
    assert_eq!(read(r#"{"kind": "adamw"}"#).unwrap(), OptimizerConfig::adamw());
    assert_eq!(read(r#"{"kind": "sgd"}"#).unwrap(), OptimizerConfig::sgd());
    let nesterov = read(r#"{"kind": "sgd", "momentum": 0.9, "nesterov": true}"#).unwrap();
    assert_eq!(nesterov.to_string(), "sgd(momentum=0.9, nesterov, weight_decay=0)");
    assert_eq!(read(&serde_json::to_string(&nesterov).unwrap()).unwrap(), nesterov);
    assert!(read(r#"{"kind": "adamw", "weigth_decay": 0.1}"#).is_err());
    assert_eq!(read(r#"{"kind": "adam"}"#).unwrap(), OptimizerConfig::adam());
    assert!(read(r#"{"kind": "adamax"}"#).unwrap_err().to_string().contains("adamw"));
}

#[test]
fn settings_that_pytorch_refuses_are_refused() {
    let parameters = Parameters::seeded(0, &Device::Cpu);
    let (eps, weight_decay) = (1e-8, 0.);
    for config in [
        OptimizerConfig::Sgd { momentum: 0., nesterov: true, weight_decay },
        OptimizerConfig::Sgd { momentum: -0.1, nesterov: false, weight_decay },
        OptimizerConfig::Sgd { momentum: 0., nesterov: false, weight_decay: f64::NAN },
        OptimizerConfig::Adam { beta1: 0.9, beta2: 1., eps, l2: 0. },
        OptimizerConfig::Adam { beta1: 0.9, beta2: 0.9, eps, l2: -1. },
        OptimizerConfig::AdamW { beta1: 1., beta2: 0.9, eps, weight_decay },
        OptimizerConfig::AdamW { beta1: 0.9, beta2: -1., eps, weight_decay },
        OptimizerConfig::AdamW { beta1: 0.9, beta2: 0.9, eps: -1., weight_decay },
    ] {
        let error = Optimizer::new(&config, &parameters).unwrap_err().to_string();
        assert!(error.contains(&config.to_string()), "{error}");
    }
}
