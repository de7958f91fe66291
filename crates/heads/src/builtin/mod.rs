//! The built-in heads. Each file defines one or more kinds, and [`KINDS`] lists them.

mod attention;
mod conv_pool;
mod fully_connected;
mod global;
mod mixture;
mod pyramid;
mod smooth_maximum;

use crate::HeadKind;

/// All built-in kinds, in the order in which they are listed.
pub(crate) static KINDS: &[HeadKind] = &[
    fully_connected::FC,
    conv_pool::GAP,
    conv_pool::GMP,
    global::GAP_FC,
    global::GMP_FC,
    mixture::AVGMAX_FC,
    mixture::CATAVGMAX_FC,
    smooth_maximum::GEM_FC,
    smooth_maximum::LSE_FC,
    pyramid::SPP_FC,
    attention::ATTN_FC,
];
