"""The command `softbook`: what is on record, and what the records say; the engine's work. See softlab.cli.

Wrong input: one line, exit code 2.
"""

import argparse
import dataclasses
import math
import os
import sys
from pathlib import Path

from softbook import __version__
from softlab.cli import changes, count, execute, fitted, place_of_runs, setting_of_runs
from softlab.errors import SoftlabError, check_known

FOLDER = Path(__file__).parent


def main(arguments: list[str] | None = None) -> None:
    """Run a command; ends the process with 0, 2 for wrong input or a failed run, 130 after Ctrl-C."""
    execute("softbook", _parser().parse_args(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="softbook", description="Train the book's networks, and keep its record.")
    parser.add_argument("--version", action="version", version=f"softbook {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    place = place_of_runs()

    about = "train networks of studies that the store does not have yet"
    train = commands.add_parser("train", parents=[setting_of_runs()], help=about)
    train.add_argument("--study", nargs="+", default=["core"], help="of chapters.yaml (core: the profile itself)")
    train.add_argument("--method", action="append", help="a method of the study (all); may be given again")
    train.add_argument("--seed", type=int, nargs="+", action="extend", help="seeds (all of the study)")
    train.add_argument("--networks", type=Path, help="train these instead: a list that the workflow has written")
    train.add_argument("--manifest", type=Path, help="write a row for each network to this file, with its numbers")
    train.set_defaults(run=_train)

    about = "write the numbers of a study for good: softbook/records"
    record = commands.add_parser("record", parents=[place], help=about)
    record.add_argument("study", metavar="STUDY", nargs="?", help="of chapters.yaml (core: the profile itself)")
    record.add_argument("--list", action="store_true", help="what is on record")
    record.add_argument("--seeds", type=count, help="how many (all of the profile)")
    only = "train recorded networks again and write just these quantities (or those of a lens) beside the others"
    record.add_argument("--only", nargs="+", metavar="QUANTITY", help=only)
    record.add_argument("--methods-file", type=Path, help="a Python file, which is run: its methods too")
    measure = "rows of what is measured on request (softbook.studies.asked), of the networks of STUDY"
    record.add_argument("--measure", metavar="NAME", help=measure)
    methods = "of the measure: networks of these methods, or cells of a declared study, alone"
    record.add_argument("--methods", nargs="+", default=[], metavar="METHOD", help=methods)
    record.add_argument("--radius", nargs="+", type=float, default=[4.0], help="of its attack, in 255ths (4)")
    record.add_argument("--images", type=count, help="that its attack meets (all that the ladder meets)")
    queue = "what is declared and not on record yet, in its order; narrowed to these studies or profiles"
    record.add_argument("--queue", nargs="*", metavar="NAME", help=queue)
    record.add_argument("--minutes", type=float, help="of the queue: stop after so many (when all is recorded)")
    record.add_argument("--workers", type=count, default=1, help="of the queue: networks side by side (1)")
    record.set_defaults(run=_record)

    about = "train some recorded networks again, and compare their numbers; with --store, compare those that are there"
    verify = commands.add_parser("verify", parents=[place], help=about)
    verify.add_argument("study", metavar="STUDY", help="of chapters.yaml (core: the profile itself)")
    verify.add_argument("--rows", type=count, default=3, help="how many networks (3)")
    verify.add_argument("--clean", action="store_true", help="leave attacks and corruptions out: the longest part")
    verify.set_defaults(run=_verify)

    about = "what the book says of its records: sentences of its pages, laws, papers and declared studies"
    listed = commands.add_parser("statements", aliases=["claims"], help=about)
    listed.add_argument("names", nargs="*", metavar="NAME", help="to show in full (all, in one line each)")
    listed.set_defaults(run=_statements)

    about = "networks and notebooks over a grid of parameters, and a report"
    sweep = commands.add_parser("sweep", help=about)
    sweep.add_argument("name", nargs="?", help="a sweep of workflow/sweeps, or a .yaml file (none: list them)")
    sweep.add_argument("--profile", default="quick", help="what the points change: a name, or a .yaml file (quick)")
    sweep.add_argument("--on", default="local", metavar="WHERE", help="workflow/profiles/WHERE: local, slurm (local)")
    sweep.add_argument("--cores", type=count, help="how many cores to use (as WHERE says: all)")
    sweep.add_argument("--dry-run", action="store_true", help="list the jobs; start none")
    sweep.set_defaults(run=_sweep)
    return parser


def _wanted(options) -> list:
    """What `train` is asked for, [(study, experiment, evaluation), …], as in _listed."""
    from softbook.studies.catalogue import study_profile
    from softlab.profile import load_profile

    given = changes(options.set)
    if options.methods_file:
        from softlab import methods_file

        methods_file.run(options.methods_file)
    settings = load_profile(options.profile, **given)
    if options.networks:
        return _listed(options.networks)
    wanted = []
    for study in options.study:
        profile = study_profile(settings, study)
        methods = {name: profile.methods.get(name, {}) for name in options.method or profile.methods}
        chosen = dataclasses.replace(profile, methods=methods, seeds=options.seed or profile.seeds)
        wanted += [(study, experiment, profile.evaluation) for experiment in chosen.experiments()]
    return wanted


def _train(options) -> None:
    from softlab.files import write_json

    wanted = _wanted(options)

    from softlab.numbers import stored
    from softlab.training import loop, runs

    device = loop.choose_device(options.device)
    rows = []
    for number, (study, experiment, evaluation) in enumerate(wanted, 1):
        run = fitted(experiment, options.store, device, f"{number} of {len(wanted)}")
        numbers = stored.of(run, evaluation).values
        values = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        row = {"id": run.id, "study": study, "method": experiment.method, "seed": experiment.seed}
        rows.append(row | {"values": values})
    if options.manifest:
        write_json(options.manifest, rows)
    else:
        print(f"{len(rows)} runs in {runs.store_folder(options.store)}")


def _record(options) -> None:
    from softbook.studies import recording, records
    from softlab.profile import load_profile

    if options.queue is not None:
        from softbook.studies import queue

        left = queue.work(queue.queued(options.queue), options.minutes, options.workers, options.store)
        print(f"{left} networks are left{': the same command goes on' * bool(left)}")
        return
    if options.list or not options.study:
        print(records.listed().to_string(index=False))
        return
    settings = load_profile(options.profile, **({"seeds": options.seeds} if options.seeds else {}))
    if options.methods_file:
        from softbook.studies.catalogue import with_methods_of_file

        settings = with_methods_of_file(settings, options.study, options.methods_file)
    if options.only:
        left = recording.add(options.study, settings, options.only, options.store)
        said = f"{len(left)} networks differ from their rows, which stay as they were"
        print(f"{said}{': ' * bool(left)}{', '.join(left)}")
        return
    measure = options.study if options.study in recording.NETWORKS else options.measure
    if measure:
        request = recording.Request(measure, options.study, options.methods, options.radius, options.images)
        print(f"recorded: {recording.measure(request, settings, options.store)}")
        return
    print(f"recorded: {recording.record(options.study, settings, options.store)}")


def _verify(options) -> None:
    from softbook.studies import recording
    from softlab.profile import load_profile

    differ = 0
    for comparison in recording.verify(
        options.study, load_profile(options.profile), options.rows, options.store, options.clean
    ):
        print(comparison, flush=True)
        differ += comparison.word == "differs"
    if differ:
        raise SoftlabError(f"{differ} networks are not what the record says")


def _listed(path: Path) -> list:
    """The networks of a file that workflow/plan.py has written: [(study, experiment, evaluation), …]."""
    import json

    from softlab.training.experiment import Experiment

    try:
        listed = json.loads(path.read_bytes())
        return [(row["study"], Experiment(**row["experiment"]), row["evaluation"]) for row in listed]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SoftlabError(f"--networks {path}: this is no list of networks ({error})") from None


def _statements(options) -> None:
    from softbook.studies.catalogue import declared
    from softlab.files import read_yaml

    ours = read_yaml(FOLDER / "studies" / "laws.yml")
    theirs = read_yaml(FOLDER / "studies" / "papers.yml")
    asked = declared()
    if not options.names:  # at once: what the records say takes torch
        for name, entry in {**ours, **theirs}.items():
            print(f"{name:24} {entry.get('paper', 'ours'):8} {entry.get('says') or entry['law']}")
        for name, entry in asked.items():
            print(f"{name:24} declared {entry['question']}")
        return
    from softbook.statements import laws, papers, statement
    from softbook.studies import judge, records

    for name in options.names:
        if "." not in name:
            check_known("law, paper's sentence or declared study, or PAGE.ID", name, [*ours, *theirs, *asked])
    for name in options.names:
        if "." in name:
            print("\n".join(statement(name).lines()))
        elif name in asked:
            print("\n".join(judge.lines(name)))
        elif name in ours:
            print("\n".join(laws.lines(name)))
        else:
            print("\n".join(papers.papers()[name].lines(records.by_profile())))


def _sweep(options) -> None:
    """One call of Snakemake, the book's engine: it reads the sweep, and its exit code is 2 if that cannot be."""
    import subprocess

    from softlab.files import read_yaml

    workflow = FOLDER.parent / "workflow"
    if not workflow.is_dir():
        raise SoftlabError("sweeps need a checkout of the repository: the installed package has none")
    if options.name is None:
        for path in sorted((workflow / "sweeps").glob("*.yaml")):
            print(f"{path.stem:14} {read_yaml(path).get('title', '')}")
        return
    check_known("place to run", options.on, [path.name for path in (workflow / "profiles").iterdir()])
    command = [sys.executable, "-m", "snakemake", "sweeps", "--directory", str(FOLDER.parent)]
    command += ["--snakefile", str(workflow / "Snakefile"), "--profile", str(workflow / "profiles" / options.on)]
    command += ["--config", f"profile={_listed_path(options.profile)}", f"sweeps={_listed_path(options.name)}"]
    command += ["--cores", str(options.cores)] if options.cores else []
    command += ["--dry-run", "--quiet", "reason", "host"] if options.dry_run else []
    if os.name == "posix":
        os.execv(sys.executable, command)  # the same process: who stops it stops all of it
    sys.exit(subprocess.run(command).returncode)


def _listed_path(name: str) -> str:
    """A name or a whole path, in a list: Snakemake takes text without one for YAML, and cuts it at " #"."""
    import json

    path = str(Path(name).resolve()) if name.endswith((".yaml", ".yml")) else name
    return json.dumps([path], ensure_ascii=False)
