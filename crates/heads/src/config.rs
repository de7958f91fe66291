use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Which head, as text in the command line, suites and records: `fc`, `fc:120,84`, `fc:128+drop0.5`, `gap`,
/// `gap:direct`, `gmp-fc`, ….
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HeadConfig {
    /// Flatten, then linear layers with ReLU between them; dropout before each linear layer but the first (before the
    /// only one where there is no hidden layer).
    Fc { hidden: Vec<usize>, dropout: f64 },
    /// 1×1 convolution to the classes, then the global average (Lin et al. 2013); no convolution with `direct`.
    Gap { direct: bool },
    /// 1×1 convolution to the classes, then the global maximum (Oquab et al. 2015); no convolution with `direct`.
    Gmp { direct: bool },
    /// Global average, then linear (Zhou et al. 2016).
    GapFc,
    /// Global maximum, then linear.
    GmpFc,
    /// Half the sum of average and maximum, then linear (timm's `avgmax`).
    AvgmaxFc,
    /// Average and maximum side by side, then linear (timm's `catavgmax`).
    CatavgmaxFc,
    /// Generalised mean with learnable power, then linear (Radenović et al. 2018).
    GemFc,
    /// Log-sum-exp with learnable sharpness, then linear (Pinheiro & Collobert 2015).
    LseFc,
    /// Maxima over grids of 1, 2 and 4, then linear (He et al. 2014).
    SppFc,
    /// Gated attention over positions, then linear (Ilse et al. 2018).
    AttnFc,
}

use HeadConfig::*;

impl HeadConfig {
    /// One of each, with a line on what it is.
    pub fn examples() -> Vec<(HeadConfig, &'static str)> {
        vec![
            (Fc { hidden: vec![], dropout: 0. }, "flatten, linear"),
            (Fc { hidden: vec![128], dropout: 0. }, "flatten, linear, ReLU, linear (any widths: fc:120,84)"),
            (Fc { hidden: vec![128], dropout: 0.5 }, "the same with dropout"),
            (Gap { direct: false }, "1x1 convolution to the classes, global average (gap:direct: no convolution)"),
            (Gmp { direct: false }, "1x1 convolution to the classes, global maximum (gmp:direct: no convolution)"),
            (GapFc, "global average, linear"),
            (GmpFc, "global maximum, linear"),
            (AvgmaxFc, "half the sum of global average and maximum, linear"),
            (CatavgmaxFc, "global average and maximum side by side, linear"),
            (GemFc, "generalised mean with learnable power, linear"),
            (LseFc, "log-sum-exp with learnable sharpness, linear"),
            (SppFc, "spatial pyramid of maxima (1, 2, 4), linear"),
            (AttnFc, "gated attention pooling, linear"),
        ]
    }
}

impl fmt::Display for HeadConfig {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let text = match self {
            Fc { hidden, dropout } => {
                f.write_str("fc")?;
                let widths: Vec<String> = hidden.iter().map(usize::to_string).collect();
                if !widths.is_empty() {
                    write!(f, ":{}", widths.join(","))?;
                }
                return if *dropout > 0. { write!(f, "+drop{dropout}") } else { Ok(()) };
            }
            Gap { direct: false } => "gap",
            Gap { direct: true } => "gap:direct",
            Gmp { direct: false } => "gmp",
            Gmp { direct: true } => "gmp:direct",
            GapFc => "gap-fc",
            GmpFc => "gmp-fc",
            AvgmaxFc => "avgmax-fc",
            CatavgmaxFc => "catavgmax-fc",
            GemFc => "gem-fc",
            LseFc => "lse-fc",
            SppFc => "spp-fc",
            AttnFc => "attn-fc",
        };
        f.write_str(text)
    }
}

/// A head's name that could not be understood.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "unknown head '{0}': there are fc, fc:WIDTH[,WIDTH…], fc[:…]+dropP with 0 < P < 1, gap, gap:direct, gmp, \
     gmp:direct, gap-fc, gmp-fc, avgmax-fc, catavgmax-fc, gem-fc, lse-fc, spp-fc, attn-fc"
)]
pub struct ParseHeadError(String);

impl FromStr for HeadConfig {
    type Err = ParseHeadError;

    fn from_str(text: &str) -> Result<Self, ParseHeadError> {
        Ok(match text {
            "gap" => Gap { direct: false },
            "gap:direct" => Gap { direct: true },
            "gmp" => Gmp { direct: false },
            "gmp:direct" => Gmp { direct: true },
            "gap-fc" => GapFc,
            "gmp-fc" => GmpFc,
            "avgmax-fc" => AvgmaxFc,
            "catavgmax-fc" => CatavgmaxFc,
            "gem-fc" => GemFc,
            "lse-fc" => LseFc,
            "spp-fc" => SppFc,
            "attn-fc" => AttnFc,
            _ => fully_connected(text).ok_or_else(|| ParseHeadError(text.to_string()))?,
        })
    }
}

/// `fc[:WIDTH,…][+dropP]`
fn fully_connected(text: &str) -> Option<HeadConfig> {
    let (structure, dropout) = match text.split_once("+drop") {
        Some((structure, p)) => (structure, p.parse().ok().filter(|p| *p > 0. && *p < 1.)?),
        None => (text, 0.),
    };
    let hidden = match structure.strip_prefix("fc")? {
        "" => Vec::new(),
        widths => {
            let width = |w: &str| w.parse().ok().filter(|w| *w > 0);
            widths.strip_prefix(':')?.split(',').map(width).collect::<Option<_>>()?
        }
    };
    Some(Fc { hidden, dropout })
}

impl TryFrom<String> for HeadConfig {
    type Error = ParseHeadError;

    fn try_from(text: String) -> Result<Self, ParseHeadError> {
        text.parse()
    }
}

impl From<HeadConfig> for String {
    fn from(config: HeadConfig) -> Self {
        config.to_string()
    }
}

/// Heads separated by commas; a comma before a digit belongs to the head: `fc:120,84,gap` is two.
///
/// # Errors
/// The first name that is none.
pub fn parse_list(text: &str) -> Result<Vec<HeadConfig>, ParseHeadError> {
    let mut names: Vec<String> = Vec::new();
    for part in text.split(',') {
        match names.last_mut() {
            Some(last) if part.starts_with(|c: char| c.is_ascii_digit()) => *last += &format!(",{part}"),
            _ => names.push(part.to_string()),
        }
    }
    names.iter().map(|name| name.trim().parse()).collect()
}
