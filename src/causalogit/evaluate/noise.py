"""How well a number tells wrong labels from right ones."""

from __future__ import annotations

from torch import Tensor

from causalogit.evaluate.metrics import Metrics


def noise_metrics(wrong: Tensor, losses: Tensor, suspicion: Tensor | None = None) -> Metrics:
    """Areas under the ROC curve, 0.5 for a number that tells nothing, 1 for one that tells all.

    Args:
        wrong: where a label is wrong, `(N,)` bool; some are, some are not.
        losses: cross-entropy of the trained classifier on the labels as they are, `(N,)`.
        suspicion: what a method holds against each label, `(N,)`; None for a method without one.

    Returns:
        `wrong_share`, `auroc_loss` (the losses: the reference), and `auroc` (the suspicion) where
        there is one.
    """
    from sklearn.metrics import roc_auc_score

    metrics = {
        "wrong_share": wrong.double().mean().item(),
        "auroc_loss": float(roc_auc_score(wrong.numpy(), losses.numpy())),
    }
    if suspicion is not None:
        metrics["auroc"] = float(roc_auc_score(wrong.numpy(), suspicion.numpy()))
    return metrics
