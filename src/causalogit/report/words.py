"""Plain words for methods and characteristics; where there are none, their own docstrings."""

from __future__ import annotations

from collections.abc import Sequence

from causalogit.augment import RESTYLES
from causalogit.core import CHARACTERISTICS
from causalogit.methods import METHODS
from causalogit.report.lineup import Entry

_METHODS = {
    "erm": "Ordinary training (empirical risk minimisation): the mean loss over the training "
    "images, and nothing else.",
    "meta_lp": "CLP whose second network learns from the clean images as they are.",
    "meta_weight_net": "Ordinary training with weighted images: a second network gives "
    "each image's weight from its loss alone, and learns from the clean images.",
    "clp": "Causal Logit Perturbation to the letter of the paper: the second network also learns "
    "from images with a new background and from images without the object.",
    "clp_factual": "CLP, while training images with a mask are changed each time they are seen.",
    "erm_factual": "Ordinary training, while training images with a mask are changed each time "
    "they are seen.",
}
_CHARACTERISTICS = {
    "loss": "how wrong the classifier is about the image",
    "margin": "lead of the right class over the best other one",
    "gradient_norm": "how hard the image pulls at the classifier",
    "cosine": "how well its features point to its class",
    "entropy": "how undecided the answer is",
    "class_proportion": "how common its class is in training",
    "class_loss": "mean loss of its class, one epoch before",
    "weight_norm": "length of its class's weights",
    "relative_loss": "loss, less the mean of its class",
    "relative_margin": "margin, less the mean of its class",
}


def method_in_words(name: str) -> str:
    """What a method does, in a sentence; empty for one that this version does not have."""
    return _METHODS.get(name) or _first_line(METHODS.get(name))


def augmentations_in_words(entries: Sequence[Entry]) -> list[str]:
    """What methods show in place of their training images, a sentence for all that do the same."""
    titles: dict[str, list[str]] = {}
    for entry in entries:
        if entry.augments:
            titles.setdefault(_augmentation(entry), []).append(entry.title)
    return [
        f"{_listed(own)} {'show' if len(own) > 1 else 'shows'} {what}"
        for what, own in titles.items()
    ]


def _augmentation(entry: Entry) -> str:
    config = entry.runs[0].config
    share, kind = config.data.masked_share, config.data.masks
    some = (
        "every training image" if share == 1 else f"the {share:.0%} of training images with a mask"
    )
    rest = "" if share == 1 else " The others stay as they are."
    if config.controls.train_fill in RESTYLES:
        return f"{some} looking otherwise each time ({config.controls.train_fill}).{rest}"
    masks = "masks" if kind == "exact" else f"masks ({kind})"
    left = f"all that these still tell of the old one is what the {masks} leave of it"
    return f"{some} on a fresh background each time: {left}.{rest}"


def _listed(titles: Sequence[str]) -> str:
    """In words: "a", "a and b", "a, b and c"."""
    *others, last = titles
    return f"{', '.join(others)} and {last}" if others else last


def characteristic_in_words(name: str) -> str:
    """What a characteristic tells."""
    return _CHARACTERISTICS.get(name) or _first_line(CHARACTERISTICS.get(name))


def _first_line(documented: object) -> str:
    text = documented.__doc__ if documented is not None else None
    return (text or "").strip().split("\n")[0].replace("`", "")
