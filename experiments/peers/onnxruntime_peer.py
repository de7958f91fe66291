"""Times the networks of `experiments bench` in ONNX Runtime, in inference only. README.md describes the protocol."""

import onnxruntime

from exported import ExportedNetwork
from protocol import serve


def build(request):
    network = ExportedNetwork(request)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = request["threads"]
    model = network.onnx(request["batch"])
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    images = network.images.numpy()
    infer = lambda: session.run(None, {"images": images})[0]
    network.check(infer())
    return infer


serve("ONNX Runtime", onnxruntime.__version__, build, tasks=["infer"])
