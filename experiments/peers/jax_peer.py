"""Times the networks of `experiments bench` in JAX: compiled by XLA, channels last. README.md describes the protocol."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from protocol import serve

random = np.random.default_rng(0)


class Network:
    """A sequence of layers, each a function of (parameters, activations, key). A layer's parameters are drawn when it is
    added. The key of random numbers is given in training only."""

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

        def layer(p, x, key):
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

        def layer(p, x, key):
            if key is not None:
                mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
            else:
                mean, var = jnp.zeros(channels), jnp.ones(channels)
            scale = p["g"] * lax.rsqrt(var + 1e-5)
            return x * scale + (p["b"] - mean * scale)

        return self.add(parameters, layer, self.shape)

    def relu(self):
        return self.add({}, lambda p, x, key: jax.nn.relu(x), self.shape)

    def pool(self):
        height, width, channels = self.shape

        def layer(p, x, key):
            return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

        return self.add({}, layer, (height // 2, width // 2, channels))

    def dropout(self, rate):
        def layer(p, x, key):
            if key is None:
                return x
            return jnp.where(jax.random.bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0)

        return self.add({}, layer, self.shape)

    def padded_identity(self, outputs, stride):
        """The shortcut without parameters (He et al. 2015, option A)."""
        height, width, inputs = self.shape
        before = (outputs - inputs) // 2
        channels = (before, outputs - inputs - before)

        def layer(p, x, key):
            return jnp.pad(x[:, ::stride, ::stride], ((0, 0), (0, 0), (0, 0), channels))

        return self.add({}, layer, (-(-height // stride), -(-width // stride), outputs))

    def residual(self, outputs, stride, projects):
        """A block of ResNet-8, which has biases and projections, or of ResNet-20, which has neither."""
        inner = Network(self.shape).conv(outputs, 3, stride, 1, bias=projects).norm().relu()
        inner.conv(outputs, 3, 1, 1, bias=projects).norm()
        shortcut = Network(self.shape)
        if stride > 1:
            shortcut.conv(outputs, 1, stride) if projects else shortcut.padded_identity(outputs, stride)

        def layer(p, x, key):
            y = inner.apply(p["inner"], x, key) + shortcut.apply(p["shortcut"], x, key)
            return jax.nn.relu(y)

        return self.add({"inner": inner.parameters, "shortcut": shortcut.parameters}, layer, inner.shape)

    def global_pool(self, reduce):
        return self.add({}, lambda p, x, key: reduce(x, (1, 2)), self.shape[-1:])

    def flatten(self):
        return self.add({}, lambda p, x, key: x.reshape(len(x), -1), (int(np.prod(self.shape)),))

    def linear(self, outputs):
        bound = self.shape[0] ** -0.5
        parameters = {"w": uniform(bound, self.shape[0], outputs), "b": uniform(bound, outputs)}
        return self.add(parameters, lambda p, x, key: x @ p["w"] + p["b"], (outputs,))

    def apply(self, parameters, x, key):
        for i, (p, layer) in enumerate(zip(parameters, self.layers)):
            x = layer(p, x, None if key is None else jax.random.fold_in(key, i))
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
    elif name == "all-cnn-c":
        for outputs in map(scaled, (96, 192)):
            for stride in (1, 1, 2):
                net.conv(outputs, 3, stride, 1).relu()
            net.dropout(0.5)
        net.conv(scaled(192), 3).relu().conv(scaled(192), 1).relu()
    elif name in ("resnet8", "resnet20"):
        blocks = 1 if name == "resnet8" else 3
        net.conv(scaled(16), 3, padding=1, bias=name == "resnet8").norm().relu()
        for stage, outputs in enumerate(map(scaled, (16, 32, 64))):
            for block in range(blocks):
                net.residual(outputs, 2 if stage > 0 and block == 0 else 1, projects=name == "resnet8")
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

        def loss(parameters, images, labels, key):
            scores = jax.nn.log_softmax(net.apply(parameters, images, key))
            return -jnp.take_along_axis(scores, labels[:, None], 1).mean()

        def train(state, images, labels):
            parameters, first, second, step = state
            gradients = jax.grad(loss)(parameters, images, labels, jax.random.key(step))
            step += 1
            first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
            second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)

            def update(p, m, v):  # AdamW with a learning rate of 1e-12, so that the weights do not change
                ratio = (m / (1 - 0.9**step)) / (jnp.sqrt(v / (1 - 0.999**step)) + 1e-8)
                return p - 1e-12 * (ratio + 0.01 * p)

            return jax.tree.map(update, parameters, first, second), first, second, step

        self.train = jax.jit(train, donate_argnums=0)
        self.infer = jax.jit(lambda parameters, images: net.apply(parameters, images, None))

    def step(self, task):
        if task == "train":
            self.state = self.train(self.state, self.images, self.labels)
            jax.block_until_ready(self.state)
        else:
            jax.block_until_ready(self.infer(self.state[0], self.images))


def build(request):
    network = TimedNetwork(request)
    return lambda: network.step(request["what"])


serve("JAX", jax.__version__, build)
