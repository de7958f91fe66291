//! Depthwise separable convolutions (Howard et al. 2017, <https://arxiv.org/abs/1704.04861>) in inference: pairs of a
//! depthwise and a 1×1 convolution, one after the other, optionally after a dense convolution.
//!
//! All of them work on [position-major feature maps](feature_map::FeatureMap), so that nothing is transposed between two
//! layers. The channels of a position fill whole vectors: the depthwise convolution is a sum of products of vectors
//! ([`depthwise`]), without masks because the maps have a border of zeros, and the 1×1 convolution is a matrix product of
//! (positions × C_in) by (C_in × C_out) ([`product`]). Both are computed for a few rows of the map at a time, so that
//! what lies between them stays in the first-level cache. The [`dense`] convolution of the image, with few channels, has vectors
//! along the rows instead.
//!
//! An image is bound by the FMA units: the 1×1 convolutions of MobileNet do nine tenths of its multiplications.

mod columns;
mod dense;
mod depthwise;
mod feature_map;
mod network;
mod product;

pub use network::{ConvLayer, Network};
