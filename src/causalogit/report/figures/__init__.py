"""Figures as functions that draw on matplotlib axes."""
