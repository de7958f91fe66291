use super::PairProblem;

/// The length of the fingerprints that the network is built for.
pub const FINGERPRINT_BITS: usize = 2048;

/// A drug: its name and its fingerprint, the bits that say which fragments the molecule has.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drug {
    /// The name, such as a PubChem number.
    pub id: String,
    /// The bits, 0 or 1 each.
    pub fingerprint: Vec<u8>,
}

impl Drug {
    /// Creates a drug from its bits, `0` and `1` with tabs between them.
    ///
    /// ```
    /// let drug = datasets::Drug::new("C1", "0\t1\t1")?;
    /// assert_eq!(drug.fingerprint, [0, 1, 1]);
    /// assert!(datasets::Drug::new("C2", "0\t2").unwrap_err().to_string().contains("bit 2"));
    /// # Ok::<(), datasets::PairProblem>(())
    /// ```
    ///
    /// # Errors
    /// A bit that is neither `0` nor `1`, and no bits at all.
    pub fn new(id: impl Into<String>, bits: &str) -> Result<Self, PairProblem> {
        let id = id.into();
        let bit = |(index, text): (usize, &str)| match text {
            "0" => Ok(0),
            "1" => Ok(1),
            _ => Err(PairProblem::Bit { bit: index + 1, text: text.into(), drug: id.clone() }),
        };
        let fingerprint = bits.split('\t').enumerate().map(bit).collect::<Result<_, _>>()?;
        Ok(Self { id, fingerprint })
    }
}
