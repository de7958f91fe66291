"""The zoo's networks in PyTorch, for all peers that run them: PyTorch itself, and those that import ONNX."""

import torch
from torch import nn


def build(request):
    """Builds the requested classifier with its head."""
    name, _, width = request["model"].partition("@")
    factor = float(width or 1)
    channels, height, columns = request["input"]
    if name not in BACKBONES:
        raise ValueError(f"this peer does not have the model {name}")
    backbone = BACKBONES[name](channels, lambda n: max(round(n * factor), 1))
    with torch.no_grad():
        features = backbone.eval()(torch.zeros(1, channels, height, columns)).shape[1:]
    return nn.Sequential(backbone, head(request["head"], features, request["classes"]))


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


def all_cnn_c(channels, width):
    narrow, wide = width(96), width(192)
    layers = []
    for outputs in (narrow, wide):
        for stride in (1, 1, 2):
            layers += [conv(channels, outputs, 3, stride, 1), nn.ReLU()]
            channels = outputs
        layers.append(nn.Dropout(0.5))
    return nn.Sequential(*layers, conv(wide, wide, 3), nn.ReLU(), conv(wide, wide, 1), nn.ReLU())


class ResidualBlock(nn.Module):
    def __init__(self, inputs, outputs, stride, shortcut, bias):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, outputs, 3, stride, 1, bias), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv(outputs, outputs, 3, 1, 1, bias), nn.BatchNorm2d(outputs)
        self.downsample = shortcut(inputs, outputs, stride) if stride > 1 else nn.Identity()

    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.downsample(x))


class PaddedIdentity(nn.Module):
    """The shortcut without parameters (He et al. 2015, option A)."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        before = (outputs - inputs) // 2
        self.stride, self.padding = stride, (0, 0, 0, 0, before, outputs - inputs - before)

    def forward(self, x):
        return nn.functional.pad(x[:, :, :: self.stride, :: self.stride], self.padding)


def resnet8(channels, width):
    """ResNet-8 of MLPerf Tiny: convolutions with bias, and projections without batch normalisation."""
    projection = lambda inputs, outputs, stride: conv(inputs, outputs, 1, stride)
    return residual_network(channels, width, 1, projection, bias=True)


def resnet20(channels, width):
    return residual_network(channels, width, 3, PaddedIdentity, bias=False)


def residual_network(channels, width, blocks, shortcut, bias):
    current = width(16)
    layers = [conv(channels, current, 3, 1, 1, bias), nn.BatchNorm2d(current), nn.ReLU()]
    for stage, outputs in enumerate(map(width, (16, 32, 64))):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            layers.append(ResidualBlock(current, outputs, stride, shortcut, bias))
            current = outputs
    return nn.Sequential(*layers)


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
    "all-cnn-c": all_cnn_c,
    "resnet8": resnet8,
    "resnet20": resnet20,
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


# The settings of the networks for protein-drug pairs: filters of each window size, layers of the protein, of the drug and of
# both, and the probability of dropout.
PAIR_NETWORKS = {
    "deep-conv-dti": (64, [128, 64], [128], [256], 0.2),
    "deep-conv-dti-recommended": (128, [128], [512, 128], [128], 0.0),
}
FINGERPRINT_BITS = 2048


def dense(inputs, widths, dropout):
    layers = []
    for width in widths:
        layers += [nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.ELU(), nn.Dropout(dropout)]
        inputs = width
    return nn.Sequential(*layers)


class DeepConvDti(nn.Module):
    """DeepConv-DTI with global max pooling, which returns logits."""

    def __init__(self, request):
        super().__init__()
        if request["head"] != "gmp-fc":
            raise ValueError(f"this peer does not have the head {request['head']}")
        filters, protein, drug, joint, dropout = PAIR_NETWORKS[request["model"]]
        windows = (10, 15, 20, 25, 30)
        self.embedding, self.dropout = nn.Embedding(26, 20), nn.Dropout1d(0.2)
        self.windows = nn.ModuleList(
            nn.Sequential(nn.Conv1d(20, filters, size, padding="same"), nn.BatchNorm1d(filters), nn.ELU())
            for size in windows
        )
        self.protein = dense(filters * len(windows), protein, dropout)
        self.drug = dense(FINGERPRINT_BITS, drug, dropout)
        self.joint = dense(protein[-1] + drug[-1], joint, 0.0)
        self.output = nn.Linear(joint[-1], 1)

    def forward(self, proteins, drugs):
        embedded = self.dropout(self.embedding(proteins).transpose(1, 2))
        pooled = torch.cat([window(embedded).amax(2) for window in self.windows], 1)
        both = torch.cat([self.protein(pooled), self.drug(drugs)], 1)
        return 2 * self.output(self.joint(both)).squeeze(1)
