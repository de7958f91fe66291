"""Times the networks of `experiments bench` in OpenVINO, in inference only. README.md describes the protocol."""

import numpy as np
import openvino

from exported import ExportedNetwork
from protocol import median_seconds, serve

core = openvino.Core()


def build(request):
    """A batch is computed at once on all threads, or in parts on one thread each: the fastest way is kept."""
    network, batch, threads = ExportedNetwork(request), request["batch"], request["threads"]
    parts = [parts for parts in (1, threads, 4 * threads) if batch % parts == 0]
    return min((in_parts(network, parts, threads) for parts in parts), key=median_seconds)


def in_parts(network, parts, threads):
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": "f32",  # otherwise bf16 where the CPU has instructions for it
        "PERFORMANCE_HINT": "LATENCY" if parts == 1 else "THROUGHPUT",
    }
    images = np.split(network.images.numpy(), parts)
    model = core.read_model(network.onnx(len(images[0])))
    compiled = core.compile_model(model, "CPU", settings)
    requests = [compiled.create_infer_request() for _ in images]
    for request, part in zip(requests, images):
        request.set_input_tensor(openvino.Tensor(part, shared_memory=True))

    def infer():
        for request in requests:
            request.start_async()
        for request in requests:
            request.wait()

    infer()
    network.check(np.concatenate([request.get_output_tensor(0).data for request in requests]))
    return infer


serve("OpenVINO", openvino.__version__.partition("-")[0], build, tasks=["infer"])
