"""Sphinx settings: ``python -m sphinx -W docs docs/_build/html``."""

from __future__ import annotations

import configparser
from pathlib import Path

_setup = configparser.ConfigParser()
_setup.read(Path(__file__).parent.parent / "setup.cfg")

project = "socketio_sync"
copyright = "The socketio_sync maintainers"
release = version = _setup["metadata"]["version"]

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
napoleon_use_ivar = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
html_theme = "alabaster"
html_static_path = ["_static"]
html_theme_options = {
    "description": "Socket.IO for synchronous Python",
    "fixed_sidebar": True,
    "page_width": "1180px",
    "sidebar_width": "260px",
    "font_family": "system-ui, sans-serif",
    "head_font_family": "system-ui, sans-serif",
    "code_font_size": "0.85em",
}
