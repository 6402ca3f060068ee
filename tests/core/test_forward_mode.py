"""The cheaper forward mode says what PyTorch's own says, and does not do its work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual
from torch.nn import functional as F
from torch.optim import SGD
from torch.utils._python_dispatch import TorchDispatchMode

from causalogit.core import CausalLogitPerturbation, Classifier
from causalogit.core.forward_mode import Replay, Tape
from causalogit.models import build_model

from .nets import draws


class _Block(nn.Module):
    """A residual block of whatever is between a convolution and a sum."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.stem, self.conv = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.between, self.head = between, nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.between(self.conv(x))
        return self.head(x.mean((2, 3)))


class _Written(nn.Module):
    """Calls with keywords, in one dimension, in groups."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.head = nn.Parameter(torch.randn(6, 1, 3)), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv1d(x.flatten(2), self.weight, stride=2, groups=3)
        return self.head(F.batch_norm(x, None, None, training=True).square().mean(2))


def frozen(model: nn.Module, *names: str) -> nn.Module:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in names)
    return model


def frozen_statistics() -> nn.Module:
    model = build_model("resnet8", 3, 3, seed=0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return model


MODELS: dict[str, Callable[[], nn.Module]] = {
    "resnet8": lambda: build_model("resnet8", 3, 3, seed=0),
    "lenet": lambda: build_model("lenet", 3, 3, seed=0),
    "frozen statistics": frozen_statistics,
    "no affine": lambda: _Block(nn.BatchNorm2d(4, affine=False)),
    "relu in place": lambda: _Block(nn.ReLU(inplace=True)),
    "silu in place": lambda: _Block(nn.SiLU(inplace=True)),
    "keywords": _Written,
    "frozen stem": lambda: frozen(_Block(nn.BatchNorm2d(4)), "stem.weight", "stem.bias"),
    "frozen weight": lambda: frozen(_Block(nn.BatchNorm2d(4)), "between.weight", "conv.weight"),
    "frozen shift": lambda: frozen(_Block(nn.BatchNorm2d(4)), "between.bias", "conv.bias"),
}


class _Counted(TorchDispatchMode):
    """How often convolutions are computed, gradients of theirs aside."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(
        self, func: Callable[..., object], types: object, args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:  # fmt: skip
        self.count += func is torch.ops.aten.convolution.default
        return func(*args, **(kwargs or {}))


def changes(
    model: nn.Module, images: Tensor, *, inside: Callable[[Classifier], AbstractContextManager[Any]]
) -> tuple[Tensor, int]:
    """Logits and their change, and how many convolutions that took."""
    classifier = Classifier(model, 3)
    forward_mode = inside(classifier)
    weights = {n: p.detach() for n, p in classifier.parameters().items()}
    stream = draws(1)
    direction = {n: torch.randn(p.shape, generator=stream).to(p) for n, p in weights.items()}

    with forward_mode, torch.no_grad(), _Counted() as counted, dual_level():
        moved = {n: make_dual(w, direction[n]) for n, w in weights.items()}
        found = unpack_dual(classifier.probe(moved, images))
        return torch.stack([*found]), counted.count


def by_pytorch(_: Classifier) -> nullcontext[None]:
    return nullcontext()


def anew(_: Classifier) -> Replay:
    return Replay(None)


def taped(images: Tensor) -> Callable[[Classifier], Replay]:
    def record(classifier: Classifier) -> Replay:
        with Tape() as tape:
            classifier(images)
        return Replay(tape)

    return record


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("with_tape", [True, False], ids=["tape", "anew"])
def test_the_change_is_that_of_pytorch(name: str, with_tape: bool) -> None:
    torch.manual_seed(0)
    model, images = MODELS[name](), torch.rand(6, 3, 28, 28)
    found, _ = changes(model, images, inside=taped(images) if with_tape else anew)
    expected, _ = changes(model, images, inside=by_pytorch)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


def test_values_that_are_known_are_not_computed_again() -> None:
    model, images = build_model("resnet8", 3, 3, seed=0), torch.rand(6, 3, 28, 28)
    layers = sum(isinstance(module, nn.Conv2d) for module in model.modules())
    assert changes(model, images, inside=taped(images))[1] == 2 * layers - 1  # images do not move
    assert changes(model, images, inside=anew)[1] == 3 * layers


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_it_works_in_half_precision_as_well(dtype: torch.dtype, device: str) -> None:
    """Where PyTorch's own fails under autocast: its batch norm gives tangents of another type."""
    model, images = build_model("resnet8", 3, 3, seed=0), torch.rand(6, 3, 28, 28)
    truth, _ = changes(model, images, inside=taped(images))
    with torch.autocast(device, dtype):
        found, _ = changes(model, images, inside=taped(images))
    assert found.dtype == dtype
    assert 0 < (found[1].float() - truth[1]).norm() / truth[1].norm() < 0.2


@pytest.mark.parametrize("lagged", [False, True])
def test_a_step_takes_up_what_its_forward_pass_has_computed(lagged: bool) -> None:
    model, images = build_model("resnet8", 3, 3, seed=0), torch.rand(6, 3, 28, 28)
    layers = sum(isinstance(module, nn.Conv2d) for module in model.modules())
    pair = images, torch.arange(6) % 3
    clp = CausalLogitPerturbation(
        model, SGD(model.parameters(), 0.1), [pair], 3, lagged=lagged, every=2
    )
    for passes in (4 * layers - 1, layers):  # training, meta, two products; training alone
        with _Counted() as counted:
            clp.step(*pair)
        assert counted.count == passes


def test_the_first_step_of_a_program_warns_of_nothing() -> None:
    """PyTorch loads the rules of its forward mode when they are first used."""
    program = (
        "import torch; from causalogit.core import CausalLogitPerturbation\n"
        "model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3))\n"
        "pair = torch.rand(6, 1, 2, 2), torch.arange(6) % 3\n"
        "optimizer = torch.optim.SGD(model.parameters(), 0.1)\n"
        "CausalLogitPerturbation(model, optimizer, [pair], 3).step(*pair)\n"
    )
    # PyTorch 2.6 leaves a temporary folder to the garbage collector
    filters = "-W", "always", "-W", "ignore::ResourceWarning"
    ended = subprocess.run(
        [sys.executable, *filters, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout + ended.stderr == ""
