use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    path::Path,
    time::SystemTime,
};

use atomic_write_file::AtomicWriteFile;
use prost::Message;

use crate::{
    event::{Event, Image, Summary, Value},
    framing::{framed, unframed},
};

/// The version of event files, in the first event of each.
const VERSION: &str = "brain.Event:2";

/// A file to which the scalars and images of one run are appended.
#[derive(Debug)]
pub struct EventFile(File);

impl EventFile {
    /// Starts a file, in the place of an earlier one. TensorBoard finds it if its name contains `tfevents`.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::continued(path, &[])
    }

    /// Continues the file of a run that goes on at `step`: keeps the scalars of the steps before it, and drops everything
    /// else, such as points that the run is going to repeat, images, and the rest of a point that was being written when
    /// the run was killed. A file that does not exist is started.
    ///
    /// # Errors
    /// A file that cannot be read or written.
    pub fn resume(path: &Path, step: i64) -> io::Result<Self> {
        let is_scalar = |value: &Value| value.simple_value.is_some();
        let is_kept = |event: &Event| {
            event.step < step && event.summary.as_ref().is_some_and(|summary| summary.value.iter().all(is_scalar))
        };
        match read(path) {
            Ok(events) => Self::continued(path, &events.into_iter().filter(is_kept).collect::<Vec<_>>()),
            Err(error) if error.kind() == ErrorKind::NotFound => Self::create(path),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file by one with these events, to which more are appended.
    fn continued(path: &Path, events: &[Event]) -> io::Result<Self> {
        let start = Event { wall_time: now(), file_version: Some(VERSION.into()), ..Event::default() };
        let mut file = AtomicWriteFile::open(path)?;
        for event in [&start].into_iter().chain(events) {
            file.write_all(&framed(&event.encode_to_vec()))?;
        }
        file.commit()?;
        Ok(Self(OpenOptions::new().append(true).open(path)?))
    }

    /// Appends the values of one step, each with its name.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn scalars(&mut self, step: i64, values: &[(&str, f32)]) -> io::Result<()> {
        let value = |&(tag, value): &(&str, f32)| Value { tag: tag.into(), simple_value: Some(value), image: None };
        self.append(step, values.iter().map(value).collect())
    }

    /// Appends an image: the bytes of a PNG file in RGB of this width and height.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn image(&mut self, step: i64, tag: &str, png: Vec<u8>, [width, height]: [u32; 2]) -> io::Result<()> {
        let (width, height) = (width as i32, height as i32);
        let image = Image { height, width, colorspace: 3, encoded_image_string: png };
        self.append(step, vec![Value { tag: tag.into(), simple_value: None, image: Some(image) }])
    }

    /// Appends an event in one piece, so that a reader rarely sees a part of it.
    fn append(&mut self, step: i64, value: Vec<Value>) -> io::Result<()> {
        let event = Event { wall_time: now(), step, file_version: None, summary: Some(Summary { value }) };
        self.0.write_all(&framed(&event.encode_to_vec()))
    }
}

/// Reads the events of a file, up to the first one that is incomplete or damaged.
///
/// # Errors
/// A file that cannot be read.
pub fn read(path: &Path) -> io::Result<Vec<Event>> {
    let bytes = fs::read(path)?;
    let (mut rest, mut events) = (bytes.as_slice(), Vec::new());
    while let Some((data, after)) = unframed(rest) {
        let Ok(event) = Event::decode(data) else { break };
        events.push(event);
        rest = after;
    }
    Ok(events)
}

/// The time in seconds since 1970; 0 if the clock is set to a time before.
fn now() -> f64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0., |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Step, name and number of each point; images have no number.
    fn points(path: &Path) -> Vec<(i64, String, Option<f32>)> {
        let events = read(path).unwrap();
        assert_eq!(events[0].file_version.as_deref(), Some(VERSION));
        let values = |event: &Event| event.summary.iter().flat_map(|summary| summary.value.clone()).collect::<Vec<_>>();
        let of = |event: &Event| values(event).into_iter().map(|v| (event.step, v.tag, v.simple_value)).collect();
        events.iter().flat_map(|event| -> Vec<_> { of(event) }).collect()
    }

    fn point(step: i64) -> (i64, String, Option<f32>) {
        (step, "loss".into(), Some(step as f32 / 8.))
    }

    fn write(file: &mut EventFile, steps: std::ops::Range<i64>) {
        steps.for_each(|step| file.scalars(step, &[("loss", step as f32 / 8.)]).unwrap());
    }

    #[test]
    fn a_killed_run_leaves_no_part_of_a_point_and_repeats_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.out.tfevents");
        let mut file = EventFile::create(&path).unwrap();
        write(&mut file, 0..3);
        file.image(2, "maps", vec![1, 2, 3], [4, 2]).unwrap();
        let complete = fs::read(&path).unwrap();
        assert_eq!(points(&path), [point(0), point(1), point(2), (2, "maps".into(), None)]);
        // Killed at any byte after the first two points, with a checkpoint after two epochs.
        let two = {
            write(&mut EventFile::create(&path).unwrap(), 0..2);
            fs::read(&path).unwrap().len()
        };
        for size in two..=complete.len() {
            fs::write(&path, &complete[..size]).unwrap();
            write(&mut EventFile::resume(&path, 2).unwrap(), 2..4);
            assert_eq!(points(&path), [0, 1, 2, 3].map(point), "killed after {size} bytes");
        }
    }

    #[test]
    fn a_file_is_started_over_or_where_there_is_none_and_what_is_no_event_file_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.out.tfevents");
        write(&mut EventFile::resume(&path, 5).unwrap(), 5..6);
        assert_eq!(points(&path), [point(5)]);
        write(&mut EventFile::create(&path).unwrap(), 0..1);
        assert_eq!(points(&path), [point(0)]);
        fs::write(&path, "no events").unwrap();
        EventFile::resume(&path, 5).unwrap();
        assert_eq!(points(&path), []);
        assert!(EventFile::create(&path.join("below")).is_err());
    }
}
