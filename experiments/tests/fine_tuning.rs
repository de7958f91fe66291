//! Runs that start from trained weights.

mod common;

use std::{collections::BTreeMap, fs, path::Path};

use common::{experiments, records, stderr, stdout};
use datasets::{DatasetId, Images, LoadOptions};

/// Writes images as PNG files into folders of two classes: even and odd digits.
fn write_parity(folder: &Path, images: &Images, count: usize) {
    for index in 0..count {
        let class = folder.join(if images.labels[index].is_multiple_of(2) { "even" } else { "odd" });
        fs::create_dir_all(&class).unwrap();
        images.rgb(index).unwrap().save(class.join(format!("{index}.png"))).unwrap();
    }
}

fn tensors(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let network = models::load(path).unwrap();
    let all = network.parameters.all().into_iter();
    all.map(|(name, value)| (name, value.flatten_all().unwrap().to_vec1().unwrap())).collect()
}

fn only_file(folder: &Path) -> std::path::PathBuf {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[test]
fn a_network_is_fine_tuned_on_a_folder_of_other_classes_with_its_backbone_frozen_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let digits = datasets::load(&DatasetId::MnistMini, &LoadOptions::default()).unwrap();
    write_parity(&folder.path().join("parity/train"), &digits.train, 300);
    write_parity(&folder.path().join("parity/test"), &digits.test, 200);
    let first = ["run", "heads", "--models", "two-conv", "--heads", "gap-fc", "--seeds", "1", "--updates", "200"];
    stdout(experiments(&first).args(["--quiet", "--out", &path("first")]));
    let start = only_file(&folder.path().join("first/heads/weights"));
    let weights = start.display().to_string();

    let again = ["run", "heads", "--dataset", &path("parity"), "--init", &weights, "--seeds", "1", "--updates", "100"];
    // The weights choose the model, the head and the input of the plan of shards, too: one run.
    let plan = stdout(experiments(&["plan"]).args(&again[1..]).args(["--shards", "1"]));
    assert!(plan.contains("1/1       1     100.0"), "{plan}");
    let message = stderr(experiments(&["slurm"]).args(&again[1..]).args(["--shards", "2"]), 2);
    assert!(message.contains("--shards 2 is more than the suite's number of runs, 1"), "{message}");
    for freeze in [true, false] {
        let out = path(if freeze { "frozen" } else { "tuned" });
        let mut run = experiments(&again);
        run.args(["--out", &out]).args(freeze.then_some("--freeze"));
        let message = stderr(&mut run, 0);
        assert!(message.contains("classifier.weight has the shape [10, 64], not [2, 64]"), "{message}");
        let suite = Path::new(&out).join("heads");
        let record = records(&suite).into_values().next().unwrap();
        assert_eq!(
            (record["config"]["model"].as_str(), record["config"]["head"].as_str()),
            (Some("two-conv"), Some("gap-fc"))
        );
        assert_eq!(record["config"]["init"].as_str().unwrap().len(), 16);
        assert_eq!(record["config"].get("freeze").is_some(), freeze);
        assert!(record["final"]["top1"].as_f64().unwrap() > 0.7, "{}", record["final"]);
        let trained = tensors(&only_file(&suite.join("weights")));
        for (name, values) in tensors(&start) {
            let stays = freeze && name.starts_with("features.");
            assert_eq!(trained[&name] == values, stays, "{name}, frozen: {freeze}");
        }
        let message = stderr(&mut experiments(&["verify", suite.to_str().unwrap()]), 2);
        assert!(message.contains("started from a file of weights"), "{message}");
    }
}

#[test]
fn weights_that_cannot_be_started_from_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().display().to_string();
    let first = ["run", "heads", "--models", "two-conv", "--heads", "gap-fc", "--seeds", "1", "--updates", "1"];
    stdout(experiments(&first).args(["--train-size", "64", "--quiet", "--out", &out]));
    let weights = only_file(&folder.path().join("heads/weights")).display().to_string();
    let misuse = |options: &[&str], expected: &str| {
        let message = stderr(experiments(&["run", "heads", "--out", &out]).args(options), 2);
        assert!(message.contains(expected), "{message}");
    };
    misuse(&["--freeze"], "--init");
    misuse(&["--init", "nowhere"], "no file nowhere");
    misuse(&["--init", &weights, "--models", "lenet5"], "does not hold the backbone of lenet5");
    misuse(&["--init", &weights, "--models", "two-conv-avg"], "unknown model");
    // Candle panics on this file; the message of the panic is not printed.
    let broken = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/training/tests/fixtures/broken.pth");
    misuse(&["--init", broken], "broken.pth is broken, or holds something else than tensors by name");
    let part = ["--init", &weights, "--models", "two-conv@0.5", "--heads", "gap-fc", "--partial", "--train-size", "64"];
    let message = stderr(experiments(&["run", "heads", "--updates", "1", "--out", &out]).args(part), 0);
    assert!(
        message.contains("1 of its tensors are loaded; these are trained from the beginning: classifier.weight"),
        "{message}"
    );
    assert!(message.contains("classifier.weight has the shape [10, 64], not [10, 32]"), "{message}");
    misuse(&["--partial"], "--init");
    let message = stderr(&mut experiments(&["run", "protein-drug", "--init", &weights]), 2);
    assert!(message.contains("--init is for networks of images"), "{message}");
    misuse(&["--init", &weights, "--models", "two-conv@0.5"], "does not hold the backbone of two-conv@0.5");
}
