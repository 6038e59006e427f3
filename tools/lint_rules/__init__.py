"""House rules that ruff cannot express. One module per rule; its docstring tells what the rule prevents.

Run with `python -m tools.lint_rules`.
"""
