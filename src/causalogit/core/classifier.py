"""A user's classifier seen as *features, then one linear layer*, without rewriting it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

from causalogit.core.batch_norm import whole_batch_norm

Parameters = Mapping[str, Tensor]


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
        self._checked = True
        return logits, features

    def parameters(self) -> dict[str, nn.Parameter]:
        """The trainable parameters by name."""
        return {n: p for n, p in self.model.named_parameters() if p.requires_grad}

    def head_parameters(self) -> dict[str, nn.Parameter]:
        """The trainable parameters of the last layer, by their names in the whole model."""
        prefix = f"{self.head_name}." if self.head_name else ""
        own = {id(p) for p in self.head.parameters()}
        return {n: p for n, p in self.parameters().items() if id(p) in own and n.startswith(prefix)}

    def _recomputation(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        """Around the two passes over a part: the second leaves running statistics alone."""
        return nullcontext(), _BuffersKept(self)

    def probe(self, parameters: Parameters, images: Tensor, *, in_pieces: bool = False) -> Tensor:
        """Logits `(B, C)` at other `parameters`; running statistics stay as they are.

        The buffers are cloned here, inside: forward-mode differentiation refuses a batch norm that
        writes tangents into buffers made outside of `torch.func.jvp`.

        Args:
            parameters: by name; those missing are the model's own.
            images: `(B, ...)`.
            in_pieces: part by part, as training images go; else all at once.
        """
        if in_pieces and self.pieces > 1:
            return torch.cat([self.probe(parameters, part) for part in self._parts(images)])
        buffers = {n: b.clone() for n, b in self.model.named_buffers()}
        with _uncompiled(), whole_batch_norm():
            logits: Tensor = functional_call(self.model, (dict(parameters), buffers), (images,))
        return logits

    def buffer_state(self) -> Callable[[], None]:
        """Remember running statistics and other buffers; calling the result brings them back."""
        remembered = [(b, b.clone()) for b in self.model.buffers()]

        def restore() -> None:
            for buffer, value in remembered:
                buffer.copy_(value)

        return restore

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
        torch.set_rng_state(states[0])
        for device, state in zip(self._fork_devices, states[1:], strict=True):
            torch.cuda.set_rng_state(state, device)

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


class _BuffersKept(AbstractContextManager[None]):
    """What is done inside leaves the buffers as they were; it may be entered again and again."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier

    def __enter__(self) -> None:
        self.back = self.classifier.buffer_state()

    def __exit__(self, *_: object) -> None:
        self.back()
