"""``docs/cli.md`` is what the commands say of themselves.

``MEDCHAT_WRITE_DOCS=1`` writes it anew.
"""

import os

import typer
from project import ROOT
from typer.testing import CliRunner

from medchat.__main__ import cli
from storage.__main__ import app as storage_cli

PAGE = ROOT / "docs" / "cli.md"
HEAD = """# Commands

Made from `--help`. Run them in the project's folder with `.venv/bin/python -m medchat …` (an
installed program: `medchat …`) and `.venv/bin/python -m storage …`.
"""


def helps(program: str, application: typer.Typer) -> list[str]:
    """The help of a program and of each of its commands, as Markdown."""
    group = typer.main.get_command(application)
    # ``medchat app`` hands everything, --help too, to app.py, which explains itself.
    names = sorted(set(getattr(group, "commands", {})) - {"app"})
    texts = []
    for command in ([], *([name] for name in names)):
        arguments = [*command, "--help"]
        result = CliRunner().invoke(
            application, arguments, prog_name=f"python -m {program}", env={"COLUMNS": "100"}
        )
        assert result.exit_code == 0, result.output
        title = " ".join([f"python -m {program}", *command])
        lines = "\n".join(line.rstrip() for line in result.output.strip("\n").splitlines())
        texts.append(f"## {title}\n\n```text\n{lines}\n```\n")
    return texts


def test_the_page_of_commands_is_fresh() -> None:
    page = "\n".join([HEAD, *helps("medchat", cli), *helps("storage", storage_cli)])
    if os.environ.get("MEDCHAT_WRITE_DOCS"):
        PAGE.write_text(page, encoding="utf-8")
    assert str(ROOT) not in page, "a folder of this machine"
    assert PAGE.read_text(encoding="utf-8") == page


def test_every_command_has_an_example() -> None:
    for program, application in (("medchat", cli), ("storage", storage_cli)):
        for text in helps(program, application)[1:]:
            assert f"{program} " in text.split("```text")[1], text[:80]
