"""Puts what lies beside the packages into the wheel: app.py, models.toml and assets.

They become ``medchat/project`` there, where ``medchat.config.project_file`` looks for them. All
else is in ``pyproject.toml``.
"""

from setuptools import find_packages, setup

PROJECT = "medchat.project"

setup(
    packages=[*find_packages(include=["medchat*", "storage*", "eval_ui*"]), PROJECT],
    package_dir={PROJECT: "."},
    package_data={
        PROJECT: ["models.toml", "assets/**/*"],
        **{room: ["**/*.toml", "**/*.html"] for room in ("medchat", "storage", "eval_ui")},
    },
    include_package_data=False,
)
