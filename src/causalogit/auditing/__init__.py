"""How much a classifier relies on the background: any classifier, any labelled photos."""

from causalogit.auditing.config import AuditConfig, ModelConfig, PhotosConfig
from causalogit.auditing.result import (
    SCHEMA,
    Audit,
    ClassResult,
    Figures,
    GroupResult,
    Groups,
    Verdict,
)
from causalogit.auditing.run import audit
from causalogit.auditing.statistics import Estimate
from causalogit.auditing.subject import Subject
from causalogit.masks import Segmenter

__all__ = [
    "SCHEMA",
    "Audit",
    "AuditConfig",
    "ClassResult",
    "Estimate",
    "Figures",
    "GroupResult",
    "Groups",
    "ModelConfig",
    "PhotosConfig",
    "Segmenter",
    "Subject",
    "Verdict",
    "audit",
]
