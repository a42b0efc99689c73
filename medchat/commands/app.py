"""``app``: the page, as ``python app.py`` starts it."""

import runpy
import sys

import typer

from medchat.config import project_file

ARGUMENTS_OF_ITS_OWN = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}
"""Every argument, ``--help`` too, is for ``app.py``."""


def run(context: typer.Context) -> None:
    """Start the page in which models are compared and physicians score answers blind.

    \b
    Example:
      python -m medchat app --port 7861 --db data/study.db
    """
    # A script, not a module: nothing in medchat imports the page.
    sys.argv = [context.command_path, *context.args]
    runpy.run_path(str(project_file("app.py")), run_name="__main__")
