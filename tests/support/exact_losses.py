"""The losses of the table in 25 digits, each written from its formula alone; gradients are differences in 100."""

import mpmath as mp
import numpy as np

DIGITS = 25
mp.mp.dps = DIGITS


def softplus(z):
    return mp.log1p(mp.exp(z))


def log_total(z):
    return mp.log(sum(map(mp.exp, z)))


def huber(z, y):
    error = abs(z - y)
    return error**2 / 2 if error <= 1 else error - mp.mpf(1) / 2


def cross_entropy(z, y):
    return y * softplus(-z) + (1 - y) * softplus(z)


def focal(z, y):
    right = 1 / (1 + mp.exp(-z))
    return (right * (1 - y) + (1 - right) * y) ** 2 * cross_entropy(z, y)


def sparse_plus(z):
    return z if z >= 1 else 0 if z <= -1 else (z + 1) ** 2 / 4


def poisson(z, y):
    return 2 * ((y * (mp.log(y) - z) if y else 0) - y + mp.exp(z))


def gamma(z, y):
    return 2 * (z - mp.log(y) + y * mp.exp(-z) - 1)


def tweedie(z, y):
    p = mp.mpf(1.5)
    own = y ** (2 - p) / ((1 - p) * (2 - p))
    return 2 * (own - y * mp.exp((1 - p) * z) / (1 - p) + mp.exp((2 - p) * z) / (2 - p))


def gaussian_nll(z, y):
    return (mp.log(2 * mp.pi) + z[1] + (y - z[0]) ** 2 * mp.exp(-z[1])) / 2


def gaussian_crps(z, y):
    spread, error = mp.exp(z[1] / 2), y - z[0]
    at = error / spread
    return error * (2 * mp.ncdf(at) - 1) + spread * (2 * mp.npdf(at) - 1 / mp.sqrt(mp.pi))


def negative_binomial_nll(z, y):
    z = (z[0], max(z[1], -16))
    size, odds = mp.exp(-z[1]), z[0] + z[1]
    # log(gamma(y + r) / gamma(r)) of whole counts
    ways = sum(mp.log(size + k) for k in range(int(y))) - mp.loggamma(y + 1)
    return -ways + y * z[1] + size * softplus(odds) + y * softplus(-odds) - y * z[1]


def softmax(z, y):
    return sum(share * (log_total(z) - one) for one, share in zip(z, y, strict=True) if share)


def poly(z, y):
    total = log_total(z)
    return softmax(z, y) + 2 * sum(share * (1 - mp.exp(one - total)) for one, share in zip(z, y, strict=True))


def sparsemax(z, label):
    ordered = sorted(z, reverse=True)
    level = next(
        (sum(ordered[:k]) - 1) / k for k in range(len(z), 0, -1) if 1 + k * ordered[k - 1] > sum(ordered[:k])
    )
    p = [max(one - level, 0) for one in z]
    return sum(a * (b - z[label]) for a, b in zip(p, z, strict=True)) + (1 - sum(a * a for a in p)) / 2


def multilabel(z, y):
    pairs = [max(0, 1 - (a - b)) for a, p in zip(z, y, strict=True) for b, q in zip(z, y, strict=True) if p and not q]
    return sum(pairs) / max(1, len(pairs)) if pairs else mp.mpf(0)


#: Of one number and its label.
OF_ONE = {
    "squared_error": lambda z, y: (z - y) ** 2,
    "l2_loss": lambda z, y: (z - y) ** 2 / 2,
    "absolute_error": lambda z, y: abs(z - y),
    "huber_loss": huber,
    "log_cosh": lambda z, y: mp.log(mp.cosh(z - y)),
    "pinball_loss": lambda z, y: abs(z - y) / 2,
    "poisson_deviance": poisson,
    "gamma_deviance": gamma,
    "tweedie_deviance": tweedie,
    "sigmoid_binary_cross_entropy": cross_entropy,
    "sigmoid_focal_loss": focal,
    "sparsemax_loss": lambda z, y: sparse_plus(-z if y else z),
    "hinge_loss": lambda z, y: max(0, 1 - z * y),
    "perceptron_loss": lambda z, y: max(0, -z * y),
}

#: Of several numbers, with what stands for their label.
OF_SEVERAL = {
    "gaussian_nll": gaussian_nll,
    "gaussian_crps": gaussian_crps,
    "negative_binomial_nll": negative_binomial_nll,
    "softmax_cross_entropy": softmax,
    "safe_softmax_cross_entropy": softmax,
    "poly_loss_cross_entropy": poly,
    "softmax_cross_entropy_with_integer_labels": lambda z, label: log_total(z) - z[label],
    "multiclass_hinge_loss": lambda z, label: max(a + (i != label) for i, a in enumerate(z)) - z[label],
    "multiclass_perceptron_loss": lambda z, label: max(z) - z[label],
    "multiclass_sparsemax_loss": sparsemax,
    "ordinal_cross_entropy": lambda z, label: sum(cross_entropy(a, int(label > k)) for k, a in enumerate(z)),
    "multilabel_margin_loss": multilabel,
    "cox_loss": lambda z, labels: cox(z, labels),
}


def cox(z, labels):
    """Of all rows together, `labels` being their times and whether the event was seen."""
    pairs = list(zip(z, labels, strict=True))
    return sum(log_total([b for b, (later, _) in pairs if later >= time]) - a for a, (time, seen) in pairs if seen)


def value_and_gradient(name, z, label):
    """Value and gradient, `[k]` of k numbers, at numbers and labels of any type."""
    function = OF_ONE.get(name) or OF_SEVERAL[name]
    z, label = exactly(z), exactly(label)
    row = z if isinstance(z, list) else [z]

    def at(i, moved):
        return function([*row[:i], moved, *row[i + 1 :]] if isinstance(z, list) else moved, label)

    with mp.workdps(4 * DIGITS):
        tiny = mp.mpf(10) ** -DIGITS
        return function(z, label), [(at(i, x + tiny) - at(i, x - tiny)) / (2 * tiny) for i, x in enumerate(row)]


def exactly(numbers):
    """Integers as they are, since they are indices; other numbers, or lists of such, in many digits."""
    host = np.asarray(numbers)
    if host.ndim:
        return [*map(exactly, host)]
    return host.item() if host.dtype.kind == "i" else mp.mpf(host.item())
