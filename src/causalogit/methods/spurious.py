"""The spurious expert of a task."""

from __future__ import annotations

from torch.optim import SGD

from causalogit.core import SpuriousExpert
from causalogit.methods.base import Task
from causalogit.methods.masked import counterfactual
from causalogit.models import build_model


def spurious_expert(task: Task) -> SpuriousExpert:
    """A fresh network of the classifier's kind, for images whose object's whole box is removed.

    Raises:
        ValueError: the config's `clp.expert_fill` is "none".
    """
    config = task.config
    removed = counterfactual(task, config.clp.expert_fill, boxes=True)
    if removed is None:
        raise ValueError("clp.expert_fill is 'none': the expert needs a fill, such as 'grey'")
    channels = task.data.train.images.shape[1]
    # its own initial weights: equal ones would tie it to the classifier
    network = build_model(config.model, task.data.num_classes, channels, config.seed + 1_000_000)
    network.to(task.device)
    optimizer = SGD(network.parameters(), config.clp.expert_learning_rate, momentum=0.9)
    return SpuriousExpert(network, optimizer, removed)
