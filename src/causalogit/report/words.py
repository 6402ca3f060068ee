"""Plain words for methods and characteristics; where there are none, their own docstrings."""

from __future__ import annotations

from causalogit.core import CHARACTERISTICS
from causalogit.methods import METHODS

_METHODS = {
    "erm": "Ordinary training (empirical risk minimisation): the mean loss over the training "
    "images, and nothing else.",
    "meta_lp": "CLP whose second network learns from the clean images as they are.",
    "meta_weight_net": "Ordinary training with weighted images: a second network gives "
    "each image's weight from its loss alone, and learns from the clean images.",
    "clp": "Causal Logit Perturbation to the letter of the paper: the second network also learns "
    "from images with a new background and from images without the object.",
    "clp_factual": "CLP, while every training image gets a new background each time it is seen.",
    "erm_factual": "Ordinary training, while every training image gets a new background each time "
    "it is seen.",
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


def characteristic_in_words(name: str) -> str:
    """What a characteristic tells."""
    return _CHARACTERISTICS.get(name) or _first_line(CHARACTERISTICS.get(name))


def _first_line(documented: object) -> str:
    text = documented.__doc__ if documented is not None else None
    return (text or "").strip().split("\n")[0].replace("`", "")
