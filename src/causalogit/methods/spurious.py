"""What is spurious in an image, and what it speaks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam
from torch.optim.lr_scheduler import LinearLR

from causalogit.config import ExpertName
from causalogit.core import processes
from causalogit.data import Batch
from causalogit.data.streams import draws_at, epoch_order
from causalogit.methods.base import Task
from causalogit.methods.masked import with_known_background, without_object
from causalogit.methods.second import second_network
from causalogit.models import seeded
from causalogit.modes import eval_mode

RAREST = 30.0
"""How many times as often the rarest images are drawn, at most."""


class SpuriousExpert(Protocol):
    """Says of the labels of training images what their spurious part speaks for."""

    reads_masks: bool

    def log_probabilities(self, batch: Batch) -> Tensor:
        """Of the labels, `(B, C)`, for images of the training set."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        ...


def spurious_expert(
    name: ExpertName, task: Task, augment: Callable[[Batch], Batch]
) -> SpuriousExpert:
    """The expert of this name; what it has to learn, it learns when it is first asked.

    Args:
        name: see `ClpConfig.expert`.
        task: whose images and classifier.
        augment: what training batches go through before the expert is asked about them.

    Raises:
        ValueError: the config's `clp.expert_fill` is "none", or training images have no masks.
    """
    if name == "frequency":
        return Frequency(task)
    if name == "classifier":
        return Itself(task)
    return background_expert(task) if name == "background" else VisibleExpert(task, augment)


class Information:
    """The share of the labels' information that somebody has, from 0 to 1.

    One less the ratio of two mean log-losses: somebody's, and that of the classes' frequencies,
    which need no image; both less what nobody can know, where some of the labels are drawn anew.
    Both are running means, over some 50 batches.

    Args:
        log_frequencies: of the classes, `(C,)`.
        memory: of the running means, a step.
        noise: share of the labels that are drawn anew from all classes.
        at_first: the share that is taken for granted before there is a batch, and forgotten as the
            means are.
    """

    def __init__(
        self,
        log_frequencies: Tensor,
        memory: float = 0.98,
        *,
        noise: float = 0.0,
        at_first: float = 0.0,
    ) -> None:
        self.log_frequencies, self.memory, self.at_first = log_frequencies, memory, at_first
        classes = len(log_frequencies)
        chances = torch.full((classes,), noise / classes)
        chances[0] += 1 - noise
        self.unknowable = float(torch.special.entr(chances).sum())
        self.means: Tensor | None = None

    def after(self, loss: Tensor | float, labels: Tensor) -> float:
        """With the mean log-loss of a batch, and its labels `(B,)`."""
        frequency_loss = F.nll_loss(self.log_frequencies.expand(len(labels), -1), labels)
        both = torch.stack([torch.as_tensor(loss).to(frequency_loss), frequency_loss])
        means = processes.mean(both).cpu()  # where a checkpoint has them, too; one read from a GPU
        if means.isfinite().all():  # else the guard leaves the step out
            known = self._granted(means) if self.means is None else self.means
            self.means = self.memory * known + (1 - self.memory) * means
        return self.share

    def _granted(self, first: Tensor) -> Tensor:
        """What stands for the batches before the first one, whose means these are."""
        if not self.at_first:
            return first
        knowable = first[1] - self.unknowable
        return torch.stack([first[1] - self.at_first * knowable, first[1]])

    @property
    def share(self) -> float:
        """As it is by now."""
        if self.means is None:
            return self.at_first
        loss, frequency_loss = (self.means - self.unknowable).tolist()
        if frequency_loss <= 0:
            return 0.0
        share: float = min(1.0, max(0.0, 1 - loss / frequency_loss))
        return share


@torch.no_grad()
def answers_of(model: nn.Module, images: Tensor) -> Tensor:
    """Log-probabilities `(B, C)` in eval mode, which the model is in for this pass only."""
    with eval_mode(model):
        answers: Tensor = model(images).float().log_softmax(1)
    return answers


class _Stateless:
    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing."""


class Frequency(_Stateless):
    """The classes' log frequencies: the perturbation of logit adjustment (arXiv 2007.07314)."""

    reads_masks = False

    def __init__(self, task: Task) -> None:
        self.values = task.log_frequencies()

    def log_probabilities(self, batch: Batch) -> Tensor:
        """The same for every image."""
        return self.values.expand(len(batch.labels), -1)


class Itself(_Stateless):
    """What the classifier itself says of the image without its object, as it is by then."""

    reads_masks = True

    def __init__(self, task: Task) -> None:
        self.model, self.without_object = task.model, without_object(task)

    def log_probabilities(self, batch: Batch) -> Tensor:
        """In eval mode, which leaves running statistics and random state alone."""
        return answers_of(self.model, self.without_object(batch))


class CrossFitted:
    """Says of every training image what a network says that has not learned this image.

    Training images are in two halves, and each of two networks of the classifier's kind learns one
    of them: a network that speaks of what it has learned knows the images by heart, also those
    whose background disagrees with their class, and then says nothing of the background any more.

    They learn when they are first asked, and not where a checkpoint has told them.

    Args:
        task: whose training images.
        see: what the networks see of a batch.
    """

    reads_masks = True

    def __init__(self, task: Task, see: Callable[[Batch], Tensor]) -> None:
        self.task, self.see = task, see
        size = len(task.data.train)
        order = torch.randperm(size, generator=torch.Generator().manual_seed(task.config.seed))
        self.half = torch.zeros(size, dtype=torch.long)
        self.half[order[size // 2 :]] = 1
        self.networks = [second_network(task, number).eval() for number in range(2)]
        self.learned = False

    def learn(self) -> None:
        """What is to be learned: the labels."""
        self.fit(lambda batch: batch.labels)

    def fit(
        self,
        target: Callable[[Batch], Tensor],
        weights: Tensor | None = None,
        augment: Callable[[Batch], Batch] = lambda batch: batch,
    ) -> None:
        """Learn `target`, labels `(B,)` or probabilities `(B, C)`; the networks are frozen then.

        Args:
            target: of a batch.
            weights: `(N,)`, how often each image is drawn.
            augment: what the batches go through that are learned from.
        """
        config = self.task.config
        for number, network in enumerate(self.networks):
            batches = list(self._places(number, weights))
            optimizer = Adam(network.parameters(), config.clp.expert_learning_rate)
            decay = LinearLR(optimizer, 1.0, 0.0, max(1, len(batches)))
            network.train()
            with seeded(config.seed):  # for a network that drops units
                for step, places in enumerate(batches):
                    draws = draws_at(config.seed, number, step)
                    batch = self.task.data.train.batch(places, draws).to(self.task.device)
                    loss = F.cross_entropy(network(self.see(augment(batch))), target(batch))
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    decay.step()
            network.eval()
            processes.copy_from_first(network.state_dict().values())
        self.learned = True

    def _places(self, number: int, weights: Tensor | None) -> Iterator[Tensor]:
        """Batches of places in the training set, epoch after epoch, of the other half."""
        config = self.task.config
        own = torch.nonzero(self.half != number).squeeze(1)
        for epoch in range(config.clp.expert_epochs):
            # where no object is known in a whole half, nothing is to be balanced either
            drawn = None if weights is None or not weights[own].any() else weights[own]
            seed = config.seed + 1_000_000 * (1 + number)
            order = own[epoch_order(len(own), drawn, seed, epoch)]
            # batch norm has no use for a last batch of one
            yield from (b for b in order.split(config.optimizer.batch_size) if len(b) > 1)

    @torch.no_grad()
    def log_probabilities(self, batch: Batch) -> Tensor:
        """Of the labels, `(B, C)`, for images of the training set."""
        self._learn_once()
        images, half = self.see(batch), self.half[batch.indices.cpu()].to(self.task.device)
        answers = images.new_zeros(len(images), self.task.data.num_classes)
        for number, network in enumerate(self.networks):
            own = half == number
            if own.any():
                answers[own] = network(images[own]).float().log_softmax(1)
        return answers

    def state_dict(self) -> dict[str, Any]:
        """Both networks."""
        self._learn_once()
        return {str(number): network.state_dict() for number, network in enumerate(self.networks)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        for number, network in enumerate(self.networks):
            network.load_state_dict(state[str(number)])
        self.learned = True

    def _learn_once(self) -> None:
        if not self.learned:
            with torch.enable_grad(), torch.autocast(self.task.device.type, enabled=False):
                self.learn()


def background_expert(task: Task) -> CrossFitted:
    """Log b(. | CF(x)): what the image without its object speaks for.

    Raises:
        ValueError: the config's `clp.expert_fill` is "none", or training images have no masks.
    """
    return CrossFitted(task, without_object(task))


class VisibleExpert(CrossFitted):
    """Log v(. | x~): what still shows of the background in a training image that was augmented.

    Where the new background covers all of the old one, nothing does, and v is the classes'
    frequency: the perturbation of logit adjustment (Menon et al. 2021, arXiv 2007.07314). Where the
    mask is only a box, the corners of the box show it, and v is near b. So the strength of the
    perturbation follows from what the classifier could be misled by.

    v learns to tell b(. | CF(x)) from the augmented image x~, on images drawn such that class and
    background are independent: the object then says nothing about b, and v cannot learn from it.

    Args:
        task: whose training images.
        augment: what the classifier's batches go through; it is asked about augmented ones.
    """

    def __init__(self, task: Task, augment: Callable[[Batch], Batch]) -> None:
        super().__init__(task, lambda batch: batch.images)
        self.augment, self.without_object = augment, without_object(task)

    def learn(self) -> None:
        """What the background speaks for, from augmented images."""
        background = CrossFitted(self.task, self.without_object)
        weights = _independent(self.task, background)
        self.fit(
            lambda batch: background.log_probabilities(batch).exp(), weights, augment=self.augment
        )


def _independent(task: Task, background: CrossFitted) -> Tensor:
    """Weights `(N,)` under which class and background are independent: P(y) / b(y | CF(x)).

    An image of whose object nothing is known, its mask being all of it, has no background to tell.
    """
    train, weights = task.data.train, torch.zeros(len(task.data.train))
    frequency = task.data.class_counts / len(train)
    for places in torch.arange(len(train)).split(256):
        batch = train.batch(places).to(task.device)
        said = background.log_probabilities(batch).gather(1, batch.labels[:, None]).squeeze(1)
        weight = (frequency[train.labels[places]] / said.exp().cpu()).clamp(max=RAREST)
        weights[places] = weight * with_known_background(batch).cpu()
    return weights
