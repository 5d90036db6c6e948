"""Installs the real servers that the tests run against; see docs/components.md.

Only the standard library is used: `python3 -m tests.components` runs before anything is installed.
"""
