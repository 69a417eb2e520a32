"""The documentation site: Sphinx reads the Markdown of this folder (`make docs`)."""

from importlib.metadata import version as installed

project = "ml-agents-results"
author = copyright = "The ml-agents-results authors"
version = release = installed("ml-agents-results")
extensions = ["myst_parser"]
exclude_patterns = ["examples"]
nitpicky = True
html_theme = "furo"
html_title = project
html_show_sphinx = False
html_copy_source = False
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
# Shells, and what they print, are not a language that has to be coloured without a fault.
suppress_warnings = ["misc.highlighting_failure"]
