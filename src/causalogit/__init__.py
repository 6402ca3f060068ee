"""Image classifiers that rely on the object, not on its background.

from causalogit import CausalLogitPerturbation

clp = CausalLogitPerturbation(model, optimizer, meta=meta_loader, num_classes=10)
for images, labels in loader:
metrics = clp.step(images, labels)
clp.end_epoch()
"""

from causalogit.core import CausalLogitPerturbation, MetaObjective, PerturbationNetwork

__version__ = "0.1.0"

__all__ = ["CausalLogitPerturbation", "MetaObjective", "PerturbationNetwork"]
