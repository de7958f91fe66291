"""Times the networks of `experiments bench` in ONNX Runtime, in inference only. README.md describes the protocol."""

import onnxruntime

from exported import check, export
from protocol import serve


def build(request):
    model, images, expected = export(request)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = request["threads"]
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    step = lambda: session.run(None, {"images": images})[0]
    check(step(), expected)
    return step


serve("ONNX Runtime", onnxruntime.__version__, build, tasks=["infer"])
