"""The directions of import are contracts, and breaking one is found."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def linted(root: Path) -> subprocess.CompletedProcess:
    code = "import sys; sys.path.insert(0, 'src'); from importlinter.cli import lint_imports_command as lint; "
    code += "lint(['--no-cache'])"
    return subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False)


def test_the_package_keeps_its_import_contracts() -> None:
    result = linted(ROOT)
    assert result.returncode == 0, result.stdout


def test_a_feature_family_that_imports_training_breaks_the_contracts(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "src/wellkept/features/cheating.py").write_text("from wellkept import training\n")
    result = linted(tmp_path)
    assert result.returncode == 1
    assert "wellkept.features.cheating -> wellkept.training" in result.stdout
