//! The numbers and names with which the architectures were published.

mod common;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::VarMap;
use common::vb;
use layers::{Layer, Mode};
use models::{Classifier, ModelConfig, Summary};

fn build(model: &str, head: &str) -> (Classifier, ModelConfig, VarMap) {
    common::build(model, |config| ModelConfig { head: head.parse().unwrap(), ..config })
}

fn summary(model: &str, head: &str) -> Summary {
    let (net, config, _) = build(model, head);
    models::summary(&net, &config.input).unwrap()
}

fn names(model: &str) -> Vec<String> {
    let default_head = models::find(model).unwrap().default_head;
    let (_, _, variables) = build(model, default_head);
    let mut names: Vec<String> = variables.data().lock().unwrap().keys().cloned().collect();
    names.sort();
    names
}

#[test]
fn the_models_have_the_published_or_documented_numbers_of_parameters() {
    for (model, head, trainable, stored) in [
        ("two-conv", "fc", 18_816 + 16_010, 18_816 + 16_010),
        ("two-conv", "gap", 18_816 + 650, 18_816 + 650),
        ("two-conv-padded", "fc", 18_816 + 31_370, 18_816 + 31_370),
        ("two-conv-avg-pool", "fc", 18_816 + 16_010, 18_816 + 16_010),
        ("two-conv-strided", "fc", 18_816 + 23_050, 18_816 + 23_050),
        ("two-conv-no-pool", "fc", 18_816 + 368_650, 18_816 + 368_650),
        // 144 weights, then 2,304 for each further layer; 32 scales and shifts for each.
        ("plain-2", "fc", 2_448 + 2 * 32 + 125_450, 2_448 + 2 * 64 + 125_450),
        ("plain-4", "fc", 7_056 + 4 * 32 + 125_450, 7_056 + 4 * 64 + 125_450),
        ("plain-8", "fc", 16_272 + 8 * 32 + 125_450, 16_272 + 8 * 64 + 125_450),
        ("plain-8", "gap", 16_272 + 8 * 32 + 170, 16_272 + 8 * 64 + 170),
        ("lenet5", "fc:120,84", 61_706, 61_706),
        ("vgg-small", "gap-fc", 288_746, 288_746 + 896),
        ("nin", "gap", 966_986, 966_986),
        ("all-cnn-c", "gap", 1_369_738, 1_369_738),
        ("resnet8", "gap-fc", 78_186, 78_666),
        ("resnet20", "gap-fc", 269_722, 269_722 + 1_376),
        ("mobilenet-v1", "gap-fc", 3_209_026, 3_209_026 + 21_888),
    ] {
        let summary = summary(model, head);
        assert_eq!((summary.trainable_params, summary.params), (trainable, stored), "{model} with {head}");
    }
}

#[test]
fn resnet8_has_the_published_number_of_multiply_accumulates() {
    assert_eq!(summary("resnet8", "gap-fc").macs, 12_501_632);
}

#[test]
fn mobilenet_v1_has_the_published_numbers() {
    let summary = |input, classes, width| {
        let architecture = models::find("mobilenet-v1").unwrap();
        let config = ModelConfig { input, classes, width, ..architecture.config().unwrap() };
        models::summary(&architecture.build(&config, vb()).unwrap(), &config.input).unwrap()
    };
    // The numbers of Keras; table 8 of the paper has 569 million multiply-accumulates.
    let imagenet = summary([3, 224, 224], 1000, 1.);
    assert_eq!((imagenet.trainable_params, imagenet.params), (4_231_976, 4_253_864));
    assert_eq!(imagenet.macs, 568_740_352);
    // MLPerf Tiny gives about 7.5 million.
    assert_eq!(summary([3, 96, 96], 2, 0.25).macs, 7_489_664);
}

#[test]
fn two_conv_and_its_variants_give_their_heads_maps_of_the_documented_sizes() {
    for (model, side, seen) in [
        ("two-conv", 5, 10),
        ("two-conv-padded", 7, 10),
        ("two-conv-avg-pool", 5, 10),
        ("two-conv-strided", 6, 7),
        ("two-conv-no-pool", 24, 5),
    ] {
        let (net, _, _) = build(model, "fc");
        assert_eq!(net.backbone.output, [64, side, side], "{model}");
        assert_eq!(summary(model, "gap").receptive_field, Some(vec![seen, seen]), "{model}");
    }
}

#[test]
fn each_layer_of_a_plain_network_costs_the_same_and_no_map_shrinks() {
    for (model, depth) in [("plain-2", 2), ("plain-4", 4), ("plain-8", 8)] {
        let (net, _, _) = build(model, "fc");
        assert_eq!(net.backbone.output, [16, 28, 28], "{model}");
        let (first, further, head) = (9 * 16 * 784, 9 * 16 * 16 * 784, 16 * 784 * 10);
        assert_eq!(summary(model, "fc").macs, first + (depth - 1) * further + head, "{model}");
    }
}

#[test]
fn the_receptive_fields_are_as_documented() {
    assert_eq!(summary("vgg-small", "gap").receptive_field, Some(vec![32, 32]));
    assert_eq!(summary("plain-8", "gap").receptive_field, Some(vec![17, 17]));
}

#[test]
fn described_parameters_are_the_stored_ones_and_the_rows_add_up() {
    for architecture in models::list() {
        for head in [architecture.default_head, "gap-fc"] {
            let (net, config, variables) = build(architecture.name, head);
            let (mut trainable, mut stored) = (0, 0);
            for (name, variable) in variables.data().lock().unwrap().iter() {
                stored += variable.elem_count();
                trainable += if name.contains("running_") { 0 } else { variable.elem_count() };
            }
            let summary = models::summary(&net, &config.input).unwrap();
            assert_eq!((summary.trainable_params, summary.params), (trainable, stored), "{}", architecture.name);
            assert_eq!(summary.layers.iter().map(|layer| layer.params).sum::<usize>(), stored);
            assert_eq!(summary.layers.iter().map(|layer| layer.trainable_params).sum::<usize>(), trainable);
            assert_eq!(summary.layers.iter().map(|layer| layer.macs).sum::<u64>(), summary.macs);
        }
    }
}

#[test]
fn every_row_with_parameters_carries_their_name() {
    for architecture in models::list() {
        let (net, config, variables) = build(architecture.name, architecture.default_head);
        let names = variables.data().lock().unwrap();
        for row in models::summary(&net, &config.input).unwrap().layers {
            assert!(row.params == 0 || names.contains_key(&format!("{}.weight", row.path)), "{row:?}");
        }
    }
}

#[test]
fn every_model_gives_logits_and_the_features_it_describes() -> Result<()> {
    for architecture in models::list() {
        let (net, config, _) = build(&format!("{}@0.25", architecture.name), "gap-fc");
        let [channels, height, width] = config.input;
        let images = Tensor::zeros((2, channels, height, width), DType::F32, &Device::Cpu)?;
        for mode in [Mode::Train { seed: 0, step: 0 }, Mode::Eval, Mode::Inference] {
            assert_eq!(net.forward(&images, mode)?.dims(), [2, config.classes], "{}", architecture.name);
        }
        let features = net.forward_features(&images, Mode::Inference)?;
        assert_eq!(features.dims()[1..], net.backbone.feature_shape(&config.input)?, "{}", architecture.name);
    }
    Ok(())
}

#[test]
fn lenet5_names_its_parameters_as_a_pytorch_sequential_does() {
    let layers = ["classifier.1", "classifier.3", "classifier.5", "features.0", "features.3"];
    let expected: Vec<_> =
        layers.iter().flat_map(|layer| [format!("{layer}.bias"), format!("{layer}.weight")]).collect();
    assert_eq!(names("lenet5"), expected);
}

#[test]
fn resnet8_names_its_parameters_as_torchvision_does() {
    let mut expected = vec!["fc.bias".to_string(), "fc.weight".to_string()];
    for conv in
        ["conv1", "layer1.0.conv1", "layer1.0.conv2", "layer2.0.conv1", "layer2.0.conv2", "layer2.0.downsample.0"]
            .into_iter()
            .chain(["layer3.0.conv1", "layer3.0.conv2", "layer3.0.downsample.0"])
    {
        expected.extend(["bias", "weight"].map(|name| format!("{conv}.{name}")));
    }
    for bn in ["bn1", "layer1.0.bn1", "layer1.0.bn2", "layer2.0.bn1", "layer2.0.bn2", "layer3.0.bn1", "layer3.0.bn2"] {
        expected.extend(["bias", "weight", "running_mean", "running_var"].map(|name| format!("{bn}.{name}")));
    }
    expected.sort();
    assert_eq!(names("resnet8"), expected);
}

#[test]
fn the_summary_of_lenet5_reads_like_torchinfo() {
    insta::assert_snapshot!(summary("lenet5", "fc:120,84"));
}

#[test]
fn the_summary_in_json_has_the_totals_and_the_layers() {
    let json = serde_json::to_value(summary("resnet8", "gap-fc")).unwrap();
    assert_eq!(json["params"], 78_666);
    assert_eq!(json["trainable_params"], 78_186);
    assert_eq!(json["macs"], 12_501_632);
    assert_eq!(json["layers"][0]["path"], "conv1");
    assert_eq!(json["layers"][0]["output"], serde_json::json!([16, 32, 32]));
    let batch_norm = &json["layers"][1];
    assert_eq!((&batch_norm["params"], &batch_norm["trainable_params"]), (&64.into(), &32.into()));
}
