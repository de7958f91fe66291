//! Suites of protein–drug pairs: the synthetic ones, and files in the format of the authors of DeepConv-DTI.

mod common;

use std::{fmt::Write, fs, path::Path};

use common::{experiments, json, records, stderr, stdout};
use datasets::{PairSplit, PlantedMotifs};
use serde_json::Value;
use tempfile::TempDir;

/// A suite of two heads on a few short sequences.
const SUITE: &str = r#"
question = "Does the maximum find the motif?"
dataset = "synthetic-motifs"
train_size = 96
validation = 32
positions = 60
seeds = 1
epochs = 2
batch_size = 16
schedule = { kind = "one-cycle" }
optimizer = { kind = "adam", l2 = 0.001 }
lr = 0.003
lr_grid = [0.001, 0.01]
tuning_seeds = 1

[planted]
motifs = 2
motif_length = 8
lengths = [20, 30]
longer = [40, 60]
test_size = 32

[[variants]]
model = "deep-conv-dti"
heads = ["gmp-fc", "fc"]
setting = "two windows"
network = { windows = [6, 8], filters = 4, protein_layers = [8], drug_layers = [8], joint_layers = [8] }
"#;

/// Writes the suite with a change.
fn suite(folder: &Path, from: &str, to: &str) -> String {
    assert!(SUITE.contains(from));
    let path = folder.join("binding.toml");
    fs::write(&path, SUITE.replace(from, to)).unwrap();
    path.display().to_string()
}

/// Runs the suite with further options and returns the folder of results and what was printed.
fn run(options: &[&str]) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let (path, out) = (suite(folder.path(), "", ""), folder.path().display().to_string());
    let printed = stdout(experiments(&["run", &path, "--quiet", "--out", &out]).args(options));
    (folder, printed)
}

/// Writes pairs in the layout of the authors. `unknown` is one more compound, which the training pairs name and no file has.
fn write_files(folder: &Path, unknown: Option<&str>) {
    for split in [PairSplit::Training, PairSplit::Validation, PairSplit::Test] {
        let pairs = PlantedMotifs::new(1).motifs(2, 8).lengths(20..=30).pairs(split, 24).unwrap();
        let [mut dti, mut proteins, mut drugs] =
            ["Protein_ID,Compound_ID,Label\n", "Protein_ID,Sequence\n", "Compound_ID,morgan_fp_r2\n"].map(String::from);
        for (index, interaction) in pairs.interactions.iter().enumerate() {
            let (protein, drug) = (pairs.protein(index), pairs.drug(index));
            let bits: Vec<String> = drug.fingerprint.iter().map(ToString::to_string).collect();
            writeln!(dti, "{},{},{}", protein.id, drug.id, u8::from(interaction.binds)).unwrap();
            writeln!(proteins, "{},{}", protein.id, protein.sequence()).unwrap();
            writeln!(drugs, "{},{}", drug.id, bits.join("\t")).unwrap();
        }
        if let (Some(unknown), PairSplit::Training) = (unknown, split) {
            writeln!(dti, "P0,{unknown},1").unwrap();
        }
        let dir = folder.join(format!("{}_dataset", split.name()));
        fs::create_dir_all(&dir).unwrap();
        for (kind, text) in [("dti", dti), ("protein", proteins), ("compound", drugs)] {
            fs::write(dir.join(format!("{}_{kind}.csv", split.name())), text).unwrap();
        }
    }
}

#[test]
fn a_run_on_synthetic_pairs_has_a_record_a_page_and_weights_and_verifies() {
    let (folder, printed) = run(&[]);
    assert!(printed.contains("deep-conv-dti on synthetic-motifs"), "{printed}");
    let results = folder.path().join("binding");
    let records = records(&results);
    assert_eq!(records.len(), 2);
    for record in records.values() {
        assert_eq!((&record["config"]["input"], &record["config"]["classes"]), (&"60+2048".into(), &2.into()));
        let has = |measure: &str, setting: &str| {
            let points = record["measures"].as_array().unwrap();
            points.iter().any(|p| p["measure"] == measure && p["setting"] == setting && p["value"].is_number())
        };
        for measure in ["auroc", "aupr", "pointing", "pointing-chance"] {
            assert!(has(measure, "test") && has(measure, "longer"), "{measure}");
        }
        assert!(has("sensitivity", "auc-threshold"));
        assert!(record["speed"]["train_samples_per_sec"]["median"].as_f64().unwrap() > 0.);
        assert_eq!(record["test_hits"].as_str().unwrap().len(), 8);
    }
    for file in ["README.md", "summary.csv", "measures.csv", "curves.csv", "confusion.csv"] {
        assert!(results.join(file).is_file(), "{file}");
    }
    assert!(!results.join("mistakes").exists());
    let verified = json(experiments(&["verify", "--json"]).arg(&results));
    let runs = verified["runs"].as_array().unwrap();
    assert!(runs.len() == 2 && runs.iter().all(|run| run["equal"] == true), "{verified}");
}

#[test]
fn predict_answers_as_the_record_says_and_its_windows_lie_in_the_protein() {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path(), None);
    let (data, out) = (folder.path().display().to_string(), folder.path().join("out").display().to_string());
    let path = suite(folder.path(), "heads = [\"gmp-fc\", \"fc\"]", "heads = [\"gmp-fc\"]");
    stdout(&mut experiments(&["run", &path, "--data-dir", &data, "--quiet", "--out", &out]));
    let results = folder.path().join("out/binding");
    let record = records(&results).into_values().next().unwrap();
    assert_eq!((&record["config"]["input"], &record["config"]["train_size"]), (&"2500+2048".into(), &24.into()));

    let weights = fs::read_dir(results.join("weights")).unwrap().next().unwrap().unwrap().path().display().to_string();
    let predicted = json(&mut experiments(&["predict", &weights, "--pairs", &data, "--top", "2", "--json"]));
    let pairs = predicted.as_array().unwrap();
    assert_eq!(pairs.len(), 24);
    let right = pairs.iter().filter(|pair| (pair["probability"].as_f64().unwrap() > 0.5) == pair["binds"]);
    assert_eq!(right.count() as f64 / 24., record["final"]["top1"].as_f64().unwrap());

    // The same pair given by itself.
    let test = PlantedMotifs::new(1).motifs(2, 8).lengths(20..=30).pairs(PairSplit::Test, 1).unwrap();
    let (sequence, bits) = (test.protein(0).sequence(), test.drug(0).fingerprint.iter().map(ToString::to_string));
    let bits = bits.collect::<String>();
    let one = ["predict", &weights, "--protein", &sequence, "--fingerprint", &bits, "--top", "2", "--json"];
    let one = json(&mut experiments(&one));
    let number = |value: &Value| value.as_f64().unwrap();
    assert!((number(&one[0]["probability"]) - number(&pairs[0]["probability"])).abs() < 1e-6);
    let windows = |pair: &Value| pair["windows"].as_array().unwrap().clone();
    for (window, of_many) in windows(&one[0]).iter().zip(windows(&pairs[0])) {
        // Sums over one pair and over many differ in the last bits.
        let difference = number(&window["evidence"]) - number(&of_many["evidence"]);
        assert!(difference.abs() < 1e-5 && window["first"] == of_many["first"]);
        let at = |key: &str| window[key].as_u64().unwrap() as usize;
        assert_eq!(window["residues"], sequence[at("first") - 1..at("last")]);
    }
    let table = stdout(&mut experiments(&["predict", &weights, "--protein", &sequence, "--fingerprint", &bits]));
    assert!(table.lines().all(|line| line.chars().count() <= 80) && table.contains('–'), "{table}");
}

#[test]
fn a_pair_of_an_unknown_compound_is_an_error_that_names_line_and_option_and_can_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path(), Some("C777"));
    let data = folder.path().display().to_string();
    let path = suite(folder.path(), "", "");
    let arguments = ["run", &path, "--data-dir", &data, "--dry-run"];
    let error = stderr(&mut experiments(&arguments), 1);
    assert!(error.contains("training_dti.csv") && error.contains("line 26") && error.contains("C777"), "{error}");
    assert!(error.contains("--skip-unknown"), "{error}");
    let plan = stdout(experiments(&arguments).arg("--skip-unknown"));
    assert!(plan.contains("2 epochs of 24 pairs"), "{plan}");
}

#[test]
fn rates_are_tuned_and_options_for_images_are_refused() {
    let (folder, _) = run(&["--tune", "--epochs", "1", "--train-size", "32"]);
    let tuning = fs::read_to_string(folder.path().join("binding/tuning.csv")).unwrap();
    // At least the two rates of the grid for each head, and more where the best is at its edge.
    assert!(tuning.lines().count() >= 5 && tuning.matches(",yes").count() == 2, "{tuning}");
    assert!(tuning.contains("synthetic-motifs,deep-conv-dti,fc,two windows,"), "{tuning}");
    let path = suite(folder.path(), "", "");
    for (option, value) in [("--models", "two-conv"), ("--input", "1x28x28"), ("--dataset", "mnist")] {
        let error = stderr(&mut experiments(&["run", &path, option, value]), 2);
        assert!(error.contains("pairs"), "{error}");
    }
    let error = stderr(&mut experiments(&["run", &path, "--dataset", "/one", "--data-dir", "/other"]), 2);
    assert!(error.contains("--dataset /one and --data-dir /other both name"), "{error}");
}

#[test]
fn a_mistake_in_the_file_of_a_suite_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (from, to, expected) in [
        ("filters = 4", "filters = 0", "from 1 to 1024"),
        ("filters = 4", "filters = 1000000000", "from 1 to 1024"),
        ("positions = 60", "positions = 1000000000000", "from 1 to 10000"),
        (
            "windows = [6, 8], filters = 4, protein_layers = [8]",
            "windows = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], filters = 1024, protein_layers = [1024]",
            "fewer filters or positions",
        ),
        ("filters = 4", "filter = 4", "filter"),
        ("filters = 4", "length = 9, filters = 4", "`positions`"),
        ("heads = [\"gmp-fc\", \"fc\"]", "heads = [\"gmp-fc\", \"gmp-fc\"]", "occurs twice"),
        ("heads = [\"gmp-fc\", \"fc\"]", "heads = [\"gap\"]", "does not take the head gap"),
        ("motifs = 2", "motifs = 1", "2 to 128"),
        ("dataset = \"synthetic-motifs\"", "dataset = \"mnist\"", "synthetic-motifs"),
        ("epochs = 2", "", "`epochs` or by `updates`"),
        ("longer = [40, 60]\n", "", "longer"),
    ] {
        let error = stderr(&mut experiments(&["run", &suite(folder.path(), from, to), "--dry-run"]), 2);
        assert!(error.contains(expected), "{to}: {error}");
    }
}
