"""Times the networks of `experiments bench` in OpenVINO, in inference only. README.md describes the protocol."""

import openvino

from exported import check, export
from protocol import serve

core = openvino.Core()


def build(request):
    model, images, expected = export(request)
    settings = {
        "INFERENCE_NUM_THREADS": request["threads"],
        "INFERENCE_PRECISION_HINT": "f32",  # otherwise bf16 where the CPU has instructions for it
        "PERFORMANCE_HINT": "LATENCY",  # one batch at a time, on all threads
    }
    compiled = core.compile_model(core.read_model(model), "CPU", settings)
    infer = compiled.create_infer_request()
    infer.set_input_tensor(openvino.Tensor(images, shared_memory=True))
    check(infer.infer()[0], expected)
    return infer.infer


serve("OpenVINO", openvino.__version__.partition("-")[0], build, tasks=["infer"])
