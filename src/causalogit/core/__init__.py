"""The method: pure PyTorch, tensors in, tensors out."""

from causalogit.core.characteristics import (
    CAUSAL,
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
from causalogit.core.gated_adam import GatedAdam
from causalogit.core.guard import LIMITS, Divergence, Guard
from causalogit.core.hypergradient import Solver, VirtualStep, output_gradient
from causalogit.core.losses import counterfactual_loss, saliency_penalty
from causalogit.core.meta import MaskedTransform, MetaBatch, MetaObjective
from causalogit.core.pace import Pace
from causalogit.core.perturbation import FORMS, OutputForm, PerturbationNetwork
from causalogit.core.training_loss import PerturbedLogits, TrainingLoss, WeightedSamples

__all__ = [
    "CAUSAL",
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
    "GatedAdam",
    "Guard",
    "MaskedTransform",
    "MetaBatch",
    "MetaObjective",
    "OutputForm",
    "Pace",
    "PerturbationNetwork",
    "PerturbedLogits",
    "Snapshot",
    "Solver",
    "TrainingLoss",
    "VirtualStep",
    "WeightedSamples",
    "characteristic",
    "counterfactual_loss",
    "output_gradient",
    "saliency_penalty",
]
