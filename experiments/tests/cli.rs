//! All commands other than `run`, and the answers to mistakes.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use candle_core::Device;
use common::{PIXEL, experiments, json, stderr, stdout};
use models::{DeepConvDtiConfig, DeepConvDtiInfo};
use serde_json::json;
use tempfile::TempDir;
use training::Parameters;

#[test]
fn impossible_options_exit_with_2_and_say_what_is_possible() {
    for (arguments, answer) in [
        (&["run", "--epochs", "0"][..], "from 1 to"),
        (&["run", "--seeds", "0"], "from 1 to"),
        (&["run", "--threads", "0"], "from 1 to"),
        (&["run", "--batch-size", "0"], "from 1 to"),
        (&["run", "--seeds", "99999999999"], "from 1 to"),
        (&["run", "--epochs", "9223372036854775807"], "from 1 to"),
        (&["run", "--threads", "100000000"], "from 1 to"),
        (&["run", "--input", "3x32x32", "--dry-run"], "folders of images"),
        (&["run", "--heads", "fc:99999999999", "--dry-run"], "larger than"),
        (&["data", "mnist-mini", "--input", "1x32x32"], "folders of images"),
        (&["summary", "two-conv@1e300"], "larger than"),
        (&["summary", "two-conv", "--classes", "99999999"], "from 1 to"),
        (&["summary", "two-conv", "--input", "1x5000x28"], "from 1 to 4096"),
        (&["bench", "--models", "two-conv", "--batch-size", "400000000"], "smaller batches"),
        (&["run", "--lr", "-1"], "--lr"),
        (&["run", "--lr=0"], "above 0"),
        (&["run", "--lr=nan"], "above 0"),
        (&["run", "--shard", "3/2"], "1 ≤ I ≤ N"),
        (&["run", "--heads", "fcc"], "gmp"),
        (&["run", "--models", "lenet"], "lenet5"),
        (&["run", "--models", "nin@0"], "positive"),
        (&["run", "--dataset", "minst"], "fashion-mnist"),
        (&["run", "head"], "heads"),
        (&["run", "--device", "tpu"], "cuda"),
        (&["run", "--device", "cuda", "--dry-run"], "--features cuda"),
        (&["run", "--train-size", "10000", "--dry-run"], "1 to 9000"),
        (&["run", "--extend", "--fresh"], "cannot be used with"),
        (&["summary", "two-conv", "--input", "28x28"], "1x28x28"),
        (&["summary", "two-conv", "--input", "1x4x4"], "two-conv"),
        (&["list", "model"], "models"),
        (&["run", "--tune", "--lr", "0.1"], "cannot be used with"),
        (&["frobnicate"], "--help"),
    ] {
        let message = stderr(&mut experiments(arguments), 2);
        assert!(message.contains(answer), "{arguments:?}: {message}");
    }
}

#[test]
fn completions_and_manual_pages_name_the_options() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(stdout(&mut experiments(&["completions", shell])).contains("train-size"), "{shell}");
    }
    assert!(stdout(&mut experiments(&["man"])).contains("experiments\\-run"));
    assert!(stdout(&mut experiments(&["man", "run"])).contains("\\-\\-train\\-size"));
    assert!(stderr(&mut experiments(&["man", "ran"]), 2).contains("summary"));
}

#[test]
fn a_suite_file_with_a_mistake_exits_with_2_and_names_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mine.toml");
    let suite = include_str!("../suites/heads.toml");
    fs::write(&path, suite.replace("head = \"gap\"", "head = \"gapp\"")).unwrap();
    let message = stderr(experiments(&["run", "--dry-run"]).arg(&path), 2);
    assert!(message.contains("mine.toml") && message.contains("gapp"), "{message}");
    fs::write(&path, suite).unwrap();
    assert!(stdout(experiments(&["run", "--dry-run"]).arg(&path)).contains("results/mine-custom\n"));
}

/// Writes a folder of two classes, with an image of each for training and for testing.
fn image_folder(parent: &Path) -> PathBuf {
    let images = parent.join("images");
    for class in ["train/a", "train/b", "test/a", "test/b"] {
        fs::create_dir_all(images.join(class)).unwrap();
        fs::write(images.join(class).join("1.png"), PIXEL).unwrap();
    }
    images
}

#[test]
fn files_of_an_image_folder_that_are_skipped_are_counted_on_standard_error() {
    let folder = TempDir::new().unwrap();
    let images = image_folder(folder.path());
    let run = |images| stderr(experiments(&["run", "--models", "two-conv", "--dry-run", "--dataset"]).arg(images), 0);
    assert!(!run(&images).contains("skipped"));
    fs::write(images.join("train/Thumbs.db"), "").unwrap();
    assert!(run(&images).contains("images: 1 file that is not an image was skipped"));
    fs::write(images.join("test/a/.DS_Store"), "").unwrap();
    assert!(run(&images).contains("images: 2 files that are not images were skipped"));
    assert!(stdout(experiments(&["data"]).arg(&images)).contains("2 files that are not images were skipped"));
}

#[test]
fn an_input_too_small_for_a_network_exits_with_2_before_anything_trains() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("small.toml");
    let suite = include_str!("../suites/heads.toml").replacen("seeds = 10", "seeds = 10\ninput = \"1x4x4\"", 1);
    fs::write(&path, suite).unwrap();
    let images = image_folder(folder.path());
    let message =
        stderr(experiments(&["run"]).arg(&path).arg("--dataset").arg(&images).arg("--out").arg(folder.path()), 2);
    assert!(message.contains("two-conv"), "{message}");
    assert!(!folder.path().join("small").exists());

    let run = ["run", "--models", "lenet5,resnet8", "--heads", "gap", "--dry-run", "--dataset"];
    let message = stderr(experiments(&run).arg(&images), 2);
    assert!(message.contains("1x28x28 and 3x32x32"), "{message}");
    let plan = stdout(experiments(&run).arg(&images).args(["--input", "3x32x32"]));
    assert!(plan.contains("images lenet5 gap seed 0: 400 updates of 2 images 3x32x32"), "{plan}");
}

#[test]
fn a_broken_data_set_exits_with_1_and_names_the_file() {
    let folder = TempDir::new().unwrap();
    let data_dir = folder.path().to_str().unwrap();
    let run = |more: &[&str]| stderr(experiments(&["run", "--out", data_dir]).args(more), 1);
    let missing = run(&["--dataset", "mnist"]);
    assert!(missing.contains("--data-dir") && !missing.contains("LoadOptions"), "{missing}");
    assert!(run(&["--dataset", "mnist", "--data-dir", data_dir]).contains("train-images"));
    // The header announces four billion images.
    let images = [0, 0, 8, 3, 255, 255, 255, 255, 0, 0, 0, 28, 0, 0, 0, 28];
    for split in ["train", "t10k"] {
        fs::write(folder.path().join(format!("{split}-images-idx3-ubyte")), images).unwrap();
        fs::write(folder.path().join(format!("{split}-labels-idx1-ubyte")), [0, 0, 8, 1, 0, 0, 0, 1, 7]).unwrap();
    }
    assert!(run(&["--dataset", "mnist", "--data-dir", data_dir]).contains("train-images-idx3-ubyte"));
    assert!(run(&["--dataset", "no/such/folder"]).contains("no/such/folder"));
    assert!(stderr(&mut experiments(&["report", data_dir]), 1).contains("no records"));
}

#[test]
fn the_summary_has_the_published_counts() {
    let summary = ["summary", "lenet5", "--head", "fc:120,84", "--input", "1x28x28", "--classes", "10", "--json"];
    let lenet = json(&mut experiments(&summary));
    assert_eq!(lenet["trainable_params"], 61_706);
    let resnet = json(&mut experiments(&["summary", "resnet8", "--json"]));
    assert_eq!((&resnet["trainable_params"], &resnet["params"]), (&78_186.into(), &78_666.into()));
    assert_eq!(resnet["macs"], 12_501_632);
    assert!(stdout(&mut experiments(&["summary", "two-conv"])).contains("34,826"));
}

#[test]
fn lists_name_everything_there_is() {
    let all = json(&mut experiments(&["list", "--json"]));
    for (kind, name) in [("models", "two-conv"), ("heads", "gem-fc"), ("datasets", "mnist-mini"), ("suites", "heads")] {
        assert!(all[kind].as_array().unwrap().iter().any(|entry| entry["name"] == name), "{kind}");
        assert_eq!(json(&mut experiments(&["list", kind, "--json"])), all[kind]);
        assert!(stdout(&mut experiments(&["list", kind])).contains(name));
    }
}

#[test]
fn networks_of_the_zoo_are_listed_beside_files_that_are_none() {
    let folder = TempDir::new().unwrap();
    let zoo = folder.path().join("results/zoo");
    fs::create_dir_all(&zoo).unwrap();
    fs::write(zoo.join("broken.safetensors"), "no network").unwrap();
    let config = DeepConvDtiConfig { length: 40, windows: vec![8], filters: 4, ..DeepConvDtiConfig::default() };
    let info = DeepConvDtiInfo { config, dataset: Some("kinases".into()), training: Some(json!({ "top1": 0.875 })) };
    info.save(&Parameters::zeros(&Device::Cpu), &zoo.join("pairs.safetensors")).unwrap();
    let listed = stdout(experiments(&["list", "weights"]).current_dir(folder.path()).env("RUST_BACKTRACE", "1"));
    assert!(listed.contains("  broken  cannot be read: ") && listed.lines().count() == 3, "{listed}");
    assert!(listed.contains("  pairs   DeepConv-DTI with gmp-fc, pairs of kinases, 87.50 %"), "{listed}");
}

#[test]
fn data_counts_and_draws_the_images() {
    let folder = TempDir::new().unwrap();
    let grid = folder.path().join("grid.png");
    let data = json(experiments(&["data", "mnist-mini", "--json", "--grid"]).arg(&grid));
    assert_eq!((&data["train"]["images"], &data["test"]["images"]), (&10_000.into(), &2_000.into()));
    assert_eq!(data["files"].as_array().unwrap().len(), 4);
    assert!(fs::read(grid).unwrap().starts_with(b"\x89PNG"));
    assert!(stdout(&mut experiments(&["data", "mnist-mini"])).contains("10 classes, images of 1x28x28"));
}
