use records::{
    Point, Record, Round, Rounds,
    samples::{CLAIM_IN_PARTS, diverged, runs},
};
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    comparisons: Vec<Comparison>,
    #[serde(default)]
    claims: Vec<Claim>,
}

fn file(text: &str) -> File {
    toml::from_str(text).unwrap()
}

const TOP1: &str = r#"
[[comparisons]]
name = "gap against fc"
primary = true
a = { model = "two-conv", head = "gap" }
b = { model = "two-conv", head = "fc" }
"#;

fn claim(expect: &str) -> String {
    format!("[[claims]]\nclaim = \"Said\"\ntests = [{{ comparison = \"gap against fc\", expect = {expect} }}]\n")
}

/// The verdicts on all tests that have a result.
fn verdicts(text: &str, records: &[Record]) -> Vec<Verdict> {
    let File { comparisons, claims } = file(text);
    check(&comparisons, &claims).unwrap();
    let compared = compare(&comparisons, &claims, records).unwrap();
    judge(&claims, &compared).iter().map(|judged| judged.verdict).collect()
}

/// The effect of the first comparison.
fn effect(text: &str, records: &[Record]) -> Result<Effect, Unmeasured> {
    compare(&file(text).comparisons, &[], records).unwrap().remove(0).effect
}

#[test]
fn a_verdict_follows_from_the_effect_even_against_the_sentence() {
    let (better, worse) = ([runs("gap", 10, 390), runs("fc", 10, 350)].concat(), runs("fc", 10, 390));
    let worse = [runs("gap", 10, 350), worse].concat();
    let same = [runs("gap", 10, 391), runs("fc", 10, 390)].concat();
    for (expect, records, expected) in [
        ("\"greater\"", &better, Verdict::Yes),
        ("\"greater\"", &worse, Verdict::No),
        ("\"greater\"", &same, Verdict::NotShown),
        ("\"less\"", &worse, Verdict::Yes),
        ("\"less\"", &better, Verdict::No),
        ("\"less\"", &same, Verdict::NotShown),
        ("{ at-least = 3.0 }", &better, Verdict::Yes),
        ("{ at-least = 20.0 }", &better, Verdict::No),
        ("{ at-least = 10.0 }", &better, Verdict::NotShown),
        ("{ at-most = 20.0 }", &better, Verdict::Yes),
        ("{ at-most = 3.0 }", &better, Verdict::No),
        ("{ within = 2.0 }", &same, Verdict::Yes),
        ("{ within = 2.0 }", &better, Verdict::No),
        ("{ within = 0.2 }", &same, Verdict::NotShown),
    ] {
        assert_eq!(verdicts(&format!("{TOP1}{}", claim(expect)), records), [expected], "{expect}");
    }
}

#[test]
fn the_effect_has_difference_interval_and_p_value() {
    let records = [runs("gap", 10, 390), runs("fc", 10, 350)].concat();
    let File { comparisons, claims } = file(&format!("{TOP1}{}", claim("\"greater\"")));
    let compared = compare(&comparisons, &claims, &records).unwrap();
    let interval = compared[0].bounds().unwrap();
    assert!((compared[0].effect.as_ref().unwrap().value - 10.).abs() < 1e-9);
    assert!(interval.low > 7. && interval.low < 8. && interval.high > 12. && interval.high < 13., "{interval:?}");
    assert!(compared[0].holm.unwrap() < 0.001);
}

#[test]
fn fewer_than_ten_seeds_describe() {
    let records = [runs("gap", 9, 390), runs("fc", 12, 350)].concat();
    assert_eq!(verdicts(&format!("{TOP1}{}", claim("\"greater\"")), &records), [Verdict::Descriptive]);
    let File { comparisons, claims } = file(&format!("{TOP1}{}", claim("\"greater\"")));
    let compared = compare(&comparisons, &claims, &records).unwrap();
    assert_eq!(compared[0].effect.as_ref().unwrap().seeds, 9);
    assert!(compared[0].is_descriptive() && compared[0].p.is_none() && compared[0].holm.is_none());
}

#[test]
fn a_diverged_seed_is_left_out_and_counted() {
    let mut records = [runs("gap", 11, 390), runs("fc", 10, 350)].concat();
    records.push(diverged("fc", 0, 10));
    let effect = effect(TOP1, &records).unwrap();
    assert_eq!((effect.seeds, effect.diverged), (10, 1));
}

#[test]
fn what_no_record_shows_is_not_measured() {
    let records = runs("gap", 10, 390);
    let text = format!("{TOP1}{}", claim("\"greater\""));
    let fc = "two-conv fc".to_string();
    assert_eq!(effect(&text, &records), Err(Unmeasured::NoRecords(fc)));
    assert_eq!(verdicts(&text, &records), []);
}

#[test]
fn one_seed_and_other_images_have_no_interval() {
    let text = format!("{TOP1}{}", claim("\"greater\""));
    let one = [runs("gap", 1, 390), runs("fc", 1, 350)].concat();
    assert_eq!(verdicts(&text, &one), [Verdict::Descriptive]);
    assert_eq!(effect(&text, &one).unwrap().certainty, Certainty::Unknown(NoInterval::OneSeed));

    let mut elsewhere = runs("fc", 10, 350);
    elsewhere.iter_mut().for_each(|run| run.config.dataset = "mnist".into());
    let other = effect(&text, &[runs("gap", 10, 390), elsewhere].concat()).unwrap();
    assert_eq!(other.certainty, Certainty::Unknown(NoInterval::OtherImages));
}

#[test]
fn a_claim_has_a_verdict_for_each_test_that_was_measured() {
    let records = [runs("gap", 10, 390), runs("gmp", 10, 300), runs("fc", 10, 350)].concat();
    // `gmp` is not primary, and of `lse-fc` there are no records.
    assert_eq!(verdicts(CLAIM_IN_PARTS, &records), [Verdict::Yes, Verdict::Descriptive]);
}

#[test]
fn primary_p_values_are_adjusted_together_and_decide() {
    // The interval of the second excludes 0; among three its p-value does not stand.
    let File { comparisons, .. } = file(TOP1);
    let effect = comparisons[0].effect(&[runs("gap", 10, 356), runs("fc", 10, 350)].concat()).unwrap().unwrap();
    let compared = |holm| Compared { comparison: &comparisons[0], effect: Ok(effect.clone()), p: holm, holm };
    for expect in ["\"greater\"", "{ at-least = -3.0 }", "{ within = 5.0 }"] {
        let claims = file(&claim(expect)).claims;
        for (holm, verdict) in [(0.02, Verdict::Yes), (0.03, Verdict::NotShown)] {
            assert_eq!(judge(&claims, &[compared(Some(holm))])[0].verdict, verdict);
        }
    }

    let three = ["gap", "gmp", "spp-fc"].map(|head| {
        format!("[[comparisons]]\nname = \"{head}\"\nprimary = true\na = {{ model = \"two-conv\", head = \"{head}\" }}\nb = {{ model = \"two-conv\", head = \"fc\" }}\n")
    });
    let records = [runs("gap", 10, 353), runs("gmp", 10, 380), runs("spp-fc", 3, 380), runs("fc", 10, 350)].concat();
    let claims = ["gap", "gmp", "spp-fc"].map(|head| claim("\"greater\"").replace("gap against fc", head));
    let File { comparisons, claims } = file(&(three.concat() + &claims.concat()));
    let compared = compare(&comparisons, &claims, &records).unwrap();
    let [gap, gmp, spp] = [0, 1, 2].map(|i| (compared[i].p, compared[i].holm));
    assert_eq!(spp, (None, None), "three seeds are not tested");
    assert_eq!(gmp.1, gmp.0.map(|p| 2. * p));
    assert_eq!(gap.1, gap.0);
}

fn compared_by_ratio(metric: &str, expect: &str) -> String {
    let text = TOP1.replace("primary = true", &format!("metric = \"{metric}\"\nby = \"ratio\""));
    format!("{text}{}", claim(expect))
}

#[test]
fn what_is_counted_is_exact_and_known_by_construction() {
    let mut gap = runs("gap", 3, 390);
    gap.iter_mut().for_each(|run| run.head_param_count = 650);
    let records = [gap, runs("fc", 3, 390)].concat();
    let without: Vec<Record> = records.iter().map(|run| Record { activations: 0, ..run.clone() }).collect();

    let parameters = compared_by_ratio("head_param_count", "{ at-most = 0.05 }");
    assert_eq!(verdicts(&parameters, &records), [Verdict::ByConstruction]);
    let ratio = effect(&parameters, &records).unwrap();
    assert!((ratio.value - 650. / 16_010.).abs() < 1e-9 && ratio.certainty == Certainty::Exact, "{ratio:?}");
    let fc = "two-conv fc".to_string();
    assert_eq!(effect(&compared_by_ratio("activations", "\"less\""), &without), Err(Unmeasured::Zero(fc)));
    assert_eq!(verdicts(&compared_by_ratio("macs", "\"less\""), &records), [Verdict::No], "equal is not less");
}

#[test]
fn timings_are_compared_by_the_ratios_of_their_rounds() {
    let timed = |head: &str, began_unix_ms: u64, latencies: [f64; 5]| {
        let mut runs = runs(head, 3, 390);
        let round = |latency_us| Round { train_samples_per_sec: 1., infer_samples_per_sec: 1., latency_us };
        let rounds = Rounds { began_unix_ms, each: latencies.map(round).to_vec() };
        runs.iter_mut().for_each(|run| run.speed.as_mut().unwrap().rounds = Some(rounds.clone()));
        runs
    };
    let fc = timed("fc", 7, [100., 200., 300., 400., 500.]);
    // The rounds of each differ by far more than the two networks do in any round.
    let records = [timed("gap", 7, [90., 182., 267., 364., 445.]), fc.clone()].concat();
    let latency = compared_by_ratio("latency_us", "\"less\"");
    let ratio = effect(&latency, &records).unwrap();
    let Certainty::Within(bounds) = ratio.certainty else { panic!("{ratio:?}") };
    assert!((ratio.value - 0.9).abs() < 2e-3 && bounds.low > 0.88 && bounds.high < 0.92, "{ratio:?}");
    assert_eq!((bounds.over, verdicts(&latency, &records)), (Over::Rounds, vec![Verdict::Yes]));

    // Rounds of another measurement are no pairs, and earlier records have none.
    let others = [timed("gap", 8, [90.; 5]), fc.clone()].concat();
    let old = [runs("gap", 3, 390), fc.clone()].concat();
    for records in [&others, &old] {
        assert_eq!(effect(&latency, records).unwrap().certainty, Certainty::Unknown(NoInterval::NoCommonRounds));
        assert_eq!(verdicts(&latency, records), [Verdict::NotShown]);
    }

    let mut elsewhere = records.clone();
    elsewhere[5].cpu.model = "Another CPU".into();
    assert_eq!(effect(&latency, &elsewhere), Err(Unmeasured::OtherMachine));
    let parameters = compared_by_ratio("head_param_count", "\"less\"");
    assert!(effect(&parameters, &elsewhere).is_ok(), "a count is the same everywhere");
}

#[test]
fn a_relative_margin_is_tested_as_a_ratio_of_errors() {
    // Of 400 images, 48 to 50 are wrong with `fc`.
    let fc = runs("fc", 10, 350);
    let primary = |expect: &str| compared_by_ratio("top1_err", expect).replacen("metric", "primary = true\nmetric", 1);
    for (right, expect, verdict) in [
        (349, "{ at-most = 1.2 }", Verdict::Yes),
        (300, "{ at-most = 1.2 }", Verdict::No),
        (340, "{ at-most = 1.2 }", Verdict::NotShown),
        (350, "{ within = 0.2 }", Verdict::Yes),
        (340, "{ within = 0.2 }", Verdict::NotShown),
        (300, "{ within = 0.2 }", Verdict::No),
        (380, "\"less\"", Verdict::Yes),
    ] {
        let records = [runs("gap", 10, right), fc.clone()].concat();
        let text = primary(expect);
        assert_eq!(verdicts(&text, &records), [verdict], "{right} {expect}");
        // The p-value is that of the margin: below the level exactly if the verdict is yes.
        let File { comparisons, claims } = file(&text);
        let p = compare(&comparisons, &claims, &records).unwrap()[0].holm.unwrap();
        assert_eq!(p < LEVEL, verdict == Verdict::Yes, "{right} {expect}: {p}");
    }
    let ratio = effect(&primary("\"less\""), &[runs("gap", 10, 380), fc].concat()).unwrap();
    assert!((ratio.value - 19.1 / 49.1).abs() < 1e-9 && ratio.means[1] > 12., "{ratio:?}");
}

#[test]
fn losses_are_compared_over_the_seeds_that_have_them() {
    let with_curve = |head: &str, losses: [[f64; 2]; 2]| {
        let mut runs = runs(head, 10, 390);
        for run in &mut runs {
            for (point, [train_loss, val_loss]) in run.curve.iter_mut().zip(losses) {
                let of_seed = 0.01 * run.config.seed as f64;
                (point.train_loss, point.val_loss) = (Some(train_loss), Some(val_loss + of_seed * train_loss));
            }
        }
        runs
    };
    let mut fc = with_curve("fc", [[0.5, 0.25], [0.25, 0.75]]);
    let gap = with_curve("gap", [[0.75, 0.5], [0.5, 0.25]]);
    let text = |metric: &str| TOP1.replace("primary = true", &format!("metric = \"{metric}\""));
    let rise = effect(&text("val_loss_rise"), &[gap.clone(), fc.clone()].concat()).unwrap();
    assert!(matches!(rise.certainty, Certainty::Within(bounds) if bounds.over == Over::Seeds), "{rise:?}");
    assert!((rise.means[0]).abs() < 1e-9 && (rise.means[1] - 0.48875).abs() < 1e-9, "{rise:?}");
    // `gap` falls to a training loss of 0.5, which `fc` has after its first epoch.
    let equal = effect(&text("val_loss_at_equal_train_loss"), &[gap.clone(), fc.clone()].concat()).unwrap();
    assert_eq!((equal.seeds, equal.value), (10, 0.));
    fc.iter_mut().for_each(|run| run.curve[0].train_loss = Some(0.125));
    let undefined = effect(&text("val_loss_at_equal_train_loss"), &[gap, fc].concat());
    assert_eq!(undefined, Err(Unmeasured::Undefined));
}

#[test]
fn what_is_by_construction_is_called_that_if_it_is_so() {
    let text = |by_construction| {
        let claim = claim("{ within = 0.5 }").replace(" }]", &format!(", by_construction = {by_construction} }}]"));
        format!("{}{claim}", TOP1.replace("primary = true\n", ""))
    };
    let same = [runs("gap", 10, 390), runs("fc", 10, 390)].concat();
    let other = [runs("gap", 10, 350), runs("fc", 10, 390)].concat();
    assert_eq!(verdicts(&text(true), &same), [Verdict::ByConstruction]);
    assert_eq!(verdicts(&text(true), &other), [Verdict::No]);
    assert_eq!(verdicts(&text(false), &same), [Verdict::Descriptive]);
}

#[test]
fn the_gap_of_generalisation_is_the_other_way_round_and_keeps_its_offset() {
    let text = TOP1.replace("primary = true", "metric = \"generalisation_gap\"");
    let File { comparisons, .. } = file(&text);
    let mut gap = runs("gap", 10, 350);
    gap.iter_mut().for_each(|run| run.outcome.as_mut().unwrap().train_top1 = 0.94);
    let effect = comparisons[0].effect(&[gap, runs("fc", 10, 390)].concat()).unwrap().unwrap();
    assert!((effect.value - 5.).abs() < 1e-9, "{effect:?}"); // 10 points less of the test set, 5 less of training
    let Certainty::Within(interval) = effect.certainty else { panic!("{effect:?}") };
    assert!(
        interval.over == Over::SeedsAndImages
            && interval.low > 1.5
            && interval.low < 3.
            && interval.high > 7.
            && interval.high < 8.5,
        "{interval:?}"
    );
}

fn measured(head: &str, right: usize, with_hits: bool) -> Vec<Record> {
    let mut runs = runs(head, 10, right);
    for run in &mut runs {
        let value = run.outcome.as_ref().map(|outcome| outcome.top1);
        let hits = with_hits.then(|| run.test_hits.clone());
        let at = |at| Point { measure: "shift".into(), setting: None, at: Some(at), value, hits: hits.clone() };
        run.measures = vec![at(4.), at(8.)];
    }
    runs
}

#[test]
fn a_measure_is_taken_at_its_place_over_images_where_it_counts_them_and_else_over_seeds() {
    let text = TOP1.replace("primary = true", "metric = \"shift\"\nat = 8");
    let comparison = &file(&text).comparisons[0];
    let effect = |hits| comparison.effect(&[measured("gap", 390, hits), measured("fc", 350, hits)].concat()).unwrap();
    let over = |effect: Effect| match effect.certainty {
        Certainty::Within(bounds) => bounds.over,
        other => panic!("{other:?}"),
    };
    assert_eq!(over(effect(true).unwrap()), Over::SeedsAndImages);
    assert_eq!(over(effect(false).unwrap()), Over::Seeds);

    let elsewhere = &file(&text.replace("at = 8", "at = 6")).comparisons[0];
    let records = [measured("gap", 390, true), measured("fc", 350, true)].concat();
    let of = "two-conv gap, at 6".into();
    assert_eq!(elsewhere.effect(&records).unwrap(), Err(Unmeasured::NoMeasure { measure: "shift".into(), of }));
    let nowhere = &file(&text.replace("at = 8", "")).comparisons[0];
    let error = nowhere.effect(&records).unwrap_err().to_string();
    assert_eq!(error, "comparison `gap against fc`: `shift` has several values: add one of at = 4, at = 8");
}

#[test]
fn the_mean_over_several_strengths_is_taken_image_by_image() {
    let text = TOP1.replace("primary = true", "metric = \"shift\"\nmean_over = [4, 8]");
    let records = [measured("gap", 390, true), measured("fc", 350, true)].concat();
    let at_one = &file(&text.replace("mean_over = [4, 8]", "at = 4")).comparisons[0];
    // The same hits at both strengths have the mean and the interval of one.
    assert_eq!(file(&text).comparisons[0].effect(&records), at_one.effect(&records));
    let outside = &file(&text.replace("[4, 8]", "[5, 7]")).comparisons[0];
    assert!(matches!(outside.effect(&records).unwrap(), Err(Unmeasured::NoMeasure { .. })));
}

#[test]
fn a_network_is_compared_with_itself_elsewhere_and_what_it_cannot_take_is_said() {
    let text = r#"
[[comparisons]]
name = "moved"
setting = "padded"
a = { model = "two-conv", head = "gap", at = 40 }
b = { model = "two-conv", head = "gap", at = 28 }
"#;
    let comparison = &file(text).comparisons[0];
    assert_eq!(comparison.measure(), Some("top1"));
    let (near, far) = (runs("gap", 10, 390), runs("gap", 10, 380));
    let records = |possible: bool| -> Vec<Record> {
        let point = |at, run: &Record| Point {
            measure: "top1".into(),
            setting: Some("padded".into()),
            at: Some(at),
            value: run.outcome.as_ref().map(|outcome| outcome.top1).filter(|_| possible || at == 28.),
            hits: Some(run.test_hits.clone()),
        };
        let with = |(near, far): (&Record, &Record)| Record {
            measures: vec![point(28., near), point(40., far)],
            ..near.clone()
        };
        near.iter().zip(&far).map(with).collect()
    };
    let effect = comparison.effect(&records(true)).unwrap().unwrap();
    assert!((effect.value + 2.5).abs() < 1e-9 && matches!(effect.certainty, Certainty::Within(_)), "{effect:?}");
    let impossible = Unmeasured::Impossible { measure: "top1".into(), of: "two-conv gap, at 40".into() };
    assert_eq!(comparison.effect(&records(false)).unwrap(), Err(impossible));
}

#[test]
fn a_selector_that_fits_several_configurations_names_what_they_differ_in() {
    let mut smaller = runs("gap", 2, 350);
    for run in &mut smaller {
        run.config.train_size = 500;
        run.config_hash = "another".into();
    }
    let records = [runs("gap", 2, 390), smaller, runs("fc", 2, 350)].concat();
    let error = compare(&file(TOP1).comparisons, &[], &records).unwrap_err().to_string();
    assert_eq!(
        error,
        "comparison `gap against fc`: a = two-conv gap fits several configurations, which differ in train_size: add one of these keys"
    );
    let one = TOP1.replace("head = \"gap\"", "head = \"gap\", train_size = 500");
    assert!((effect(&one, &records).unwrap().means[0] - 87.625).abs() < 1e-9);
    assert_eq!(file(&one).comparisons[0].a.to_string(), "two-conv gap, 500 images");
}

#[test]
fn a_mistake_in_a_file_is_named() {
    let message = |text: &str| match toml::from_str::<File>(text) {
        Ok(File { comparisons, claims }) => check(&comparisons, &claims).unwrap_err().to_string(),
        Err(error) => error.to_string(),
    };
    let with = |more: &str| format!("{TOP1}{more}");
    for (text, part) in [
        (TOP1.replace("primary", "primry"), "unknown field `primry`"),
        (TOP1.replace("primary = true", "by = \"ratio\""), "`top1` is compared by difference"),
        (
            TOP1.replace("primary = true", "by = \"quotient\""),
            "unknown variant `quotient`, expected `difference` or `ratio`",
        ),
        (TOP1.replace("primary = true", "metric = \"macs\"\nat = 3"), "`macs` is a metric"),
        (TOP1.replace("primary = true", "primary = true\nmetric = \"macs\""), "cannot be primary"),
        (TOP1.replace("head = \"gap\"", "head = \"fc\""), "a and b are the same"),
        (TOP1.into(), "no claim says what is expected"),
        (TOP1.replace("primary = true", "metric = \"shift\"\nmean_over = [8, 4]"), "in this order"),
        (TOP1.replace("primary = true", "metric = \"shift\"\nat = 4\nmean_over = [4, 8]"), "not both"),
        (with(TOP1), "is defined twice"),
        (with(&claim("\"greatr\"")), "unknown variant `greatr`"),
        (with(&claim("{ within = -1.0 }")), "a margin at least 0"),
        (with("[[claims]]\nclaim = \"Said\"\ntests = []"), "no tests"),
        (with(&claim("\"less\", by_construction = true")), "is primary, but"),
        (with(&[claim("\"greater\""), claim("{ within = 2.0 }")].concat()), "several tests refer to it"),
        (claim("\"greater\""), "no comparison is called `gap against fc`"),
    ] {
        let message = message(&text);
        assert!(message.contains(part), "`{message}` does not say `{part}`");
    }
    let four: String = (0..4).map(|i| TOP1.replace("gap against fc", &i.to_string())).collect();
    assert!(message(&four).contains("4 primary comparisons: at most 3"));
}
