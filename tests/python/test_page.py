# SPDX-License-Identifier: Apache-2.0
"""Dataset.write_report: the page that the command writes, and what is refused."""

import hsfeed
import pytest

from hsfeed import _page
from hsfeed._plans import check_plan


def test_a_report_is_written_over_an_earlier_one_and_over_nothing_else(demo_set, tmp_path):
    path = demo_set.write_report(tmp_path / "report.html", plan={"folds": 3}, max_length=32)
    page = path.read_text(encoding="utf-8")
    assert path == tmp_path / "report.html" and "--folds 3" in page and demo_set.version in page
    demo_set.write_report(path, plan={"folds": 4, "shuffle": False})
    assert "--folds 4 --no-shuffle" in path.read_text(encoding="utf-8")
    other = tmp_path / "notes.html"
    other.write_text("<p>mine</p>")
    with pytest.raises(hsfeed.Error, match="no report of hsfeed"):
        demo_set.write_report(other)
    assert other.read_text() == "<p>mine</p>"
    demo_set.write_report(other, force=True)
    assert "mine" not in other.read_text(encoding="utf-8")


def test_what_the_daemon_refuses_is_an_error_with_its_sentence(demo_set, tmp_path):
    with pytest.raises(hsfeed.Error, match="n_splits=60000"):
        demo_set.write_report(tmp_path / "x.html", plan={"folds": 60000})
    with pytest.raises(hsfeed.Error, match="nobody"):
        demo_set.write_report(tmp_path / "x.html", role="nobody")
    assert list(tmp_path.iterdir()) == []


def test_a_plan_becomes_the_options_that_say_the_same():
    plan = {"kind": "stratified", "folds": 7, "fold_seed": 0, "shuffle": True, "by": ["a", "b"], "rule": None}
    said = ["--kind", "stratified", "--folds", "7", "--fold-seed", "0", "--by", "a,b"]
    assert options_of(plan) == said
    assert options_of({"group": "duplicates"}) == ["--group", "column:duplicates"]
    assert options_of({"duplicates": 0.7}) == ["--group", "duplicates"]
    assert options_of({"test_size": 0.2, "train_size": 50}) == ["--test-size", "0.2", "--train-size", "50"]
    assert options_of("cv5") == options_of({"name": "cv5"}) == ["--plan", "cv5"]
    assert _page.similarity_of({"duplicates": 0.7}, None) == _page.similarity_of({"duplicates": 0.7}, 0.7) == 0.7
    assert [_page.similarity_of({}, given) for given in (None, 0.6, 0)] == [0.8, 0.6, 0]
    with pytest.raises(hsfeed.errors.BadArgument, match="similarity is a number"):
        _page.similarity_of({}, "much")
    for plan, words in (({"colour": 1}, "colour"), ({"by": ["a,b"]}, "comma"), ({"rows": "00"}, "its name")):
        with pytest.raises(hsfeed.errors.BadArgument, match=words):
            options_of(plan)
    with pytest.raises(hsfeed.errors.BadArgument, match="differ"):
        _page.similarity_of({"duplicates": 0.7}, 0.8)


def options_of(plan):
    return _page.plan_options(check_plan(plan))


def test_a_saved_plan_is_named_by_the_page(demo_set, tmp_path):
    demo_set.save_plan("cv4", k=4, group="duplicates", similarity=0.9)
    page = demo_set.write_report(tmp_path / "report.html", plan="cv4").read_text(encoding="utf-8")
    assert "--plan cv4 --fold 0" in page and "plan=&quot;cv4&quot;" in page and "saved as cv4" in page
    assert "at least 90.0 % are in both" in page
    demo_set.write_report(tmp_path / "report.html", plan=demo_set.plan("cv4"))
    with pytest.raises(hsfeed.BadArgument, match="differ"):
        demo_set.write_report(tmp_path / "other.html", plan="cv4", similarity=0.8)
    with pytest.raises(hsfeed.NotFound, match="it has cv4"):
        demo_set.write_report(tmp_path / "other.html", plan="cv5")
    with pytest.raises(hsfeed.BadArgument, match="similarity"):
        demo_set.write_report(tmp_path / "other.html", similarity=0)
    assert not (tmp_path / "other.html").exists()


def test_a_command_that_cannot_be_run_is_an_error_that_says_so(demo_set, tmp_path, monkeypatch):
    monkeypatch.setenv("HSFEED_HSFEED", str(tmp_path / "nothing"))
    with pytest.raises(hsfeed.Error, match="could not be run"):
        demo_set.write_report(tmp_path / "x.html")
