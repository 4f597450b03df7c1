"""What generations of NVIDIA GPUs differ in, as far as the kernel's plan depends on it."""

from typing import NamedTuple

OLDEST = 80
"""Compute capability 8.0: the kernel copies asynchronously, which came with it."""


class Card(NamedTuple):
    """A multiprocessor's limits. Source: NVIDIA, "CUDA C++ Programming Guide" 13.0, compute capabilities."""

    shared: int
    """bytes of shared memory, all blocks together"""
    shared_of_block: int
    warps: int
    blocks: int
    tensor_cycles: float
    """of a multiprocessor's quarter, for a warp's TF32 product of 16 x 8 by 8 x 8"""


KIB = 1024
#: By compute capability, the last entry that is not above a card's own.
CARDS = {
    80: Card(164 * KIB, 163 * KIB, 64, 32, 8),
    86: Card(100 * KIB, 99 * KIB, 48, 16, 32),
    87: Card(164 * KIB, 163 * KIB, 48, 16, 16),
    89: Card(100 * KIB, 99 * KIB, 48, 24, 32),
    90: Card(228 * KIB, 227 * KIB, 64, 32, 6.4),
    120: Card(100 * KIB, 99 * KIB, 48, 24, 32),
}
REGISTERS, REGISTERS_OF_THREAD, RESERVED = 65536, 255, 1024
"""Of a multiprocessor; of a thread; bytes of shared memory that the system takes for each block."""


def capability(architecture: str) -> int:
    """90 of "sm_90"."""
    return int(architecture.removeprefix("sm_"))


def card(architecture: str) -> Card:
    """The limits of an architecture such as "sm_90".

    Example:
      >>> from jaxbm.kernels.cuda.cards import card
      >>> card("sm_90").shared_of_block
      232448
    """
    return CARDS[max(number for number in CARDS if number <= max(capability(architecture), OLDEST))]
