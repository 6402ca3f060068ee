"""One self-contained HTML file about one or more finished runs."""

from causalogit.report.page import write_report

__all__ = ["write_report"]
