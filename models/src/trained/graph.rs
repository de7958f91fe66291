use candle_core::{DType, Device, Result, Tensor};
use layers::{
    Layer,
    graph::{Dim, Graph, Value},
};

use super::Trained;

impl Trained {
    /// Returns the network as a graph of operators, for instance to write it as an ONNX model.
    ///
    /// Its input `images` (N, C, H, W) has pixels from 0 to 1, which the graph standardises as
    /// [`standardize`](Self::standardize) does, and its output `logits` is (N, K). With `evidence` there is a second output
    /// of this name, (N, K, H', W'): for each class and each position of the features, the head's class map less the mean
    /// over the classes. N may be any number, and so may H and W unless the head takes one size only.
    ///
    /// # Errors
    /// A part of another crate that has no such form; with `evidence`, a head whose class maps need gradients.
    pub fn graph(&self, evidence: bool) -> Result<Graph> {
        let (info, network) = (&self.info, &self.network);
        let symbolic = |name: &str| Dim::Symbolic(name.to_string());
        let [channels, height, width] = info.input;
        let size = match network.head.fixed_input() {
            true => [Dim::Fixed(height), Dim::Fixed(width)],
            false => [symbolic("height"), symbolic("width")],
        };
        let mut graph = Graph::default();
        let shape = [symbolic("batch"), Dim::Fixed(channels)].into_iter().chain(size).collect();
        let images = graph.input("images", DType::F32, shape);
        let images = graph.scoped("standardization", |graph| self.export_standardization(graph, &images))?;

        let features = network.backbone.export(&info.input, &mut graph, &images)?;
        let (shape, head) = (network.backbone.feature_shape(&info.input)?, network.backbone.naming.head);
        let logits = graph.scoped(head, |graph| network.head.export(&shape, graph, &features))?;
        let classes = [symbolic("batch"), Dim::Fixed(info.classes.len())];
        graph.output("logits", &logits, classes.to_vec());
        if evidence {
            let maps = graph.scoped(head, |graph| network.head.export_class_maps(&shape, graph, &features))?;
            let mean = graph.node("ReduceMean", &[&maps], &[("axes", [1].into())]);
            let centred = graph.node("Sub", &[&maps, &mean], &[]);
            let size = [symbolic("rows"), symbolic("columns")];
            graph.output("evidence", &centred, classes.into_iter().chain(size).collect());
        }
        Ok(graph)
    }

    fn export_standardization(&self, graph: &mut Graph, images: &Value) -> Result<Value> {
        let mut of_channels = |name, values: &[f32]| {
            graph.parameter(name, &Tensor::new(values, &Device::Cpu)?.reshape((1, values.len(), 1, 1))?)
        };
        let standardization = &self.info.standardization;
        let (mean, std) = (of_channels("mean", &standardization.mean)?, of_channels("std", &standardization.std)?);
        let centred = graph.node("Sub", &[images, &mean], &[]);
        Ok(graph.node("Div", &[&centred, &std], &[]))
    }
}
