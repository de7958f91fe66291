"""Times the networks of `experiments bench` in JAX: compiled by XLA, channels last. README.md describes the protocol."""

import json
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

SECONDS = 0.4  # how long a task is repeated for one answer
random = np.random.default_rng(0)


class Network:
    """A sequence of layers, each a function of (parameters, activations, training). A layer's parameters are drawn when it is
    added."""

    def __init__(self, shape):
        self.shape, self.parameters, self.layers = shape, [], []

    def add(self, parameters, layer, shape):
        self.parameters.append(parameters)
        self.layers.append(layer)
        self.shape = shape
        return self

    def conv(self, outputs, kernel, stride=1, padding=0, groups=1, bias=True):
        height, width, inputs = self.shape
        fan_in = kernel * kernel * inputs // groups
        bound = fan_in**-0.5
        parameters = {"w": uniform(bound, kernel, kernel, inputs // groups, outputs)}
        if bias:
            parameters["b"] = uniform(bound, outputs)

        def layer(p, x, training):
            dimensions = ("NHWC", "HWIO", "NHWC")
            pads = [(padding, padding)] * 2
            y = lax.conv_general_dilated(
                x, p["w"], (stride, stride), pads, dimension_numbers=dimensions, feature_group_count=groups
            )
            return y + p["b"] if bias else y

        size = lambda n: (n + 2 * padding - kernel) // stride + 1
        return self.add(parameters, layer, (size(height), size(width), outputs))

    def norm(self):
        channels = self.shape[-1]
        parameters = {"g": jnp.ones(channels), "b": jnp.zeros(channels)}

        def layer(p, x, training):
            if training:
                mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
            else:
                mean, var = jnp.zeros(channels), jnp.ones(channels)
            scale = p["g"] * lax.rsqrt(var + 1e-5)
            return x * scale + (p["b"] - mean * scale)

        return self.add(parameters, layer, self.shape)

    def relu(self):
        return self.add({}, lambda p, x, training: jax.nn.relu(x), self.shape)

    def pool(self):
        height, width, channels = self.shape

        def layer(p, x, training):
            return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

        return self.add({}, layer, (height // 2, width // 2, channels))

    def residual(self, outputs, stride):
        inner = Network(self.shape).conv(outputs, 3, stride, 1).norm().relu().conv(outputs, 3, 1, 1).norm()
        shortcut = Network(self.shape)
        if stride > 1:
            shortcut.conv(outputs, 1, stride)

        def layer(p, x, training):
            y = inner.apply(p["inner"], x, training) + shortcut.apply(p["shortcut"], x, training)
            return jax.nn.relu(y)

        return self.add({"inner": inner.parameters, "shortcut": shortcut.parameters}, layer, inner.shape)

    def global_pool(self, reduce):
        return self.add({}, lambda p, x, training: reduce(x, (1, 2)), self.shape[-1:])

    def flatten(self):
        return self.add({}, lambda p, x, training: x.reshape(len(x), -1), (int(np.prod(self.shape)),))

    def linear(self, outputs):
        bound = self.shape[0] ** -0.5
        parameters = {"w": uniform(bound, self.shape[0], outputs), "b": uniform(bound, outputs)}
        return self.add(parameters, lambda p, x, training: x @ p["w"] + p["b"], (outputs,))

    def apply(self, parameters, x, training):
        for p, layer in zip(parameters, self.layers):
            x = layer(p, x, training)
        return x


def uniform(bound, *shape):
    return jnp.asarray(random.uniform(-bound, bound, shape).astype(np.float32))


def network(request):
    name, _, width = request["model"].partition("@")
    factor = float(width or 1)
    scaled = lambda channels: max(round(channels * factor), 1)
    channels, height, columns = request["input"]
    net = Network((height, columns, channels))
    if name == "two-conv":
        net.conv(scaled(32), 3).relu().pool().conv(scaled(64), 3).relu().pool()
    elif name == "lenet5":
        net.conv(scaled(6), 5, padding=2).relu().pool().conv(scaled(16), 5).relu().pool()
    elif name == "vgg-small":
        for i, outputs in enumerate(map(scaled, (32, 64, 128))):
            for _ in range(2):
                net.conv(outputs, 3, padding=1, bias=False).norm().relu()
            if i < 2:
                net.pool()
    elif name == "resnet8":
        net.conv(scaled(16), 3, padding=1).norm().relu().residual(scaled(16), 1).residual(scaled(32), 2).residual(scaled(64), 2)
    elif name == "mobilenet-v1":
        net.conv(scaled(32), 3, 2, 1, bias=False).norm().relu()
        strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]
        for outputs, stride in zip([64, 128, 128, 256, 256] + [512] * 6 + [1024] * 2, strides):
            current = net.shape[-1]
            net.conv(current, 3, stride, 1, groups=current, bias=False).norm().relu()
            net.conv(scaled(outputs), 1, bias=False).norm().relu()
    else:
        raise ValueError(f"this peer does not have the model {name}")

    kind, _, hidden = request["head"].partition(":")
    pools = {"gap": jnp.mean, "gmp": jnp.max}
    if kind in pools:
        return net.conv(request["classes"], 1).global_pool(pools[kind])
    if kind.removesuffix("-fc") in pools:
        return net.global_pool(pools[kind.removesuffix("-fc")]).linear(request["classes"])
    if kind != "fc":
        raise ValueError(f"this peer does not have the head {kind}")
    net.flatten()
    for outputs in map(int, filter(None, hidden.split(","))):
        net.linear(outputs).relu()
    return net.linear(request["classes"])


class TimedNetwork:
    """A network with its optimiser and images."""

    def __init__(self, request):
        net, batch = network(request), request["batch"]
        channels, height, columns = request["input"]
        self.images = jnp.asarray(random.standard_normal((batch, height, columns, channels)).astype(np.float32))
        self.labels = jnp.asarray(random.integers(0, request["classes"], batch))
        first, second = (jax.tree.map(jnp.zeros_like, net.parameters) for _ in range(2))
        self.state = net.parameters, first, second, 0

        def loss(parameters, images, labels):
            scores = jax.nn.log_softmax(net.apply(parameters, images, True))
            return -jnp.take_along_axis(scores, labels[:, None], 1).mean()

        def train(state, images, labels):
            parameters, first, second, step = state
            gradients = jax.grad(loss)(parameters, images, labels)
            step += 1
            first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
            second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)

            def update(p, m, v):  # AdamW with a learning rate of 1e-12, so that the weights do not change
                ratio = (m / (1 - 0.9**step)) / (jnp.sqrt(v / (1 - 0.999**step)) + 1e-8)
                return p - 1e-12 * (ratio + 0.01 * p)

            return jax.tree.map(update, parameters, first, second), first, second, step

        self.train = jax.jit(train, donate_argnums=0)
        self.infer = jax.jit(lambda parameters, images: net.apply(parameters, images, False))

    def step(self, task):
        if task == "train":
            self.state = self.train(self.state, self.images, self.labels)
            jax.block_until_ready(self.state)
        else:
            jax.block_until_ready(self.infer(self.state[0], self.images))


def main():
    networks = {}
    print(json.dumps({"name": "JAX", "version": jax.__version__}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if line not in networks:
                networks[line] = TimedNetwork(request)
                for _ in range(3):
                    networks[line].step(request["what"])
            durations, end = [], time.perf_counter() + SECONDS
            while time.perf_counter() < end or not durations:
                start = time.perf_counter()
                networks[line].step(request["what"])
                durations.append(time.perf_counter() - start)
            durations.sort()
            answer = {"samples_per_sec": request["batch"] / durations[len(durations) // 2]}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
