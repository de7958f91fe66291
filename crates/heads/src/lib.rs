#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod builtin;
mod classifier_head;
mod config;
mod evidence;
mod export;
mod head;
mod kind;
mod pool_linear;
mod pooling;
mod registry;

pub use classifier_head::ClassifierHead;
pub use config::{HeadConfig, ParseHeadError, parse_list};
pub use evidence::{Evidence, Reduction, class_activation_map, gradient_times_activation};
pub use export::export_class_activation_map;
pub use head::Head;
pub use kind::{BuildHead, BuildPooling, HeadBuilder, HeadKind};
pub use layers::{self, Description, Layer, Linear, Mode, Prepared};
pub use ops;
pub use pool_linear::PoolLinear;
pub use pooling::Pooling;
pub use registry::{RegisterHeadError, register};
