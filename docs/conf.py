"""Sphinx settings: ``python -m sphinx -W docs docs/_build/html``."""

from __future__ import annotations

from importlib.metadata import version as installed

project = "socketio_sync"
copyright = "The socketio_sync maintainers"
release = version = installed(project)

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
html_theme = "alabaster"
html_theme_options = {
    "description": "Socket.IO for synchronous Python",
    "fixed_sidebar": True,
    "page_width": "1100px",
}
