//! The names of models, and the messages about wrong ones.

mod common;

use common::{build, vb};
use models::{ModelConfig, ModelName};

fn error_of(model: &str, input: [usize; 3], width: f64) -> String {
    let config = ModelConfig { input, classes: 10, head: "gap-fc".parse().unwrap(), width };
    models::build(model, &config, vb()).err().expect("an error").to_string()
}

#[test]
fn a_name_with_a_width_survives_text_and_json() {
    for text in ["nin", "nin@0.25", "resnet8@2"] {
        let name: ModelName = text.parse().unwrap();
        assert_eq!(name.to_string(), text);
        let json = serde_json::to_string(&name).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<ModelName>(&json).unwrap(), name);
    }
    assert_eq!("nin@1".parse::<ModelName>().unwrap().to_string(), "nin");
}

#[test]
fn every_model_is_found_under_its_name_and_has_a_default_setting() {
    for architecture in models::list() {
        assert_eq!(models::find(architecture.name).unwrap().name, architecture.name);
        assert!(architecture.config().is_ok(), "{}", architecture.name);
    }
}

#[test]
fn an_unknown_model_is_answered_with_the_known_ones() {
    let error = "resnet9".parse::<ModelName>().unwrap_err().to_string();
    assert!(
        error.contains("resnet9") && error.contains("two-conv, two-conv-padded") && error.contains("resnet20"),
        "{error}"
    );
    assert!(error_of("resnet9", [3, 32, 32], 1.).contains("two-conv, two-conv-padded"));
}

#[test]
fn a_width_that_is_not_positive_is_refused() {
    for width in ["0", "-1", "nan", "inf", "", "x"] {
        let error = format!("nin@{width}").parse::<ModelName>().unwrap_err().to_string();
        assert!(error.contains("positive number"), "{error}");
    }
    assert!(error_of("nin", [3, 32, 32], 0.).contains("positive number"));
}

#[test]
fn a_model_is_built_at_the_width_of_its_name_or_of_the_configuration() {
    for (model, width, channels) in [
        ("resnet8@0.5", 1., 32),
        ("resnet8", 0.5, 32),
        ("resnet8@0.5", 0.5, 32),
        ("resnet8@1", 0.5, 32),
        ("resnet8", 1., 64),
    ] {
        let config = ModelConfig { width, ..models::find("resnet8").unwrap().config().unwrap() };
        let net = models::build(model, &config, vb()).unwrap();
        assert_eq!(net.backbone.output, [channels, 8, 8], "{model} with the width {width}");
    }
    let error = error_of("resnet8@0.5", [3, 32, 32], 0.25);
    assert!(error.contains("`resnet8@0.5`") && error.contains("0.25"), "{error}");
}

#[test]
fn an_input_too_small_names_model_layer_and_shape() {
    let error = error_of("two-conv", [1, 5, 5], 1.);
    assert!(error.contains("two-conv") && error.contains("layer 3") && error.contains("[32, 1, 1]"), "{error}");
}

#[test]
fn the_width_scales_channels_but_never_the_classes() {
    let (net, _, _) = build("nin@0.001", |config| config);
    assert_eq!(net.backbone.output, [1, 8, 8]);
    assert_eq!(models::summary(&net, &[3, 32, 32]).unwrap().layers.last().unwrap().output, [10]);
}
