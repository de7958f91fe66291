//! Runs each program as a user would, and checks what it prints.

use assert_cmd::Command;

fn run(program: &str, arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let assert = Command::cargo_bin(program).unwrap().current_dir(&folder).args(arguments).assert().success();
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

/// The test accuracy that a program has printed, in per cent.
fn accuracy(output: &str) -> f64 {
    let (_, rest) = output.split_once("test accuracy: ").unwrap();
    rest.split_once(" %").unwrap().0.parse().unwrap()
}

#[test]
fn a_head_on_a_backbone_of_candle_nn_learns_and_shows_where_it_looks() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("maps.png");
    let output = run("candle-backbone", &[picture.to_str().unwrap()]);
    assert!(accuracy(&output) > 75., "{output}");
    let picture = image::open(picture).unwrap().into_luma8();
    assert_eq!(picture.dimensions(), (8 * 28, 2 * 28));
    let bright = |rows: std::ops::Range<u32>| {
        rows.flat_map(|y| (0..224).map(move |x| (x, y))).filter(|&(x, y)| picture.get_pixel(x, y).0[0] > 100).count()
    };
    assert!(bright(0..28) > 100 && bright(28..56) > 100, "images and maps are drawn");
}

#[test]
fn a_pooling_of_ones_own_works_in_a_network_of_the_zoo() {
    let output = run("own-head", &[]);
    assert!(output.contains("GlobalRmsPool"), "the summary names it: {output}");
    assert!(accuracy(&output) > 80., "{output}");
    assert!(
        output.contains("class maps: [1, 10, 7, 7]") && output.contains("logits of the prepared network: [1, 10]"),
        "{output}"
    );
}

#[test]
fn a_model_of_ones_own_is_trained_with_three_heads_and_tabulated() {
    let output = run("own-model", &[]);
    for head in ["fc", "gap", "gmp-fc"] {
        let row = output.lines().find(|line| line.split_whitespace().next() == Some(head));
        let accuracy: f64 = row.and_then(|row| row.split_whitespace().last()).unwrap().parse().unwrap();
        assert!(accuracy > 80., "{output}");
    }
}

#[test]
fn a_trained_network_is_saved_loaded_and_fine_tuned() {
    let output = run("fine-tune", &[]);
    assert!(accuracy(&output) > 80., "{output}");
    assert!(output.contains("the first test image is odd"), "a 7: {output}");
}
