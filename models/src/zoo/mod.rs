//! The models of this crate: one file for each architecture, and the table that lists them.

mod all_cnn_c;
mod lenet5;
mod mobilenet_v1;
mod nin;
mod plain;
mod resnet20;
mod resnet8;
mod two_conv;
mod vgg_small;

use crate::Architecture;

/// The models of this crate, one line each.
pub(crate) static BUILT_IN: &[Architecture] = &[
    two_conv::ARCHITECTURE,
    two_conv::PADDED,
    two_conv::AVG_POOL,
    two_conv::STRIDED,
    two_conv::NO_POOL,
    plain::TWO,
    plain::FOUR,
    plain::EIGHT,
    lenet5::ARCHITECTURE,
    vgg_small::ARCHITECTURE,
    nin::ARCHITECTURE,
    all_cnn_c::ARCHITECTURE,
    resnet8::ARCHITECTURE,
    resnet20::ARCHITECTURE,
    mobilenet_v1::ARCHITECTURE,
];
