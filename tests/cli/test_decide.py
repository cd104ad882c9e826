"""``similarity-lab decide``."""

import json
import shutil

import pandas as pd
import pytest

from similarity_lab import RelevanceScorer
from similarity_lab.sites import ORIGIN_COLUMNS


@pytest.fixture
def decide(run, library):
    """Run ``decide`` on the library for almonds, without a store."""

    def decide(*arguments, target=("--target", "almonds"), library=library):
        return run("decide", "--library", library, *target, "--quiet", "--no-store", *arguments)

    return decide


@pytest.fixture
def shops(sites):
    return [sites / "nut-shop", sites / "date-shop"]


def test_decide_prints_a_table(decide, shops, capsys):
    assert decide(*shops) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    head = head.removesuffix("reason").split()
    assert head == ["site", "decision", "probability", "matches", "images", "share", "95%", "CI"]
    assert [row.split()[0] for row in rows] == ["nut-shop", "date-shop"]
    assert "%" in rows[0] and "–" in rows[0]


def test_names_do_not_control_the_terminal(decide, shops, capsys):
    hostile = [shop.rename(shop.parent / f"{shop.name}\x1b[2J\u202e") for shop in shops]
    for sites in (hostile, hostile[:1]):
        assert decide(*sites) == 0
        printed = capsys.readouterr().out
        assert "nut-shop[U+001B][2J[U+202E]" in printed
        assert not set(printed) & {"\x1b", "\u202e"}
    assert decide(hostile[0] / "no\x1b[2Jsuch\u202e") == 2
    message = capsys.readouterr().err
    assert "no[U+001B][2Jsuch[U+202E]: no such folder" in message and "\x1b" not in message


def test_decide_on_one_site_prints_a_sentence(decide, shops, capsys):
    assert decide(shops[0]) == 0
    sentence, empty, head, row = capsys.readouterr().out.splitlines()
    assert "nut-shop" in sentence and "almonds" in sentence and "of 10 images" in sentence
    assert not empty and "decision" in head and row.split()[0] == "nut-shop"


def test_folder_that_may_be_several_sites_is_mentioned(decide, shops, collected, capsys):
    folder = shops[0].parent
    decide(folder)
    said = capsys.readouterr().err
    n_folders = len(list(folder.iterdir()))
    assert f"holds {n_folders} folders and nothing else: taken as one site" in said
    assert f"pass {folder / '*'}" in said
    for one in (shops[:1], shops, [collected]):
        decide(*one)
        assert "taken as one site" not in capsys.readouterr().err


def test_decide_by_share_prints_both_probabilities(decide, shops, capsys):
    assert decide("--criterion", "share", "--relevance-threshold", "0.5", *shops) == 0
    head = capsys.readouterr().out.splitlines()[0].split()
    assert head[:4] == ["site", "decision", "probability", "offered"]


def test_columns_of_counts_are_printed_if_there_are_any(decide, shops, capsys):
    (shops[0] / "bad.jpg").write_text("no")
    shutil.copy(shops[0] / "00.jpg", shops[0] / "again.jpg")
    assert decide(*shops) == 0
    head = capsys.readouterr().out.splitlines()[0]
    assert "repeated" in head and "unreadable" in head and "left out" not in head


def test_decide_writes_files(decide, shops, tmp_path, capsys):
    table, images, report = tmp_path / "s.csv", tmp_path / "i.csv", tmp_path / "report"
    options = ["--csv", table, "--images-csv", images, "--report", report, "--json"]
    assert decide(*options, "--similarity-threshold", "0.3", *shops) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [site["site"] for site in printed["sites"]] == ["nut-shop", "date-shop"]
    assert len(printed["sites"][0]["images"]) == 10 and printed["versions"]["similarity_lab"]
    sites = pd.read_csv(table)
    assert sites["share"].tolist() == [site["share"] for site in printed["sites"]]
    assert (sites["similarity_threshold"] == 0.3).all()
    assert len(pd.read_csv(images)) == 20 and (report / "index.html").exists()


def test_decide_for_several_targets(decide, shops, tmp_path, capsys):
    targets = ("--target", "almonds", "--target", "dates", "--target", "almonds")
    images = tmp_path / "images.csv"
    assert decide(*shops, "--json", "--images-csv", images, target=targets) == 0
    sites = json.loads(capsys.readouterr().out)["sites"]
    assert [(site["site"], site["target"]) for site in sites] == [
        ("nut-shop", "almonds"), ("nut-shop", "dates"),
        ("date-shop", "almonds"), ("date-shop", "dates"),
    ]  # fmt: skip
    assert pd.read_csv(images)["target"].value_counts().to_dict() == {"almonds": 20, "dates": 20}
    assert decide(*shops, target=targets) == 0
    assert capsys.readouterr().out.split()[:3] == ["site", "target", "decision"]


def test_target_may_contain_a_comma(decide, library, shops, capsys):
    (library / "almonds").rename(library / "almonds, whole")
    assert decide(shops[0], "--json", target=("--target", "almonds, whole")) == 0
    assert json.loads(capsys.readouterr().out)["sites"][0]["target"] == "almonds, whole"


def test_leave_out_does_not_take_sites(decide, shops, capsys):
    assert decide("--leave-out", "banners", "--leave-out", "graphics", *shops, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["sites"]) == 2


def test_options_reach_the_scorer(decide, shops, capsys):
    options = ["--rule", "mean-distance", "--similarity-threshold", "from-library"]
    options += ["--n-references", "4", "--relevance-threshold", "0.4", "--seed", "7"]
    options += ["--embedder", "efficientnet-lite0", "--color", "gray"]
    assert decide(*options, shops[0], "--json") == 0
    settings = json.loads(capsys.readouterr().out)["sites"][0]["settings"]
    assert settings["rule"] == "mean-distance" and settings["relevance_threshold"] == 0.4
    assert settings["reference_draw"] == {
        "n": 4, "draw": "with-replacement", "aggregate": "mean", "n_nearest": 3, "seed": 7,
    }  # fmt: skip
    assert " gray " in settings["embedder"] and settings["similarity_threshold"] != 0.65


def test_learned_options_reach_the_scorer(decide, shops, capsys):
    options = ["--certainty", "0.6", "--prior-share", "0.4", "--similarity-threshold", "0.7"]
    options += ["--criterion", "share", "--relevance-threshold", "0.3", "--prior", "0.1"]
    assert decide(*options, "--quality", "fast", shops[0], "--json") == 0
    settings = json.loads(capsys.readouterr().out)["sites"][0]["settings"]
    assert (settings["certainty"], settings["prior_share"]) == (0.6, 0.4)
    assert (settings["criterion"], settings["prior"]) == ("share", 0.1)
    assert settings["relevance_threshold"] == 0.3 and settings["similarity_threshold"] == 0.7
    assert "crop" not in settings["embedder"]


@pytest.fixture
def collected(shops, tmp_path):
    """The nut shop as `collect` leaves it: its texts name made-up products."""
    folder = tmp_path / "collected"
    shutil.copytree(shops[0], folder / "images")
    names = sorted(path.name for path in shops[0].iterdir())
    alts = ["Krubel"] * 4 + ["Zorfen"] * 6
    table = pd.DataFrame({"path": [f"images/{name}" for name in names], "alt": alts})
    table = table.reindex(columns=[*ORIGIN_COLUMNS, "crawl_status", "reason"]).astype(object)
    table.where(table.notna(), None).assign(crawl_status="kept").to_parquet(
        folder / "images.parquet"
    )
    (folder / "site.json").write_text(
        json.dumps({"format": 2, "url": "http://shop.example", "crawl_status": "collected"})
    )
    return folder


@pytest.mark.parametrize(
    ("options", "n_named"),
    [
        (["--word", "Krubel"], 4),
        (["--word", "Krubel", "--word", "almonds=Zorfen"], 10),
        (["--no-words"], 0),
    ],
)
def test_words_reach_the_scorer(decide, collected, options, n_named, capsys):
    assert decide(*options, collected, "--json") == 0
    (site,) = json.loads(capsys.readouterr().out)["sites"]
    assert site["n_named"] == n_named


def test_words_of_several_targets(decide, collected, capsys):
    targets = ("--target", "almonds", "--target", "dates")
    words = ["--word", "almonds=Krubel", "--word", "dates=Zorfen"]
    assert decide(*words, collected, "--json", target=targets) == 0
    almonds, dates = json.loads(capsys.readouterr().out)["sites"]
    assert (almonds["n_named"], dates["n_named"]) == (4, 6)
    assert decide("--word", "Krubel", collected, target=targets) == 2
    assert "--word 'almonds=Krubel'" in capsys.readouterr().err


def test_targets_in_one_option_are_refused_with_advice(decide, shops, capsys):
    assert decide(shops[0], target=("--target", "almonds, dates")) == 2
    assert "Pass several names one by one: 'almonds', 'dates'." in capsys.readouterr().err


@pytest.mark.parametrize("targets", [["almonds"], ["almonds", "dates"]])
def test_word_of_no_target_is_refused_with_advice(decide, collected, targets, capsys):
    flags = [flag for target in targets for flag in ("--target", target)]
    assert decide("--word", "almond=Krubel", collected, target=flags) == 2
    message = capsys.readouterr().err
    assert "'almond' is not a target" in message and "--word 'almonds=Krubel'" in message
    assert "Did you mean 'almonds'?" in message


def test_failed_site_is_a_row_with_a_reason(decide, library, shops, tmp_path, capsys):
    (library / "almonds" / "bad.jpg").write_text("no")
    assert decide(shops[0], tmp_path / "absent") == 0
    output = capsys.readouterr()
    assert "absent" in output.out and "no such folder" in output.out
    assert "skipped in the library" in output.err and "bad.jpg" in output.err


def test_files_left_out_of_the_library_are_named_and_system_files_counted(
    decide, library, shops, capsys
):
    (library / ".DS_Store").touch()
    (library / "dates" / "Thumbs.db").touch()
    (library / "almonds" / "offer\x1b[2J.pdf").write_bytes(b"%PDF-1.7\n%%EOF")
    for number in range(25):
        (library / "dates" / f"{number}.mov").touch()
    assert decide(*shops) == 0
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("skipped in the library: ") for line in lines)
    assert "offer[U+001B][2J.pdf: unsupported image format" in "".join(lines)
    assert len(lines) == 22 and ".DS_Store" not in "".join(lines)
    assert lines[-2:] == [
        "skipped in the library: 6 more files",
        "skipped in the library: 2 hidden or system files",
    ]


@pytest.mark.parametrize("targets", [["figs"], ["almonds", "figs"]])
def test_target_of_which_no_file_can_be_used_says_why(decide, library, shops, targets, capsys):
    (library / "figs").mkdir()
    (library / "figs" / "photo.jpg").touch()
    target = [word for name in targets for word in ("--target", name)]
    assert decide(*shops, target=target) == 2
    message = capsys.readouterr().err
    assert "No file of the class 'figs' can be used" in message and "empty file" in message


def test_folder_of_collected_sites_is_refused_at_once(decide, collected, capsys):
    assert decide(collected.parent) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pass the sites in it, such as" in line


def test_product_in_place_of_a_site_is_refused_with_advice(decide, shops, capsys):
    target = ("--target", "almonds", "dates")  # the shell gives one target and a site
    assert decide(*shops, target=target) == 2
    message = capsys.readouterr().err
    assert "dates is a product of the library, not a site" in message
    assert "--target 'almonds' --target 'dates'" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent"], "absent: no such folder; expected a folder with"),
        (["--criterion", "share", "--relevance-threshold", "25", "SITE"], "share from 0 to 1"),
        (["--relevance-threshold", "0.25", "SITE"], "applies to --criterion share"),
        (["--prior", "1", "SITE"], "prior is a probability above 0 and below 1"),
        (["--word", "a", "--no-words", "SITE"], "pass one of them"),
        (["--word", "", "SITE"], "expected names of 'almonds'"),
        (["--rule", "mean-distance", "--criterion", "offered", "SITE"], "only knows the share"),
        (["--rule", "mean-distance", "--prior", "0.25", "SITE"], "--prior does not apply"),
        (["--rule", "mean-distance", "--no-words", "SITE"], "--no-words does not apply"),
        (["--embedder", "nothing", "SITE"], "nothing"),
        (["--color", "gray", "SITE"], "--color applies to --embedder"),
        (["--runtime", "torch", "SITE"], "--runtime applies to --embedder"),
        (["--device", "cpu", "SITE"], "--device applies to --embedder"),
        (
            ["--embedder=efficientnet-lite0", "--runtime=openvino", "--device=cpu", "SITE"],
            "device='cpu' has no effect on runtime='openvino'",
        ),
        (["--n-references", "3", "SITE"], "--n-references does not apply to --rule learned"),
        (["--rule", "mean-distance", "--prior-share", "0.1", "SITE"], "--prior-share does not"),
        (["--rule", "mean-distance", "--certainty", "0.9", "SITE"], "--certainty does not apply"),
        (["--quality", "best", "--embedder", "efficientnet-lite0", "SITE"], "not both"),
        (["--scorer", "x", "SITE"], "--target does not apply to a saved scorer"),
        (["--save-scorer", "x", "--target", "dates", "SITE"], "pass one --target"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(decide, shops, arguments, message, capsys):
    assert decide(*[shops[0] if word == "SITE" else word for word in arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("similarity-lab: error: ") and message in error
    assert error.count("\n") == 1


def test_unknown_target_suggests_the_nearest_class(decide, shops, capsys):
    assert decide(shops[0], target=("--target", "almond")) == 2
    assert "Did you mean 'almonds'?" in capsys.readouterr().err


@pytest.mark.parametrize("library", ["absent", None])
def test_library_is_needed(run, library, shops, capsys):
    options = [] if library is None else ["--library", library, "--target", "almonds"]
    assert run("decide", *options, "--quiet", "--no-store", shops[0]) == 2
    message = "pass --library and --target" if library is None else "absent: no such folder"
    assert message in capsys.readouterr().err


def test_saved_scorer_decides_alike(decide, run, library, shops, tmp_path, capsys):
    scorer = tmp_path / "scorer"
    assert decide("--save-scorer", scorer, "--json", *shops) == 0
    expected = json.loads(capsys.readouterr().out)
    loaded = ["decide", "--scorer", scorer, "--quiet", "--no-store", "--json"]
    assert run(*loaded, "--library", library, *shops) == 0
    assert json.loads(capsys.readouterr().out)["sites"] == expected["sites"]
    assert run(*loaded, "--certainty", "1", *shops) == 0
    sites = json.loads(capsys.readouterr().out)["sites"]
    assert {site["settings"]["certainty"] for site in sites} == {1.0}
    options = ["--criterion", "share", "--relevance-threshold", "0.1", "--prior", "0.5"]
    assert run(*loaded, *options, *shops) == 0
    settings = json.loads(capsys.readouterr().out)["sites"][0]["settings"]
    assert (settings["criterion"], settings["relevance_threshold"]) == ("share", 0.1)
    assert settings["prior"] == 0.5
    assert RelevanceScorer.load(scorer).target == "almonds"


@pytest.fixture
def save_scorer(decide, shops, tmp_path, capsys):
    """Save a scorer; return the arguments that decide with it."""

    def save(*options):
        assert decide("--save-scorer", tmp_path / "scorer", *options, *shops) == 0
        capsys.readouterr()
        return ["decide", "--scorer", tmp_path / "scorer", "--quiet", "--no-store", *shops]

    return save


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rule", "learned"], "--rule does not apply to a saved scorer"),
        (["--seed", "0"], "--seed does not apply to a saved scorer"),
        (["--save-scorer", "x"], "--save-scorer does not apply to a saved scorer"),
        (["--word", "x"], "--word does not apply to a saved scorer"),
        (["--relevance-threshold", "0.5"], "applies to --criterion share"),
        (["--criterion", "share", "--relevance-threshold", "25"], "share from 0 to 1"),
        (["--certainty", "7"], "certainty is a probability"),
    ],
)
def test_saved_scorer_refuses_options(run, save_scorer, options, message, capsys):
    assert run(*save_scorer(), *options) == 2
    assert message in capsys.readouterr().err


def test_saved_scorer_remembers_its_embedder_or_takes_it_again(run, save_scorer, capsys):
    named = save_scorer("--embedder", "efficientnet-lite0")
    assert run(*named) == 0
    gray = ["--embedder", "efficientnet-lite0", "--color", "gray"]
    assert run(*named, *gray) == 2
    assert "cannot decide with vectors of" in capsys.readouterr().err
    with_options = save_scorer(*gray)
    assert run(*with_options) == 2
    assert "pass it again, as embedder= or --embedder" in capsys.readouterr().err
    assert run(*with_options, *gray) == 0


def test_saved_scorer_of_mean_distances_refuses_certainty(run, save_scorer, capsys):
    arguments = save_scorer("--rule", "mean-distance")
    assert run(*arguments, "--certainty", "0.9") == 2
    assert "--certainty does not apply to a scorer of the mean-dist" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--csv", "--images-csv"])
def test_output_in_a_missing_folder_is_refused_first(run, tmp_path, capsys, flag):
    arguments = ("--library", tmp_path / "missing", "--target", "almonds", "site")
    assert run("decide", *arguments, flag, tmp_path / "none" / "out.csv") == 2
    assert "out.csv: no such folder" in capsys.readouterr().err


def test_sites_with_the_same_folder_name_are_told_apart(decide, shops, tmp_path, capsys):
    folders = [tmp_path / name / "images" for name in ("a", "b")]
    for folder, shop in zip(folders, shops, strict=True):
        shutil.copytree(shop, folder)
    assert decide(*folders, "--json") == 0
    sites = json.loads(capsys.readouterr().out)["sites"]
    assert [site["site"] for site in sites] == [str(folder) for folder in folders]


def test_single_site_that_fails_is_named_once(decide, tmp_path, capsys):
    (tmp_path / "nuts").mkdir()
    for name, reason in (("nuts", "nuts: the site has no files"), ("nutz", "no such folder")):
        assert decide(tmp_path / name) == 2
        output = capsys.readouterr()
        assert output.out == "" and reason in output.err and output.err.count("\n") == 1


def test_target_is_needed(run, library, shops, capsys):
    assert run("decide", "--library", library, shops[0]) == 2
    assert "pass --target with the name of the product" in capsys.readouterr().err


def test_report_in_the_library_is_refused(decide, library, shops, capsys):
    assert decide("--report", library / "report", shops[0]) == 2
    assert "choose another folder" in capsys.readouterr().err
    assert not (library / "report").exists()


def test_report_does_not_replace_other_pages(decide, shops, tmp_path, capsys):
    (tmp_path / "index.html").write_text("my page")
    assert decide("--report", tmp_path, shops[0]) == 2
    assert "has an index.html that is not of a report" in capsys.readouterr().err
    assert (tmp_path / "index.html").read_text() == "my page"
    for _ in range(2):  # the second one replaces the first
        assert decide("--report", tmp_path / "page", shops[0]) == 0
