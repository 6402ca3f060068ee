"""Meta-Weight-Net: CLP's engine with a weight of the sample in place of a perturbation."""

from __future__ import annotations

from typing import ClassVar

from causalogit.config import ClpConfig
from causalogit.methods.base import method
from causalogit.methods.clp import MetaLp


@method
class MetaWeightNet(MetaLp):
    """Cross-entropy weighted by a network that sees the sample's loss (Shu et al. 2019).

    Meta-Weight-Net, arXiv 1902.07379: one input, hidden units, a sigmoid, learned from the clean
    meta images by Eqs. 8-10. The input is the loss in nats, not normalised. The weights are
    divided by their mean over the batch; the network's last layer starts at zero, so that training
    starts as plain training; the virtual step is the classifier's own, with momentum and weight
    decay. As in the authors' code, the network's own weights decay: what it says of the loss would
    else run to one end, where all weights are alike.

    Input and output are the method itself: the config's `clp.characteristics` (with `without` and
    `replace`) and `clp.network.form` do not change them. For weights from other characteristics
    train `meta_lp` with the form "weight".
    """

    name = "meta_weight_net"
    title = "Meta-Weight-Net"
    form: ClassVar[str] = "weight"
    normalise: ClassVar[bool] = False
    weight_decay: ClassVar[float] = 1e-4

    @classmethod
    def output_form(cls, config: ClpConfig) -> str:
        """Always "weight"."""
        return cls.form

    @classmethod
    def characteristics(cls, config: ClpConfig) -> tuple[str, ...]:
        """The loss alone."""
        return ("loss",)
