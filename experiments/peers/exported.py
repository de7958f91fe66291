"""The networks of networks.py as ONNX models with a fixed batch, for engines that only infer."""

import io

import torch

import networks


def export(request):
    """Returns the requested network as an ONNX model, and a batch of images with PyTorch's outputs for it."""
    torch.manual_seed(0)
    model = networks.build(request).eval()
    images = torch.randn(request["batch"], *request["input"])
    file = io.BytesIO()
    with torch.no_grad():
        torch.onnx.export(model, (images,), file, input_names=["images"], output_names=["logits"], dynamo=False)
        return file.getvalue(), images.numpy(), model(images).numpy()


def check(outputs, expected):
    """Raises an error unless an engine computes what PyTorch does."""
    torch.testing.assert_close(torch.as_tensor(outputs), torch.as_tensor(expected), rtol=1e-4, atol=1e-4)
