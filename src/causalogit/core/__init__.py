"""The method: pure PyTorch, tensors in, tensors out."""

from causalogit.core.characteristics import (
    CHARACTERISTICS,
    GROUPS,
    THE_TEN,
    CharacteristicTable,
    ClassStatistics,
    Snapshot,
    characteristic,
)
from causalogit.core.classifier import Classifier
from causalogit.core.clp import CausalLogitPerturbation
from causalogit.core.expert import MaskedTransform, SpuriousExpert
from causalogit.core.guard import LIMITS, Divergence, Guard
from causalogit.core.hypergradient import Solver, VirtualStep, delta_gradient
from causalogit.core.losses import counterfactual_loss, saliency_penalty
from causalogit.core.meta import MetaBatch, MetaObjective
from causalogit.core.perturbation import FORMS, OutputForm, PerturbationNetwork

__all__ = [
    "CHARACTERISTICS",
    "FORMS",
    "GROUPS",
    "LIMITS",
    "THE_TEN",
    "CausalLogitPerturbation",
    "CharacteristicTable",
    "ClassStatistics",
    "Classifier",
    "Divergence",
    "Guard",
    "MaskedTransform",
    "MetaBatch",
    "MetaObjective",
    "OutputForm",
    "PerturbationNetwork",
    "Snapshot",
    "Solver",
    "SpuriousExpert",
    "VirtualStep",
    "characteristic",
    "counterfactual_loss",
    "delta_gradient",
    "saliency_penalty",
]
