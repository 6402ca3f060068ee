"""The classifier that is audited, whatever it was made with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from causalogit.config.check import one_line
from causalogit.evaluate.attention import spatial_convolutions
from causalogit.modes import eval_mode


@dataclass(frozen=True)
class Subject:
    """A classifier that answers photos.

    Attributes:
        name: shown.
        forward: photos `(B, K, H, W)` in [0, 1] to logits or probabilities `(B, C)`.
        fingerprint: of its file, or of its kind and weights; two classifiers that differ in their
            code alone may have the same, see `answers_digest`.
        input: what becomes of a photo before the classifier sees it, in words.
        module: what attention and features are taken from; None where there is none (ONNX).
        outputs: names of its C outputs; None for those of the photos' classes.
        size: pixels of a side that it needs or was made for; None where it is not known.
        device: where `forward` wants the photos.
    """

    name: str
    forward: Callable[[Tensor], Tensor]
    fingerprint: str
    input: str
    module: nn.Module | None = None
    outputs: tuple[str, ...] | None = None
    size: int | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @torch.no_grad()
    def answer(self, photos: Tensor) -> Tensor:
        """Logits `(B, C)` on the CPU, of photos `(B, K, H, W)` in [0, 1].

        Raises:
            ValueError: the classifier does not take such photos, it finds no memory for them, or
                what it gives is no logits.
        """
        try:
            with nullcontext() if self.module is None else eval_mode(self.module):
                outputs = self.forward(photos.to(self.device))
        except (torch.OutOfMemoryError, MemoryError) as error:
            raise ValueError(
                f"{self.name} finds no memory for photos of shape {tuple(photos.shape)} "
                f"({one_line(error)}): give a smaller batch_size, or another device"
            ) from error
        except Exception as error:  # of a user's own code
            raise ValueError(
                f"{self.name} does not take photos of shape {tuple(photos.shape)} "
                f"({type(error).__name__}: {one_line(error)}): {self._remedy(photos)}"
            ) from error
        return _logits(outputs, self.name, len(photos))

    def _remedy(self, photos: Tensor) -> str:
        """What to do where the classifier does not take these photos."""
        if self.size is not None and photos.shape[-1] != self.size:
            return f"set data.image_size to {self.size}"
        return "give photos of the size and the channels that it was made for, or mend its forward"


def of_module(
    module: nn.Module, *, name: str | None = None, input_words: str = "as it is, in [0, 1]"
) -> Subject:
    """A subject of a module that takes photos in [0, 1]; it stays on its device.

    TorchScript stays in eval mode.
    """
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    title = name or type(module).__name__
    # no hook can be hung into TorchScript, so that nothing looks inside of it
    scripted = any(isinstance(part, torch.jit.ScriptModule) for part in module.modules())
    inside = None if scripted else module
    forward = module.eval() if scripted else module
    return Subject(title, forward, fingerprint(module), input_words, inside, device=device)


def fingerprint(module: nn.Module) -> str:
    """A digest of a module's kind, weights and buffers."""
    digest = hashlib.blake2b(repr(module).encode(), digest_size=16)
    for name, value in module.state_dict().items():
        if isinstance(value, Tensor):
            digest.update(name.encode())
            flat = value.detach().cpu().contiguous().flatten()
            digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def answers_digest(subject: Subject, photos: Tensor) -> str:
    """Differs between classifiers that answer photos `(B, K, H, W)` differently, for any cause.

    Of the logits of a photo three digits are kept of two figures, so that it is the same for the
    same classifier however the machine adds them up.
    """
    logits = subject.answer(photos)
    tops, answers = logits.max(1)
    figures = zip(
        answers.tolist(), tops.tolist(), logits.std(1, correction=0).tolist(), strict=True
    )
    told = ", ".join(f"{answer} {top:.3g} {spread:.3g}" for answer, top, spread in figures)
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


def texture_layer(subject: Subject, photos: Tensor) -> nn.Conv2d | None:
    """The convolution a quarter of the way through: what it sees is texture, not yet a class.

    Tried with EfficientNet-Lite0 on animals in forests and at sea, 96 pixels: groups of backgrounds
    found in its channels' means and spreads agree best with the scenes (adjusted Rand index 0.75,
    whatever the classifier relied on); those found in the features before the last layer, 0.0 to
    0.3; in colours alone, 0.4. None where there is no convolution to look into.
    """
    if subject.module is None:
        return None
    with eval_mode(subject.module):
        layers = spatial_convolutions(subject.module, photos[:1].to(subject.device))
    return layers[len(layers) // 4] if layers else None


@contextmanager
def textures_of(layer: nn.Conv2d | None) -> Iterator[list[Tensor]]:
    """Gets means and spreads of the layer's channels, `(B, 2 d)`, of each pass inside the block."""
    caught: list[Tensor] = []

    def note(_: nn.Module, __: object, output: Tensor) -> None:
        caught.append(torch.cat([output.mean((2, 3)), output.std((2, 3))], 1).float().cpu())

    hook = None if layer is None else layer.register_forward_hook(note)
    try:
        yield caught
    finally:
        if hook is not None:
            hook.remove()


def _logits(outputs: object, name: str, batch: int) -> Tensor:
    if not isinstance(outputs, Tensor) or outputs.dim() != 2 or len(outputs) != batch:
        given = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ValueError(
            f"{name} gives {given} for {batch} photos: a classifier gives one row of logits for "
            "each, (B, C)"
        )
    logits = outputs.detach().float().cpu()
    if not logits.isfinite().all():
        raise ValueError(f"{name} gives values that are not finite: its weights are damaged")
    sums = logits.sum(1)
    if (logits >= 0).all() and torch.allclose(sums, torch.ones_like(sums), atol=1e-3):
        return logits.clamp_min(torch.finfo(torch.float32).tiny).log()  # softmax is in the model
    return logits
