//! Writes networks as [ONNX](https://onnx.ai) models, which onnxruntime and many other programs run.
//!
//! A network becomes a [`Graph`] by [`Layer::export`](layers::Layer::export), and the graph a file by [`encode`].
//!
//! ```
//! use candle_core::{DType, Device};
//! use candle_nn::{VarBuilder, VarMap};
//! use layers::{Layer, Stack, graph::{Dim, Graph}};
//!
//! # fn main() -> candle_core::Result<()> {
//! let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
//! let net = Stack::new(&[1, 8, 8], vb).conv(4, 3).relu().flatten().linear(2).build()?;
//!
//! let mut graph = Graph::default();
//! let batch = || Dim::Symbolic("batch".to_string());
//! let images = graph.input("images", DType::F32, vec![batch(), Dim::Fixed(1), Dim::Fixed(8), Dim::Fixed(8)]);
//! let logits = net.export(&[1, 8, 8], &mut graph, &images)?;
//! graph.output("logits", &logits, vec![batch(), Dim::Fixed(2)]);
//!
//! let bytes = onnx::encode("my-net", &graph, &[("classes", r#"["cat", "dog"]"#.to_string())])?;
//! # let folder = tempfile::tempdir()?;
//! std::fs::write(folder.path().join("my-net.onnx"), bytes)?;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod encode;
mod messages;

pub use encode::encode;
pub use layers::graph::Graph;
