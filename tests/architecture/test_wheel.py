"""A wheel built from the tree, installed elsewhere, runs from another folder."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interpreter of a fresh environment that holds the wheel and borrows third-party packages from this one."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=False)
    interpreter = home / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(interpreter), "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    # Not a .pth file: site would then also read the test environment's own, and so find the source tree.
    site = home / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (site / "borrowed.py").write_text(f"import sys\nsys.path.append({sysconfig.get_path('purelib')!r})\n", "utf-8")
    (site / "borrowed.pth").write_text("import borrowed\n", "utf-8")
    return interpreter


def run(python: Path, folder: Path, *arguments: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1"}
    command = [str(python.parent / arguments[0]), *arguments[1:]]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_holds_the_packages_and_their_data_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"sqeval", "sqllava", "sqeval_tasks"}
    for package in ("sqeval", "sqllava", "sqeval_tasks"):
        assert f"{package}/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    for data in ("sqllava/recipes/mini.yaml", "sqllava/pretrained/mini/model.safetensors", "sqeval/published.csv"):
        assert data in names
    source = REPOSITORY / "sqeval" / "report" / "html" / "templates"
    templates = {f"sqeval/report/html/templates/{path.name}" for path in source.iterdir()}
    assert templates
    assert templates <= set(names)


def test_runs_from_another_folder(python: Path, tmp_path: Path) -> None:
    import sqeval

    assert run(python, tmp_path, "sqeval", "--version").strip() == f"sqeval {sqeval.__version__}"
    where = run(python, tmp_path, "python", "-c", "import sqeval, sqllava, sqeval_tasks as t; print(sqeval.__file__)")
    assert str(python.parents[1]) in where
    listed = run(python, tmp_path, "sqeval", "tasks", "list")
    for task in ("vqav2", "gqa", "scienceqa", "pope", "mmbench", "coco_caption"):
        assert task in listed


def test_published_scores_come_along(python: Path, tmp_path: Path) -> None:
    assert "SQ-LLaVA 7B" in run(python, tmp_path, "sqeval", "leaderboard", "--published", "--format", "csv")


def test_a_source_distribution_holds_what_the_wheel_is_built_from(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {name for name in names if name.startswith("results/")} == {"results/published.csv"}


def test_evaluates_the_packaged_checkpoint_from_another_folder(python: Path, tmp_path: Path) -> None:
    run(python, tmp_path, "sqeval", "run", "--tasks", "pope", "--ckpt", "mini", "--data", "mini", "--limit", "20",
        "--name", "wheel")  # fmt: skip
    assert (tmp_path / "results" / "wheel" / "pope" / "metrics.json").is_file()
    run(python, tmp_path, "sqeval", "report", "results/wheel")
    assert (tmp_path / "report.html").is_file()
