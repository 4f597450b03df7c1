"""A training run in float64 NumPy, written independently of the package: the judge of every implementation."""

import numpy as np
from scipy import special


def _gelu(z):
    cdf = 0.5 * (1 + special.erf(z / np.sqrt(2)))
    return z * cdf, cdf + z * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)


def _gelu_tanh(z):
    c = np.sqrt(2 / np.pi)
    t = np.tanh(c * (z + 0.044715 * z**3))
    return 0.5 * z * (1 + t), 0.5 * (1 + t) + 0.5 * z * (1 - t * t) * c * (1 + 3 * 0.044715 * z * z)


def _silu(z):
    s = special.expit(z)
    return z * s, s * (1 + z * (1 - s))


#: name -> z -> (value, derivative)
ACTIVATIONS = {
    "identity": lambda z: (z, np.ones_like(z)),
    "relu": lambda z: (np.maximum(z, 0), (z > 0) * 1.0),
    "leaky_relu": lambda z: (np.where(z >= 0, z, 0.01 * z), np.where(z >= 0, 1, 0.01)),
    "elu": lambda z: (np.where(z > 0, z, np.expm1(np.minimum(z, 0))), np.where(z > 0, 1, np.exp(np.minimum(z, 0)))),
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": _silu,
    "tanh": lambda z: (np.tanh(z), 1 - np.tanh(z) ** 2),
    "sigmoid": lambda z: (special.expit(z), special.expit(z) * special.expit(-z)),
    "softplus": lambda z: (np.logaddexp(0, z), special.expit(z)),
}


def _softmax(z, y):
    log_p = z - special.logsumexp(z, axis=1, keepdims=True)
    return -(y * log_p).sum(1), np.exp(log_p) * y.sum(1, keepdims=True) - y


def _mean(values, slopes):
    return values.mean(1), slopes / values.shape[1]


def _huber(z, y):
    e = z - y
    return _mean(np.where(abs(e) <= 1, e * e / 2, abs(e) - 0.5), np.clip(e, -1, 1))


#: name -> (logits, labels) -> (loss of each row, its derivative by the logits)
LOSSES = {
    "squared_error": lambda z, y: _mean((z - y) ** 2, 2 * (z - y)),
    "l2_loss": lambda z, y: _mean((z - y) ** 2 / 2, z - y),
    "huber_loss": _huber,
    "sigmoid_binary_cross_entropy": lambda z, y: _mean(np.logaddexp(0, z) - y * z, special.expit(z) - y),
    "softmax_cross_entropy": _softmax,
    "softmax_cross_entropy_with_integer_labels": lambda z, y: _softmax(z, np.eye(z.shape[1])[y]),
}


def loss_and_gradients(params, activations, loss, x, y, weight, masks=None):
    """Loss of each row, and the gradients of the weighted mean."""
    inputs, slopes, h = [], [], x
    for i, (w, b) in enumerate(params):
        inputs.append(h)
        z = h @ w + (0 if b is None else b)
        if i == len(params) - 1:
            break
        h, slope = ACTIVATIONS[activations[i]](z)
        if masks is not None:
            h, slope = h * masks[i], slope * masks[i]
        slopes.append(slope)
    if y.ndim == 1 and not np.issubdtype(y.dtype, np.integer):
        y = y[:, None]
    values, g = LOSSES[loss](z, y)
    g = g * (weight / (weight.sum() or 1))[:, None]
    grads = []
    for i in reversed(range(len(params))):
        grads.append([inputs[i].T @ g, None if params[i][1] is None else g.sum(0)])
        if i:
            g = (g @ params[i][0].T) * slopes[i - 1]
    return values, grads[::-1]


class Optimizer:
    """`kind` is "sgd" or "adam"; options have the names of jaxbm's optimizers.

    With `noise`, every step multiplies each parameter by 1 + noise or 1 - noise, as rounding would.
    """

    def __init__(self, kind, rate, *, noise=0.0, seed=0, **options):
        self.kind, self.rate, self.options, self.count, self.state = kind, rate, options, 0, {}
        self.noise, self.rng = noise, np.random.default_rng(seed)

    def step(self, params, grads):
        rate = self.rate(self.count) if callable(self.rate) else self.rate
        self.count += 1
        for i, (layer, layer_grads) in enumerate(zip(params, grads, strict=True)):
            for j in range(2):
                if layer[j] is not None:
                    layer[j] = layer[j] - rate * self._direction((i, j), layer[j], layer_grads[j])
                    if self.noise:
                        layer[j] = layer[j] * (1 + self.noise * self.rng.choice([-1, 1], layer[j].shape))

    def _direction(self, at, p, g):
        o, t = self.options, self.count
        if self.kind == "sgd":
            if (momentum := o.get("momentum")) is None:
                return g
            trace = self.state[at] = g + momentum * self.state.get(at, 0)
            return g + momentum * trace if o.get("nesterov") else trace
        b1, b2 = o.get("b1", np.float32(0.9)), o.get("b2", np.float32(0.999))
        b1, b2 = float(b1), float(b2)
        m, v = self.state.get(at, (0, 0))
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        self.state[at] = m, v
        m_hat = m / (1 - b1**t)
        if o.get("nesterov"):
            m_hat = b1 * m / (1 - b1 ** (t + 1)) + (1 - b1) * g / (1 - b1**t)
        step = m_hat / (np.sqrt(v / (1 - b2**t) + o.get("eps_root", 0)) + o.get("eps", 1e-8))
        return step + o.get("weight_decay", 0) * p


def train(
    params, activations, loss, optimizer, x, y, orders, batch_size, *, weight=None, l2=0.0, clip=None, masks=None
):
    """Every epoch's rows in the order that `orders` gives; `masks(step, rows)` gives dropout's factors.

    Returns the parameters as `[[weight, bias], ...]` and each epoch's loss.
    """
    params = [[np.asarray(w, np.float64), None if b is None else np.asarray(b, np.float64)] for w, b in params]
    x = np.asarray(x, np.float64)
    y = y if np.issubdtype(y.dtype, np.integer) else np.asarray(y, np.float64)
    weight = np.ones(len(x)) if weight is None else np.asarray(weight, np.float64)
    history, count = [], 0
    for order in orders:
        total = 0.0
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            drawn = None if masks is None else masks(count, len(rows))
            values, grads = loss_and_gradients(params, activations, loss, x[rows], y[rows], weight[rows], drawn)
            total += (values * weight[rows]).sum()
            for layer, layer_grads in zip(params, grads, strict=True):
                layer_grads[0] = layer_grads[0] + 2 * l2 * layer[0]
            if clip is not None:
                norm = np.sqrt(sum((g**2).sum() for pair in grads for g in pair if g is not None))
                scale = min(1.0, clip / norm) if norm > 0 else 1.0
                grads = [[None if g is None else g * scale for g in pair] for pair in grads]
            optimizer.step(params, grads)
            count += 1
        history.append(total / weight[order].sum())
    return params, np.asarray(history)


def table(n, features, outputs, loss, seed=0):
    """Features, and labels that the loss takes."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, features)).astype(np.float32)
    score = x @ rng.normal(size=(features, outputs)) / np.sqrt(features) + 0.3 * rng.normal(size=(n, outputs))
    if loss == "softmax_cross_entropy_with_integer_labels":
        return x, score.argmax(1).astype(np.int32)
    if loss == "softmax_cross_entropy":
        p = np.exp(score)
        return x, (p / p.sum(1, keepdims=True)).astype(np.float32)
    y = (score > 0) if loss == "sigmoid_binary_cross_entropy" else score
    return x, y.astype(np.float32)
