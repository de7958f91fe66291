//! Suites with axes and measures, on a tiny budget.

mod common;

use std::{fs, path::Path};

use common::{experiments, records, stderr, stdout};
use tempfile::TempDir;

const REST: &str = r#"
seeds = 1
batch_size = 50
schedule = { kind = "one-cycle" }
optimizer = { kind = "adamw" }
lr = 0.01
"#;

/// Writes a suite of this name into `folder`.
fn suite(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(format!("{name}.toml"));
    fs::write(&path, format!("question = \"What is it?\"\n{REST}{text}")).unwrap();
    path.to_str().unwrap().into()
}

fn run(suite: &str, out: &Path, more: &[&str]) -> assert_cmd::Command {
    let mut command = experiments(&["run", suite, "--quiet"]);
    command.args(more).arg("--out").arg(out);
    command
}

fn read(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).unwrap()
}

#[test]
fn sizes_of_the_training_set_take_equal_updates_and_have_a_tuned_rate_each() {
    let out = TempDir::new().unwrap();
    let text = r#"
dataset = "mnist-mini"
train_sizes = [60, 200]
updates = 7
validation = 500
tuning_seeds = 1
lr_grid = [3.0, 0.01]
[[variants]]
setting = "one rate"
lr = 0.02
model = "two-conv"
heads = ["fc"]
[[variants]]
setting = "tuned"
model = "two-conv"
heads = ["fc"]
"#;
    let path = suite(out.path(), "sizes", text);
    let table = stdout(&mut run(&path, out.path(), &["--tune"]));
    assert!(table.contains("training images") && table.contains("one rate"), "{table}");
    let folder = out.path().join("sizes");
    let tuning = read(&folder, "tuning.csv");
    assert!(tuning.starts_with("dataset,model,head,train_size,setting,lr,val_top1,chosen\n"), "{tuning}");
    // The lowest rate of the grid is better than the highest, so that lower ones are tried, too.
    assert!(tuning.contains("mnist-mini,two-conv,fc,60,tuned,0.003,"), "{tuning}");
    let rates: Vec<&str> =
        tuning.lines().filter(|line| line.ends_with(",yes")).map(|line| line.split(',').nth(5).unwrap()).collect();
    assert_eq!(rates.len(), 2, "{tuning}");

    let lines: Vec<String> = read(&folder, "summary.csv").lines().map(String::from).collect();
    assert!(lines[0].starts_with("dataset,model,head,train_size,setting,seeds,param_count,"), "{}", lines[0]);
    for (line, factors) in lines[1..].iter().zip(["60,one rate", "60,tuned", "200,one rate", "200,tuned"]) {
        assert!(line.starts_with(&format!("mnist-mini,two-conv,fc,{factors},1,34826,")), "{line}");
    }
    assert!(lines[1].contains(",64x5x5,0.02,"), "{lines:?}");
    assert!(lines[2].contains(&format!(",64x5x5,{},", rates[0])), "{lines:?}");
    assert!(read(&folder, "README.md").contains("- 60, 200 training images"));

    // The tuned rates are read back, and a variant that lacks one is named.
    fs::copy(folder.join("tuning.csv"), out.path().join("rates.csv")).unwrap();
    let text = text.replace("tuning_seeds = 1\nlr_grid = [3.0, 0.01]", "rates = \"rates.csv\"").replace("0.02", "0.03");
    let path = suite(out.path(), "again", &text.replace("[60, 200]", "[60, 300]"));
    let message = stderr(experiments(&["run", &path, "--out"]).arg(out.path()), 0);
    assert!(message.contains(
        "no learning rate was tuned for these variants, `--tune` does it: mnist-mini two-conv fc, 300 images, tuned\n"
    ));
    let again = read(&out.path().join("again"), "summary.csv");
    assert!(again.lines().nth(2).unwrap().starts_with("mnist-mini,two-conv,fc,60,tuned,1,"));
    fs::remove_file(out.path().join("rates.csv")).unwrap();
    assert!(stderr(&mut run(&path, out.path(), &[]), 2).contains("rates.csv"));
}

#[test]
fn what_is_not_trained_is_counted_and_timed_at_every_input() {
    let out = TempDir::new().unwrap();
    let text = r#"
dataset = "mnist-mini"
inputs = [28, 40]
train_size = 20
epochs = 0
[[variants]]
model = "two-conv"
heads = ["fc", "gap"]
[[comparisons]]
name = "size of fc"
metric = "head_param_count"
by = "ratio"
a = { model = "two-conv", head = "fc", input = "1x40x40" }
b = { model = "two-conv", head = "fc", input = "1x28x28" }
[[claims]]
claim = "fc grows with the image"
tests = [{ comparison = "size of fc", expect = "greater" }]
[[plots]]
kind = "line"
file = "growth"
x = "input"
y = "macs"
"#;
    let table = stdout(&mut run(&suite(out.path(), "growth", text), out.path(), &[]));
    assert!(table.contains("nothing trained") && table.contains("activations") && !table.contains("top-1"), "{table}");
    let folder = out.path().join("growth");
    let csv = read(&folder, "summary.csv");
    // 64 channels of 5x5 and of 8x8 positions, 10 classes.
    assert!(csv.contains("\nmnist-mini,two-conv,fc,1x28x28,0,34826,16010,2440960,,,,,,"), "{csv}");
    assert!(csv.contains("\nmnist-mini,two-conv,fc,1x40x40,0,59786,40970,"), "{csv}");
    let speed = &records(&folder)["mnist-mini.two-conv.gap.seed0"]["speed"];
    assert!(speed["latency_us"]["median"].as_f64().unwrap() > 0.);

    let page = read(&folder, "README.md");
    assert!(
        page.contains("(growth.svg)")
            && page.contains("| fc grows with the image |  | ")
            && page.contains("**by construction**"),
        "{page}"
    );
    assert!(
        stderr(&mut run(&suite(out.path(), "growth", text), out.path(), &["--tune"]), 2).contains("trains nothing")
    );

    // The page is made from the records alone.
    fs::remove_file(folder.join("README.md")).unwrap();
    stdout(experiments(&["report"]).arg(&folder));
    assert_eq!(read(&folder, "README.md"), page);
}

#[test]
fn a_measure_is_recorded_and_tabled_by_head() {
    let out = TempDir::new().unwrap();
    let text = r#"
dataset = "mnist-mini"
canvas = { kind = "centred", size = 32 }
measure = "shift"
train_size = 100
epochs = 1
[[variants]]
model = "two-conv"
heads = ["fc"]
"#;
    stdout(&mut run(&suite(out.path(), "moved", text), out.path(), &[]));
    let folder = out.path().join("moved");
    let record = records(&folder).into_values().next().unwrap();
    assert_eq!(
        (&record["config"]["canvas"], &record["config"]["measure"]),
        (&"centred(size=32)".into(), &"shift".into())
    );
    assert_eq!(record["measures"][0]["value"], record["final"]["top1"], "moved by nothing");
    let csv = read(&folder, "measures.csv");
    assert!(
        csv.starts_with("dataset,model,head,measure,under,at,seeds,value,sd,ci95\nmnist-mini,two-conv,fc,top1,,0,1,")
    );
    assert_eq!(csv.lines().count(), 1 + 2 * 3);
    assert!(read(&folder, "README.md").contains("### two-conv on mnist-mini: top1\n\n| head | at 0 | at 1 | at 2 |\n"));
}

#[test]
fn several_data_sets_are_trained_in_parts_and_added_to() {
    let out = TempDir::new().unwrap();
    let data = out.path().join("data");
    idx(&data.join("mnist"));
    idx(&data.join("fashion-mnist"));
    let text = |heads: &str| {
        format!(
            "datasets = [\"mnist\", \"fashion-mnist\"]\nepochs = 1\n[[variants]]\nmodel = \"two-conv\"\nheads = [{heads}]\n\
             [[variants]]\nmodel = \"lenet5\"\ndatasets = [\"fashion-mnist\"]\nheads = [\"gap\"]\n"
        )
    };
    let data_dir = data.to_str().unwrap();
    let results = out.path().join("results");
    let path = suite(out.path(), "both", &text("\"fc\""));
    for shard in ["1/2", "2/2"] {
        stdout(&mut run(&path, &results, &["--data-dir", data_dir, "--shard", shard]));
    }
    let folder = results.join("both");
    assert!(!folder.join("checkpoints").exists());
    let before = read(&folder, "summary.csv");
    let factors = |csv: &str| {
        csv.lines().skip(1).map(|line| line.splitn(4, ',').take(3).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(factors(&before), ["mnist two-conv fc", "fashion-mnist two-conv fc", "fashion-mnist lenet5 gap"]);

    // Extending the suite trains only what is missing.
    let weights = |head: &str| records(&folder)[&format!("mnist.two-conv.{head}.seed0")]["weights_sha256"].clone();
    common::brand(&folder, "mnist.two-conv.fc.seed0");
    let path = suite(out.path(), "both", &text("\"fc\", \"gap\""));
    stdout(&mut run(&path, &results, &["--data-dir", data_dir, "--extend"]));
    assert_eq!(weights("fc"), "branded");
    assert_eq!(factors(&read(&folder, "summary.csv")).len(), 5);

    let index = read(&results, "README.md");
    assert!(index.contains("| [both](both/README.md) | What is it? | 5 |"), "{index}");

    let missing = run(&path, &results, &["--data-dir", out.path().join("results").to_str().unwrap()]).output().unwrap();
    assert!(String::from_utf8_lossy(&missing.stderr).contains("results/mnist"), "{missing:?}");
}

#[test]
fn no_page_is_written_over_that_is_not_the_programs_own() {
    let out = TempDir::new().unwrap();
    let text =
        "dataset = \"mnist-mini\"\nepochs = 0\ntrain_size = 9\n[[variants]]\nmodel = \"two-conv\"\nheads = [\"gap\"]\n";
    let path = suite(out.path(), "one", text);
    let results = out.path().join("results");
    fs::create_dir(&results).unwrap();
    fs::write(results.join("README.md"), "# Mine\n").unwrap();
    stdout(&mut run(&path, &results, &[]));
    assert_eq!(read(&results, "README.md"), "# Mine\n");
    fs::remove_file(results.join("README.md")).unwrap();
    fs::write(results.join("notes.txt"), "mine, too").unwrap();
    stdout(experiments(&["report"]).arg(&results));
    assert!(!results.join("README.md").exists());
    fs::remove_file(results.join("notes.txt")).unwrap();
    stdout(experiments(&["report"]).arg(&results));
    assert!(read(&results, "README.md").contains("[one]"));
}

/// Forty images of noise in IDX format.
fn idx(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let images: Vec<u8> = (0..40 * 28 * 28).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let labels: Vec<u8> = (0..40).map(|i| i % 10).collect();
    let header = |kind: u8, sizes: &[u8]| {
        let mut header = vec![0, 0, 8, kind];
        sizes.iter().for_each(|&size| header.extend([0, 0, 0, size]));
        header
    };
    for split in ["train", "t10k"] {
        let file = |name: &str| folder.join(format!("{split}-{name}-ubyte"));
        fs::write(file("images-idx3"), [header(3, &[40, 28, 28]), images.clone()].concat()).unwrap();
        fs::write(file("labels-idx1"), [header(1, &[40]), labels.clone()].concat()).unwrap();
    }
}
