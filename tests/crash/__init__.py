"""The crash harness: a gateway that is killed again and again under load, and a judge who holds its books
against the provider's bill (docs/operations/crash-tests.md). Run it with `python -m tests.crash`."""
