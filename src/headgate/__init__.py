"""Headgate: a self-hosted AI API gateway whose money is right."""

__version__ = "0.1.0"
