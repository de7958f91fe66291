//! Runs on a folder of images that no suite knows.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{PIXEL, experiments, records, stderr, stdout};
use tempfile::TempDir;

/// A folder with twelve training and two test images of each of two classes, all of which are the same grey pixel.
fn shop(parent: &Path) -> PathBuf {
    let folder = parent.join("shop");
    for (split, count) in [("train", 12), ("test", 2)] {
        for class in ["cups", "pots"] {
            let class = folder.join(split).join(class);
            fs::create_dir_all(&class).unwrap();
            (0..count).for_each(|index| fs::write(class.join(format!("{index}.png")), PIXEL).unwrap());
        }
    }
    folder
}

fn run(parent: &Path, more: &[&str]) -> assert_cmd::Command {
    let mut command = experiments(&["run", "heads", "--models", "two-conv@0.1", "--heads", "fc,gap", "--seeds", "1"]);
    command.arg("--dataset").arg(shop(parent)).arg("--out").arg(parent.join("out")).args(more);
    command
}

fn page(parent: &Path) -> String {
    fs::read_to_string(parent.join("out/heads/README.md")).unwrap()
}

#[test]
fn a_folder_of_few_images_is_trained_for_enough_updates_unless_an_option_says_how_long() {
    let folder = TempDir::new().unwrap();
    let plan = stdout(&mut run(folder.path(), &["--dry-run"]));
    assert!(plan.contains("two-conv@0.1 gap seed 0: 400 updates of 22 images"), "{plan}");
    let plan = stdout(&mut run(folder.path(), &["--dry-run", "--epochs", "3"]));
    assert!(plan.contains("two-conv@0.1 gap seed 0: 3 epochs of 22 images"), "{plan}");
}

#[test]
fn the_page_of_own_images_compares_their_heads_and_says_what_is_doubtful() {
    let folder = TempDir::new().unwrap();
    let told = stdout(&mut run(folder.path(), &["--updates", "20"])).split_whitespace().collect::<Vec<_>>().join(" ");
    let page = page(folder.path());
    for doubt in [
        "Trained for fewer than 300 updates: two-conv@0.1 fc, two-conv@0.1 gap.",
        "Training accuracy below 90 %: two-conv@0.1 fc, two-conv@0.1 gap.",
        "Learning rates that were not chosen on these images: two-conv@0.1 fc, two-conv@0.1 gap.",
    ] {
        assert!(told.contains(doubt) && page.contains(doubt), "{doubt}\n{told}\n{page}");
    }
    assert!(page.contains("two-conv@0.1 gap, shop against fc"), "{page}");
    // Nothing of the claims of the suite, whose models were not trained.
    for of_suite in ["not measured", "vgg-small", "## Claims"] {
        assert!(!page.contains(of_suite), "{of_suite}\n{page}");
    }
}

#[test]
fn rates_are_chosen_on_own_images_by_cross_validation() {
    let folder = TempDir::new().unwrap();
    let told = stdout(&mut run(folder.path(), &["--updates", "2", "--tune"]));
    assert!(!told.contains("not chosen on these images"), "{told}");
    let tuning = fs::read_to_string(folder.path().join("out/heads/tuning.csv")).unwrap();
    let chosen: Vec<&str> = tuning.lines().filter(|line| line.ends_with(",yes")).collect();
    assert_eq!(chosen.len(), 2, "{tuning}");
    // Five parts of the 24 training images are held out in turn.
    let trials = records(&folder.path().join("out/heads/tuning/lr-0.01"));
    assert_eq!(trials.len(), 2 * 5);
    let held_out = |record: &serde_json::Value| record["config"]["validation"].as_u64().unwrap();
    assert!(trials.values().all(|record| held_out(record) == 5), "{trials:?}");
}

#[test]
fn records_of_own_images_are_verified_on_their_folder_and_not_on_one_of_fewer_images() {
    let folder = TempDir::new().unwrap();
    stdout(&mut run(folder.path(), &["--updates", "2"]));
    let mut verify = experiments(&["verify", "--data-dir"]);
    let verified = stdout(verify.arg(folder.path()).arg(folder.path().join("out/heads")));
    assert_eq!(verified.matches("equal").count(), 2, "{verified}");
    (0..10).for_each(|index| fs::remove_file(folder.path().join(format!("shop/train/cups/{index}.png"))).unwrap());
    let mut verify = experiments(&["verify", "--data-dir"]);
    let message = stderr(verify.arg(folder.path()).arg(folder.path().join("out/heads")), 2);
    assert!(message.contains("not the data of the record") && message.contains("`--data-dir`"), "{message}");
    assert!(!message.contains("--train-size"), "{message}");
}

#[test]
fn a_rate_is_chosen_by_trained_networks_whichever_part_is_held_out() {
    let folder = TempDir::new().unwrap();
    let train = shop(folder.path()).join("train");
    for class in [&["cups/0.png"][..], &["pots/0.png", "pots/1.png"]].concat() {
        fs::remove_file(train.join(class)).unwrap();
    }
    let suite = folder.path().join("short.toml");
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/suites/heads.toml")).unwrap();
    let grid = text.lines().find(|line| line.starts_with("lr_grid")).unwrap();
    fs::write(&suite, text.replace(grid, "lr_grid = [0.01]")).unwrap();
    let mut run = experiments(&["run", "--models", "two-conv@0.1", "--heads", "gap", "--seeds", "1", "--tune"]);
    run.args(["--batch-size", "4", "--updates", "55", "--dataset"]).arg(train.parent().unwrap());
    stdout(run.arg(suite).arg("--out").arg(folder.path().join("out")));
    // Of 21 images, the first part holds out 5, which leaves 4 batches an epoch, and the others hold out 4.
    let trials = records(&folder.path().join("out/short/tuning/lr-0.01"));
    let last = |record: &serde_json::Value| record["curve"].as_array().unwrap().last().unwrap()["epoch"].clone();
    assert_eq!(trials.values().map(last).collect::<Vec<_>>(), [13, 10, 10, 10, 10]);
}
