"""CLP and its controls, one protocol."""

from causalogit.methods import clp, dfr, erm, factual, groups, product  # noqa: F401  (register)
from causalogit.methods.base import (
    BUDGETS,
    METHODS,
    Method,
    Metrics,
    Task,
    build_method,
    find_method,
    lacks,
)

__all__ = [
    "BUDGETS",
    "METHODS",
    "Method",
    "Metrics",
    "Task",
    "build_method",
    "find_method",
    "lacks",
]
