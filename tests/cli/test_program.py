"""The program: usage, errors, exit codes, speed."""

import argparse
import os
import re
import subprocess
import sys
import warnings

import pytest

from similarity_lab.cli import program as program_module
from similarity_lab.cli import search
from similarity_lab.cli.program import main, make_parser


def subparsers():
    (action,) = [
        action
        for action in make_parser()._actions  # argparse has no public way
        if isinstance(action, argparse._SubParsersAction)
    ]
    return action.choices


COMMANDS = ["demo", "rank", "status", "decide", "collect", "embed", "search", "fetch"]


def program(*arguments, **settings):
    """Run ``python -m similarity_lab`` in a process of its own."""
    command = [sys.executable, "-m", "similarity_lab", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **settings)


def test_commands_are_those_of_the_documentation():
    assert list(subparsers()) == COMMANDS


NO_DEFAULT = {
    "--allow", "--csv", "--images-csv", "--library", "--report", "--save-scorer", "--scorer",
    "--pages", "--partition", "--site", "--target", "--user-agent",
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_help_and_names_its_default(command):
    for action in subparsers()[command]._actions:
        assert action.help, action.option_strings
        takes_value = action.option_strings and action.nargs != 0 and not action.required
        if takes_value and not NO_DEFAULT & set(action.option_strings):
            assert "default" in action.help, action.option_strings


@pytest.mark.parametrize("command", COMMANDS)
def test_no_option_swallows_what_follows_its_value(command):
    for action in subparsers()[command]._actions:
        if action.option_strings:
            assert action.nargs in (None, 0), action.option_strings


def flags(command):
    return {flag for action in subparsers()[command]._actions for flag in action.option_strings}


def test_every_command_with_an_embedder_says_how_it_runs():
    running = {"--color", "--runtime", "--device"}
    for command in COMMANDS:
        expected = running if "--embedder" in flags(command) else set()
        assert flags(command) & running == expected, command


def test_runtimes_are_those_of_load_embedder():
    from typing import get_args

    from similarity_lab.cli.options import _RUNTIMES
    from similarity_lab.embedders.loading import Runtime

    assert get_args(Runtime) == _RUNTIMES


def test_decide_and_rank_have_the_same_scoring_options():
    scoring = {
        "--rule", "--criterion", "--quality", "--embedder", "--color", "--word", "--no-words",
        "--text", "--runtime", "--device",
        "--prior", "--certainty", "--relevance-threshold", "--similarity-threshold",
        "--prior-share", "--n-references", "--leave-out", "--seed",
        "--store", "--no-store", "--json", "--csv", "--images-csv", "--report", "--quiet",
        "--library", "--target",
    }  # fmt: skip
    assert scoring <= flags("decide") & flags("rank")
    assert flags("decide") - scoring == {"-h", "--help", "--scorer", "--save-scorer"}


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["decide"], ["unknown"], ["score", "x"], ["fetch", "everything"],
        ["decide", "--rule", "magic", "x"], ["decide", "--criterion", "sold", "x"],
        ["decide", "--leave-out", "people", "x"], ["decide", "--prior", "low", "x"],
        ["decide", "--similarity-threshold", "half", "x"], ["search", "x", "--no-store"],
        ["rank", "--library", "x", "y"], ["embed", "--device", "tpu", "x"],
        ["search", "--device", "cuda:x", "x"], ["decide", "--runtime", "fast", "x"],
    ],
)  # fmt: skip
def test_bad_usage(run, arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        run(*arguments)
    message = capsys.readouterr().err
    assert stop.value.code == 2 and message.endswith("--help\n")
    assert message.count("\n") == 1 or not arguments  # without arguments: the help


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ranks"], "unknown 'ranks'. Did you mean 'rank'? Choose from demo, rank, "),
        (["decide", "--libary", "x"], "unknown option --libary. Did you mean '--library'?"),
        (["rank", "--targets=x", "y"], "unknown option --targets. Did you mean '--target'?"),
        (["decide", "--pages", "3", "x"], "unknown option --pages; see"),
        (["--verbose", "demo"], "unknown option --verbose"),
        (["decide", "--rule", "learnt", "x"], "unknown 'learnt'. Did you mean 'learned'?"),
    ],
)
def test_mistyped_word_is_named_with_what_was_meant(run, arguments, message, capsys):
    with pytest.raises(SystemExit):
        run(*arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_usage_names_what_is_required_only(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    usage = subparsers()[command].format_usage()
    assert usage.startswith(f"usage: similarity-lab {command} [options]")
    assert usage.count("\n") == 1
    actions = subparsers()[command]._actions
    required = {
        action.option_strings[0] for action in actions if action.required and action.option_strings
    }
    assert set(re.findall(r"--[a-z-]+", usage)) == required


@pytest.mark.parametrize("command", COMMANDS)
def test_help_ends_with_an_example_that_can_be_copied(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    last = subparsers()[command].format_help().splitlines()[-1]
    arguments = last.removeprefix("example: similarity-lab ").split()
    assert arguments[0] == command
    make_parser().parse_args(arguments)  # exits if it is wrong


def test_interrupt(monkeypatch, run, library, sites, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("similarity_lab.relevance.RelevanceScorer.fit", interrupted)
    assert run("decide", "--library", library, "--target", "almonds", sites / "nut-shop") == 130
    assert capsys.readouterr().err.endswith("similarity-lab: interrupted\n")


@pytest.mark.parametrize("command", ["collect", "rank", "demo", "fetch"])
def test_interrupted_command_says_if_it_resumes(command, monkeypatch, capsys):
    def interrupted(options):
        raise KeyboardInterrupt

    module = sys.modules[f"similarity_lab.cli.{command}"]
    monkeypatch.setattr(module, "_run", interrupted)
    monkeypatch.setattr(program_module, "_RESUMABLE", [interrupted])
    rest = {"fetch": ["grocery-store"], "demo": []}.get(command, ["--out", "x", "u.example"])
    rest += ["--target", "almonds"] if command == "rank" else []
    assert main([command, *rest]) == 130
    assert capsys.readouterr().err == "similarity-lab: interrupted; the same command resumes\n"


def test_errors_of_other_kinds_are_not_hidden(monkeypatch, run, library, sites):
    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("similarity_lab.relevance.RelevanceScorer.fit", broken)
    with pytest.raises(ZeroDivisionError):
        run("decide", "--library", library, "--target", "almonds", sites / "nut-shop")


def test_module_runs_the_program():
    done = program("--version")
    assert done.returncode == 0 and done.stdout.startswith("similarity_lab ")


def test_closed_output_is_quiet(library, sites):
    """As in ``similarity-lab decide … | head -0``."""
    read, write = os.pipe()
    os.close(read)
    arguments = ["decide", "--library", library, "--target", "almonds", "--no-store", "--quiet"]
    command = [sys.executable, "-m", "similarity_lab", *map(str, arguments)]
    done = subprocess.run(
        [*command, str(sites / "nut-shop")], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)
    assert done.stderr == b"" and done.returncode == 141


@pytest.mark.parametrize("arguments", [["--help"], ["decide", "--help"], ["--version"]])
@pytest.mark.parametrize("stream", ["stdout", "both"])
def test_closed_output_of_help_is_quiet(arguments, stream):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "similarity_lab", *arguments]
    stderr = subprocess.PIPE if stream == "stdout" else write
    done = subprocess.run(command, stdout=write, stderr=stderr, check=False)
    os.close(write)
    assert done.returncode in (0, 141) and not done.stderr


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-"])
def test_output_that_the_shell_has_closed(redirection):
    command = f"{sys.executable} -m similarity_lab search missing.jpg {redirection}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_values_may_stand_before_and_after_options(monkeypatch, capsys):
    found = []
    monkeypatch.setattr(search, "_run", found.append)
    assert main(["search", "a.jpg", "--quiet", "b.jpg", "-k", "3", "c.jpg"]) == 0
    assert found[0].queries == ["a.jpg", "b.jpg", "c.jpg"] and found[0].k == 3
    for arguments, message in (
        (["search", "a.jpg", "--unknown", "b.jpg"], "unknown option --unknown"),
        (["search", "a.jpg", "-x"], "unrecognized arguments: -x"),
        (["demo", "b.jpg"], "unrecognized arguments: b.jpg"),
    ):
        with pytest.raises(SystemExit):
            main(arguments)
        assert message in capsys.readouterr().err


def test_table_does_not_replace_an_image_or_archive(run, tmp_path, capsys):
    (tmp_path / "site.zip").write_bytes(b"mine")
    for flag in ("--csv", "--images-csv"):
        arguments = ["--library", "lib", "--target", "almonds", flag, tmp_path / "site.zip", "site"]
        assert run("decide", *arguments) == 2
        assert "exists and is not a table" in capsys.readouterr().err
    assert (tmp_path / "site.zip").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (".", "is a folder"),
        ("x.ods", "the table is CSV or .xlsx; choose .*x.csv"),
        ("-", "/dev/stdout"),
    ],
)
@pytest.mark.parametrize("flag", ["--csv", "--images-csv"])
def test_table_that_is_no_csv_file_is_refused_first(run, tmp_path, capsys, flag, name, message):
    path = name if name == "-" else tmp_path / name
    arguments = ["--library", "lib", "--target", "almonds", flag, path, "site"]
    assert run("decide", *arguments) == 2
    assert re.search(message, capsys.readouterr().err)


def test_help_imports_no_heavy_library():
    code = (
        "import sys, similarity_lab.cli.program as program\n"
        "program.make_parser().format_help()\n"
        "sys.exit(', '.join({'numpy', 'pandas', 'sklearn', 'openvino'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_decide_with_cached_vectors_imports_no_training_library(run, library, make_image, tmp_path):
    """`benchmarks.speed` measures the time this takes."""
    shop = tmp_path / "shop"
    shop.mkdir()
    for number in range(4):
        make_image((150, 90, 50), seed=number).save(shop / f"{number}.png")
    arguments = ["decide", "--library", library, "--target", "almonds", "--quiet"]
    arguments += ["--store", tmp_path / "store", shop]
    assert run(*arguments) == 0
    code = (
        "import sys\nfrom similarity_lab.cli import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "sys.exit(', '.join({'tensorflow', 'keras', 'cv2', 'matplotlib'} & set(sys.modules)) or 0)"
    )
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_warning_is_one_line_without_code(monkeypatch, capsys):
    def warn(options):
        warnings.warn("only one image", stacklevel=1)

    monkeypatch.setattr(search, "_run", warn)
    assert main(["search", "image.jpg"]) == 0
    assert capsys.readouterr().err == "similarity-lab: warning: only one image\n"
