"""Times the networks of `experiments bench` in PyTorch. README.md describes the protocol.

    python pytorch.py [eager | channels_last | compile]
"""

import sys

import torch
from torch import nn

import networks
from protocol import serve

MODE = sys.argv[1] if len(sys.argv) > 1 else "channels_last"


class TimedNetwork:
    """A network with its optimiser, for batches of any size."""

    def __init__(self, request):
        self.model = networks.build(request)
        self.input, self.classes = request["input"], request["classes"]
        if MODE != "eager":
            self.model = self.model.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-12, fused=True)
        self.run = torch.compile(self.model) if MODE == "compile" else self.model
        self.batches = {}

    def batch(self, size):
        if size not in self.batches:
            images = torch.randn(size, *self.input)
            if MODE != "eager":
                images = images.to(memory_format=torch.channels_last)
            self.batches[size] = images, torch.randint(self.classes, (size,))
        return self.batches[size]

    def train(self, size):
        images, labels = self.batch(size)
        self.model.train()
        loss = nn.functional.cross_entropy(self.run(images), labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def infer(self, size):
        images, _ = self.batch(size)
        self.model.eval()
        with torch.inference_mode():
            self.run(images)


timed_networks = {}  # one for all tasks of a network


def build(request):
    torch.set_num_threads(request["threads"])
    key = str([request[k] for k in ("model", "head", "input", "classes")])
    if key not in timed_networks:
        timed_networks[key] = TimedNetwork(request)
    network = timed_networks[key]
    task = network.train if request["what"] == "train" else network.infer
    return lambda: task(request["batch"])


serve(f"PyTorch {MODE}", torch.__version__, build)
