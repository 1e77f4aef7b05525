# SPDX-License-Identifier: Apache-2.0
"""The package as users get it: a wheel, built once per interface, installed in a clean environment of every Python from
3.10 on that is found, with no compiler and no libraries but those it carries.

HSFEED_PYTHONS names further interpreters, separated by colons; those of ~/.pyenv are found.
"""

import csv
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import pytest

from conftest import ROOT

PACKAGE = ROOT / "client" / "python"
DEMO = ROOT / "config" / "demo"
LIBC = re.compile(r"(libc|libm|libdl|librt|libpthread|libresolv|libutil|linux-vdso)\.so|ld-linux")
NO_TOOLS = {"CC": "false", "CXX": "false", "PATH": "/nowhere", "PYTHONNOUSERSITE": "1"}

ROUND_TRIP = """
import json, sys
import hsfeed
from hsfeed import _programs
with hsfeed.connect(start=True, state=sys.argv[1]) as db:
    ds = db.ingest("demo", sys.argv[2], labels=["Question"], tokenizers=sys.argv[3], quiet=True)
    folds = ds.folds(k=5)
    print(json.dumps({"rows": len(ds), "version": ds.version, "val": [len(val) for _, val in folds],
                      "own": all(_programs.find(name).parent.name == "_bin" for name in ("hsfeed", "hsfeedd"))}))
"""


def pythons():
    """(version, interpreter) of every CPython from 3.10 on that can make environments, one per minor version."""
    named = os.environ.get("HSFEED_PYTHONS", "").split(":")
    named += filter(None, (shutil.which(f"python3{minor}") for minor in ("", *(f".{n}" for n in range(10, 20)))))
    named += sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin/python3")))
    question = "import sys, venv, ensurepip; print(*sys.version_info[:2], sys.implementation.name, sys.executable)"
    found = {}
    for python in filter(None, named):
        asked = subprocess.run([python, "-I", "-c", question], capture_output=True, text=True, cwd="/")
        said = asked.stdout.split()
        if asked.returncode == 0 and said[2] == "cpython" and (int(said[0]), int(said[1])) >= (3, 10):
            found.setdefault((int(said[0]), int(said[1])), said[3])
    return sorted(found.items())


PYTHONS = pythons()


# Of the build under test, not of an installed package.
NOT_KEPT = ("PYTHONPATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "ASAN_OPTIONS")


def run(command, timeout=600, **env):
    kept = {key: value for key, value in os.environ.items() if key not in NOT_KEPT}
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=timeout, cwd="/", env={**kept, **env}
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def environment(python, folder):
    run([python, "-m", "venv", folder])
    return folder / "bin"


@pytest.fixture(scope="session")
def wheel_of(tmp_path_factory):
    """The wheel for a Python: all from 3.11 on share one."""
    made = {}

    def wheel(version, python):
        interface = min(version, (3, 11))
        if interface not in made:
            folder = tmp_path_factory.mktemp("wheel")
            tools = environment(python, folder / "tools")
            run([tools / "python", "-m", "pip", "-q", "wheel", "--no-deps", "-w", folder, PACKAGE], timeout=1200)
            (made[interface],) = folder.glob("*.whl")
        return made[interface]

    return wheel


@pytest.fixture(scope="session", params=PYTHONS, ids=lambda p: ".".join(map(str, p[0])))
def installed(request, wheel_of, tmp_path_factory):
    """The bin folder of a clean environment with the wheel in it."""
    version, python = request.param
    wheel = wheel_of(version, python)
    folder = tmp_path_factory.mktemp("installed")
    bin_folder = environment(python, folder / "venv")
    run([bin_folder / "python", "-m", "pip", "-q", "install", "--only-binary", ":all:", wheel], **NO_TOOLS)
    return bin_folder


def package_folder(installed):
    return run([installed / "python", "-c", "import hsfeed, os; print(os.path.dirname(hsfeed.__file__))"]).strip()


def test_there_is_a_python_to_try():
    assert PYTHONS


def test_the_wheel_is_tagged_and_complete(wheel_of):
    version, python = PYTHONS[-1]
    wheel = wheel_of(version, python)
    tag = "cp310-cp310" if version == (3, 10) else "cp311-abi3"
    assert re.fullmatch(rf"hsfeed-[0-9.]+-{tag}-linux_\w+\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        notice = archive.read("hsfeed/_lib/NOTICE").decode()
        (record,) = [name for name in names if name.endswith("/RECORD")]
        recorded = {row[0] for row in csv.reader(archive.read(record).decode().splitlines())}
        programs = [archive.getinfo(f"hsfeed/_bin/{name}") for name in ("hsfeed", "hsfeedd")]
    assert recorded == set(names)
    assert all(info.external_attr >> 16 & 0o111 for info in programs)
    assert {"hsfeed/py.typed", "hsfeed/_hsfeed.pyi", "hsfeed/__init__.py", "hsfeed/LICENSE"} <= set(names)
    libraries = [name for name in names if name.startswith("hsfeed/_lib/lib")]
    assert libraries and all(os.path.basename(name) in notice for name in libraries)
    assert not [name for name in names if not name.startswith(("hsfeed/", "hsfeed-"))]


def test_the_programs_run_from_the_environment_alone(installed):
    for program in ("hsfeed", "hsfeedd"):
        assert run([installed / program, "--version"], **NO_TOOLS).startswith(program)


def test_no_library_but_the_machines_c_library_comes_from_outside(installed):
    folder = os.path.realpath(package_folder(installed))
    files = [*glob.glob(f"{folder}/_bin/*"), *glob.glob(f"{folder}/_lib/lib*"), *glob.glob(f"{folder}/_hsfeed*.so")]
    assert len(files) >= 8
    for file in files:
        # A library by itself has no RPATH: it is looked at as its program finds it.
        within = {"LD_LIBRARY_PATH": f"{folder}/_lib"} if "/_lib/" in file else {}
        for line in run(["ldd", file], **within).splitlines():
            name, _, where = line.strip().partition(" => ")
            assert "not found" not in where
            ours = os.path.realpath(where.split()[0] if where else "/").startswith(folder)
            assert ours or LIBC.match(os.path.basename(name.split()[0])), line


def test_a_round_trip(installed, tmp_path):
    state = tmp_path / "state"
    program = [installed / "python", "-c", ROUND_TRIP, state, DEMO / "comments.csv", DEMO / "tokenizer"]
    said = run(program, timeout=120, **NO_TOOLS)
    answer = json.loads(said.splitlines()[-1])
    socket = ("--socket", state / "hsfeed.sock")
    try:
        assert answer["own"] is True and sum(answer["val"]) == answer["rows"] > 1000 and len(answer["val"]) == 5
        shown = json.loads(run([installed / "hsfeed", "show", "demo", "--json", *socket], **NO_TOOLS))
        assert shown["version_info"]["version"] == answer["version"]
        with open(f"/proc/{json.loads(run([installed / 'hsfeed', 'status', '--json', *socket]))['pid']}/maps") as maps:
            mapped = {line.split()[-1] for line in maps if ".so" in line}
        assert any(path.startswith(os.path.realpath(package_folder(installed))) for path in mapped)
    finally:
        run([installed / "hsfeed", "stop", *socket], **NO_TOOLS)


@pytest.fixture
def tested_elsewhere(installed, request):
    """The oldest and the newest Python run the package's tests; those between share the wheel of one of them, and run
    them too with HSFEED_TEST_ROUNDS above 1."""
    version = request.node.callspec.params["installed"][0]
    between = version not in (PYTHONS[0][0], PYTHONS[-1][0])
    if between and int(os.environ.get("HSFEED_TEST_ROUNDS", "1")) == 1:
        pytest.skip("a Python between the oldest and the newest: HSFEED_TEST_ROUNDS=2 runs its tests too")


def test_the_packages_own_tests_pass_there(installed, tested_elsewhere):
    """Those that need torch, pandas and the like are skipped where these are not."""
    lines = (ROOT / "tests" / "requirements.txt").read_text().splitlines()
    wanted = [line for line in lines if line.startswith(("pytest", "hypothesis"))]
    run([installed / "python", "-m", "pip", "-q", "install", "--only-binary", ":all:", *wanted])
    files = [path for path in sorted((ROOT / "tests" / "python").glob("test_*.py")) if path.name != "test_install.py"]
    options = ["-q", "-x", "-p", "no:cacheprovider", "--color=no"]
    environment = {"HSFEED_TEST_INSTALLED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    said = run([installed / "python", "-m", "pytest", *options, *files], timeout=900, **environment)
    assert int(re.search(r"(\d+) passed", said)[1]) > 100, said[-2000:]


def test_no_sources_are_needed_to_install(installed):
    """What pip put there has no path of the building machine in it."""
    folder = package_folder(installed)
    for file in glob.glob(f"{folder}/_bin/*") + glob.glob(f"{folder}/_hsfeed*.so"):
        with open(file, "rb") as binary:
            assert os.fsencode(str(ROOT)) + b"/" not in binary.read(), file


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))
