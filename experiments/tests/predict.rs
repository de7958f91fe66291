//! The weights that a run saves, and what `predict` makes of them.

mod common;

use std::{fs, path::Path};

use common::{experiments, json, stderr, stdout, tiny};
use datasets::{DatasetId, LoadOptions};
use serde_json::Value;
use tempfile::TempDir;

/// Trains a network and returns the folder of results and the files of weights.
fn trained() -> (TempDir, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let options =
        ["--models", "two-conv", "--heads", "gap-fc", "--seeds", "1", "--train-size", "256", "--epochs", "30"];
    stdout(experiments(&["run", "heads", "--quiet", "--out", out]).args(options));
    let weights = fs::read_dir(folder.path().join("heads/weights")).unwrap();
    let weights = weights.map(|entry| entry.unwrap().path().display().to_string()).collect();
    (folder, weights)
}

/// Writes the first test images into folders that are called like their classes, at another size.
fn write_images(folder: &Path, count: usize) {
    let test = datasets::load(&DatasetId::MnistMini, &LoadOptions::default()).unwrap().test;
    for index in 0..count {
        let class = folder.join(test.labels[index].to_string());
        fs::create_dir_all(&class).unwrap();
        let image = image::imageops::resize(&test.rgb(index).unwrap(), 56, 70, image::imageops::FilterType::Nearest);
        image.save(class.join(format!("{index}.png"))).unwrap();
    }
}

#[test]
fn a_run_saves_a_network_that_predicts_as_its_record_says() {
    let (folder, weights) = trained();
    assert_eq!(weights.len(), 1);
    let record = common::records(&folder.path().join("heads")).into_values().next().unwrap();
    let network = models::load(&weights[0]).unwrap();
    assert_eq!(network.parameters.sha256().unwrap(), record["weights_sha256"]);
    assert_eq!(network.info.training.as_ref().unwrap()["config"], record["config"]);

    // At the images' own size, nothing is resized, and exactly the hits of the record are right.
    let test = datasets::load(&DatasetId::MnistMini, &LoadOptions::default()).unwrap().test;
    let hits = record["test_hits"].as_str().unwrap();
    let pixels: Vec<f32> = (0..64)
        .flat_map(|index| test.image(index).unwrap().iter().map(|&v| f32::from(v) / 255.).collect::<Vec<_>>())
        .collect();
    let images = candle_core::Tensor::from_vec(pixels, (64, 1, 28, 28), &candle_core::Device::Cpu).unwrap();
    for (index, prediction) in network.predict(&images).unwrap().iter().enumerate() {
        let digit = u8::from_str_radix(&hits[index / 4..][..1], 16).unwrap();
        let hit = digit >> (3 - index % 4) & 1 == 1;
        assert_eq!(prediction.classes[0].index as u32 == test.labels[index], hit, "image {index}");
    }
}

#[test]
fn without_weights_none_are_saved() {
    let folder = tempfile::tempdir().unwrap();
    stdout(&mut tiny(folder.path(), &["--seeds", "1", "--no-weights"]));
    assert!(!folder.path().join("heads/weights").exists());
}

#[test]
fn predict_names_the_classes_of_files_and_folders_and_draws_the_evidence() {
    let (folder, weights) = trained();
    let (own, cams) = (folder.path().join("own"), folder.path().join("cams"));
    write_images(&own, 12);
    let own_text = own.display().to_string();
    let predicted = json(&mut experiments(&[
        "predict",
        &weights[0],
        &own_text,
        "--labels",
        "--json",
        "--top",
        "2",
        "--cam",
        cams.to_str().unwrap(),
    ]));
    let images = predicted["images"].as_array().unwrap();
    assert_eq!(images.len(), 12);
    let right = images.iter().filter(|image| image["predictions"][0]["class"] == image["label"]).count();
    assert!(right >= 6, "{right} of 12 are right");
    assert_eq!(predicted["top1"].as_f64().unwrap(), right as f64 / 12.);
    let counts = predicted["confusion"]["counts"].as_array().unwrap();
    let sum = |row: &Value| row.as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum::<u64>();
    assert_eq!(counts.iter().map(sum).sum::<u64>(), 12);
    for image in images {
        let cam = image::open(image["cam"].as_str().unwrap()).unwrap().to_rgb8();
        assert_eq!(cam.dimensions(), (56, 70));
        let greys = cam.pixels().filter(|pixel| pixel.0[0] == pixel.0[1] && pixel.0[1] == pixel.0[2]).count();
        assert!(greys < 56 * 70, "there is colour");
    }

    let csv = stdout(&mut experiments(&["predict", &weights[0], &own_text, "--csv", "--top", "3"]));
    assert_eq!((csv.lines().next(), csv.lines().count()), (Some("image,rank,class,probability"), 1 + 3 * 12));
    let table = stdout(&mut experiments(&["predict", &weights[0], &own_text, "--labels"]));
    assert!(table.contains(&format!("{right} of 12 images are classified as their folder says")), "{table}");
}

#[test]
fn what_cannot_be_predicted_is_said_and_the_other_images_are() {
    let (folder, weights) = trained();
    let own = folder.path().join("own");
    write_images(&own, 2);
    let broken = own.join("broken.png");
    fs::write(&broken, "no image").unwrap();
    let own = own.display().to_string();
    let mut both = experiments(&["predict", &weights[0], &own]);
    let message = stderr(&mut both, 1);
    assert!(message.contains("broken.png") && message.contains("1 of 3 images"), "{message}");
    assert!(String::from_utf8(both.output().unwrap().stdout).unwrap().contains("0.png"));

    let misuse = |arguments: &[&str], expected: &str| {
        let message = stderr(&mut experiments(&[&["predict"], arguments].concat()), 2);
        assert!(message.contains(expected), "{message}");
    };
    misuse(&["resnet99", &own], "no file resnet99");
    misuse(&[&weights[0], "missing.png"], "no image missing.png");
    misuse(&[&weights[0], &own, "--cam", "one.png"], "name a folder");
    misuse(&[&weights[0], broken.to_str().unwrap(), "--cam", "one.jpg"], "not a PNG");
    misuse(&[&weights[0], &own, "--labels"], "`own`");
    let message = stderr(&mut experiments(&["predict", broken.to_str().unwrap(), &own]), 1);
    assert!(message.contains("broken.png") && message.contains("safetensors"), "{message}");
}

#[test]
fn a_suite_publishes_its_first_networks_with_a_card() {
    let folder = tempfile::tempdir().unwrap();
    let suite = folder.path().join("mine.toml");
    fs::write(
        &suite,
        "question = \"Which?\"\ndataset = \"mnist-mini\"\ntrain_size = 256\nseeds = 2\nepochs = 1\nbatch_size = 64\nlr = 0.01\n\
         schedule = { kind = \"one-cycle\" }\noptimizer = { kind = \"adamw\" }\n[[variants]]\nmodel = \"two-conv\"\n\
         heads = [\"gap-fc\"]\naugment = { shift = 2, flip = true }\n[publish]\nmnist-mini = \"For tests only.\"\n",
    )
    .unwrap();
    let out = folder.path().join("out");
    stdout(&mut experiments(&["run", suite.to_str().unwrap(), "--out", out.to_str().unwrap(), "--quiet"]));
    let name = out.join("mine/two-conv-gap-fc.mnist-mini");
    let network = models::load(name.with_extension("mnist-mini.safetensors")).unwrap();
    let records = common::records(&out.join("mine"));
    let record = &records["mnist-mini.two-conv.gap-fc.seed0"];
    assert_eq!(network.parameters.sha256().unwrap(), record["weights_sha256"]);
    assert_eq!(record["config"]["augment"], "shift(2)+flip");
    let card = fs::read_to_string(name.with_extension("mnist-mini.md")).unwrap();
    assert!(card.contains("For tests only.") && card.contains(record["weights_sha256"].as_str().unwrap()), "{card}");
    assert!(fs::read_to_string(out.join("mine/README.md")).unwrap().contains("two-conv-gap-fc.mnist-mini.md"));
    // A record of augmented training can be verified.
    stdout(&mut experiments(&["verify", out.join("mine").to_str().unwrap(), "--runs", "1"]));
}
