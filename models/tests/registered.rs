//! Architectures of another crate. The tests are in a program without others, since all tests of a program share the
//! zoo.

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{VarBuilder, VarMap};
use layers::{Layer, Mode, Sequential, Stack};
use models::{Architecture, ModelName, Naming, RegisterError, Width};

fn layers(input: &[usize], width: Width, vb: VarBuilder) -> Result<Sequential> {
    Stack::new(input, vb).name("conv").conv_same(width.of(8), 3).name("bn").batch_norm().name("relu").relu().build()
}

#[test]
fn a_registered_model_works_like_a_built_in_one() {
    let naming = Naming { backbone: "", head: "head.fc" };
    let architecture = Architecture::new("registered", layers).description("one convolution").naming(naming);
    let registered = models::register(architecture.default_input([1, 8, 8]).default_classes(3)).unwrap();
    assert_eq!(models::find("registered").unwrap().description, "one convolution");
    assert_eq!(models::list().last().unwrap().name, "registered");
    assert!(models::find("regstered").unwrap_err().to_string().contains("mobilenet-v1, registered"));

    let name: ModelName = serde_json::from_str("\"registered@0.5\"").unwrap();
    let config = name.config().unwrap();
    assert_eq!((config.input, config.classes, config.width), (registered.default_input, 3, 0.5));
    let variables = VarMap::new();
    let net = name.build(&config, VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu)).unwrap();
    let images = Tensor::zeros((2, 1, 8, 8), DType::F32, &Device::Cpu).unwrap();
    assert_eq!(net.forward(&images, Mode::Inference).unwrap().dims(), [2, 3]);
    let mut names: Vec<String> = variables.data().lock().unwrap().keys().cloned().collect();
    names.sort();
    assert_eq!(names[4..], ["conv.bias", "conv.weight", "head.fc.bias", "head.fc.weight"]);
    assert_eq!(models::summary(&net, &config.input).unwrap().layers[0].path, "conv");
}

#[test]
fn a_model_is_not_registered_under_a_taken_or_unreadable_name_or_with_an_unknown_head() {
    let error = |name, head| models::register(Architecture::new(name, layers).default_head(head)).unwrap_err();
    assert_eq!(error("resnet8", "gap"), RegisterError::Taken("resnet8".into()));
    for name in ["", "a@b", "a,b", "a b", "ä"] {
        assert_eq!(error(name, "gap"), RegisterError::Name(name.into()));
    }
    let unknown = error("headless", "gapp").to_string();
    assert!(unknown.contains("`headless`") && unknown.contains("gapp"), "{unknown}");
    assert!(models::find("headless").is_err());
}
