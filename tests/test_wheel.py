"""What a wheel brings along, and that it needs no checkout."""

from __future__ import annotations

import json
import posixpath
import re
import subprocess
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import nnrun

ROOT = Path(__file__).parents[1]
ONLY_IN_A_CHECKOUT = ("CONTRIBUTING.md", "SECURITY.md", "CITATION.cff", "LICENSE", "benchmarks/", "tests/", "tools/",
                      "docs/gallery/")  # fmt: skip


def files_of(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_configs_and_documents_are_in_it_and_nothing_else_of_theirs(wheel: Path) -> None:
    expected = {"README.md", "CHANGELOG.md"}
    for pattern in ("configs/*", "docs/*.md"):
        expected |= {path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern)}
    files = files_of(wheel)
    assert {name.split("/")[0] for name in files if "dist-info" not in name} == {"nnrun"}
    package = {name.removeprefix("nnrun/"): content for name, content in files.items()}
    found = {name for name in package if name.startswith(("configs/", "docs/")) or name in expected}
    assert found == expected
    assert all(package[name] == (ROOT / name).read_bytes() for name in expected)


def test_links_between_the_pages_in_it_hold(wheel: Path) -> None:
    files = files_of(wheel)
    pages = [name for name in files if name.startswith("nnrun/") and name.endswith(".md")]
    assert len(pages) > 10
    for page in pages:
        for target in re.findall(r"\]\(([^)\s#]+)[^)]*\)", files[page].decode()):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
            elsewhere = target.startswith("https://") or path.removeprefix("nnrun/").startswith(ONLY_IN_A_CHECKOUT)
            assert elsewhere or path in files, f"{page} links to {target}"


def test_its_description_holds_on_a_page_of_its_own(wheel: Path) -> None:
    (text,) = (content.decode() for name, content in files_of(wheel).items() if name.endswith("/METADATA"))
    metadata = HeaderParser().parsestr(text)
    description = metadata.get_payload()
    assert metadata["Version"] == nnrun.__version__
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert description.startswith("# nnrun\n") and "## Where things are\n" in description
    assert re.findall(r"\]\((?!https://)[^)]*\)", description) == []
    assert "![" not in description and "<!-- picture" not in description


def test_its_metadata_names_every_licence_of_what_is_in_it(wheel: Path) -> None:
    files = files_of(wheel)
    (about,) = (name.removesuffix("METADATA") for name in files if name.endswith(".dist-info/METADATA"))
    metadata = HeaderParser().parsestr(files[f"{about}METADATA"].decode())
    bundle = re.findall(r"(?m)^## .+ \(([\w.-]+)\)$", files["nnrun/report/assets/plotly.licenses.md"].decode())
    assert set(metadata["License-Expression"].split(" AND ")) == {"MIT", "CC-BY-4.0", *bundle}
    named = set(metadata.get_all("License-File") or ())
    inside = {name for name in files if name.startswith("nnrun/") and "licen" in name.rpartition("/")[2].lower()}
    assert named == {"LICENSE", "nnrun/data/bundled/README.md", *inside}
    assert all(files[f"{about}licenses/{name}"] == (ROOT / name).read_bytes() for name in named)


def test_it_works_in_an_empty_folder(outside: dict[str, str], tmp_path: Path) -> None:
    def run(line: str) -> str:
        done = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=outside, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    package = Path(run("python -c 'import nnrun; print(nnrun.__file__)'").strip()).parent
    assert package.name == "nnrun" and not package.is_relative_to(ROOT)
    assert str(package / "README.md") in run("nnrun --help")
    listed = json.loads(run("nnrun configs --json"))["configs"]
    assert [each["name"] for each in listed] == sorted(path.stem for path in ROOT.glob("configs/*.yaml"))
    assert run("nnrun configs digits") == "config   digits.yaml\nnext     nnrun train digits.yaml\n"
    trained = run("nnrun train digits.yaml --set training.epochs=1 --set network.hidden=[8]")
    assert "\nnext     nnrun diagnose " in trained
    for line in run("nnrun init iris").splitlines():
        if line.startswith("next "):  # without onnx a model is exported for NumPy
            run(line.removeprefix("next "))
    assert (tmp_path / "model.py").is_file()
