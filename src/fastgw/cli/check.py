"""fastgw check: is a configuration fit to be served."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import click

from fastgw.config.checks import RULES
from fastgw.config.load import Verdict, examine
from fastgw.config.sarif import sarif
from fastgw.errors import Problem

STDIN = Path("-")


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    show_default=True,
    envvar="FASTGW_CHECK_FORMAT",
    show_envvar=True,
    help="How to print what was found; sarif: SARIF 2.1.0, for code hosts and editors.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    envvar="FASTGW_CHECK_JSON",
    show_envvar=True,
    help="The same as --format json.",
)
@click.option("--strict", is_flag=True, show_envvar=True, help="Warnings count as errors; notes never do.")
@click.option("--quiet", is_flag=True, show_envvar=True, help="Leave out the notes.")
@click.option(
    "--probe",
    is_flag=True,
    show_envvar=True,
    help="Connect to every origin as the gateway would.",
)
@click.option(
    "--probe-timeout",
    type=click.FloatRange(0.1, 60),
    default=5.0,
    show_default=True,
    show_envvar=True,
    help="Seconds for each endpoint.",
)
@click.option("--rules", is_flag=True, show_envvar=True, help="List what is looked for, and look at nothing.")
def check(
    files: tuple[Path, ...],
    form: str,
    as_json: bool,
    strict: bool,
    quiet: bool,
    probe: bool,
    probe_timeout: float,
    rules: bool,
) -> None:
    """Judge FILE, or fastgw.toml, and say all that is wrong with it; - is standard input.

    Exit code 1 if one cannot be served, with --strict also if there are warnings.

    \b
    fastgw check
    fastgw check fastgw.toml --strict
    fastgw check fastgw.toml --json
    fastgw check fastgw.toml --format sarif
    fastgw check --rules
    """
    if as_json:
        form = "json"
    if rules:
        _list_rules(form)
        return
    verdicts = [(file, _judge(file)) for file in files or (Path("fastgw.toml"),)]
    if probe:
        verdicts = [(file, _probed(verdict, probe_timeout)) for file, verdict in verdicts]
    if quiet:
        verdicts = [(file, _without_notes(verdict)) for file, verdict in verdicts]
    problems = [problem for _, verdict in verdicts for problem in verdict.problems]
    good = not any(_counts(problem, strict) for problem in problems)
    if form == "sarif":
        click.echo(json.dumps(sarif(problems), indent=2))
    elif form == "json":
        rows = [{**dataclasses.asdict(problem), "level": problem.level} for problem in problems]
        click.echo(json.dumps({"good": good, "problems": rows}, indent=2))
    else:
        for file, verdict in verdicts:
            _print(file, verdict, strict)
    raise SystemExit(0 if good else 1)


def _judge(file: Path) -> Verdict:
    if file == STDIN:
        return examine(Path("<stdin>"), sys.stdin.read())
    return examine(file)


def _probed(verdict: Verdict, timeout: float) -> Verdict:
    """The verdict with what its origins say; of a bad configuration nothing is asked."""
    if verdict.config is None:
        return verdict
    from fastgw.serve.reach import reach

    found = []
    for reached in reach(verdict.config.zones, timeout, verdict.config.tls):
        if reached.rule:
            place = verdict.places[reached.name, reached.content]
            sentence = f"leads to an origin of {reached.name} that fails: {reached.sentence}"
            found.append(dataclasses.replace(place, sentence=sentence, rule=reached.rule))
    problems = sorted((*verdict.problems, *found), key=lambda problem: problem.line)
    return dataclasses.replace(verdict, problems=tuple(problems))


def _without_notes(verdict: Verdict) -> Verdict:
    kept = tuple(problem for problem in verdict.problems if not problem.note)
    return dataclasses.replace(verdict, problems=kept)


def _counts(problem: Problem, strict: bool) -> bool:
    return not problem.warning or (strict and not problem.note)


def _print(file: Path, verdict: Verdict, strict: bool) -> None:
    for problem in verdict.problems:
        click.echo(str(problem), err=True)
    errors = sum(not problem.warning for problem in verdict.problems)
    warnings = sum(problem.level == "warning" for problem in verdict.problems)
    if errors or verdict.config is None:
        click.echo(f"{file}: {_count(errors, 'error')}", err=True)
    elif strict and warnings:
        click.echo(f"{file}: {_count(warnings, 'warning')}, which --strict counts", err=True)
    else:
        zones = verdict.config.zones
        served = sum(record.proxied for zone in zones for record in zone.records)
        click.echo(f"{file}: good, {_count(len(zones), 'zone')}, {_count(served, 'proxied record')}")


def _list_rules(form: str) -> None:
    if form != "text":
        click.echo(json.dumps([dataclasses.asdict(rule) for rule in RULES.values()], indent=2))
        return
    for rule in RULES.values():
        click.echo(f"{rule.id:26} {rule.level:8} {rule.needs:8} {rule.sentence}")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
