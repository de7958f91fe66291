"""The networks of networks.py as ONNX models with a fixed batch, for engines that only infer."""

import io
import logging

import torch

import networks

logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # torchvision is not needed


class ExportedNetwork:
    """A network with a batch of images and PyTorch's outputs for them."""

    def __init__(self, request):
        self.model = networks.build(request).eval()
        self.images = torch.randn(request["batch"], *request["input"])
        with torch.no_grad():
            self.outputs = self.model(self.images)

    def onnx(self, batch):
        """Returns the network as an ONNX model for this number of images."""
        file, names = io.BytesIO(), {"input_names": ["images"], "output_names": ["logits"]}
        torch.onnx.export(self.model, (self.images[:batch],), dynamo=True, verbose=False, **names).save(file)
        return file.getvalue()

    def check(self, outputs):
        """Raises an error unless an engine computes what PyTorch does."""
        torch.testing.assert_close(torch.as_tensor(outputs), self.outputs, rtol=1e-4, atol=1e-4)
