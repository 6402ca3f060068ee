"""A user's classifier seen as *features, then one linear layer*, without rewriting it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

from causalogit.core.batch_norm import whole_batch_norm

_log = logging.getLogger(__name__)

Parameters = Mapping[str, Tensor]
T = TypeVar("T")


def find_head(model: nn.Module, num_classes: int | None) -> tuple[str, nn.Linear]:
    """The last linear layer of `model` and its name.

    timm's `get_classifier()` is asked first; otherwise the last `nn.Linear` with `num_classes`
    outputs (None: with any number), in the order of registration, is taken.

    Raises:
        ValueError: the model has no linear layer with `num_classes` outputs.
    """
    names = {module: name for name, module in model.named_modules()}
    get_classifier = getattr(model, "get_classifier", None)
    candidates = [get_classifier()] if callable(get_classifier) else []
    candidates += reversed([m for m in names if isinstance(m, nn.Linear)])
    for module in candidates:
        if isinstance(module, nn.Linear) and num_classes in (None, module.out_features):
            return names[module], module
    widths = sorted({m.out_features for m in names if isinstance(m, nn.Linear)})
    raise ValueError(
        f"{type(model).__name__} has no nn.Linear with {num_classes or 'any'} outputs (found "
        f"{widths}): "
        "the classifier must end in nn.Linear(features, num_classes)"
    )


class Classifier:
    """Gives logits and penultimate features of any `nn.Module` that ends in an `nn.Linear`.

    The module itself is never changed: features are caught by a hook that lives for one call, and
    `probe` evaluates it at other weights without touching its buffers or the random state. In
    several processes its batch norms, while they train, see the parts of all. What `torch.compile`
    made of it is passed by in here, where graphs are kept and weights replaced.

    Args:
        model: maps images `(B, ...)` to logits `(B, C)`.
        num_classes: C.
        pieces: how many parts a batch goes through the model in, one after the other; the
            activations of a part are computed anew when its gradient is.

    Raises:
        ValueError: the model does not end in an `nn.Linear` with C outputs, or `pieces` is below 1.
    """

    def __init__(self, model: nn.Module, num_classes: int, pieces: int = 1) -> None:
        if pieces < 1:
            raise ValueError(f"pieces is {pieces}: give at least 1 part of a batch")
        self.model = model
        self.pieces = pieces
        self.num_classes = num_classes
        self.head_name, self.head = find_head(model, num_classes)
        self.has_forward_mode = True  # until an operation turns out to have none
        self._checked = False
        self._fork_devices = sorted(
            {p.device.index or 0 for p in model.parameters() if p.device.type == "cuda"}
        )

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `(B, C)` and features `(B, d)` with their graph, in one ordinary forward pass."""
        if self.pieces == 1:
            return self._forward(images)
        parts = [
            checkpoint(self._forward, part, use_reentrant=False, context_fn=self._recomputation)
            for part in self._parts(images)
        ]
        logits, features = zip(*parts, strict=True)
        return torch.cat(logits), torch.cat(features)

    def _parts(self, images: Tensor) -> tuple[Tensor, ...]:
        """None of a single image, which batch norm has no use for, where there are more."""
        return images.tensor_split(min(self.pieces, max(1, len(images) // 2)))

    def _forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        caught: list[tuple[Tensor, Tensor]] = []
        hook = self.head.register_forward_hook(
            lambda _, args, output: caught.append((args[0], output))
        )
        try:
            with _uncompiled(), whole_batch_norm():
                logits = self.model(images)
        finally:
            hook.remove()
        name = type(self.model).__name__
        if not isinstance(logits, Tensor):
            raise ValueError(
                f"{name} gives {type(logits).__name__}: it must give logits (B, C) alone, in "
                "training as well"
            )
        if len(caught) != 1 or caught[0][0].dim() != 2:
            raise ValueError(
                f"{name}: the layer '{self.head_name}' was called {len(caught)} times in one "
                f"forward pass, with features of shape {[tuple(c.shape) for c, _ in caught]}; it "
                "must be called once, with (B, d) features"
            )
        features, output = caught[0]
        with torch.no_grad():
            same = self._checked or torch.equal(logits.nan_to_num(), output.nan_to_num())
        if not same:
            raise ValueError(
                f"{name} changes the outputs of its last layer '{self.head_name}': it must end in "
                "that layer and return logits (leave the softmax to the loss)"
            )
        if not self._checked:
            self._check_parameters()
        self._checked = True
        return logits, features

    def _check_parameters(self) -> None:
        if torch.is_grad_enabled() and not self.parameters():
            raise ValueError(
                f"{type(self.model).__name__} has no parameter that requires gradients"
            )
        hooked = [name for name, own in self.parameters().items() if own._backward_hooks]
        if hooked:
            _log.warning(
                "'%s' has a gradient hook (%d parameters have): the real step goes by what it "
                "makes of gradients, the look-ahead (Eq. 9) by the derivative of the forward pass; "
                "solver='unroll' goes by the hook in both",
                hooked[0],
                len(hooked),
            )

    def parameters(self) -> dict[str, nn.Parameter]:
        """The trainable parameters by name."""
        return {n: p for n, p in self.model.named_parameters() if p.requires_grad}

    def head_parameters(self) -> dict[str, nn.Parameter]:
        """The trainable parameters of the last layer, by their names in the whole model.

        Raises:
            ValueError: its weight is none of them.
        """
        prefix = f"{self.head_name}." if self.head_name else ""
        trainable = self.parameters()
        names = [f"{prefix}{name}" for name, _ in self.head.named_parameters()]
        found = {name: trainable[name] for name in names if name in trainable}
        if f"{prefix}weight" not in found or set(found) - {f"{prefix}weight", f"{prefix}bias"}:
            raise ValueError(
                f"the solver 'last_layer' needs a trainable weight in '{self.head_name}' that is "
                "its own: not frozen, not tied to another layer's, not of weight_norm or another "
                "parametrization; take 'exact'"
            )
        return found

    def _recomputation(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """Around the two passes over a part: the second leaves running statistics alone."""
        return nullcontext(), _BuffersKept(self)

    def probe(
        self,
        parameters: Parameters,
        images: Tensor,
        *,
        buffers: Parameters | None = None,
        in_pieces: bool = False,
    ) -> Tensor:
        """Logits `(B, C)` at other `parameters`; running statistics stay as they are.

        Args:
            parameters: by name; those missing are the model's own.
            images: `(B, ...)`.
            buffers: to begin with, by name; the model's own as they are now.
            in_pieces: part by part, as training images go; else all at once.
        """
        if in_pieces and self.pieces > 1:
            parts = self._parts(images)
            return torch.cat([self.probe(parameters, part, buffers=buffers) for part in parts])
        logits: Tensor = self.at(parameters, lambda: self.model(images), buffers)
        return logits

    def at(
        self, parameters: Parameters, work: Callable[[], T], buffers: Parameters | None = None
    ) -> T:
        """What `work` gives while the model has other `parameters`; its buffers stay as they are.

        A model that computes activations anew in its backward pass (gradient checkpointing) needs
        that pass in here, too.
        """
        known = self.buffers() if buffers is None else buffers
        copies = {n: b.clone() for n, b in known.items()}
        with _uncompiled(), whole_batch_norm():
            moved = ({f"model.{n}": v for n, v in both.items()} for both in (parameters, copies))
            found: T = functional_call(_Holder(self.model), tuple(moved), (work,))
        return found

    def buffers(self) -> dict[str, Tensor]:
        """Running statistics and whatever else the model remembers, by name."""
        return dict(self.model.named_buffers())

    def buffer_state(self) -> dict[str, Tensor]:
        """Copies of the buffers, for `set_buffers`."""
        return {n: b.clone() for n, b in self.buffers().items()}

    def set_buffers(self, remembered: Parameters) -> None:
        """The inverse of `buffer_state`."""
        for name, buffer in self.buffers().items():
            buffer.copy_(remembered[name])

    def random_state(self) -> Callable[[], None]:
        """Remember the global random state; calling the result brings it back."""
        states = self.random_states()
        return lambda: self.set_random_states(states)

    def random_states(self) -> list[Tensor]:
        """The global random states of the CPU and of the model's CUDA devices."""
        return [
            torch.get_rng_state(),
            *(torch.cuda.get_rng_state(device) for device in self._fork_devices),
        ]

    def set_random_states(self, states: list[Tensor]) -> None:
        """The inverse of `random_states`."""
        torch.set_rng_state(states[0].cpu())
        # a checkpoint may come from a machine with more devices, or with fewer
        for device, state in zip(self._fork_devices, states[1:], strict=False):
            torch.cuda.set_rng_state(state.cpu(), device)

    @contextmanager
    def random_state_kept(self, start: Callable[[], None] | None = None) -> Iterator[None]:
        """Whatever is drawn inside leaves the global random state as it was.

        Args:
            start: a state remembered by `random_state` to begin with, so that a second pass over
                a batch drops the same units as the first.
        """
        back = self.random_state()
        try:
            if start is not None:
                start()
            yield
        finally:
            back()


def _uncompiled() -> AbstractContextManager[object]:
    """Modules run by their own code; nothing to do where nothing can have been compiled."""
    compiler = "torch._dynamo" in sys.modules  # importing it takes seconds
    return torch.compiler.set_stance("force_eager") if compiler else nullcontext()


class _Holder(nn.Module):
    """Does any work on a model while `functional_call` has its parameters replaced."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, work: Callable[[], T]) -> T:
        return work()


class _BuffersKept(AbstractContextManager[None]):
    """What is done inside leaves the buffers as they were; it may be entered again and again."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier

    def __enter__(self) -> None:
        self.remembered = self.classifier.buffer_state()

    def __exit__(self, *_: object) -> None:
        self.classifier.set_buffers(self.remembered)
