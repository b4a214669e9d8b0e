"""What is printed to be typed, beside results, notes and errors, is run word for word: it ends with 0, and it cures.

Of advice see test_advice.py, of the cures of `check` tests/insight/preflight/test_cures.py.
"""

from __future__ import annotations

import ast
import html
import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nnrun.runs.symptoms.symptoms import SYMPTOMS
from tests.cli.conftest import QUICK, Done
from tests.cli.test_advice import situation

Nnrun = Callable[..., Done]
Write = Callable[..., Path]
IRIS = "data: {source: iris}\nnetwork: {hidden: [8]}\ntraining: {epochs: 3}\n"


def quoted(text: str, verb: str) -> list[str]:
    """The words behind `nnrun` of the only command between backticks that begins with the verb."""
    (found,) = set(re.findall(rf"`nnrun ({verb}\b[^`]*)`", text))
    return shlex.split(found)


def the_run(runs: str = "runs") -> Path:
    return max(Path(runs).glob("[!.]*"))


# examples


def test_a_bundled_table_and_a_bundled_config_are_tried_as_their_lists_say(nnrun: Nnrun) -> None:
    (init,) = nnrun("init").next
    (copy,) = nnrun("configs").next
    assert nnrun(*shlex.split(init)[1:], "-o", "my.yaml").code == 0
    assert nnrun(*shlex.split(copy)[1:]).code == 0
    copied = nnrun("configs", "learning_rate_decay", "search")
    quick = Path("search.yaml").read_text().replace("trials: ", "trials: 2  # in place of ")
    Path("search.yaml").write_text(quick)
    for line in copied.next:
        assert nnrun(*shlex.split(line)[1:], "-q", *QUICK).code == 0, line


def test_numbers_alone_lead_to_a_run_that_says_more(nnrun: Nnrun, config: Write) -> None:
    told = nnrun("diagnose", "--train-error", "1%", "--dev-error", "9%").out
    nnrun("train", config(IRIS), "-q")
    assert nnrun(*quoted(" ".join(told.replace("note ", "").split()), "diagnose")).code == 0


def test_no_diagnosis_is_proposed_where_a_target_does_not_vary_on_dev(nnrun: Nnrun, config: Write) -> None:
    """Its root of squares decides all the same; the error, 1 − R², is not known, and evaluate does not make one up."""
    rows = (f"2026-{1 + i // 28:02}-{1 + i % 28:02},{i % 7 / 3},{i % 7 * 1.5 if i < 120 else 4}" for i in range(200))
    Path("level.csv").write_text("\n".join(["t,x,y", *rows]) + "\n")
    config("data: {source: level.csv, target: y, time: t}\nnetwork: {hidden: [4]}\ntraining: {epochs: 3}\n"
           "metrics: {primary: rmse}\nsearch: {space: {optimizer.learning_rate: {log: [1e-3, 1e-1]}}}\n")  # fmt: skip
    for command in (["train"], ["search", "--trials", "2", "--workers", "1"]):
        done = nnrun(*command)
        assert done.code == 0, done.err
        assert done.next
        for line in done.next:
            assert nnrun(*shlex.split(line)[1:], "-q" if "--" in line else "--json").code == 0, line
        measured = nnrun("evaluate", "--json").json["parts"]["dev"]["metrics"]["network"]
        assert (measured["error"], measured["r2"], measured["rmse"] > 0) == (None, None, True)


# symptoms

BAD = {
    "exploding": situation("iris", "", 0.001, 5, "network: {hidden: [16, 16, 16], init: {name: normal, scale: 5}}"),
    "vanishing": situation("iris", "", 0.001, 5, "network: {hidden: [16, 16], init: zeros}"),
    "dead_units": situation("digits", "[16, 16]", 0.3, 5),
    "divergence": situation("diabetes", "[16]", 500, 9, name="sgd")._replace(code=5),
    "rising_loss": situation("digits", "[16]", 1, 12, name="sgd"),
    "oscillation": situation("digits", "[16]", 1, 12),
    "plateau": situation("wine", "", 0.01, 30, "network: {hidden: [2], activation: sigmoid}", name="sgd"),
    "slow": situation("iris", "[16]", 1e-6, 12),
    "divergence_near": situation("diabetes", "[]", 0.3, 5, name="sgd"),
}


@pytest.mark.parametrize("name", [name for name in SYMPTOMS if name != "dev_rising"])  # told while it trains alone
def test_the_settings_below_a_symptom_cure_it(nnrun: Nnrun, config: Write, name: str) -> None:
    """What a rate far too high comes to hangs on the last digits, so further seeds are tried until one shows it."""
    config(BAD[name].config)
    told: list[str] = []
    for seed in range(20):
        done = nnrun("train", "config.yaml", "--set", f"seed={seed}")
        assert done.code == BAD[name].code
        if told := done.out.partition(f"symptom  {name.replace('_', ' ')}")[2].splitlines():
            break
    assert told, done.out
    options = shlex.split(told[1].strip().removeprefix("try "))
    cured = nnrun("train", "config.yaml", "--set", f"seed={seed}", *options)
    assert (cured.code, f"symptom  {name.replace('_', ' ')}" in cured.out) == (0, False), cured.out


# errors


def test_where_there_is_no_run_the_command_makes_one(nnrun: Nnrun, config: Write) -> None:
    config(IRIS)
    for runs in ("runs", "my runs"):
        for ask in (("show",), ("list",)):
            told = nnrun(*ask, "--runs", runs)
            making = quoted(told.out + told.err, "train")
        assert nnrun(*making, "-q").code == 0
        assert nnrun("show", "--runs", runs).code == 0


@pytest.mark.parametrize("runs", ["runs", "my runs"])
def test_a_run_that_is_not_there_is_found_in_the_list(nnrun: Nnrun, config: Write, runs: str) -> None:
    nnrun("train", config(IRIS), "-q", "--runs", runs)
    for ask in (("show", "zzz"), ("compare", "latest")):
        refused = nnrun(*ask, "--runs", runs)
        listed = nnrun(*quoted(refused.err, "list"))
        assert (refused.code, listed.code, the_run(runs).name in listed.out) == (2, 0, True)


def test_a_table_in_place_of_a_config_gets_one(nnrun: Nnrun) -> None:
    Path("iris.csv").write_text("a,class\n" + "".join(f"{i % 7},{'xy'[i % 7 > 3]}\n" for i in range(90)))
    (words,) = re.findall("nnrun (init .* COLUMN) writes", nnrun("train", "iris.csv").err)
    asked = nnrun("init", "iris.csv")
    (option,) = re.findall(r"Perhaps (--target '\S+');", asked.err)
    assert (asked.code, nnrun(*shlex.split(words.replace("--target COLUMN", option))).code) == (2, 0)
    assert nnrun("train", "-q").code == 0


def test_a_config_of_another_name_is_in_the_list(nnrun: Nnrun) -> None:
    refused = nnrun("configs", "irisses")
    listed = nnrun(*quoted(refused.err, "configs"))
    assert (refused.code, listed.code, "digits" in listed.out) == (2, 0, True)


def test_a_schedule_that_knows_the_total_is_left_as_the_message_says(nnrun: Nnrun, config: Write) -> None:
    nnrun("train", config(IRIS + "optimizer: {schedule: cosine}\n"), "-q")
    refused = nnrun("resume", "--epochs", "6")
    done = nnrun(*quoted(refused.err, "resume"))
    assert (refused.code, done.code) == (2, 0)
    assert nnrun("show", "--json").json["epochs"] == 6


def test_a_file_in_the_way_is_replaced_with_the_option_or_left_with_another_name(nnrun: Nnrun, config: Write) -> None:
    nnrun("train", config(IRIS), "-q")
    Path("model.py").touch()
    for command in (("export", "--format", "numpy"), ("init", "iris")):
        refused = nnrun(*command)
        assert refused.code == 2 and "--force" in refused.err
        assert nnrun(*command, "--force").code == 0
    Path("folder").mkdir()
    refused = nnrun("init", "iris", "-o", "folder")
    options = shlex.split(refused.err.partition("name a file in it: ")[2])
    assert nnrun("init", "iris", *options).code == 0
    assert Path("folder/config.yaml").is_file()


# notes


def test_a_schema_of_another_version_is_renewed(nnrun: Nnrun, shell: Callable[[str], Done]) -> None:
    Path("my folder").mkdir()
    schema = Path("my folder/nnrun.schema.json")
    assert nnrun("init", "iris", "-o", "my folder/config.yaml").code == 0
    whole = schema.read_bytes()
    schema.write_bytes(b"{}")
    told = nnrun("init", "iris", "-o", "my folder/config.yaml", "--force").err
    assert shell(re.findall("`(.+)`", told)[0]).code == 0
    assert schema.read_bytes().strip() == whole.strip()
    assert "renews" not in nnrun("init", "iris", "-o", "my folder/config.yaml", "--force").err


def test_predictions_are_compared_with_a_target_that_is_there(nnrun: Nnrun, config: Write) -> None:
    Path("new rows.csv").write_text("a,y\n" + "".join(f"{i % 7},{'ab'[i % 7 > 3]}\n" for i in range(90)))
    config("data: {source: new rows.csv, target: y}\nnetwork: {hidden: [8]}\ntraining: {epochs: 3}\n")
    nnrun("train", "-q", "--runs", "elsewhere")
    told = " ".join(nnrun("predict", the_run("elsewhere"), "new rows.csv", "-o", "p.csv").err.split())
    done = nnrun(*quoted(told.replace("notice ", ""), "evaluate"))
    assert (done.code, "data     new rows.csv: 90 rows" in done.out) == (0, True)


def test_a_base_error_is_bounded_and_used(nnrun: Nnrun, config: Write) -> None:
    nnrun("train", config(IRIS), "-q")
    looked = nnrun("diagnose", "latest", "--estimate-base")
    (option,) = re.findall(r"--base-error \S+", " ".join(looked.out.split()).partition("it is not used here")[2])
    used = nnrun("diagnose", "latest", *option.split())
    assert (used.code, "no base error above 0 is given" in used.out.lower()) == (0, False)


@pytest.mark.parametrize("written", ["", "diagnosis: {base_error: 0}\n"])
def test_a_base_error_of_0_is_told_so_that_it_holds_for_one_that_is_written(
    nnrun: Nnrun, config: Write, written: str
) -> None:
    nnrun("train", config(f"{IRIS}{written}"), "-q")
    said = " ".join(nnrun("diagnose").out.split())
    assert "No base error above 0 is given, so bias is measured from 0; a gap above" in said


def test_what_may_be_noise_is_bounded_once(nnrun: Nnrun, config: Write) -> None:
    config("data: {source: iris}\noptimizer: {learning_rate: 1}\ntraining: {epochs: 20}\n")
    nnrun("train", "-q")
    line = next(line for line in nnrun("diagnose").next if "--estimate-base" in line)
    bounded = nnrun(*shlex.split(line)[1:])
    assert (bounded.code, "base error, estimated" in bounded.out) == (0, True)
    assert not [line for line in bounded.next if "--estimate-base" in line]


def test_a_table_that_is_not_fitted_is_compared_with_trees(nnrun: Nnrun, config: Write) -> None:
    config("data: {source: breast_cancer}\nnetwork: {hidden: [1]}\noptimizer: {learning_rate: 1e-5}\n")
    nnrun("train", "-q", "--set", "training.epochs=2")
    compared = nnrun(*shlex.split(nnrun("diagnose").next[-1])[1:])
    assert (compared.code, "boosting" in compared.out, "test part read" in compared.out) == (0, True, True)
    nnrun("train", "-q", "--set", "training.epochs=2", "--set", "data.source=digits")
    assert not any("--baselines" in line for line in nnrun("diagnose").next), "trees read no image"


def test_a_run_killed_before_its_first_epoch_is_trained(nnrun: Nnrun, config: Write) -> None:
    nnrun("train", config(IRIS), "-q", "--runs", "elsewhere")
    run = the_run("elsewhere")
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "status": "running", "final": None, "written": None}))
    (run / "metrics.jsonl").write_text("")
    for file in (run / "checkpoints").iterdir():
        file.unlink()
    refused = nnrun("diagnose", "--runs", "elsewhere")
    assert refused.code == 2
    assert nnrun(*quoted(refused.err, "resume")).code == 0
    assert nnrun("diagnose", "--runs", "elsewhere").code == 0


# searches

SPACE = "search: {space: {optimizer.learning_rate: {log: [1e-4, 1e-1]}, network.width: {choice: [4, 8]}}}\n"
FIRST_OF_ALL = ("search", "config.yaml", "-q", "--workers", "1", "--trials")


def commands_of(page: Path) -> list[str]:
    """What a report says to type, as a browser shows it."""
    return [html.unescape(found) for found in re.findall(r"<code>(nnrun [^<]*)</code>", page.read_text())]


def test_a_damaged_ledger_is_mended(nnrun: Nnrun, config: Write) -> None:
    config(IRIS + SPACE)
    nnrun(*FIRST_OF_ALL, "3", "--runs", "elsewhere")
    ledger = the_run("elsewhere") / "trials.jsonl"
    lines = ledger.read_bytes().splitlines(keepends=True)
    for damaged in (b"".join([lines[0], b"?\n", *lines[2:]]), lines[0]):  # rotten, and gone
        ledger.write_bytes(damaged)
        told = nnrun("diagnose", "--runs", "elsewhere")
        assert told.code == 4
        assert nnrun(*quoted(told.err, "resume"), "-q").code == 0
        assert nnrun("diagnose", "--runs", "elsewhere").code == 0
        assert len(ledger.read_bytes().splitlines()) == 3


def test_a_trial_whose_checkpoints_are_gone_is_trained_again(nnrun: Nnrun, config: Write) -> None:
    config(IRIS + SPACE)
    nnrun(*FIRST_OF_ALL, "2")
    trial = the_run() / "trials/0001"
    shutil.rmtree(trial / "checkpoints")
    before = json.loads((trial / "run.json").read_text())["final"]
    words = quoted(nnrun("evaluate", trial).err, "train")
    assert nnrun(*words, "-q").code == 0
    assert nnrun("evaluate").code == 0
    assert nnrun("show", "--json").json["final"]["dev_error"] == before["dev_error"]


def test_repeats_that_are_missing_are_made(nnrun: Nnrun, config: Write) -> None:
    config(IRIS + SPACE)
    nnrun(*FIRST_OF_ALL, "2", "--repeat", "2", "--runs", "elsewhere")
    record = the_run("elsewhere") / "run.json"
    lost = {key: value for key, value in json.loads(record.read_text()).items() if key not in ("repeats", "checksum")}
    record.write_text(json.dumps(lost))
    told = nnrun("show", "--runs", "elsewhere").out
    assert nnrun(*quoted(told, "resume"), "-q").code == 0
    assert "not trained again" not in nnrun("show", "--runs", "elsewhere").out


def test_a_search_without_a_trial_yet_goes_on(nnrun: Nnrun, config: Write) -> None:
    """One that was killed, and one whose time was up before it had begun."""
    config(IRIS + SPACE)
    nnrun(*FIRST_OF_ALL, "2", "--runs", "elsewhere")
    search = the_run("elsewhere")
    record = json.loads((search / "run.json").read_text())
    for folder in ("best", "trials"):
        shutil.rmtree(search / folder)
    (search / "trials.jsonl").unlink()
    results = ("checksum", "best_trial", "final", "trials", "counts", "ended_by", "test_reads")
    kept = {key: value for key, value in record.items() if key not in results}
    (search / "run.json").write_text(json.dumps({**kept, "status": "running"}))
    refused = nnrun("diagnose", "--runs", "elsewhere")
    assert refused.code == 2
    assert nnrun(*quoted(refused.err, "resume"), "-q").code == 0
    assert nnrun("diagnose", "--runs", "elsewhere").code == 0
    nnrun(*FIRST_OF_ALL, "2", "--timeout", "1e-6")
    refused = nnrun("diagnose")
    assert (refused.code, quoted(refused.err, "resume")[2:]) == (2, ["--timeout", "60"])
    assert nnrun(*quoted(refused.err, "resume"), "-q").code == 0
    assert nnrun("diagnose").code == 0


def test_all_that_a_page_of_a_search_says_to_type_can_be_typed(nnrun: Nnrun, process: Nnrun, config: Write) -> None:
    config(IRIS + SPACE)
    assert process(*FIRST_OF_ALL, "3", "--report").code == 0
    search = the_run()
    page = search / "report.html"
    (repeating,) = re.findall(r"with other seeds; <code>(nnrun .*?)</code> does that", html.unescape(page.read_text()))
    assert len(commands_of(page)) >= 6
    for line in [*commands_of(page), repeating]:
        done = nnrun(*shlex.split(line)[1:])
        assert done.code == 0, f"{line}: {done.err}"
    assert nnrun("report", search).code == 0
    assert "It was not trained again" not in (search / "report.html").read_text()


def test_all_that_a_page_of_a_run_says_to_type_can_be_typed(nnrun: Nnrun, process: Nnrun, config: Write) -> None:
    assert process("train", config(IRIS), "-q", "--report").code == 0
    lines = commands_of(the_run() / "report.html")
    assert len(lines) >= 5
    for line in lines:
        done = nnrun(*shlex.split(line)[1:])
        assert done.code == 0, f"{line}: {done.err}"


def test_a_long_search_is_made_shorter_as_the_note_says(
    nnrun: Nnrun, config: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnrun.search.duration.LONG", 0.0)
    config(IRIS + SPACE)
    words = [word for word in FIRST_OF_ALL if word != "-q"]
    told = " ".join(nnrun(*words, "3").err.split())
    monkeypatch.setattr("nnrun.search.duration.LONG", 300.0)
    options = re.findall(r"(--timeout 0) ends it then, (--strategy halving) trains", told)
    assert options, told
    for option in ("--timeout 300", options[0][1]):
        monkeypatch.setattr("nnrun.search.duration.LONG", 0.0)
        done = nnrun(*words, "3", *option.split())
        assert (done.code, "that is long" in done.err) == (0, False)


def test_a_search_of_ensembles_is_made_one_of_networks_as_the_note_says(nnrun: Nnrun, config: Write) -> None:
    config(IRIS + SPACE)
    words = [word for word in FIRST_OF_ALL if word != "-q"]
    told = " ".join(nnrun(*words, "1", "--set", "network.ensemble=2").err.split())
    ((one, later),) = re.findall(r"(--set network.ensemble=1) searches with one, and `nnrun (.+?)` makes 2 of", told)
    alone = nnrun(*words, "1", *one.split())
    assert (alone.code, "networks (network.ensemble)" in alone.err) == (0, False)
    assert (nnrun(*later.split()).code, nnrun("show").out.count("ensemble of 2")) == (0, 1)


# all places

PACKAGE, TESTS = Path(__file__).parents[2] / "nnrun", Path(__file__).parents[1]
MAKERS = ("command", "as_options")  # of installation
SHOWN = re.compile(r"nnrun [a-z]+|[ (`]--[a-z]")
FOLLOWED = {  # module and function that print a command or options to type -> the test that does so
    "cli/app:_tell_what_is_first": "test_rows_that_are_named_alone_are_told_that_the_run_comes_first",
    "cli/app:_teach": "test_a_key_typed_as_an_option_is_set_as_told",
    "cli/rm:carry_out": "test_clean_removes_what_fulfils_all_conditions",
    "runs/engines:_refuse_without_extra": "test_a_compiled_run_goes_on_with_numpy_where_numba_is_missing",
    "runs/moving:if_gone": "test_of_a_run_whose_data_was_moved_the_way_is_told",
    "runs/verbs:rerun": "test_folds_are_trained_again_and_a_search_is_none",
    "runs/removing:_why_not": "test_a_part_of_a_search_goes_with_it_alone",
    "cli/compare:_measure": "test_the_printed_command_measures_the_noise",
    "cli/configs:_chosen": "test_a_config_of_another_name_is_in_the_list",
    "cli/configs:_list": "test_a_bundled_table_and_a_bundled_config_are_tried_as_their_lists_say",
    "cli/configs:_use": "test_a_bundled_table_and_a_bundled_config_are_tried_as_their_lists_say",
    "cli/ensemble:_report": "test_what_an_ensemble_says_to_type_can_be_typed",
    "cli/ensemble:_say_left": "test_seeds_that_were_interrupted_go_on_as_it_says",
    "cli/ensemble:_train_cycles": "test_cycles_that_were_interrupted_go_on_as_it_says",
    "cli/improve:_next_commands": "test_it_tells_each_step_and_the_other_commands_take_its_directory",
    "cli/init:_check_free": "test_a_file_in_the_way_is_replaced_with_the_option_or_left_with_another_name",
    "cli/init:_list": "test_a_bundled_table_and_a_bundled_config_are_tried_as_their_lists_say",
    "cli/init:_write": "test_a_schema_of_another_version_is_renewed",
    "cli/list:list_": "test_where_there_is_no_run_the_command_makes_one",
    "cli/resume:_to_go_on": "test_nothing_left_to_train_is_said",
    "cli/retest:_next_commands": "test_what_a_retest_says_to_type_can_be_typed",
    "cli/search:tell": "test_a_search_prints_results_on_stdout_and_its_course_on_stderr",
    "cli/show:_of_its_rung": "test_a_trial_of_a_rung_says_that_its_rung_ended",
    "cli/train:_next_commands": "test_what_a_run_of_folds_says_to_type_can_be_typed",
    "cli/train:_tell": "test_printed_commands_run_as_they_stand",
    "cli/train:_with": "test_a_diverged_run",
    "config/load:_making": "test_a_table_in_place_of_a_config_gets_one",
    "insight/diagnosis/base_error:base_error_lines": "test_a_base_error_is_bounded_and_used",
    "insight/diagnosis/origin:command": "test_a_rule_is_silent_or_no_longer_first_once_it_was_followed",
    "insight/diagnosis/searches:_next": "test_a_range_is_moved_on_alone",
    "insight/diagnosis/searches:of_a_search": "test_a_search_without_a_trial_yet_goes_on",
    "insight/diagnosis/telling:": "test_what_may_be_noise_is_bounded_once",
    "insight/diagnosis/verbs:_nothing_to_judge": "test_a_run_killed_before_its_first_epoch_is_trained",
    "insight/diagnosis/next_steps:to_bound": "test_what_may_be_noise_is_bounded_once",
    "insight/diagnosis/next_steps:to_compare": "test_a_table_that_is_not_fitted_is_compared_with_trees",
    "insight/diagnosis/next_steps:to_finish": "test_an_interrupted_run_is_to_be_finished_first",
    "insight/diagnosis/verbs:of_numbers": "test_numbers_alone_lead_to_a_run_that_says_more",
    "insight/scaffold/verbs:_commands": "test_a_bundled_set_as_a_file",
    "models/calibration:outdated": "test_a_calibration_of_other_weights_is_made_anew_as_the_note_says",
    "models/ensembling/candidates:_ended": "test_one_that_was_interrupted_is_trained_to_its_end",
    "models/ensembling/candidates:require_several": "test_one_alone_one_twice_and_one_that_has_not_ended_are_refused",
    "models/ensembling/training:_as_it_was": "test_a_state_that_is_gone_is_trained_again",
    "models/output:check_free": "test_a_file_in_the_way_is_replaced_with_the_option_or_left_with_another_name",
    "models/rows:notices": "test_predictions_are_compared_with_a_target_that_is_there",
    "models/uncertainty:__init__": "test_one_network_becomes_several_as_the_refusal_says",
    "report/run/background:_again": "test_all_that_a_page_of_a_run_says_to_type_can_be_typed",
    "report/search/improvement:_kept_section": "test_all_that_a_page_of_an_improvement_says_to_type_can_be_typed",
    "report/search/improvement:_same": "test_all_that_a_page_of_an_improvement_says_to_type_can_be_typed",
    "report/search/retest:_next": "test_all_that_a_page_of_a_retest_says_to_type_can_be_typed",
    "report/search/retest:_same_retest": "test_all_that_a_page_of_a_retest_says_to_type_can_be_typed",
    "report/search/report:_sureness": "test_all_that_a_page_of_a_search_says_to_type_can_be_typed",
    "report/search/report:_uses": "test_all_that_a_page_of_a_search_says_to_type_can_be_typed",
    "report/verbs:write_folder_report": "test_what_no_page_of_a_folder_can_be_made_of",
    "runs/checkpoints:why_dropped": "test_a_trial_whose_checkpoints_are_gone_is_trained_again",
    "runs/followers:_tell": "test_a_place_that_cannot_be_written_to_and_what_does_it_later",
    "runs/finding:find_run": "test_where_there_is_no_run_the_command_makes_one",
    "runs/finding:listing": "test_a_run_that_is_not_there_is_found_in_the_list",
    "runs/child:_nothing_to_train": "test_a_child_that_would_train_nothing_is_not_made",
    "runs/child:_anew": "test_no_run_becomes_one_of_folds_or_of_another_fold",
    "runs/member:trained_members": "test_where_a_fold_is_still_to_come_it_is_said_how",
    "runs/members:refitted": "test_a_last_network_that_is_gone_is_trained_again_as_it_says",
    "runs/members:refuse_gathered": "test_nobody_trains_an_ensemble_on",
    "runs/kinds:until_best": "test_a_search_that_was_killed_has_trials_and_no_best_run_yet",
    "runs/labels:where_found": "test_a_part_of_a_run_is_found_by_show",
    "runs/requests:_instead": "test_an_interrupted_run_goes_on_as_the_refusal_says",
    "runs/requests:refuse": "test_a_trial_sends_to_its_search_or_becomes_a_run",
    "runs/rewinding:_parent": "test_a_trial_sends_to_its_search_or_becomes_a_run",
    "runs/steering:": "test_a_run_is_steered_from_other_processes_and_trained_again",
    "runs/telling:symptom_lines": "test_the_settings_below_a_symptom_cure_it",
    "runs/verbs:_refuse_senseless": "test_a_schedule_that_knows_the_total_is_left_as_the_message_says",
    "config/yaml_text:_neighbour": "test_a_config_that_comes_with_nnrun_is_put_here_as_the_message_says",
    "improving/loop:course": "test_a_start_that_failed_is_no_error_of_100_percent_and_is_trained_again",
    "runs/full_disk:resumable": "test_a_search_says_how_it_goes_on",
    "search/ledger:read_whole": "test_a_damaged_ledger_is_mended",
    "search/retests/design:old_settings": "test_a_search_without_a_result_goes_on_as_the_message_says",
    "search/retests/verbs:_over": "test_an_improvement_is_no_search_to_retest_and_an_ensemble_is_of_one_split",
    "search/retests/standing:_next": "test_what_a_retest_says_to_type_can_be_typed",
    "search/duration:_several_networks": "test_a_search_of_ensembles_is_made_one_of_networks_as_the_note_says",
    "search/duration:expected_time": "test_a_long_search_is_made_shorter_as_the_note_says",
    "watching/starting:start": "test_what_is_started_is_told_as_it_can_be_typed",
    "models/drift/comparing:__init__": "test_a_run_that_kept_too_little_predicts_as_ever",
    "watching/details:_commands": "test_the_commands_of_a_run_can_be_typed",
    "runs/known_rows:told_known": "test_what_is_said_to_train_anew_can_be_typed",
    "runs/preparing:require_beginning": (
        "test_a_child_that_was_killed_before_it_was_saved_does_not_begin_with_new_weights"
    ),
    "runs/preparing:would_diverge_again": "test_a_run_of_folds_that_diverged_says_what_helps",
    "runs/verbs:_as_begun": "test_what_a_run_of_folds_says_to_type_can_be_typed",
    "runs/verbs:resume": "test_what_a_run_of_folds_says_to_type_can_be_typed",
    "runs/verbs:train": "test_what_a_run_of_folds_says_to_type_can_be_typed",
    "search/strategies/grid:_left_out": "test_a_grid_says_what_it_leaves_out_and_what_takes_all",
    "search/stored:loss": "test_a_damaged_ledger_is_mended",
    "search/telling:unfinished_repeats": "test_repeats_that_are_missing_are_made",
}
WORDS_ALONE = {  # that name an option or a command which was typed, or whose value is the user's to know
    "cli/common:wrapper", "cli/compare:compare", "cli/terminal/panel:", "cli/configs:configs",
    "cli/terminal/watch_screen:refuse_without_terminal", "cli/terminal/watch_drawing:", "cli/terminal/watch_view:",
    "cli/diagnose:_hold", "cli/diagnose:_of_curves", "cli/clean:clean", "cli/tag:tag",
    "cli/report:_refuse_both", "cli/export:export", "cli/show:show", "tracking/mlflow_store:command_to_look",
    "cli/diagnose:_workers", "cli/ensemble:_train_apart", "search/verbs:begin_seeds", "runs/child:with_epochs",
    "tracking/tensorboard_files:command_to_look", "runs/rewinding:_decided",
    "models/ensembling/verbs:of_search", "cli/evaluate:_broken", "cli/common:tell_drift", "cli/init:_refuse",
    "models/drift/telling:drift_lines", "models/importance/telling:importance_page",
    "cli/init:_source", "cli/predict:_by", "config/data_section:", "config/hints:", "config/versions:",
    "data/dataset:", "data/files/excel_file:_choose", "improving/loop:_lacking", "improving/verbs:_refuse_too_little",
    "insight/diagnosis/verbs:refuse", "insight/scaffold/overview:_judge",
    "insight/scaffold/recipe:_learning_rate", "insight/scaffold/verbs:_data", "insight/scaffold/verbs:scaffold",
    "insight/scaffold/verbs:wishes", "insight/preflight/gradients:_too_many",
    "machine/systems:refuse_others", "models/calibrating:_require_unlearned",
    "models/calibrating:with_scores",
    "models/ensembling/candidates:of_runs", "models/ensembling/candidates:require_dev",
    "models/rows:probability_notices", "models/telling:_intervals",
    "runs/labels:_refuse_replaced", "runs/members:folds_told", "runs/requests:_checked",
    "runs/rewinding:_changed", "runs/rewinding:epoch", "runs/rundir:_made_under", "runs/stored:_refuse_bomb",
    "watching/server:_route", "search/cluster/connecting:", "search/cluster/crew:_examine", "search/state:options_of",
    "search/telling:", "search/telling:flat_lines", "search/verbs:refuse_flat",
    "search/retests/verbs:_not_taken", "search/retests/verbs:begin", "search/study:_words", "search/opening:extended",
}  # fmt: skip


def places(path: Path) -> Iterator[str]:
    """The functions of a module in which a command is made, or text stands that looks like a part of one."""
    tree = ast.parse(path.read_text())
    module = path.relative_to(PACKAGE).with_suffix("").as_posix()
    explained = [
        node.body[0] for node in ast.walk(tree) if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef))
    ]
    words = {id(found.value) for found in explained if isinstance(found, ast.Expr)}  # docstrings

    def within(node: ast.AST, function: str) -> Iterator[str]:
        if isinstance(node, ast.FunctionDef):
            function = node.name
        if isinstance(node, ast.Call) and ast.unparse(node.func) in MAKERS:
            yield f"{module}:{function}"
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("typer."):
            return  # help
        if isinstance(node, ast.Constant) and id(node) not in words and SHOWN.search(str(node.value)):
            yield f"{module}:{function}"
        for child in ast.iter_child_nodes(node):
            yield from within(child, function)

    return within(tree, "")


def test_every_place_that_prints_a_command_is_followed_by_a_test() -> None:
    found = {place for path in PACKAGE.rglob("*.py") for place in places(path)}
    assert found == {*FOLLOWED, *WORDS_ALONE}
    tests = "".join(path.read_text() for path in TESTS.rglob("test_*.py"))
    assert [name for name in FOLLOWED.values() if f"def {name}(" not in tests] == []
