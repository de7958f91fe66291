"""Times the networks of `experiments bench` in PyTorch. README.md describes the protocol.

    python pytorch.py [eager | channels_last | compile]
"""

import json
import sys
import time

import torch
from torch import nn

MODE = sys.argv[1] if len(sys.argv) > 1 else "channels_last"
SECONDS = 0.4  # how long a task is repeated for one answer


def conv(inputs, outputs, kernel, stride=1, padding=0, bias=True):
    return nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=bias)


def conv_bn(inputs, outputs, kernel=3, stride=1, groups=1):
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


def two_conv(channels, width):
    a, b = width(32), width(64)
    return nn.Sequential(
        conv(channels, a, 3), nn.ReLU(), nn.MaxPool2d(2), conv(a, b, 3), nn.ReLU(), nn.MaxPool2d(2)
    )


def lenet5(channels, width):
    a, b = width(6), width(16)
    return nn.Sequential(
        conv(channels, a, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), conv(a, b, 5), nn.ReLU(), nn.MaxPool2d(2)
    )


def vgg_small(channels, width):
    layers = []
    for i, outputs in enumerate(map(width, (32, 64, 128))):
        layers += conv_bn(channels, outputs) + conv_bn(outputs, outputs)
        layers += [nn.MaxPool2d(2)] if i < 2 else []
        channels = outputs
    return nn.Sequential(*layers)


class ResidualBlock(nn.Module):
    """The residual block of MLPerf Tiny: convolutions with bias, and a shortcut without batch normalisation."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv(outputs, outputs, 3, 1, 1), nn.BatchNorm2d(outputs)
        self.downsample = conv(inputs, outputs, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.downsample(x))


def resnet8(channels, width):
    a, b, c = map(width, (16, 32, 64))
    stem = [conv(channels, a, 3, 1, 1), nn.BatchNorm2d(a), nn.ReLU()]
    return nn.Sequential(*stem, ResidualBlock(a, a, 1), ResidualBlock(a, b, 2), ResidualBlock(b, c, 2))


def mobilenet_v1(channels, width):
    current = width(32)
    layers = conv_bn(channels, current, stride=2)
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
    for outputs, stride in zip([64, 128, 128, 256, 256] + [512] * 6 + [1024] * 2, strides):
        layers += conv_bn(current, current, stride=stride, groups=current) + conv_bn(current, width(outputs), 1)
        current = width(outputs)
    return nn.Sequential(*layers)


BACKBONES = {
    "two-conv": two_conv,
    "lenet5": lenet5,
    "vgg-small": vgg_small,
    "resnet8": resnet8,
    "mobilenet-v1": mobilenet_v1,
}


class GlobalPool(nn.Module):
    def __init__(self, maximum):
        super().__init__()
        self.maximum = maximum

    def forward(self, x):
        return x.amax((2, 3)) if self.maximum else x.mean((2, 3))


def head(name, features, classes):
    channels, height, columns = features
    if name in ("gap", "gmp"):
        return nn.Sequential(conv(channels, classes, 1), GlobalPool(name == "gmp"))
    if name in ("gap-fc", "gmp-fc"):
        return nn.Sequential(GlobalPool(name == "gmp-fc"), nn.Linear(channels, classes))
    kind, _, hidden = name.partition(":")
    if kind != "fc":
        raise ValueError(f"this peer does not have the head {name}")
    layers, inputs = [nn.Flatten()], channels * height * columns
    for outputs in map(int, filter(None, hidden.split(","))):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        inputs = outputs
    return nn.Sequential(*layers, nn.Linear(inputs, classes))


class TimedNetwork:
    """A network with its optimiser and images."""

    def __init__(self, request):
        name, _, width = request["model"].partition("@")
        factor = float(width or 1)
        channels, height, columns = request["input"]
        if name not in BACKBONES:
            raise ValueError(f"this peer does not have the model {name}")
        backbone = BACKBONES[name](channels, lambda n: max(round(n * factor), 1))
        with torch.no_grad():
            features = backbone.eval()(torch.zeros(1, channels, height, columns)).shape[1:]
        self.model = nn.Sequential(backbone, head(request["head"], features, request["classes"]))
        self.input, self.classes = request["input"], request["classes"]
        if MODE != "eager":
            self.model = self.model.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-12, fused=True)
        self.run = torch.compile(self.model) if MODE == "compile" else self.model
        self.batches, self.warm = {}, set()

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
        self.model.eval()
        with torch.inference_mode():
            self.run(self.batch(size)[0])

    def samples_per_sec(self, task, size):
        """Repeats a task and returns the median of the images per second."""
        step = self.train if task == "train" else self.infer
        if (task, size) not in self.warm:  # warms up, and compiles
            self.warm.add((task, size))
            for _ in range(3):
                step(size)
        durations, end = [], time.perf_counter() + SECONDS
        while time.perf_counter() < end or not durations:
            start = time.perf_counter()
            step(size)
            durations.append(time.perf_counter() - start)
        durations.sort()
        return size / durations[len(durations) // 2]


def main():
    networks = {}
    print(json.dumps({"name": f"PyTorch {MODE}", "version": torch.__version__}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        torch.set_num_threads(request["threads"])
        key = json.dumps([request[k] for k in ("model", "head", "input", "classes", "threads")])
        try:
            if key not in networks:
                networks[key] = TimedNetwork(request)
            answer = {"samples_per_sec": networks[key].samples_per_sec(request["what"], request["batch"])}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
