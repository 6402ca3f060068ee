"""Image classifiers that rely on the object, not on its background.

from causalogit import CausalLogitPerturbation

clp = CausalLogitPerturbation(model, optimizer, meta=meta_loader, num_classes=10)
for images, labels in loader:
metrics = clp.step(images, labels)
clp.end_epoch()
"""

from typing import TYPE_CHECKING, Any

from causalogit.core import CausalLogitPerturbation, MetaObjective, PerturbationNetwork

if TYPE_CHECKING:
    from causalogit.auditing import Audit, AuditConfig, audit

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "AuditConfig",
    "CausalLogitPerturbation",
    "MetaObjective",
    "PerturbationNetwork",
    "audit",
]


def __getattr__(name: str) -> Any:
    """What needs more than torch is imported where it is first used."""
    if name not in ("Audit", "AuditConfig", "audit"):
        raise AttributeError(f"module 'causalogit' has no attribute '{name}'")
    from causalogit import auditing

    return getattr(auditing, name)
