//! Reads records that anyone may have written: what is impossible is refused before a table believes it.

use std::path::{Component, Path};

use serde::Deserialize;

use crate::{
    bits::bits,
    config::RunConfig,
    confusion::Confusion,
    input::read_input,
    point::Point,
    record::{EpochPoint, Outcome, Record, Round, Speed, Status},
};

/// The largest size of a record's file in bytes. The hits of a million test images take 250 kB per measured value.
const MAX_RECORD_BYTES: u64 = 256 << 20;
/// The largest count: that of all integers that an f64 represents exactly.
const MAX_COUNT: f64 = (1u64 << 53) as f64;
/// How far a share may lie from the one that is counted, because of rounding.
const TOLERANCE: f64 = 1e-9;

/// The format of records. Those of this format have no key `format`; a later version that changes the meaning of a key
/// writes one.
const FORMAT: u64 = 1;

#[derive(Deserialize)]
struct Format {
    #[serde(default)]
    format: Option<u64>,
}

/// The reason why a text is not a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A text that is not the JSON of a record.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// A record of a later version of this crate.
    #[error("a later version wrote it, in format {0}; this version reads format {FORMAT}")]
    Format(u64),
    /// A value that no run can have.
    #[error("{field} is {value}, but {possible}")]
    Impossible {
        /// The field, such as `final.top1`.
        field: String,
        /// Its value.
        value: String,
        /// The values that are possible.
        possible: String,
    },
}

impl Record {
    /// Reads a record from JSON and checks that its values are possible: shares lie between 0 and 1, accuracies are those
    /// of the hits, the hash is that of the configuration, and so on.
    ///
    /// # Errors
    /// A text that is not a record, and the first impossible value.
    pub fn parse(json: &[u8]) -> Result<Self, RecordError> {
        if let Ok(Format { format: Some(format) }) = serde_json::from_slice(json)
            && format > FORMAT
        {
            return Err(RecordError::Format(format));
        }
        let record: Self = serde_json::from_slice(json)?;
        check(&record)?;
        Ok(record)
    }
}

/// Reads the record in a file, which must be a regular file of a possible size. The error is the reason in words.
pub(crate) fn read_record(path: &Path) -> Result<Record, String> {
    let json = read_input(path, MAX_RECORD_BYTES).map_err(|error| error.reason.to_string())?;
    Record::parse(&json).map_err(|error| error.to_string())
}

type Checked = Result<(), RecordError>;

fn check(record: &Record) -> Checked {
    let Record { suite, config, config_hash, outcome, .. } = record;
    if !is_name(&suite.name) {
        let possible = "it must be the name of a folder, without separators and control characters";
        return Err(impossible("suite.name", format!("{:?}", suite.name), possible));
    }
    let hash = config.hash();
    if *config_hash != hash {
        return Err(impossible(
            "config_hash",
            format!("{config_hash:?}"),
            format!("that of the configuration is {hash}"),
        ));
    }
    if !(config.lr.is_finite() && config.lr > 0.) {
        return Err(impossible("config.lr", config.lr, "it must be a number above 0"));
    }
    for (field, value) in
        [("batch_size", config.batch_size), ("classes", config.classes), ("train_size", config.train_size)]
    {
        count(&format!("config.{field}"), value as f64, 1.)?;
    }
    count("threads", record.threads as f64, 1.)?;
    count("param_count", record.param_count as f64, 0.)?;
    within("head_param_count", record.head_param_count as f64, 0., record.param_count as f64)?;
    count("macs", record.macs as f64, 0.)?;
    count("activations", record.activations as f64, 0.)?;
    record.features.iter().try_for_each(|&size| count("features", size as f64, 0.))?;
    record.receptive_field.iter().flatten().try_for_each(|&size| count("receptive_field", size as f64, 0.))?;
    within("timings.train_seconds", record.timings.train_seconds, 0., 1e9)?;
    record.curve.iter().enumerate().try_for_each(|(index, point)| check_epoch(index, point))?;
    if let (Status::Diverged(_), Some(_)) = (&record.status, outcome) {
        return Err(impossible("status", "diverged", "there are accuracies after training in `final`"));
    }
    if let Some(outcome) = outcome {
        check_outcome(outcome)?;
        check_hits("final.top1", outcome.top1, &record.test_hits)?;
    }
    if let Some(confusion) = &record.confusion {
        check_confusion(confusion, config, outcome.as_ref().map(|outcome| outcome.top1), record.test_hits.len())?;
    }
    record.speed.as_ref().map_or(Ok(()), check_speed)?;
    record.measures.iter().enumerate().try_for_each(|(index, point)| check_point(index, point))
}

/// Returns whether a text is the name of a folder or file in another folder.
fn is_name(text: &str) -> bool {
    let mut components = Path::new(text).components();
    let single =
        matches!((components.next(), components.next()), (Some(Component::Normal(name)), None) if name == text);
    single && !text.contains(['/', '\\']) && !text.chars().any(char::is_control)
}

fn check_epoch(index: usize, point: &EpochPoint) -> Checked {
    let field = |name: &str| format!("curve[{index}].{name}");
    point.val_top1.map_or(Ok(()), |top1| share(&field("val_top1"), top1))?;
    point.val_auroc.map_or(Ok(()), |auroc| share(&field("val_auroc"), auroc))?;
    loss(&field("train_loss"), point.train_loss)?;
    loss(&field("val_loss"), point.val_loss)
}

fn check_outcome(outcome: &Outcome) -> Checked {
    share("final.top1", outcome.top1)?;
    share("final.train_top1", outcome.train_top1)?;
    outcome.val_top1.map_or(Ok(()), |top1| share("final.val_top1", top1))?;
    loss("final.test_loss", outcome.test_loss)
}

fn check_speed(speed: &Speed) -> Checked {
    let Speed { train_samples_per_sec, infer_samples_per_sec, latency_us, .. } = speed;
    for (field, measured) in [
        ("train_samples_per_sec", train_samples_per_sec),
        ("infer_samples_per_sec", infer_samples_per_sec),
        ("latency_us", latency_us),
    ] {
        within(&format!("speed.{field}.median"), measured.median, f64::MIN_POSITIVE, 1e12)?;
        within(&format!("speed.{field}.spread"), measured.spread, 0., 1e3)?;
    }
    for (index, round) in speed.rounds.iter().flat_map(|rounds| &rounds.each).enumerate() {
        let Round { train_samples_per_sec, infer_samples_per_sec, latency_us } = *round;
        for value in [train_samples_per_sec, infer_samples_per_sec, latency_us] {
            within(&format!("speed.rounds.each[{index}]"), value, f64::MIN_POSITIVE, 1e12)?;
        }
    }
    count("speed.train_batch_size", speed.train_batch_size as f64, 1.)?;
    count("speed.infer_batch_size", speed.infer_batch_size as f64, 1.)?;
    count("speed.threads", speed.threads as f64, 1.)
}

fn check_point(index: usize, point: &Point) -> Checked {
    let field = |name: &str| format!("measures[{index}].{name}");
    point.at.map_or(Ok(()), |at| within(&field("at"), at, -1e9, 1e9))?;
    let Some(value) = point.value else { return Ok(()) };
    share(&field("value"), value)?;
    point.hits.as_ref().map_or(Ok(()), |hits| check_hits(&field("value"), value, hits))
}

/// Checks that the counts have the size of the classes, and that they are those of the hits, in `digits` hexadecimal digits.
fn check_confusion(confusion: &Confusion, config: &RunConfig, top1: Option<f64>, digits: usize) -> Checked {
    let Confusion { classes, counts } = confusion;
    let size = config.classes;
    let columns = counts.first().map_or(0, Vec::len);
    let is_matrix = counts.len() == size && counts.iter().all(|row| row.len() == columns);
    if classes.len() != size || !is_matrix || !(size..=size + 1).contains(&columns) {
        let value = format!("{} classes with {} rows of {columns} counts", classes.len(), counts.len());
        return Err(impossible("confusion", value, format!("there are {size} classes")));
    }
    let images = counts.iter().flatten().try_fold(0u64, |sum, &count| sum.checked_add(count));
    if images.is_none_or(|images| images.div_ceil(4) != digits as u64) {
        let value = images.map_or("too large to add".into(), |images| format!("of {images} images"));
        return Err(impossible("confusion", value, format!("there are hits of about {} images", 4 * digits)));
    }
    let agrees = |accuracy: f64| top1.is_some_and(|top1| (accuracy - top1).abs() <= TOLERANCE);
    match confusion.accuracy() {
        Some(accuracy) if agrees(accuracy) => Ok(()),
        accuracy => {
            Err(impossible("confusion", format!("of accuracy {accuracy:?}"), format!("final.top1 is {top1:?}")))
        }
    }
}

/// Checks that a share is the one of the hits. Their number is known up to the padding of the last digit.
fn check_hits(field: &str, value: f64, hits: &str) -> Checked {
    let Some(hit) = bits(hits, 4 * hits.len()) else {
        return Err(impossible(field, value, "the hits that it must agree with are not hexadecimal digits"));
    };
    let (most, hit) = (hit.len(), hit.iter().filter(|&&hit| hit).count());
    let least = most.saturating_sub(3).max(hit).max(1);
    if (least..=most).any(|images| (value - hit as f64 / images as f64).abs() <= TOLERANCE) {
        return Ok(());
    }
    Err(impossible(field, value, format!("{hit} of at most {most} images are hits")))
}

fn share(field: &str, value: f64) -> Checked {
    within(field, value, 0. - TOLERANCE, 1. + TOLERANCE)
        .map_err(|_| impossible(field, value, "a share must lie between 0 and 1"))
}

/// Checks a loss, which is a mean of f32 and in exact arithmetic not negative.
fn loss(field: &str, value: Option<f64>) -> Checked {
    value.map_or(Ok(()), |value| within(field, value, -1., f32::MAX.into()))
}

fn count(field: &str, value: f64, least: f64) -> Checked {
    within(field, value, least, MAX_COUNT)
}

fn within(field: &str, value: f64, least: f64, most: f64) -> Checked {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(impossible(field, value, format!("it must lie between {least:e} and {most:e}")))
}

fn impossible(field: &str, value: impl ToString, possible: impl Into<String>) -> RecordError {
    RecordError::Impossible { field: field.into(), value: value.to_string(), possible: possible.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bits::hex_bits, record::Diverged, samples};

    fn confusion(record: &mut Record) -> &mut Confusion {
        record.confusion.as_mut().unwrap()
    }

    fn refused(change: impl Fn(&mut Record)) -> String {
        let mut record = samples::record("fc", 0, 3, 0.9);
        assert_eq!(Record::parse(&serde_json::to_vec(&record).unwrap()).unwrap(), record);
        change(&mut record);
        Record::parse(&serde_json::to_vec(&record).unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn a_record_with_an_impossible_value_is_refused_and_the_field_is_named() {
        type Change = fn(&mut Record);
        let changes: [(Change, &str); 19] = [
            (|record| record.outcome.as_mut().unwrap().top1 = 500., "final.top1 is 500"),
            (|record| record.outcome.as_mut().unwrap().train_top1 = -0.1, "final.train_top1 is -0.1"),
            (|record| record.outcome.as_mut().unwrap().val_top1 = Some(2.), "final.val_top1 is 2"),
            (|record| record.outcome.as_mut().unwrap().top1 = 0.91, "final.top1 is 0.91, but 9000 of"),
            (|record| record.test_hits = String::new(), "but 0 of at most 0"),
            (|record| record.test_hits = "no".into(), "hexadecimal"),
            (|record| record.speed.as_mut().unwrap().latency_us.spread = 1e308, "speed.latency_us.spread is 1"),
            (|record| record.speed.as_mut().unwrap().train_samples_per_sec.median = 0., "median is 0"),
            (|record| record.curve[1].val_top1 = Some(1.1), "curve[1].val_top1 is 1.1"),
            (|record| record.curve[1].val_auroc = Some(-0.5), "curve[1].val_auroc is -0.5"),
            (|record| record.head_param_count = 1 << 40, "head_param_count is"),
            (|record| record.config.lr = 7., "config_hash is"),
            (|record| record.status = Status::Diverged(Diverged { epoch: 0, step: 0 }), "status is diverged"),
            (|record| record.timings.train_seconds = -1., "timings.train_seconds"),
            (
                |record| {
                    record.measures = vec![Point { value: Some(0.5), ..Point::share("top1", None, None, &[true; 8]) }]
                },
                "measures[0].value is 0.5",
            ),
            (|record| confusion(record).classes.truncate(9), "confusion is 9 classes with 10 rows"),
            (|record| confusion(record).counts[3].truncate(9), "confusion is 10 classes with 10 rows"),
            (|record| confusion(record).counts[0] = vec![u64::MAX; 10], "confusion is too large to add"),
            (|record| confusion(record).counts[0].swap(0, 1), "confusion is of accuracy Some(0.8"),
        ];
        for (change, part) in changes {
            let message = refused(change);
            assert!(message.contains(part), "{message} does not contain {part}");
        }
    }

    #[test]
    fn a_suite_is_named_like_a_folder_and_nothing_else() {
        for name in ["../../escaped", "..", ".", "", "/etc", "a/b", "a\\b", "a/", "two\nlines"] {
            let message = refused(|record| record.suite.name = name.into());
            assert!(message.contains("suite.name"), "{message}");
        }
        assert!(is_name("my suite") && is_name("heads-shop-custom") && is_name("..a"));
    }

    #[test]
    fn the_number_of_test_images_need_not_be_a_multiple_of_four() {
        for images in 1..20 {
            let hits: Vec<bool> = (0..images).map(|image| image % 3 == 0).collect();
            let share = hits.iter().filter(|&&hit| hit).count() as f64 / images as f64;
            assert!(check_hits("top1", share, &hex_bits(&hits)).is_ok());
        }
    }
}
