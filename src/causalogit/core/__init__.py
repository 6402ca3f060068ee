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
from causalogit.core.hypergradient import Solver, VirtualStep, output_gradient
from causalogit.core.losses import counterfactual_loss, saliency_penalty
from causalogit.core.meta import MetaBatch, MetaObjective
from causalogit.core.perturbation import FORMS, OutputForm, PerturbationNetwork
from causalogit.core.training_loss import PerturbedLogits, TrainingLoss, WeightedSamples

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
    "PerturbedLogits",
    "Snapshot",
    "Solver",
    "SpuriousExpert",
    "TrainingLoss",
    "VirtualStep",
    "WeightedSamples",
    "characteristic",
    "counterfactual_loss",
    "output_gradient",
    "saliency_penalty",
]
