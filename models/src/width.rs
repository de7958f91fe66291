use crate::ParseModelError;

/// A width multiplier (Howard et al. 2017), by which the number of channels of every layer of a backbone is scaled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Width(f64);

impl Width {
    /// The width 1, which leaves all channels as they are.
    pub const ONE: Self = Self(1.);

    /// Checks a multiplier.
    ///
    /// # Errors
    /// [`ParseModelError::Width`] if the number is not positive and finite.
    pub fn new(width: f64) -> Result<Self, ParseModelError> {
        if width > 0. && width.is_finite() { Ok(Self(width)) } else { Err(ParseModelError::Width(width.to_string())) }
    }

    /// Returns the multiplier as a number.
    pub fn value(self) -> f64 {
        self.0
    }

    /// Returns the name of a model at this width, such as `nin@0.25`, or the name alone at width 1.
    pub(crate) fn name(self, model: &str) -> String {
        if self == Self::ONE { model.to_string() } else { format!("{model}@{}", self.0) }
    }

    /// Scales a number of channels. The result is rounded, and at least 1.
    ///
    /// ```
    /// let quarter = models::Width::new(0.25)?;
    /// assert_eq!([64, 10, 1].map(|channels| quarter.of(channels)), [16, 3, 1]);
    /// # Ok::<(), models::ParseModelError>(())
    /// ```
    pub fn of(self, channels: usize) -> usize {
        ((channels as f64 * self.0).round() as usize).max(1)
    }
}
