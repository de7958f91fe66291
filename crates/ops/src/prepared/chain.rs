use super::{Identity, Prepared};
use candle_core::Result;

/// Parts one after the other. What is between them goes back and forth between two buffers.
pub struct Chain<'a> {
    steps: Vec<Box<dyn Prepared + 'a>>,
    buffers: [Vec<f32>; 2],
}

impl<'a> Chain<'a> {
    pub fn new(mut steps: Vec<Box<dyn Prepared + 'a>>) -> Self {
        steps.retain(|step| !step.is_identity());
        Self { steps, buffers: Default::default() }
    }
}

impl Prepared for Chain<'_> {
    fn run(&mut self, batch: usize, x: &[f32], y: &mut Vec<f32>) -> Result<()> {
        let [mut from, mut to] = self.buffers.each_mut();
        match &mut self.steps[..] {
            [] => Identity.run(batch, x, y)?,
            [only] => only.run(batch, x, y)?,
            [first, between @ .., last] => {
                first.run(batch, x, from)?;
                for step in between {
                    step.run(batch, from, to)?;
                    // The buffers stay where they are: their sizes settle with the first call.
                    std::mem::swap(&mut from, &mut to);
                }
                last.run(batch, from, y)?;
            }
        }
        Ok(())
    }

    fn is_identity(&self) -> bool {
        self.steps.is_empty()
    }
}
