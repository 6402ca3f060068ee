"""CLP and its controls, one protocol."""

from causalogit.methods import (  # noqa: F401  (register)
    clp,
    dfr,
    erm,
    factual,
    groups,
    meta_weight_net,
    product,
)
from causalogit.methods.base import (
    BUDGETS,
    METHODS,
    Method,
    Metrics,
    Task,
    build_method,
    find_method,
)

__all__ = ["BUDGETS", "METHODS", "Method", "Metrics", "Task", "build_method", "find_method"]
