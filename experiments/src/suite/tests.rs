use std::path::Path;

use datasets::{Canvas, DatasetId, Shape};
use models::ModelName;
use proptest::prelude::*;
use records::RunConfig;
use training::Length;

use super::{file::parse, *};

fn models(names: &[&str]) -> Option<Vec<ModelName>> {
    Some(names.iter().map(|name| name.parse().unwrap()).collect())
}

/// An embedded suite of images.
fn images(name: &str) -> Suite {
    match find(name).unwrap() {
        AnySuite::Images(suite) => suite,
        AnySuite::Pairs(_) => panic!("{name} is a suite of pairs"),
    }
}

fn heads_of(list: &str) -> Option<Vec<heads::HeadConfig>> {
    Some(heads::parse_list(list).unwrap())
}

fn on(dataset: DatasetId) -> Changes {
    Changes { dataset: Some(dataset), ..Changes::default() }
}

#[test]
fn an_unknown_name_is_answered_with_each_suite_once() {
    let message = find("nosuch").unwrap_err().to_string();
    assert_eq!(message.matches("heads-full").count(), 1, "{message}");
    assert_eq!(message.matches("train-size").count(), 1, "{message}");
}

#[test]
fn every_embedded_suite_parses() {
    let suites = all().unwrap();
    assert!(suites.iter().any(|suite| suite.name() == "heads"));
}

#[test]
fn options_that_say_what_the_suite_says_change_nothing() {
    let suite = images("heads");
    assert_eq!(suite.with(&Changes::default()), suite);
    assert_eq!(suite.with(&Changes { seeds: Some(10), ..on(DatasetId::MnistMini) }), suite);
    assert_ne!(suite.with(&Changes { length: Some(Length::Epochs(5)), ..Changes::default() }), suite);
}

#[test]
fn models_and_heads_are_combined_and_named_once() {
    let (models, heads) = (models(&["lenet5", "nin@0.25"]), heads_of("fc:120,84,gap,gap"));
    let variants = images("heads").with(&Changes { models, heads, ..Changes::default() }).variants;
    let names: Vec<String> = variants.iter().map(|v| format!("{} {}", v.model, v.head)).collect();
    assert_eq!(names, ["lenet5 fc:120,84", "lenet5 gap", "nin@0.25 fc:120,84", "nin@0.25 gap"]);
}

#[test]
fn a_model_alone_comes_with_its_heads_in_the_suite() {
    let variants = images("heads").with(&Changes { models: models(&["vgg-small@0.5"]), ..Changes::default() }).variants;
    assert_eq!(variants.len(), 3);
}

#[test]
fn a_block_may_train_for_another_length_than_its_suite_and_the_command_line_overrides_both() {
    let suite = heads("[[variants]]\nmodel = \"two-conv\"", "[[variants]]\nepochs = 9\nmodel = \"two-conv\"").unwrap();
    let lengths = |suite: &Suite| suite.variants.iter().map(|variant| variant.length).collect::<Vec<_>>();
    assert_eq!(lengths(&suite)[5..7], [Some(Length::Epochs(9)), None]);
    let changed = suite.with(&Changes { length: Some(Length::Updates(5)), ..Changes::default() });
    assert_eq!((changed.length, lengths(&changed)), (Length::Updates(5), vec![None; 17]));
}

/// The suite `heads` with a change in its file.
fn heads(from: &str, to: &str) -> Result<Suite, String> {
    let text = original("heads").unwrap();
    assert!(text.contains(from), "{from}");
    let rates = |name: &str| {
        assert_eq!(name, "mine.csv");
        Ok("dataset,model,head,train_size,lr,val_top1,chosen\nmnist-mini,two-conv,gap,100,0.03,90,yes\n".to_string())
    };
    parse(Path::new("my.toml"), &text.replacen(from, to, 1), rates).map_err(|error| format!("{error:#}"))
}

const SELECTOR: &str = "{ model = \"two-conv\", head = \"gap\" }";
const DATASET: &str = "dataset = \"mnist-mini\"";

#[test]
fn a_mistake_in_a_file_is_named() {
    let grid = "lr_grid = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3]";
    let vgg = "model = \"vgg-small@0.5\"";
    for (from, to, answer) in [
        ("epochs = 8", "epoch = 4", "epoch"),
        ("epochs = 8", "epochs = 8\nupdates = 9", "`epochs` and `updates` exclude each other"),
        ("epochs = 8", "", "`epochs` or by `updates`"),
        ("epochs = 8", "updates = 0", "updates = 0, but it must be a whole number from 1 to"),
        ("epochs = 8", "epochs = 8\ntrain_sizes = []", "`train_sizes` is empty"),
        ("epochs = 8", "epochs = 8\ntrain_sizes = [100, 0]", "train_size = 0"),
        (
            "epochs = 8",
            "epochs = 8\ntrain_size = 9\ntrain_sizes = [100]",
            "`train_size` and `train_sizes` exclude each other",
        ),
        ("epochs = 8", "epochs = 8\ninputs = [28, 5000]", "inputs = 5000"),
        ("epochs = 8", "epochs = 8\ninputs = [28]\ncanvas = { kind = \"centred\", size = 52 }", "`inputs`"),
        ("epochs = 8", "epochs = 8\ncanvas = { kind = \"tilted\", size = 52 }", "tilted"),
        ("epochs = 8", "epochs = 8\nmeasure = \"shiver\"", "shiver"),
        ("epochs = 8", "epochs = 8\nmeasure = \"shift\"", "`canvas` of kind `centred`"),
        ("epochs = 8", "epochs = 0\nmeasure = \"input-size\"", "not 0 epochs"),
        ("seeds = 10", "seeds = 0", "seeds = 0, but it must be a whole number from 1 to"),
        ("\"gem-fc\"", "\"gemm-fc\"", "gemm-fc"),
        ("\"two-conv\"", "\"two-cnov\"", "two-cnov"),
        (DATASET, "", "no `dataset`"),
        (DATASET, "dataset = \"mnits\"", "mnits"),
        (DATASET, "datasets = []", "`datasets` is empty"),
        (grid, "rates = \"mine.csv\"\nlr_grid = [-1.0]", "above 0"),
        (vgg, "model = \"two-conv\"", "two-conv with fc occurs twice"),
        (vgg, "model = \"lenet5\"\nlr = 0.1", "lenet5 with fc has its own `lr` and that of its block"),
        (vgg, "model = \"lenet5\"\ndatasets = [\"mnist\"]", "is for the data set mnist, which is not among"),
        (vgg, "", "has no `model`"),
        (grid, "[[plots]]\nkind = \"scatter\"\nfile = \"a\"\nx = \"macs\"\ny = \"top2\"", "top2"),
        (grid, "[[comparisons]]\nname = \"a\"", "missing field"),
        (SELECTOR, "{ model = \"two-conv\", head = \"gapp\" }", "gapp"),
        (SELECTOR, "{ model = \"two-cnov\", head = \"gap\" }", "two-cnov"),
        (SELECTOR, "{ model = \"two-conv\", head = \"gap\", input = \"28\" }", "`28` is not CHANNELSxHEIGHTxWIDTH"),
    ] {
        let message = heads(from, to).unwrap_err();
        assert!(message.contains("my.toml") && message.contains(answer), "{to}: {message}");
    }
}

#[test]
fn axes_are_read_and_an_option_takes_the_place_of_one() {
    let axes = "datasets = [\"mnist-mini\", \"mnist\"]\ntrain_sizes = [100, 300]\ninputs = [28, 56]";
    let suite = heads(DATASET, axes).unwrap();
    assert_eq!((suite.datasets.len(), &suite.train_sizes), (2, &vec![Some(100), Some(300)]));
    assert_eq!(suite.canvases, [28, 56].map(|size| Some(Canvas::Resized { size })));
    let length = Some(Length::Updates(7));
    let with = suite.with(&Changes { train_size: Some(50), length, ..on(DatasetId::Mnist) });
    assert_eq!((with.train_sizes, with.datasets), (vec![Some(50)], vec![DatasetId::Mnist]));
    assert_eq!((with.length, suite.length), (Length::Updates(7), Length::Epochs(8)));
    assert_eq!(suite.with(&Changes { input: Some(Shape([1, 8, 8])), ..Changes::default() }).canvases, [None]);
}

#[test]
fn blocks_have_settings_data_sets_and_seeds_of_their_own() {
    let block = "[[variants]]\nmodels = [\"two-conv\", \"lenet5\"]\nheads = [\"fc\"]\nsetting = \"one rate\"\nlr = 0.5\n\
                 seeds = 1\ndatasets = [\"mnist\"]\n\n[[variants]]\nmodel = \"vgg-small@0.5\"";
    let text = heads(DATASET, "datasets = [\"mnist-mini\", \"mnist\"]").unwrap().text;
    let text = text.replace("[[variants]]\nmodel = \"vgg-small@0.5\"", block);
    let suite = parse(Path::new("my.toml"), &text, |_| unreachable!()).unwrap();
    let own = &suite.variants[14];
    assert_eq!((own.setting.as_deref(), own.lr, own.fixed_lr, own.seeds), (Some("one rate"), 0.5, true, Some(1)));
    assert!(own.is_for(&DatasetId::Mnist) && !own.is_for(&DatasetId::MnistMini));
    assert_eq!(suite.variants[15].model.to_string(), "lenet5");
    // A data set that the suite does not know is for all.
    assert!(suite.with(&on(DatasetId::Cifar10)).variants[14].is_for(&DatasetId::Cifar10));
    // A combination keeps all its settings.
    let changes = Changes { models: models(&["two-conv"]), heads: heads_of("fc"), ..Changes::default() };
    assert_eq!(suite.with(&changes).variants.len(), 2);
}

#[test]
fn rates_are_found_by_what_their_lines_say() {
    let suite = heads(DATASET, "dataset = \"mnist-mini\"\nrates = \"mine.csv\"").unwrap();
    let find = |head: &str, train_size| {
        let (dataset, model, head) = ("mnist-mini".into(), "two-conv".into(), head.into());
        let input = "1x28x28".into();
        suite.rates.find(&RunConfig { dataset, model, head, input, train_size, ..RunConfig::default() })
    };
    assert_eq!((find("gap", 100), find("gap", 300), find("fc", 100)), (Some(0.03), None, None));
}

#[test]
fn a_report_needs_only_the_outline_of_a_suite() {
    let text = "rates = \"not/here.csv\"\n[[plots]]\nkind = \"scatter\"\nfile = \"a\"\nx = \"macs\"\ny = \"top1\"";
    assert_eq!(Outline::parse(text).unwrap().plots.len(), 1);
}

proptest! {
    /// `PROPTEST_CASES=100000` tries more of them.
    #[test]
    fn a_mutated_file_is_a_suite_or_a_mistake_but_never_a_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..6, any::<prop::sample::Index>(), 0usize..20), 1..6),
        text in "[-=\"\\[\\]{}.,0-9eE_#\n a-z]{0,6}",
    ) {
        let mut bytes = original("heads").unwrap().as_bytes().to_vec();
        for (at, removed, from, copied) in edits {
            let (at, from) = (at.index(bytes.len()), from.index(bytes.len()));
            let copy = bytes[from..(from + copied).min(bytes.len())].to_vec();
            let end = (at + removed).min(bytes.len());
            bytes.splice(at..end, copy.into_iter().chain(text.bytes()));
        }
        let rates = |_: &str| Ok("dataset,model,head,lr,val_top1,chosen\n".to_string());
        let _ = parse(Path::new("my.toml"), &String::from_utf8_lossy(&bytes), rates);
    }
}
