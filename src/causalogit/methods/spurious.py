"""The spurious expert of a task."""

from __future__ import annotations

from torch.optim import SGD

from causalogit.core import SpuriousExpert
from causalogit.data import epoch_batches
from causalogit.methods.base import Task
from causalogit.methods.masked import counterfactual
from causalogit.methods.second import second_network
from causalogit.models import seeded


def spurious_expert(task: Task) -> SpuriousExpert:
    """A network of the classifier's kind that has learned the task's images without their object.

    The whole box of the object is removed. The network is trained for a few epochs on the training
    images and then frozen. It starts from the config's `weights`, as the classifier does; its last
    layer is then the only one with initial weights of its own.

    Raises:
        ValueError: the config's `clp.expert_fill` is "none", or training images have no masks.
    """
    config = task.config
    removed = counterfactual(task, config.clp.expert_fill, boxes=True)
    if removed is None:
        raise ValueError("clp.expert_fill is 'none': the expert needs a fill, such as 'grey'")
    # its own initial weights: equal ones would tie it to the classifier
    network = second_network(task)
    optimizer = SGD(network.parameters(), config.clp.expert_learning_rate, momentum=0.9)
    expert = SpuriousExpert(network, optimizer, removed)
    with seeded(config.seed):  # for a network that drops units
        for epoch in range(config.clp.expert_epochs):
            _train_epoch(expert, task, epoch)
    expert.freeze()
    return expert


def _train_epoch(expert: SpuriousExpert, task: Task, epoch: int) -> None:
    config = task.config
    size, seed = config.optimizer.batch_size, config.seed + 1_000_000
    for batch in epoch_batches(task.data.train, size, seed, epoch):
        own = batch.to(task.device)
        if own.masks is None:
            raise ValueError("the spurious expert needs masks on the training images")
        expert.step(own.images, own.masks, own.labels)
