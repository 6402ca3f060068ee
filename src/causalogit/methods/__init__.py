"""CLP and its controls, one protocol."""

# isort: off
from causalogit.methods import (  # noqa: F401  (register, in the order of `causalogit methods`)
    clp,
    meta_weight_net,
    erm,
    reweighted,
    margins,
    mixup,
    decoupled,
    dfr,
    jtt,
    co_teaching,
    gold_loss_correction,
    factual,
    counterfactual,
    fixed,
    groups,
    lisa,
)

# isort: on
from causalogit.methods.base import (
    BUDGETS,
    METHODS,
    Method,
    Metrics,
    Task,
    build_method,
    find_method,
    lacks,
    require_known,
)
from causalogit.methods.learned_masks import run_data

__all__ = [
    "BUDGETS",
    "METHODS",
    "Method",
    "Metrics",
    "Task",
    "build_method",
    "find_method",
    "lacks",
    "require_known",
    "run_data",
]
