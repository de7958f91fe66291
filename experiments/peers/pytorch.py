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

    def __init__(self, model, optimizer, loss, draw):
        self.model, self.loss, self.draw = model, loss, draw
        self.optimizer = optimizer(model.parameters(), lr=1e-12, fused=True)
        self.run = torch.compile(model) if MODE == "compile" else model
        self.batches = {}

    def batch(self, size):
        """Returns the inputs and the targets of a batch."""
        if size not in self.batches:
            self.batches[size] = self.draw(size)
        return self.batches[size]

    def train(self, size):
        inputs, targets = self.batch(size)
        self.model.train()
        loss = self.loss(self.run(*inputs), targets)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()

    def infer(self, size):
        inputs, _ = self.batch(size)
        self.model.eval()
        with torch.inference_mode():
            self.run(*inputs)


def classifier(request):
    memory = torch.contiguous_format if MODE == "eager" else torch.channels_last

    def draw(size):
        images = torch.randn(size, *request["input"]).to(memory_format=memory)
        return [images], torch.randint(request["classes"], (size,))

    model = networks.build(request).to(memory_format=memory)
    return TimedNetwork(model, torch.optim.AdamW, nn.functional.cross_entropy, draw)


def pair_network(request):
    if MODE == "channels_last":
        raise ValueError("PyTorch has no such memory format for sequences")

    def draw(size):
        proteins = torch.randint(1, 21, (size, request["input"][2]))
        drugs = (torch.rand(size, networks.FINGERPRINT_BITS) < 0.1).float()
        return [proteins, drugs], torch.arange(size) % 2.0

    loss = nn.functional.binary_cross_entropy_with_logits
    return TimedNetwork(networks.DeepConvDti(request), torch.optim.Adam, loss, draw)


timed_networks = {}  # one for all tasks of a network


def build(request):
    torch.set_num_threads(request["threads"])
    key = str([request[k] for k in ("model", "head", "input", "classes")])
    if key not in timed_networks:
        make = pair_network if request["model"] in networks.PAIR_NETWORKS else classifier
        timed_networks[key] = make(request)
    network = timed_networks[key]
    task = network.train if request["what"] == "train" else network.infer
    return lambda: task(request["batch"])


serve(f"PyTorch {MODE}", torch.__version__, build)
