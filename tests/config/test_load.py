from pathlib import Path

import pytest

from nnrun.config.config import Config
from nnrun.config.data_section import Parts
from nnrun.config.dump import dump_yaml
from nnrun.config.load import load_config
from nnrun.errors import ConfigError

EXAMPLE = Path(__file__).with_name("example.yaml").read_text(encoding="utf-8")


def test_a_file_with_every_section_loads_as_written(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + EXAMPLE.replace("\n", "\r\n").encode())
    loaded = load_config(file)
    assert loaded.text == file.read_bytes()
    assert (loaded.path, loaded.notices) == (file, [])
    assert loaded.config.optimizer.learning_rate == 0.001
    assert loaded.config.search.space["optimizer.learning_rate"] == {"log": [1e-4, 1]}
    again = load_config(None, text=dump_yaml(loaded.config.resolved())).config
    assert again == loaded.config


def test_without_a_file_every_key_has_its_default() -> None:
    loaded = load_config(None, ["seed=5"])
    assert loaded.config == Config.from_values({"seed": 5})
    assert load_config(None, text=loaded.text.decode()).config == Config()


def test_text_stands_in_for_the_file_and_errors_name_it_if_there_is_one() -> None:
    with pytest.raises(ConfigError, match=r"^some/config.yaml:1:7: seed: must be at least 0, got -1$"):
        load_config(Path("some/config.yaml"), text="seed: -1\n")
    with pytest.raises(ConfigError, match=r"^seed: must be at least 0, got -1$"):
        load_config(None, text="seed: -1\n")


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("iris", "iris"),
        ("a.csv", "{folder}/a.csv"),
        ("../a.csv", "{parent}/a.csv"),
        ("sub/../a.csv", "{folder}/a.csv"),
        ("./iris", "{folder}/iris"),
        ("plain", "{folder}/plain"),
        ("digits.csv", "{folder}/digits.csv"),
        ("/abs/a.csv", "/abs/a.csv"),
        ("~/a.csv", "{home}/a.csv"),
    ],
)
def test_paths_are_relative_to_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, made: str
) -> None:
    folder = tmp_path.resolve() / "folder"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(tmp_path.resolve() / "home"))
    (folder / "config.yaml").write_text(f"data: {{source: {source}}}\n")
    monkeypatch.chdir(tmp_path)
    expected = made.format(folder=folder, parent=folder.parent, home=tmp_path.resolve() / "home")
    assert load_config(Path("folder/config.yaml")).config.data.source == expected


def test_each_part_has_its_path(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("data: {source: {train: t.csv, dev: d.npz}}\n")
    source = load_config(tmp_path / "config.yaml").config.data.source
    assert source == Parts(train=f"{tmp_path.resolve()}/t.csv", dev=f"{tmp_path.resolve()}/d.npz", test=None)


def test_a_link_keeps_its_name_and_a_file_may_be_called_almost_like_a_bundled_set(tmp_path: Path) -> None:
    (tmp_path / "blob").write_text("x")
    (tmp_path / "link.csv").symlink_to(tmp_path / "blob")
    (tmp_path / "digts").write_text("x")
    for name in ("link.csv", "digts"):
        loaded = load_config(tmp_path / "config.yaml", text=f"data: {{source: {name}}}\n")
        assert loaded.config.data.source == f"{tmp_path.resolve()}/{name}"


def test_a_file_that_is_not_there_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "config.yaml")


def test_a_space_may_be_named() -> None:
    space = load_config(None, ["search.space=regularization"]).config.search.space
    assert space["regularization.l2"] == {"log": [0.1, 10]}
    assert space.keys() == {"regularization.l2", "regularization.dropout"}
    with pytest.raises(ConfigError, match="expected ranges by key, or regularization, got the text 'all'"):
        load_config(None, ["search.space=all"])
