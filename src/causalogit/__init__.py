"""Image classifiers that rely on the object, not on its background.

from causalogit import CausalLogitPerturbation

clp = CausalLogitPerturbation(model, optimizer, meta=meta_loader, num_classes=10)
for images, labels in loader:
metrics = clp.step(images, labels)
clp.end_epoch()
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from causalogit.auditing import Audit, AuditConfig, audit
    from causalogit.core import CausalLogitPerturbation, MetaObjective, PerturbationNetwork
    from causalogit.fixing import FixConfig, Fixed, fix

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "AuditConfig",
    "CausalLogitPerturbation",
    "FixConfig",
    "Fixed",
    "MetaObjective",
    "PerturbationNetwork",
    "audit",
    "fix",
]


def __getattr__(name: str) -> Any:
    """Everything is imported where it is first used: torch alone takes seconds."""
    rooms = {
        "core": ("CausalLogitPerturbation", "MetaObjective", "PerturbationNetwork"),
        "auditing": ("Audit", "AuditConfig", "audit"),
        "fixing": ("FixConfig", "Fixed", "fix"),
    }
    for room, names in rooms.items():
        if name in names:
            return getattr(import_module(f"causalogit.{room}"), name)
    raise AttributeError(f"module 'causalogit' has no attribute '{name}'")
