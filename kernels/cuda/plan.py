"""How a run is laid out on a multiprocessor: threads, tiles, blocks, and the shared memory that comes of them.

The twin of `device/shape.h`, which checks that it comes to the same.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from jaxbm.kernels.cuda.cards import REGISTERS, REGISTERS_OF_THREAD, RESERVED, card

FLAGS = (
    "BIAS",
    "NESTEROV",
    "MOMENTUM",
    "DECAY",
    "L2",
    "L2_OVER_ROWS",
    "CLIP",
    "DROPOUT",
    "WIDTHS",
    "SCHEDULE",
    "SHUFFLE",
    "BOOTSTRAP",
    "INDEXED",
    "ROW_WEIGHTS",
    "CLASS_WEIGHTS",
)
"""What may be switched on in a program, each a macro of the kernel's."""
THREADS = (32, 64, 128, 256, 512)
ROUNDS = 24
FEW_WARPS = 12
"""With fewer warps on a multiprocessor its units wait for operands: with a quarter of them half of the time."""
REGISTERS_AT_LEAST = 104
"""A thread's, beside the moments: what products and gradients take at a time."""
STRIPS = (1, 2, 3, 4, 5, 6)
"""Tiles of 16 x 8 that a warp's tensor cores work on at a time."""
PRECISIONS = {0: "float32", 3: "tf32_3x", 1: "tf32"}
"""Of products whose factors are in so many parts on tensor cores (0: without them), the most precise first."""


@dataclass(frozen=True)
class Shape:
    """What a program computes: it is compiled for this.

    Args:
      sizes: widths from input to output.
      activations: the kernel's names, one for each layer.
      loss, optimizer: the kernel's names.
      batch: rows of a batch.
      flags: those of `FLAGS` that are on.
      precision: the least of `PRECISIONS`.
    """

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    loss: str
    optimizer: str
    batch: int
    flags: frozenset[str]
    precision: str = "float32"

    @property
    def moments(self) -> int:
        """Numbers that the optimizer keeps for each parameter."""
        return 2 if self.optimizer == "kAdam" else int("MOMENTUM" in self.flags)

    @property
    def targets(self) -> int:
        """Labels of a row."""
        return 1 if self.loss == "kSoftmaxIntegerLabels" else self.sizes[-1]


@dataclass(frozen=True)
class Plan:
    """A shape, and how it is laid out.

    Args:
      threads: of a block, which trains one member.
      tile: rows of the weights that a thread works on at a time, 8 or 4; on tensor cores, tiles of a warp's strip.
      blocks: so many on a multiprocessor that the compiler must leave registers for.
      parts: of each factor on tensor cores; 0: products are made without them.
    """

    shape: Shape
    threads: int
    tile: int
    blocks: int
    parts: int = 0

    @property
    def rows(self) -> int:
        """Rows of the batch that a warp has in memory."""
        rows = -(-self.shape.batch * 32 // self.threads)
        if self.parts:
            return up(rows, 8)
        return rows if rows <= 2 else up(rows, 2) if rows <= 16 else up(rows, 4)

    @property
    def layers(self) -> list[tuple[int, int]]:
        """Inputs and outputs of each layer as they lie in memory, the bias among the inputs."""
        ins, outs = (8, 8) if self.parts else (self.tile, 4)
        return [(up(i + 1, ins), up(o, outs)) for i, o in pairwise(self.shape.sizes)]

    @property
    def slots(self) -> int:
        """Tiles that a thread owns, or strips that a warp owns."""
        if self.parts:
            return -(-sum(-(-o // 16) * -(-i // (8 * self.tile)) for i, o in self.layers) // (self.threads // 32))
        return -(-sum(i // self.tile * (o // 4) for i, o in self.layers) // self.threads)

    @property
    def shared_bytes(self) -> int:
        """Shared memory of a block."""
        shape, warps = self.shape, self.threads // 32
        ins, outs = zip(*self.layers, strict=True)
        targets = up(shape.targets + ("ROW_WEIGHTS" in shape.flags), 4)
        stride = odd4(2 * ins[0] + sum(ins[1:]) + sum(outs) + 2 * targets)
        weights = sum(o * odd8(i) if self.parts else i * odd4(o) for i, o in self.layers)
        keys = 2 * ROUNDS if "SHUFFLE" in shape.flags else 0
        widths = up(len(shape.sizes), 4) if "WIDTHS" in shape.flags else 0
        return 4 * (weights + self.rows * warps * stride + up(3 * warps, 4) + keys + widths)

    @property
    def registers(self) -> int:
        """About how many a thread wants."""
        held = self.shape.moments * self.slots + ("CLIP" in self.shape.flags) * (self.slots - 1)
        return REGISTERS_AT_LEAST + 4 * self.tile * held + (2 * self.slots - 36 if self.parts else 0)

    @property
    def defines(self) -> tuple[str, ...]:
        """The kernel's macros."""
        shape = self.shape
        return (
            "-DSIZES=" + ",".join(map(str, shape.sizes)),
            "-DACTIVATIONS=" + ",".join(shape.activations),
            f"-DLOSS={shape.loss}",
            f"-DOPTIMIZER={shape.optimizer}",
            f"-DBATCH={shape.batch}",
            f"-DTHREADS={self.threads}",
            f"-DBLOCKS={self.blocks}",
            f"-DTILE={self.tile}",
            f"-DPARTS={self.parts}",
            f"-DSHARED_BYTES={self.shared_bytes}",
            *(f"-D{flag}={int(flag in shape.flags)}" for flag in FLAGS),
        )

    def cost(self, tensor_cycles: float) -> float:
        """About how many cycles a step takes a multiprocessor, for each of the members on it.

        Instructions of all warps, four of them a cycle; more where too few warps are there to hide each other's
        waiting, or where a thread has too few registers; and a little for what one member alone waits for. Of 37
        plans an H200 took two thirds of this, give or take an eighth.
        """
        warps = self.threads // 32
        of_warp = (self._on_tensor_cores(tensor_cycles) if self.parts else self._without()) + 200
        hidden = min(1.0, self.blocks * warps / FEW_WARPS) ** 0.5
        crowded = max(1.0, self.registers / min(REGISTERS_OF_THREAD, REGISTERS // (self.threads * self.blocks)))
        return of_warp * warps / 4 / hidden * crowded**2 + of_warp / 8

    def _without(self) -> float:
        products = sum(self._forward(i, o) + self._backward(i, o) for i, o in pairwise(self.shape.sizes))
        rows = self.rows * self.threads // 32
        return products + self.slots * (rows * (4 * self.tile + 7 * (1 + self.tile // 4)) + 48 * self.tile)

    def _on_tensor_cores(self, cycles: float) -> float:
        # To fetch a factor of 16 x 8 and to split it; one of 8 x 8, which four others share; and to multiply them.
        first, second, issued = (24, 12, 23) if self.parts == 3 else (13, 7, 8)
        product = max(issued, self.parts * cycles)
        row_tiles, cost = self.rows // 8, 0.0
        ways = [(o, i) for i, o in self.layers] + self.layers[1:]  # forward, and back
        for across, summed in ways:
            of_rows = summed / 8 * (second / 4 + product) + 66  # the last: what becomes of the sums
            cost += -(-across // 16) * (summed / 8 * first + row_tiles * of_rows)
        depth = self.rows * self.threads // 32 / 8
        return cost + self.slots * (depth * (first + self.tile * (second + product)) + self.tile * 165)

    def _forward(self, fan_in: int, fan_out: int) -> float:
        return _products(self.rows, up(fan_out, 4) // 4, -(-fan_in // 4), 4, 4)

    def _backward(self, fan_in: int, fan_out: int) -> float:
        return _products(self.rows, fan_in, up(fan_out, 4) // 4, 1, 1)


def up(a: int, b: int) -> int:
    """The next multiple of `b`."""
    return -(-a // b) * b


def odd4(a: int) -> int:
    """The next stride that is 4 mod 8: rows share banks with those 8 further, and with none nearer."""
    return up(a, 4) + (0 if up(a, 4) % 8 == 4 else 4)


def odd8(a: int) -> int:
    """The next stride that is 8 mod 16: of four neighbouring rows, eight columns lie in banks of their own."""
    return up(a, 8) + (0 if up(a, 8) % 16 == 8 else 8)


@lru_cache(maxsize=4096)
def _products(rows: int, units: int, chunks: int, unit: int, loads: int) -> float:
    """What a warp issues for a layer's products, its lanes shared out best; as `best_lanes` in `products.h`."""
    best = float("inf")
    for r in (1, 2, 4, 8, 16, 32):
        for s in (1, 2, 4, 8):
            for tn in (1, 2, 4, 8):
                tm, c = rows // r, 32 // (r * s) if r * s <= 32 else 0
                n = tm * tn * unit
                if not c or tn * unit > 8 or rows % r or tm > 8 or n > 32 or n % s:
                    continue
                passes, steps, load = -(-units // (c * tn)), -(-chunks // s), 7
                cost = passes * (steps * (4 * n + load * (tm + tn * loads)) + load * (n - n // s) + n / s * 6) + n
                best = min(best, cost)
    return best


@lru_cache(maxsize=1024)
def plan(shape: Shape, architecture: str) -> Plan | str:
    """The cheapest plan that fits the architecture's multiprocessors, or why there is none.

    Example:
      >>> from jaxbm.kernels.cuda.plan import Shape, plan
      >>> shape = Shape((20, 64, 32, 1), ("kRelu", "kRelu", "kIdentity"), "kL2Loss", "kAdam", 32, frozenset({"BIAS"}))
      >>> found = plan(shape, "sm_90")
      >>> found.threads, found.tile, found.blocks
      (128, 8, 3)
    """
    limits, found, least = card(architecture), list[Plan](), 0
    allowed = list(PRECISIONS)[: list(PRECISIONS.values()).index(shape.precision) + 1]
    tiles = [(parts, tile) for parts in allowed for tile in (STRIPS if parts else (8, 4))]
    for threads in THREADS:
        if shape.batch * 32 > 32 * threads:
            continue  # a warp takes at most 32 rows
        for parts, tile in tiles:
            one = Plan(shape, threads, tile, 1, parts)
            bytes_ = up(one.shared_bytes, 128) + RESERVED
            least = min(least or one.shared_bytes, one.shared_bytes)
            if one.shared_bytes > limits.shared_of_block or one.registers > min(255, REGISTERS // threads):
                continue
            most = min(limits.shared // bytes_, limits.warps * 32 // threads, limits.blocks)
            wanted = max(1, REGISTERS // (threads * min(REGISTERS_OF_THREAD, one.registers)))
            found.append(Plan(shape, threads, tile, min(most, wanted), parts))
    if found:
        return min(found, key=lambda one: one.cost(limits.tensor_cycles))
    if least > limits.shared_of_block:
        return (
            f"the weights and a batch of {shape.batch} rows take {least // 1024} KiB of a block's shared memory, of "
            f"which {architecture} has {limits.shared_of_block // 1024}"
        )
    if not least:
        return f"the kernel takes batches of at most {max(THREADS)} rows"
    return "the optimizer's state does not fit into the registers"
