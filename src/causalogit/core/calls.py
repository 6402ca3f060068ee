"""Calls of PyTorch's functions, seen on their way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from torch.overrides import TorchFunctionMode

Function = Callable[..., Any]


class Calls(TorchFunctionMode, ABC):
    """Sees every call of a function of PyTorch inside."""

    def __torch_function__(
        self,
        func: Function,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """As PyTorch calls it."""
        return self.call(func, args, kwargs or {})

    @abstractmethod
    def call(self, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the call is to give."""
