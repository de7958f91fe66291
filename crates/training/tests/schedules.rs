//! Compares the schedules with PyTorch, whose rates `fixtures/make.py` writes.

use serde::Deserialize;
use training::Schedule;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    config: Schedule,
    peak: f64,
    lr: Vec<f64>,
}

#[test]
fn each_schedule_moves_as_pytorchs_does() {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/schedules.json")).unwrap();
    for case in fixture.cases {
        for (step, &expected) in case.lr.iter().enumerate() {
            let got = case.config.lr(case.peak, step as u64, case.lr.len() as u64);
            assert!((got - expected).abs() < 1e-12, "{}, step {step}: {got} instead of {expected}", case.config);
        }
    }
}

#[test]
fn every_step_of_every_length_has_a_positive_rate_up_to_the_peak() {
    for warmup in [0., 0.05, 0.1, 0.3, 0.5, 1.] {
        let one_cycle = Schedule::OneCycle { warmup, div_factor: 25., final_div_factor: 1e4 };
        for schedule in
            [Schedule::constant(), one_cycle, Schedule::Cosine { warmup }, Schedule::InverseTime { decay: warmup }]
        {
            for total in 1..50 {
                for step in 0..total {
                    let lr = schedule.lr(0.1, step, total);
                    assert!(lr > 0. && lr <= 0.1 + 1e-12, "{schedule}, step {step} of {total}: {lr}");
                }
            }
        }
    }
}

#[test]
fn schedules_are_read_with_their_defaults_and_typos_refused() {
    let read = |text: &str| serde_json::from_str::<Schedule>(text);
    assert_eq!(read(r#"{"kind": "constant"}"#).unwrap(), Schedule::constant());
    assert_eq!(read(r#"{"kind": "one-cycle"}"#).unwrap(), Schedule::one_cycle());
    assert_eq!(read(r#"{"kind": "cosine"}"#).unwrap(), Schedule::cosine());
    assert_eq!(read(r#"{"kind": "cosine", "warmup": 0.1}"#).unwrap(), Schedule::Cosine { warmup: 0.1 });
    assert_eq!(read(r#"{"kind": "inverse-time", "decay": 1e-4}"#).unwrap(), Schedule::InverseTime { decay: 1e-4 });
    assert!(read(r#"{"kind": "inverse-time"}"#).is_err());
    assert!(Schedule::InverseTime { decay: -1. }.check().unwrap_err().to_string().contains("decay"));
    assert!(read(r#"{"kind": "cosine", "warm_up": 0.1}"#).is_err());
    assert!(read(r#"{"kind": "constant", "warmup": 0.1}"#).is_err());
    assert_eq!(Schedule::one_cycle().to_string(), "one-cycle(warmup=0.3, div_factor=25, final_div_factor=10000)");
}
