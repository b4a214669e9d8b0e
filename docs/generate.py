"""Prints a page of the documentation, worked out from the code.

python docs/generate.py > docs/reference.md
python docs/generate.py diagnosis > docs/diagnosis.md
python docs/generate.py checks > docs/checks.md
python docs/generate.py metrics > docs/metrics.md
python docs/generate.py init > docs/init.md
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

import nnrun
from nnrun import errors
from nnrun.cli.app import app, with_names
from nnrun.config.config import Config
from nnrun.config.dump import dump_yaml
from nnrun.config.reference import Row, reference_rows
from nnrun.config.space.domains import DOMAINS
from nnrun.config.space.intervals import Domain, Interval
from nnrun.config.space.space import usual_space
from nnrun.config.versions import GONE
from nnrun.engine import metrics as metrics_table
from nnrun.engine import scores
from nnrun.engine.optimizers import OPTIMIZERS
from nnrun.insight.diagnosis.recipe import REMEDIES
from nnrun.insight.preflight.checks import CHECKS
from nnrun.insight.scaffold import proposals, recipe, weighing
from nnrun.insight.scaffold.columns import LEFT_OUT
from nnrun.models import baselines
from nnrun.runs import verdict
from nnrun.runs.symptoms.shapes import SIGNS
from nnrun.runs.symptoms.symptoms import SYMPTOMS
from nnrun.search.strategies import STRATEGIES
from nnrun.search.study import CHECKPOINTS_KEPT

HEAD = """\
# Reference

Generated from the code by `python docs/generate.py > docs/reference.md`. What the keys do, with formulas:
[techniques.md](techniques.md)."""

KEYS = """\
## The YAML file

Every section and key may be left out, but an empty file is an error. So are unknown keys, duplicate keys and values of
the wrong type, each reported with file, line and column. Numbers follow YAML 1.2: `1e-3` is a number. Paths in a file
are relative to the file, paths in `--set` to the current directory. `init` and `schedule` take a name, or a mapping of
the name and the options listed below it.

`extends: base.yaml` takes the values of another config, relative to the file that names it, and `extends: [a.yaml,
b.yaml]` of several, the later one on top. Sections are merged key by key; a value is replaced as a whole, a list or a
mapping too. Files that are extended may extend others. What is wrong in one of them is told by its own line, and
resolved.yaml of a run holds all that came of it. Where another `optimizer.name` is put on top by `--set` or a search,
or by a file that extends a resolved.yaml, numbers that are usual of the old one (`beta2`, `weight_decay` …) give way to
what is usual of the new one; so does a `search.metric` of a resolved.yaml that is the old `metrics.primary` where there
is a new one. What stands in other files, or in one between, stays.

A key that steers nothing beside the others is told by `train`, `check` and `improve` where it has another value than
its usual one: `beta1` with sgd, `batch_norm` without a hidden layer, a sheet of a CSV file. Of a resolved.yaml, whose
run has told it, only what is put on top is.

`version: 1` says for which keys a file was written; left out, it is 1. A file for a newer nnrun is an error that says
so, and nothing else. Keys that are gone are read as long as they can be, and a notice says what to write instead:

{gone}

`nnrun train` ignores the section `search`. `nnrun schema` prints the same definitions as JSON Schema, with which
editors complete and check a file."""

SPACE = """\
### The space of a search

`search.space` maps dotted keys of `network`, `regularization`, `optimizer` and `training` to a range each. Left out, it
starts from the config: a quarter, half, one and two times its widths, and half, one and two times its batch size, or of
that which `auto` means on the data. Layers of different widths keep their shape; for a config without a hidden layer it
has `[]` and one layer of 16, 32, 64 or 128 units. For the defaults that is the space below, with other batch sizes on
larger data. A range is checked against the key's own bounds before the first trial.

`network.hidden: {choice: [[], [64], [64, 32], [128, 64, 32]]}` tries networks layer by layer, `[]` without a hidden
one; `network.depth` and `network.width` those whose layers are all alike. A search takes one or the other. A
width for a config without a hidden layer makes one.

In place of ranges `space: regularization` stands for `{regularization.l2: {log: [0.1, 10]}, regularization.dropout:
{quantized: [0.0, 0.7, 0.1]}}`, the strengths that `nnrun diagnose` has searched where the variance is high."""

WHEN = """\
`when` names values of other keys with which alone a parameter exists: `when: {optimizer.name: adam}`, or a list of
values. The other key may be searched itself, by `choice` or whole numbers; if it is not, the config's value decides
once for all trials. A parameter that does not exist is null in the records, and the config's own value is used."""

STRATEGY = """\
### The strategies of a search

Values of `search.strategy` and `--strategy`. Trial 0 is always the config as written, and the settings in
`search.enqueue`, known from an old search perhaps, are the trials after it. A key that they leave out has the config's
own value. Their values may lie outside of the ranges; the strategy does not learn from those.

`grid` takes a list of choices as it is: of three lists of four values it has 64 combinations, in an order in which
each value of a list has been tried as often as any other, or once more, unless there is a `when`: settings that differ
in nothing but parameters that do not exist are one, and tried once. Ranges beside lists have three values at first,
then five, nine and so on, as far as the trials go. `search.trials` (`--trials`) counts the trials before the grid, too:
`--trials 65` takes those 64 and the config as written. Where fewer are asked for of lists alone, the search says at its
beginning, and in `notes` of run.json, how many combinations are left out, and what takes all; `nnrun resume --trials`
tries them too.

`search.prune: median` ends trials early that fall behind, with strategies that do not learn from results (`random`,
`sobol`, `grid`); how is told in [techniques.md](techniques.md#ending-trials-early)."""

ENQUEUE = """\
search:
  enqueue:
    - {optimizer.learning_rate: 0.02, network.width: 96}
    - {optimizer.learning_rate: 0.5, regularization.l2: 0.1}
"""

COMMANDS = """\
## Commands

RUN is a path, an id, `latest`, or a short name where that means one run: the beginning of an id, its last four letters
(`a3f2`), its name or a part of that (`digits`), and `@1`, the run before the latest, `@2` and so on. `best/` and
`trials/NNNN/` of a search are runs too, behind any of these: `latest/best`. RUN may be left out where its table says
so: it is `latest` then. Of `predict`, `compare`, `ensemble`, `tag`, `note` and `rm` it may not.

Results go to stdout, everything else to stderr; where stdout is closed, documents and tables that a program would read
there are an error (exit code 1) before any work is done. Where it takes nothing, as on a full disk, the command ends so
after its work; the run is kept, and `nnrun show` tells of it. On a terminal training shows a
[live view](panda.md#the-live-view) that takes keys, elsewhere one line an epoch. A search prints one line a trial. On a
terminal these have columns, for the settings in which trials differ and as many as fit, and below stand the best five,
those in training with their epoch, their best dev error so far and the time left, counts, and a bar with the pace.

Every command takes `-q` and `-v`. With `-q` it prints its result and errors, no progress, no notes and nothing to type
next: `nnrun diagnose -q` the verdict in a sentence. With `-v` it begins with the resolved config, of a run that it is
given or of what it trains, and the versions of the software; a search also says when each trial begins. `--json` prints
one document on stdout, of a command that fails, or is interrupted before it has a result,
`{"schema_version": 1, "error": {"exit_code": …, "problems": […]}}`; `nnrun schema` prints JSON anyway."""

CODES = {
    0: "Success; of a search: at least one trial ended well.",
    1: "An unexpected error; `--debug` shows where. A stdout that takes no result, whatever that is. Of a search: "
    "every trial failed, or none had ended when `--timeout` was over.",
    5: "Training met numbers that are not finite; the run says in which epoch, step and layer. Of a search: no trial "
    "ended well, and some diverged.",
    6: "`nnrun check` found a fault, `nnrun diagnose --fail-on` what it forbids, `--fail-on drift` of `nnrun evaluate` "
    "or `nnrun predict` rows unlike those of training, or what `nnrun evaluate --require` wants does not hold.",
    129: "The terminal was closed (SIGHUP); the same as 130.",
    130: "Interrupted by Ctrl-C, or by `nnrun stop`; `nnrun resume` continues at the last whole epoch, a search with "
    "the trials that are not finished.",
    141: "The reader of stdout went away (`nnrun list | head`).",
    143: "Interrupted by SIGTERM; the same. While Python itself starts or ends, before and after any of nnrun runs, "
    "the system ends the process: a shell shows 143 then as well, a program that waits for it −15.",
}

FILES = {
    "config.yaml": "the config as it was given, byte for byte",
    "resolved.yaml": "the config with every default filled in and absolute paths; `nnrun train` takes it as well",
    "run.json": "status, command line, the config's path and the settings that `nnrun train` was given (`given`; null "
    "where something else began the run), times, versions, each BLAS with its kernel and threads, git commit, "
    "data hashes and row counts, parent run (its epoch, of a rewound child a checksum of the state it began from, and "
    "`knows_rows` where the network may have learned rows that are dev or test here), "
    "best epoch, symptoms, final losses and errors, and of an ensemble or of [folds](folds.md) those of its members "
    "(`members`); of folds also dev_error_se and the like in `final`, and `refit`: for how many epochs one more "
    "network was trained",
    "data.json": "columns learned from and left out, means, deviations, vocabularies, classes, what each column is "
    "like in the training part (`profiles`), and the split as rule, seed, sizes and hash",
    "metrics.jsonl": "one JSON object an epoch",
    "events.jsonl": "started, resumed, stopped early, pruned, symptom, done, interrupted, diverged, evaluated (on its "
    "test part), and what was asked of it: changed (the first epoch of it, key, old, new, replaced: the changes that "
    "it took the place of, note, host and process), refused, paused, continued, told to stop; with times, and "
    "in a run of folds the fold whose epoch it is",
    "log.txt": "what the screen showed, and remarks: that a small set could be taken at once (`batch_size: full`), and "
    "that early stopping mixes two aims",
    "checkpoints/best.safetensors": "parameters of the epoch with the lowest dev error, or the best `metrics.primary`; "
    "with `training.average` the averaged ones",
    "checkpoints/best.json": "which epoch that is, and its scores, negated where more is better",
    "checkpoints/last.safetensors": "all that training continues from: parameters, running averages, optimizer state, "
    "with `training.average` what is judged, as optimizer.average; of an ensemble with its members in front of each "
    "shape",
    "checkpoints/last.json": "epoch and step, name of the optimizer, counters of early stopping",
    "run.lock": "held by the process that trains the run",
}
LATER_FILES = {
    "members.json": "of a run that is made of others, an [ensemble](ensembles.md#files) or [folds](folds.md): who they "
    "are, how much each counts, how they were chosen",
    "members/NN": "the run directory of each of these; `members/all` that of `nnrun train --refit`",
    "checkpoints/epoch-NNNNNN.safetensors": "the state after epochs 2, 4, 8, … and the best parameters until there, "
    "from which `nnrun rewind` trains what lies between; not before a run has trained for half a second; and the state "
    "at the end of each cycle of the learning rate, of which `nnrun ensemble --snapshots` makes members",
    "requests": "a file for each thing that `nudge`, `pause`, `resume` or `stop` asked for, until it is taken up",
    "report.html": "the page that `nnrun report` or `--report` made last; a search has one too",
    "lesson-NAME.html": "the page that `nnrun report --lesson NAME` made last",
    "calibration.json": "what `nnrun evaluate --calibrate` found: the temperature of the probabilities (1: none), "
    "scores of the rows that calibrate `nnrun predict --interval` (which finds these itself the first time), and a "
    "checksum of the networks that both are of",
    "labels.json": "what `nnrun tag` and `nnrun note` wrote: `tags` and `note`",
    "diagnosis.json": "the verdict that `nnrun diagnose` or `nnrun report` came to last, as `--json` prints it",
    "learning_curve.json": "what `nnrun diagnose --learning-curve` found last",
}

SEARCH_FILES = {
    "search.yaml": "strategy, metric, seed, epochs, numbers of trials asked for, known settings, the space in full, "
    "and the limits and number of repeats that resuming keeps; where the strategy continues trials also "
    "`skips_stopped: true`, which searches of early versions lack: they went on with trials that early stopping had "
    "ended, and still do when they are resumed",
    "trials.jsonl": "the ledger: one JSON object a finished trial, with a checksum, in the order in which they ended",
    "trials.csv": "the same as a table, a column for each searched key; written when the search ends or is stopped, "
    "and what `nnrun show --csv` prints at any time",
    "trials/NNNN": "the run directory of trial NNNN, without test errors, and its settings in values.json; "
    "`checkpoints/last` only where the strategy continues trials; the "
    f"{CHECKPOINTS_KEPT} best keep their checkpoints, which `nnrun train` with the resolved.yaml of any other restores",
    "repeats/NNNN": "with `--repeat`: the runs that trained trial NNNN again, from 0000, and their ledger trials.jsonl",
    "best": "a copy of the best trial's directory, with the test error; made at the end, and missing where no trial "
    "has ended well",
    "wider.yaml": "a config for the search after this one, its ranges moved on where the best trial lies at an end of "
    "them or beyond; written when `nnrun diagnose` or `nnrun report` advises that",
    "config.yaml, resolved.yaml, data.json": "as in a run",
    "run.json": "as in a run, and: what ended it (trials, target, flat, timeout, signal, or points: there are no "
    "more of them), why it was flat (`flat`: the number of `trials` that said so, those `left`, the gain `expected` "
    "of them, the `size` asked for), its running time over all calls, counts of trials by status, `pruned_trials` "
    "of those done, the best trial's number, epochs and errors, how many trainings share its value (`ties`, itself "
    "among them), how often the test part was read, what random search of as many trials as were drawn "
    "from the whole space is expected to reach, where others follow from results, notes, stages of "
    "`coarse_to_fine`, mean and deviation of what was trained again",
    "run.lock": "held by the process that searches",
    "checkpoints": "empty",
}

RECORD = {
    "number": "number of the trial, from 0",
    "values": "dotted key → value; null where a parameter does not exist, or the config has no single value",
    "seed": "of the trial's run, by the search's seed and the number",
    "status": "done, diverged or failed",
    "final": "losses and errors of the best epoch, as in run.json",
    "metric": "what was minimised (`-x` is minus x); null if there is none",
    "best_epoch, epochs": "the best epoch and the last one; of a trial that continues another one there is `parent` "
    "beside them, with the `id` of that one and the `epoch` from which on, and of one that early stopping has ended "
    "`stopped_early: true`",
    "divergence": "where numbers ceased to be finite",
    "curve": "dev errors, an epoch each",
    "error": "why a trial failed; with `search.prune` there is `pruned` beside it where the trial was ended early, and "
    "`scores`, less is better, in place of dev errors where epochs are compared by another metric",
    "attempt, seconds, host, time": "how often it was begun, how long it trained itself, where, and when it ended; "
    "with `--allow-different-bits` there is `bits` beside them, what the tiny training of its worker came to",
    "checksum": "of all the rest; a line whose checksum does not fit is left out",
}

RETEST = {
    "schema_version": "1",
    "search": "the search that was retested: its id, path and strategy, how many different settings of it were trained "
    "for all epochs, and its `data` as its run.json has it",
    "asked": "what the command was given: top, seeds, config, and each `--set`",
    "same_data": "whether rows and parts are those of the old search",
    "told": "lines on what differs from the old search, and on trials of it that do not count",
    "seeds": "with which every setting is trained; trial number n has seed n // s and settings n % s of s settings",
    "settings": "the old settings, the best first, then the fresh ones: `trial`, its number in the old search (null: "
    "fresh), `values` as in trials.jsonl, and `then`, its `metric` in the old ledger",
    "verdict": "what came of the ranking; null until the trials have ended, and where no seed is complete",
    "verdict.seeds": "how many seeds count: those with which all settings have ended",
    "verdict.results": "for each of the settings in their order: `mean` and `deviation` of `metric` today, `rank` (1 = "
    "the best), and `lost`, trainings without a value, which make the mean null and the rank last",
    "verdict.ranking": "`correlation`, Kendall's τ-b between then and today's mean over the old settings, its 95% "
    "`interval`, `chance`, how often shuffled settings agree as well, `agreement`, the mean τ-b between one seed of "
    "today and the others over all settings, and `holds` (null: cannot be told)",
    "verdict.best": "the old best: its mean `today`, its `rank`, `against`, the place in settings of the best of the "
    "others, the `difference` to it with its 95% `interval` (above 0: the old best is worse), and `among_the_best`; "
    "null without others",
    "verdict.group": "old against fresh settings: `wins`, the share of pairs in which the old one is better, its 95% "
    "`interval`, `chance`, the share `expected` if nothing had changed, and `better` (null: cannot be told); null "
    "without fresh ones",
    "verdict.holds, verdict.search_again": "the answers; null where they cannot be told",
    "verdict.why, verdict.command": "the reason, and the command to type next (null: none)",
}

IMPROVE = {
    "schema_version": "1",
    "asked": "what the command was given: budget, target, seeds, config, and settings and options of each command",
    "faults": "what `nnrun check` found: `check`, `finding`, `cure`, and `settings`, which are tried first",
    "told": "lines on what was changed for the comparison",
    "folder": "the one that paths in config.yaml are relative to",
    "lasting": "true: `training.changes` gives way to what is set; without it, as in early ones, it does not",
    "ending": "how it ended; null until then",
    "ending.why, ending.told": "`target`, `budget`, `noise floor`, `perfect`, `nothing to learn` or `nothing left`; "
    "and in words",
    "ending.start, ending.end": "the config as written and the best setting: `settings` on top of it, mean "
    "`dev_error` of the seeds, its `deviation`, and their `trials`",
    "ending.adopted, ending.tried": "how many steps",
    "ending.again": "the last change that was adopted on another split: `split_seed`, `evidence`, `told`; or null",
    "ending.chosen, ending.best_trial": "the trial in `best/`, and the best single one of the best setting",
    "ending.runs, ending.epochs, ending.seconds": "what all trainings took",
    "ending.rules": "for each rule of the recipe that was tried whether it helped",
}

STEP = {
    "number, first_trial": "from 1; the number of its first training",
    "diagnosed, diagnosis": "the trial that was diagnosed, and the verdict in a sentence",
    "rule, why, change": "the rule of the recipe (or `check`, `rate`), its words, and the settings that it advises",
    "settings": "all settings on top of the config, with what was chosen beside the change",
    "command, trial": "the command that trains the same, and the trial that it repeats",
    "tried": "what the change was tried with: `settings`, `dev_error`, `trial`",
    "trials": "with the seeds of what it is compared with; fewer where the first ones left no hope",
    "evidence": "`gains` seed by seed, their mean `gain` with its 95% interval (`low`, `high`), the `chance` of a gain "
    "as high where there is none, and the number of dev `rows`; null where it was given up before",
    "verdict, reason": "`adopted` or `rejected`, and why",
    "before, after": "mean dev errors of the seeds that were trained; `after` is null where one of them failed",
    "runs, epochs, seconds": "what the step took",
    "checksum": "of all the rest",
}

METRICS = {
    "epoch": "number of the epoch, from 1",
    "step": "steps since the beginning of the run",
    "learning_rate": "rate of the epoch's last step",
    "train_loss, dev_loss": "mean loss, dropout off; of a regression in standard deviations of the training target",
    "cost": "train_loss, labels not smoothed, and the penalties of L1 and L2, m = batch size",
    "train_error, dev_error": "share of wrong classes; for a regression 1 − R². Where another metric NAME decides "
    "(`metrics.primary`), train_NAME and dev_NAME stand beside them",
    "train_rmse, dev_rmse": "regression only: root of the mean squared error in the target's own unit",
    "members": "of an [ensemble](ensembles.md): dev_error and dev_loss of each of its networks",
    "layers": "with `training.layer_statistics`: for each layer output_std, dead (share of units that are always 0), "
    "gradient_norm, and where there are parameters steepness (per cent that the loss changes if they change by 1%)",
    "step_losses": "with `training.record: steps`: the mean loss of each mini-batch as it was trained on, dropout on, "
    "labels not smoothed, rows weighted",
    "seconds": "time the epoch took",
}

SYMPTOM = """\
## Symptoms

While a network trains, about once a second, and when training ends its records are searched for what commonly goes
wrong. What is found stands in `run.json` as `symptoms`, and in `events.jsonl` when it is found first: name, epoch
(since when, or when it was noticed), layer, why, and the cure as a list of settings for a new run; while it trains also
`nudge`, settings that may change on the way, where there are any. In the end it stands below the result with the change
to try; before, it is shown by the live view as long as it is there, by `nnrun show` and `nnrun diagnose`, with the
command `nnrun nudge …` that may answer it, and once in the log. Looking takes a hundredth of the time at most.

Statistics of layers are those of every epoch with `training.layer_statistics`, else measured when somebody looks;
outputs are those after the activation. Curves are looked at from the last [change](panda.md) on. Of `rising_loss`,
`oscillation`, `plateau`, `slow` and `divergence_near` at most one is told, and only if nothing above it is found, since
it would be the consequence."""


RUN_DIRECTORY = """\
## A run directory

`runs/<date>-<time>-<name>-<4 hex digits>/`, complete in itself: it can be copied elsewhere. Files are replaced as a
whole, so a reader never meets half of one; a torn last line of a `.jsonl` file is ignored. Numbers that are not
finite are null. Nothing is pickled. `runs/.cache` holds prepared data and may be deleted.

What nnrun reads has checksums: JSON files the key `checksum`, `resolved.yaml` and `search.yaml` a comment in front,
checkpoints an entry of their description, `metrics.jsonl` and `events.jsonl` one of all their lines in `run.json` when
the run has ended. Damage is exit code 4, told by file and key, or line; `nnrun list` says `unreadable`, also of
a run in a shared folder that is closed to others (made under `umask 077`). Files without checksums are early ones and
are read. Who changes `resolved.yaml` on purpose takes the comment out."""


SEARCH_DIRECTORY = """\
## A search directory

`runs/<date>-<time>-<name>-search-<4 hex digits>/`. The ledger can be cut off or the process killed at any instant:
`nnrun resume` runs the trials that are not finished, and no others."""

RETEST_DIRECTORY = """\
### retest.json of a retest

What `nnrun retest` makes is a search directory, `…-retest-<4 hex digits>/`, whose trials are the settings in turn, with
the first seed, then with the next. It has this file beside the others, with a checksum. Its resolved.yaml is today's
config with the old search's section `search`, so that `nnrun search` begins a new search from it."""

IMPROVE_DIRECTORY = """\
### improve.json and steps.jsonl of an improvement

What `nnrun improve` makes is a search directory, `…-improve-<4 hex digits>/`, whose trials are the trainings of its
steps; [improve.md](improve.md) says what they are. It has these files beside the others, and `improved.yaml`, a config.
The first has a checksum."""

CHECKS_HEAD = """\
# What `nnrun check` finds

Generated from the code by `python docs/generate.py checks > docs/checks.md`.

`nnrun check CONFIG` tries a config and its data for a few seconds and makes no run. Each line of its table is one
check: `pass`, `warn` or `fail`, with what was found and, where something is wrong, the cure; where that is a setting,
as the option to type. One fail gives exit code 6. A file that cannot be read gives 3, data that cannot be read gives 4,
as in training. `--json` has the numbers behind each finding.

A fault is told once: where a check stands under *not after*, its failure would bring about this one, which is then not
run. Thresholds are constants at the top of the modules in `nnrun/insight/preflight/`."""

CHECKS_FOOT = """\
What training leaves out as an identifier is less than what is warned of here: [data.md](data.md#columns-left-out) has
both definitions.

What it does not do: it cannot tell a column that is known too late from one that is just good, it sees duplicates only
where all values of a row are equal, and of columns together it sees only what two of them show. The network is tried on
at most 2,000 training rows, large tables are compared on a sample of 5,000 rows, and columns together on one of 500.

The learning-rate range test trains the network while the rate grows from step to step, and draws the loss over the rate
on the log scale. The rate suggested is a beginning: the best one for the whole of training is often somewhat lower, and
a search finds it. Where the curve hardly falls there is no suggestion.

## The gradient, looked at closely

`--all` checks the gradient by every parameter instead of a sample of them, and shows of each layer the one in which
both differ most; `--epsilon` takes steps of another size. Both at once, in an
empty folder, as a `config.yaml` would be taken in place of the bundled digits:

```sh
nnrun check --set 'network.hidden=[16, 8]' --all --epsilon 1e-7
```

```text
pass  gradient     difference 1.4e-08 in 1,266 parameters, dropout off,
                   penalties on
                   worst of its layer       numeric      analytic  difference
                   dense1.W[21, 10]    -0.010790389  -0.010790393     1.8e-08
                   dense2.W[3, 7]      0.0082733331  0.0082733301     8.4e-09
                   output.W[5, 0]       -0.59878001   -0.59878001     6.7e-09
```

A difference over both sides, (J(θ + ε) − J(θ − ε)) / 2ε, is wrong by about ε²; one over one side by about ε. Of θ³ at
1, where the slope is 3:

```python
step = 0.01
two_sided = ((1 + step) ** 3 - (1 - step) ** 3) / (2 * step)
one_sided = ((1 + step) ** 3 - 1**3) / step
print(f"{two_sided:.4f}, {one_sided:.4f}")  # 3.0001, 3.0301
```

A smaller step is closer until rounding takes over: at 1e-7 a right gradient is already further off than at the usual
1e-5. Where that, or too large a step, is why the two differ, the check says so.

Configs in `configs/` that show a fault on purpose say so in their first line, `# check: fails with …`, and still
train."""


METRICS_HEAD = """\
# Metrics

Generated from the code by `python docs/generate.py metrics > docs/metrics.md`.

`nnrun evaluate` measures a run by all metrics of its task, on the best epoch. One of them, `metrics.primary`, decides:
which epoch is the best, when early stopping stops, whether the epochs of a child run compare with its parent's, and,
unless `search.metric` names another, which trial of a search is the best. The verdict on bias and variance is about the
error, whatever decides."""

METRICS_FOOT = """\
*Primary* is the column of the dev set that decides, as `search.metric` is written; a search minimises its metric, so
that what is better the higher it is has a minus in front. Where two epochs or trials are level, the dev loss decides;
where the loss is the primary metric, the dev error. Between trials whose losses are of several kinds nothing is
decided so, and of a trial of `halving` and the one that continues it the latter is taken where both are level.

Formulas are computed in float64 from the probabilities, or from values in the target's own unit, and give the numbers
of scikit-learn, with which the tests compare them; `loss` alone is of values in standard deviations of the training
target, from its mean. `auc`, `average_precision` and `f1` of more than two classes are means over the classes, each
against the rest, without regard to their size.

Of two classes `f1` is the mean, `auc` is the same for either, and `average_precision` is that of the second as they are
sorted, which `nnrun evaluate` names (`pos_label=1` of scikit-learn); a guess has the share of its rows. To have it of
the other class, rename the two so that this one comes second: `a_ok` and `b_fraud` for `ok` and `fraud`. Where the
second is the more frequent one, `train`, `search` and `evaluate` say so.

Classes that no row has count for nothing, but in `f1`, where one that was predicted all the same has 0; where the rows
leave a metric undefined, such as `auc` with rows of one class, it is null, and – on the screen. It is an error at the
beginning if the dev set leaves `metrics.primary` undefined, or if the task does not have it.

## What it costs

Error and loss cost nothing, as training measures them in each epoch anyway. Another primary metric is worked out from
the predictions of the same pass, on dev and on the rows that the training error is measured on (10,000, or as many as
dev has). Those are kept: 4 bytes a row, class and stacked trial. `auc` and `average_precision` sort them by each class.
`python benchmarks/metrics.py` tells how long an epoch of the default network takes, as a multiple of one with `error`:

| data | f1 | brier | auc |
| --- | --- | --- | --- |
| digits (10 classes) | 1.05 | 1.04 | 1.37 |
| breast_cancer (2 classes) | 1.08 | 1.08 | 1.20 |

## Evaluating

```sh
nnrun evaluate                                  # the latest run, on all parts of its own data
nnrun evaluate RUN new.csv                      # on a file with the run's columns and target
nnrun evaluate RUN --require 'dev_auc>0.9'      # for CI: exit code 6 unless it holds
nnrun evaluate RUN --baselines                  # boosted trees too, and whether they are better
nnrun evaluate RUN --importance                 # which columns matter to the network: columns.md
nnrun evaluate RUN --cost malignant=10          # where to draw the line between two classes
```

Of a search the best run is evaluated. A file is read by the run's own preprocessing, chunk by chunk; of each row
the target and the predictions stay in memory, 8 bytes each. A column that is missing, a row without a target and a
class that the run does not know are errors with their place and exit code 4. `--json` prints everything as one
document: metrics by part, for network and baselines, each class, and the confusion matrix, true classes in rows. On a
screen classes are those of dev, which may be looked at as often as one likes; of more than 20 classes it shows those
with the lowest F1, and where the matrix is wider than the screen the commonest mistakes. Classes
and the matrix count rows, whatever their weights.

## Thresholds

Of two classes `nnrun evaluate` also tells from which probability of the second one on 80, 90, 95 and 99% of its rows
are found on dev, with which precision, and how many of the others are taken for it. Thresholds are told with four
digits, or as many as part the same rows: given to `nnrun predict --threshold` they do what was said. `--json` has the
ROC curve and precision over recall of each class, up to 20 of them, as `curves`: at most 200 thresholds each. The
report draws both.

Where mistakes do not cost the same, 0.5 is the wrong threshold. `--cost CLASS=COST` says what it costs to take a row
of a class for the other one, 1 where nothing is said: with `--cost malignant=10` ten benign rows may be taken for
malignant before one malignant row is missed. `nnrun evaluate` and `nnrun report` then name the threshold that costs
least on dev, what it costs a row beside 0.5 and beside one class for all, and what it costs on test, as dev has
chosen it and flatters it. Beside it stands the threshold that exact probabilities would have, the cost of the second
class's mistakes turned into odds (Elkan 2001): where the two are far apart, dev has few rows, or `nnrun evaluate
--calibrate` is due. Rows count once each, and probabilities are those that `predict` gives out. It says the more
probable class; `nnrun predict --threshold` has it go by the threshold that was found.

## Rows that do not count alike

With `data.weight` or `data.class_weight` all numbers of a run are weighted as in training. Wherever they are shown they
are called so: `balanced error` where every class counts alike, `weighted error` else. Beside it stands the plain error,
every row counting once; in `run.json` that is `dev_plain_error`. `nnrun evaluate` has every metric on both scales, in
`--json` under `metrics` and `plain`; `--require 'dev_plain_error<15%'` goes by the plain one. `nnrun diagnose` with
`--by`, `--estimate-base` and `--learning-curve` stays on the run's own scale. Where `evaluate` and `diagnose` take the
rows of all folds together, these count as rows of one part do, whatever the weights of their folds add up to.

A network that learned from weighted classes takes rare ones for likelier than they are. With `data.correct_prior`, the
default, what predict, evaluate and export give out is corrected: the logit of each class less the logarithm of what a
row of it counted in training, so that probabilities are those of the rows as they are (Elkan 2001; Saerens, Latinne &
Decaestecker 2002). The predicted class stays the one that the weights make it, p·w being largest, so it need not be the
most probable one. Plain metrics of probabilities, such as `plain calibration_error`, and the calibration chart of the
report measure what is given out; weighted ones what was trained. Runs of versions that did not note how many rows each
class had are not corrected; `predict` says so.

The test part is worth less each time that something is decided by it, so reads of it are counted: one when training
ends, and one each time that `nnrun evaluate` measures the parts of a run's own data. Trials of a search leave it alone;
the best one's count is that of the search.

## Baselines

A network that is not better than a simple model is not worth its trouble, and what a guess reaches tells what an error
means. `nnrun evaluate` fits both on the training part, in less than a second, and says so where the network does not
beat them. Training itself does not, as each run would take a third of a second more. Of folds each has its own for its
dev rows; beside all folds together, on test and on a file, stand those of one fold, by time of the last, which learns
from the most rows."""

METRICS_USE = """\
`metrics.primary` and `search.metric` in a file:

```yaml
metrics: {primary: auc}
search: {metric: -dev_auc}   # what it is anyway
```"""

DIAGNOSIS = """\
# Diagnosis

Generated from the code by `python docs/generate.py diagnosis > docs/diagnosis.md`.

`nnrun diagnose` answers three questions: is it bias, variance or something else; how sure is that; and which command
to run next. It takes a run (left out: the latest), a search, or bare errors:

```sh
nnrun diagnose --train-error 4% --dev-error 11% --train-size 1000 --dev-size 500
nnrun diagnose --train-error 1% --train-dev-error 9% --dev-error 10%
```

An error is a fraction below 1, or has a per-cent sign; 15 alone is refused, since it could mean either. For CI,
`--fail-on variance,bias` exits with 6 if one of them is high; so it does, with the reason, for `mismatch` without a
train-dev error, `dev_overfit` without a test error, and all but `bias` of a run that diverged before it had errors.
`--json` prints one document, in which what was not measured is null; a run keeps it as diagnosis.json. The advice on
bare errors changes the config that lies here, nnrun.yaml or config.yaml, else the bundled digits example.

A training of another tool is judged by its curves: `nnrun diagnose --curves history.csv` reads what Keras (CSVLogger,
or `history.history` as JSON), Lightning, fast.ai, Hugging Face (`trainer_state.json`), Weights & Biases and
scikit-learn (`loss_curve_`, `validation_scores_`) write, and TensorBoard's event files, or a folder of them, where its
library is installed. Columns are known by the words in their names, whatever their order: loss, accuracy or error;
`val`, `valid`, `dev` or `eval` for dev, none of them for train (of dev, where the training loss is called `train_loss`,
as fast.ai has it). Accuracies become errors, numbers above 1 are per cent, and rows of one epoch become one. F1, AUC
and errors of a regression are no shares of wrong answers and are not taken for any; of two columns for one curve the
one with the shorter name counts, which is told. The rules are those of a run; the best epoch is judged, by the dev
error, or else the dev loss. Of advice there is what holds whatever the network is, in words and as settings, `×` where
only a ratio means something. nnrun adds λ/(2m) Σ W² to the cost of a batch of m rows, and so λ/m · W to the gradient
(m is not the rows of the training set): that is `l2(λ/(2m))` of Keras, and `weight_decay=λ/m` of PyTorch's SGD and
Adam, whose `AdamW` has another rule. The advice names both for batches of 32. What the curves do not tell is to be
measured, and is said so; `--fail-on` exits with 6 there, too.

## The gaps

The errors form a ladder: base, training set, train-dev set, dev set, test set. Those that are given are compared each
with the next. A train-dev set holds examples of the training set's kind that were not trained on; without one the
step from training to dev is variance."""

JUDGEMENT = """\
One rule judges every gap. It is **high** if it lies above the tolerance (`diagnosis.tolerance`, `--tolerance`; 1.5
points unless given, as every published example fits a cut-off between 1.00 and 1.65). With the sizes of the sets it
is the whole 95% interval that must lie above; if none of it does, the gap is **low**, and if the interval straddles
the tolerance, **unclear**. Gaps are compared after rounding to 1e-9.

The interval is that of the difference of two independent proportions, Newcombe's hybrid of Wilson's score intervals
(Newcombe 1998, *Statistics in Medicine* 17, 873-890, method 10). With three mistakes or fewer the lower end is the
exact one (Clopper and Pearson 1934, *Biometrika* 26, 404-413), as Wilson's is too high there (Brown, Cai and DasGupta
2001, *Statistical Science* 16, 101-133): by it one mistake among ten rows would be a high variance. With three correct
rows or fewer, so is the upper end. One row alone tells nothing. A set without a size counts as exact, and so does the
base error. How many examples would do, where a set has too few, is the next larger number of two digits at which the
gap is no longer unclear, whichever whole number of mistakes comes next to the error. What the interval cannot know: the
best epoch was chosen on the dev set, which flatters the dev error, and another split would give other sets.

As mistakes are whole, not just 2.5% of dev sets are called high by chance where the gap is the tolerance, 1.5 points.
Sums over the binomial, for lower errors from 0 to 50%, come to these shares at most:

| the lower set | rows of the upper set | called high |
| --- | --- | --: |
| exact, with an error of 0 | up to 70 | 2.4% |
| exact, with any error | up to 999 | 7.3% |
| exact, with any error | 1,000 to 1,999 | 4.0% |
| exact, with any error | 2,000 and more | 3.6% |
| of three times the rows, with any error | up to 70 | 3.7% |
| of three times the rows, with any error | 71 and more | 4.3% |

Rows of one group (`data.group`) are alike, and forty groups of 25 rows may tell far less than a thousand rows. A set
counts there as the independent rows whose error would be as sure, `dev_effective_rows` among the final numbers in
`run.json`, and the ladder says `75 of 240 examples`: by how much the error would be another without each of the
groups varies (the jackknife), and that variance, with Student's t for the number of groups, comes to so many rows
(Korn and Graubard 1998, *Survey Methodology* 24, 193-201). Without a mistake it is the number of groups, of the
training set, each row of which was learned, its rows. Mistakes in few groups hardly tell how alike rows are: the
estimate is drawn to that number, as by one more group with a mistake (of n rows by g groups with one, and K in all,
(g + 1) / (g / n + 1 / K) remain). In [folds](folds.md) all dev rows tell together.

Where rows are weighted, by a column or by class, each row counts as a group in the same way: the rows of a rare class
weigh more and err more often, so that a balanced error hangs on few mistakes, and the 95% interval by weights alone,
(Σw)² / Σw² examples (Kish 1965, *Survey Sampling*, 8.2; `effective_rows` in `run.json`), is too narrow. While a run
trains, mistakes of rows are not known: rows of groups are taken for independent, weighted rows for what Kish says, the
interval is too narrow, and a note says so.

`diagnosis.base_error` (or `--base-error`) is the error of the best known way, such as a human expert. It is 0 unless
given, which is rarely true: where labels are noisy, part of what is called avoidable is not. `--estimate-base` bounds
it, for classes, from how often the nearest neighbour of a row has another class (Cover and Hart 1967, *IEEE
Transactions on Information Theory* 13, 21-27). A noisy label makes mistakes of its own row and of each whose neighbour
that is, so these do not count as independent in its 95% interval: the variance of their share takes in all pairs of
rows that are linked so (as of dyads: Aronow, Samii and Assenova 2015, *Political Analysis* 23, 564-577), and comes to
so many independent rows. The interval is of chance among rows alone, not of how far off their neighbours lie.

A gap may be negative. It is never high then, but it has a reason of its own, which is printed: see the table.

For a regression the errors are 1 − R², the share of the target's variance that stays unexplained, with
`data.target_transform: log` of its logarithm's, and called 1 − R² of the log. It is no proportion of examples, so there
is no interval and the value alone decides: of a small set a gap may be high by chance, such as overfitting of dev where
the best of many epochs was taken, and `--fail-on` then fails by chance as well. By column (`--by`) each error is a mean
of squared errors, and has the interval of its logarithm (delta method, Student's t), which is never below 0; with few
rows it holds the mean less often than 95% of the time, 91% of 10 rows with normal errors, and 85% with tails as long as
Laplace's (`pytest tests/insight/diagnosis/test_regions.py -k squared`). Fewer than 10 rows tell no interval, and their
gaps are unclear. Gaps put both intervals together (Zou and Donner 2008, *Statistics in Medicine* 27, 1693-1702), as
Newcombe's do. So a gap that is high of the whole set may be unclear of each of its parts, which is the more careful
word."""

CURVES = """\
## What the curves show

Signs are read from the training and dev loss of each epoch in metrics.jsonl. A dev loss that rises may mean two things,
between which a train-dev part tells: its error is measured at the best epoch."""

RECIPE = """\
## The recipe

Each rule looks at the config, the curves, the layers (with `training.layer_statistics`) and the verdict. It weighs
how much speaks for it, times how much of the whole gap is its kind's: bias counts one and a half times, since a
network that cannot fit its training set is mended first, unless its best epoch came early and the dev loss turned;
then the bias comes of stopping, and variance is the problem, or data mismatch where that is high and variance is not.
Where no base error above 0 is given and a linear model does no worse on the dev set, as far as its 95% interval and the
tolerance tell, and no better there than the network on the training set, the rest may be noise; so it
may be where a regression stopped early and neither does better there than the mean of the target. Remedies against
bias count less then, and the sentence says what they hang on. Where a constant, the mean of the target or the most
frequent class, errs no more on the training rows (2% of its error aside), the sentence says that nothing was learned:
then no width is added, nor regularisation unless the dev loss turned; strong L2, dropout or label smoothing goes before
a search, and a weak one is not blamed for what may be noise. Where always saying the most frequent of classes out of
balance would err hardly more, errors tell little, which the sentence says, too, and the classes are to be weighed
first. After a divergence some lower rates are tried on the run's data, for a second or two, and the one that lowers the
loss most is advised; where none lowers it, `nnrun check` is, and without the data a tenth of the rate, at most the
usual one. No two moves pull the same way and back, and none searches by a dev set that was overfitted. None changes
what a search chose among, in its best run and its other trials, or what an improvement adopted: that was tried, by
more trainings than one. The three to five weightiest moves are printed, each as a command; after a divergence there
may be fewer, as another seed, another split or more epochs would say nothing then.
Where the bias of a table is high, one more command comes last, `nnrun evaluate RUN --baselines`: whether boosted trees
fit what the network does not is measured on its own rows ([metrics.md](metrics.md#baselines)). Images go without it.
It names the config the run was trained from if that still gives the same settings, else the run's resolved.yaml.

The remedies are those of Ng, *Machine Learning Yearning* (2018), chapters 25 (bias) and 27 (variance); the papers
behind each technique stand in [techniques.md](techniques.md). Weights were set by the benchmark below."""

TRIED = """\
## Whether it helps

```sh
python benchmarks/advice.py > benchmarks/advice.md      # the table below
```

Each situation has one thing wrong. It is trained, diagnosed, and each command is run as printed. One run of the
command: dev error at the best epoch before and after, medians over 5 seeds, and for how many seeds it fell. A place
is where the advice stood in the list, the median over the seeds. Advice that only some seeds were given is compared
with the dev errors of these seeds.

The first advice lowers the dev error in every situation. `nnrun improve`, which follows the advice by itself and
proves each step, adopts the first advice in 16 of 19 situations and ends well in 17 of 20:
[improve.md](improve.md#how-well-it-does). The figures of *diverged* and *regression by heart* are
1 − R², which has no upper bound.

Units of a relu layer that are always 0 change nothing in the advice: networks that have many of them may learn well."""


INIT = """\
# From a table to a config

Generated from the code by `python docs/generate.py init > docs/init.md`.

```sh
nnrun init customers.csv --target churned          # writes config.yaml
nnrun init train.csv --dev dev.csv --test test.csv --target price -o prices.yaml
nnrun init digits -o -                             # a bundled set, printed
nnrun init                                         # lists the bundled sets
```

The table is read once, and no network is trained. What is written is a beginning that trains as it stands: each key
has its reason above it, with this table's own numbers, and is there to be changed. Settings that are a question of what
the model is for (whether new rows come from other customers, or from later days) are written as comments. A column with
many gaps stays in: that a value is missing may tell. An existing file is only replaced with `--force`. What you know
is said with `--task`, `--group`, `--time`, `--drop` (repeatable) and `--metric`, and stands in the config as you said
it.

The first line tells editors where the JSON Schema is: `nnrun.schema.json` beside the config, written with it if it is
not there, so that completion works without a network. `nnrun schema > nnrun.schema.json` renews it. Without it the
config works as well.

Without `--target` the columns are listed, with those that are often the target (exit code 2). Whatever training would
refuse is refused here, with its place (exit code 4): a file that is not there, which is told before anything of the
config, a target without any value, a target with one value or a different
one in each row, a word among numbers that comes once, one among dates, a table without a column to learn from.

## What is proposed"""

INIT_COLUMNS = """\
## Columns left out

They are named in `data.drop`, each with the reason. The first of these rules that holds for a column counts. Bundled
sets and arrays keep all columns, since the pixels of an image belong together. Training itself leaves out less:
[data.md](data.md#columns-left-out) has both definitions."""

INIT_SIZES = """\
## What depends on the number of training rows

Widths, rates and penalties were chosen on the tables of [benchmarks.md](benchmarks.md#proposed-configs), by the test
error of the epoch with the best dev error, over 90 to 36,000 training rows. Five networks, averages of their
parameters, wider layers, decay of the weights, robust inputs and pieces came later, chosen by test errors on the half
of the tables of [benchmarks.md](benchmarks.md#real-tables) that is there for choosing; the other half says what they
are worth."""


INIT_BALANCE = f"""\
## Classes out of balance

Whether each row or each class counts the same decides what "error" means: the share of wrong rows, or the mean of the
classes' shares. Where the rarest class has less than {proposals.IMBALANCED:.0%} of its even share, the config says what
either costs on this table: boosted trees learn from half of at most {weighing.ROWS:,} rows and tell how probable the
classes of the other half are. The most probable class is the choice for the first, the class whose probability is
largest beside its share of the rows that for the second (Elkan 2001). These are numbers of trees, not of the network to
come; they are left out below {weighing.FEWEST_OF_A_CLASS} rows of a class in either half.

- `class_weight: balanced` is proposed where `--metric balanced_error` asks for it, or a class would be ignored: the
  trees recognise fewer than {weighing.IGNORED:.0%} of its rows.
- Else it is a comment: each row counts the same, and probabilities are those of the data. If one class's mistakes are
  worse, go by another threshold on what `nnrun predict` writes, which needs no other network; or remove the `#`.
- Where the rarest class has fewer than {proposals.FEWEST_TO_WEIGH} rows, it is a comment without numbers.

With `class_weight` the network learns from weighted rows, its errors are balanced, and its probabilities are corrected
to those of the data ([metrics.md](metrics.md)); `--metric NAME` with any other metric sets `metrics.primary` alone."""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown; a bar inside a cell is escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def code(text: str) -> str:
    """In backquotes, if there is anything."""
    return f"`{text}`" if text else ""


def coded(meanings: Mapping[str, str]) -> Iterator[list[str]]:
    """Rows of names and what they mean."""
    return ([code(name), text] for name, text in meanings.items())


def gone_keys() -> str:
    """An item for each key that there is no more."""
    return "\n".join(f"- `{'.'.join(map(str, path))}` {gone.told}" for path, gone in GONE.items())


def key_tables() -> Iterator[str]:
    """A table for each section of the file; the keys without a section come first."""
    sections: dict[str, list[Row]] = {}
    for row in reference_rows():
        sections.setdefault(row.key.split(".")[0] if "." in row.key else "", []).append(row)
    for section, rows in sections.items():
        if section:
            yield f"### {section}"
        yield table(["key", "type", "range", "default", "meaning"], map(key_row, rows))


def key_row(row: Row) -> list[str]:
    """Options of a table entry name the entry they belong to."""
    key = code(row.key) + (f" ({code(row.applies)})" if row.applies else "")
    default = row.default if row.default == "required" else code(row.default)
    return [key, row.type, row.range, default, row.help]


def search_space() -> Iterator[str]:
    """The usual space, the ranges, conditions and strategies."""
    yield SPACE
    yield f"```yaml\nsearch:\n  space:\n{textwrap.indent(usual_ranges(), '    ')}```"
    yield table(["range", "form", "values"], map(range_row, DOMAINS.values()))
    yield WHEN
    yield STRATEGY
    yield f"```yaml\n{ENQUEUE}```"
    yield table(["strategy", "trials"], ([code(name), kind.help] for name, kind in STRATEGIES.items()))


def usual_ranges() -> str:
    """A line a parameter."""
    return "".join(f"{key}: {dump_yaml(entry, one_line=True)}" for key, entry in usual_space(Config()).items())


def range_row(domain: type[Domain]) -> list[str]:
    """How a range is written and what it draws."""
    ends = domain.ends if issubclass(domain, Interval) else "[value, value, …]"
    return [code(domain.name), code(f"{{{domain.name}: {ends}}}"), domain.help]


def commands() -> Iterator[str]:
    """Each command: what it does, its example, its options."""
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        summary, _, example = inspect.cleandoc(command.help).partition("Example:")
        yield f"### nnrun {name}"
        yield " ".join(summary.split())
        if example:
            yield f"```sh\n{example.strip()}\n```"
        yield table(["argument or option", "default", "meaning"], map(option_row, command.params))


def option_row(option: Any) -> list[str]:
    """One argument or option of a command; `-h` explains itself."""
    if option.param_type_name == "argument":
        names = option.metavar or option.name.upper()
    else:
        names = ", ".join(sorted(option.opts, key=len)) + (f" {option.metavar}" if option.metavar else "")
    default = "" if option.default in (None, False, ()) else str(option.default)
    help_text = with_names(option).help + (f" Environment: `{option.envvar}`." if option.envvar else "")
    return [code(names), code(default), help_text]


def symptom_rows() -> Iterator[list[str]]:
    """When each is found, what helps, and who described it."""
    return ([code(name), found.when, found.advice, found.source] for name, found in SYMPTOMS.items())


def exit_codes() -> str:
    """Those of the errors, and those of a run's ending."""
    found: list[Any] = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    kinds = [kind for kind in found if kind.__module__ == errors.__name__]
    own = {
        kind.exit_code: first_line(kind).partition(";")[0].rstrip(".") + "."
        for kind in kinds
        if "exit_code" in vars(kind)
    }
    codes = {**own, **CODES}
    return table(["code", "meaning"], ([str(number), codes[number]] for number in sorted(codes)))


def python_example() -> str:
    """The indented lines of the package's docstring."""
    lines = inspect.cleandoc(nnrun.__doc__ or "").splitlines()
    return textwrap.dedent("\n".join(line for line in lines if line.startswith("    ") or not line)).strip()


def call(function: Any) -> str:
    """Its parameters and their defaults."""
    signature = inspect.signature(function)
    named = [p.replace(annotation=p.empty) for p in signature.parameters.values() if p.name != "self"]
    return str(signature.replace(parameters=named, return_annotation=signature.empty)).replace("'", '"')


def python_api() -> Iterator[str]:
    """Every public name with its signature and docstring."""
    for name in sorted(nnrun.__all__):
        found = getattr(nnrun, name)
        if inspect.isclass(found):
            yield f"### nnrun.{name}\n\n{first_line(found)}"
            yield table(["attribute", "meaning"], members(found))
        else:
            yield f"### nnrun.{name}\n\n```python\nnnrun.{name}{call(found)}\n```"
            yield inspect.cleandoc(found.__doc__).partition(">>>")[0].strip()


def members(kind: type) -> Iterator[list[str]]:
    """Public properties and methods of a class."""
    for name, member in vars(kind).items():
        if not name.startswith("_"):
            written = name + call(member) if callable(member) else name
            yield [code(written), first_line(member.fget if isinstance(member, property) else member)]


def first_line(thing: Any) -> str:
    """Of its docstring."""
    return inspect.cleandoc(thing.__doc__).splitlines()[0]


def reference() -> str:
    """The whole page."""
    blocks = [
        *(HEAD, KEYS.format(gone=gone_keys()), *key_tables(), *search_space()),
        *(COMMANDS, *commands()),
        *("## Exit codes", exit_codes()),
        *(RUN_DIRECTORY, table(["file", "what it holds"], coded(FILES | LATER_FILES))),
        *("### A line of metrics.jsonl", table(["key", "meaning"], coded(METRICS))),
        *(SYMPTOM, table(["symptom", "found when", "change to try", "source"], symptom_rows())),
        *(SEARCH_DIRECTORY, table(["file or folder", "what it holds"], coded(SEARCH_FILES))),
        *("### A line of trials.jsonl", table(["key", "meaning"], coded(RECORD))),
        *(RETEST_DIRECTORY, table(["key", "meaning"], coded(RETEST))),
        *(IMPROVE_DIRECTORY, table(["key", "meaning"], coded(IMPROVE)), "`steps.jsonl`, a line a step:"),
        table(["key", "meaning"], coded(STEP)),
        *("## Python API", f"```python\n{python_example()}\n```", *python_api()),
    ]
    return "\n\n".join(blocks) + "\n"


def checks() -> str:
    """The page on the preflight."""
    rows = (
        [code(name), check.faults, check.threshold, check.source, ", ".join(map(code, check.after))]
        for name, check in CHECKS.items()
    )
    return (
        "\n\n".join(
            [CHECKS_HEAD, table(["check", "fault → finding", "threshold", "source", "not after"], rows), CHECKS_FOOT]
        )
        + "\n"
    )


def diagnosis() -> str:
    """The page on the rules; the figures of the benchmark stand in a file of their own, since a shell empties the page
    before it is written anew."""
    figures = (Path(__file__).parents[1] / "benchmarks/advice.md").read_text(encoding="utf-8").strip()
    rates = ", ".join(f"{name} {rule.usual_rate:g}" for name, rule in OPTIMIZERS.items())
    blocks = [
        *(DIAGNOSIS, table(["gap", "step", "what it is", "example", "source"], map(gap_row, verdict.RULES.items()))),
        *(JUDGEMENT, table(["below 0", "what it means"], ([rule.word, rule.below] for rule in verdict.RULES.values()))),
        *(CURVES, table(["sign", "what it means", "when", "source"], map(sign_row, SIGNS.items()))),
        *(RECIPE, table(["against", "rule", "when it applies"], map(remedy_row, REMEDIES.items()))),
        f"Usual learning rates: {rates}; with `optimizer.dampening: false` (1 − β) times that.",
        *(TRIED, figures),
    ]
    return "\n\n".join(blocks) + "\n"


def gap_row(entry: tuple[str, Any]) -> list[str]:
    """A gap with its published example, worked out."""
    kind, rule = entry
    gap = verdict.judge(rule.example, {}, 0.015).gaps[kind]
    errors = ", ".join(f"{verdict.set_name(part)} {100 * error:g}%" for part, error in rule.example.items())
    step = f"{verdict.set_name(gap.end)} − {verdict.set_name(gap.start)}"
    return [rule.word, step, rule.meaning, f"{errors}: {verdict.points(gap.value)}, {gap.judgement}", rule.source]


def sign_row(entry: tuple[str, Any]) -> list[str]:
    """A sign with its threshold."""
    word, sign = entry
    mismatched = f"; where data mismatch is high and variance is not, {sign.mismatched}" if sign.mismatched else ""
    return [word, sign.meaning + mismatched, sign.threshold, sign.source]


def remedy_row(entry: tuple[str, Any]) -> list[str]:
    """A rule of the recipe."""
    word, remedy = entry
    return [remedy.against, word, remedy.when]


METRICS_TREES = """\
Gradient-boosted trees (Friedman 2001) are what a network for tables should be measured by. With `--baselines` they are
grown on the run's columns and training rows, weighted as in training. Order is all that they look at, so it does not
matter how a number is scaled or bent; one that was cut into pieces they get once, and where it is missing a gap and no
mean, as trees have a way of their own with gaps. Categories are what they are to the network, rare ones pooled: marks,
or codes of an embedding, which up to {codes} they take for categories. They see neither dev nor test: above 10,000 rows
scikit-learn stops them by a tenth of the training rows. Of large data they get a fixed sample: {grown} if that is less,
but {fewest:,} rows at least. A line says whether they err less than the network, by the mean difference row by row,
with `data.group` group by group (of a file that has the column, too), with its 95% interval: Student's t for the number
of rows or groups, and of mistakes half a case added each way, so that a few that differ alike prove nothing (Agresti &
Min 2005). With `data.time` it goes by eight blocks of rows that follow one another, of a file too, since neighbours in
time are alike (batch means: Schmeiser 1982; Ibragimov & Müller 2010). That holds for rows that are alike for less than
a block: of the mean of 600 rows of an AR(1) process, with correlations of 0.9 from row to row, the interval holds 94%,
by rows alone 36%; with 0.98 it is 84% and 14% (`pytest tests/runs/test_grouped.py -k blocks`). Where the level wanders
for longer than a block, no interval from these rows tells what comes later. Where it holds 0 the rows cannot tell. Dev
has chosen the network's epoch, in a search its trial, and nothing of the trees, which flatters the network: a line that
does not speak for trees says so, with the difference on test where that was read. In `--json` it is `gain` of each
part: positive where the trees are better."""


def metrics() -> str:
    """The page on the metrics."""
    rows = (
        [
            *(code(name), metric.help, ", ".join(metric.tasks)),
            "higher" if name in scores.HIGHER_IS_BETTER else "lower",
            code(scores.Objective.of(name).written),
        ]
        for name, metric in metrics_table.METRICS.items()
    )
    fitted = f"{baselines.ROWS:,} rows, or {baselines.CELLS:,} cells"
    simple = [
        ["constant", "the share of each class among the training rows as its probability", "the mean"],
        ["linear", f"logistic regression (C = 1, at most {baselines.STEPS} steps)", "ridge, α = 1"],
        ["boosting, with `--baselines`", "scikit-learn's HistGradientBoosting as it comes", "the same"],
    ]
    grown = f"{baselines.BOOSTED_ROWS:,} rows, or {baselines.BOOSTED_CELLS:,} cells"
    blocks = [
        *(METRICS_HEAD, table(["metric", "what it is", "tasks", "better", "primary"], rows), METRICS_USE, METRICS_FOOT),
        table(["baseline", "classes", "numbers"], simple),
        "The linear ones see standardised features without the codes of embeddings, which no line tells apart, and of\n"
        f"large data a fixed sample: {fitted} of features or of classes if that is less,\n"
        f"but {baselines.FEWEST_ROWS:,} rows at least.",
        METRICS_TREES.format(grown=grown, fewest=baselines.FEWEST_ROWS, codes=baselines.MOST_CODES),
    ]
    return "\n\n".join(blocks) + "\n"


def init() -> str:
    """The page on proposals."""
    choices = ([code(key), first_line(rule)] for key, rule in proposals.CHOICES.items())
    left_out = ([first_line(rule)] for rule in LEFT_OUT)
    sizes = {"hidden": recipe.HIDDEN, "rate": recipe.RATES, "dropout": recipe.DROPOUT}
    limits = sorted({limit for values in sizes.values() for limit in values})
    rows = (
        ["more" if limit == limits[-1] else f"up to {limit:,}", *(str(at(values, limit)) for values in sizes.values())]
        for limit in limits
    )
    blocks = [
        *(INIT, table(["key", "rule"], choices)),
        *(INIT_COLUMNS, table(["left out where it is"], left_out)),
        INIT_BALANCE,
        *(INIT_SIZES, table(["training rows", *sizes], rows)),
    ]
    return "\n\n".join(blocks) + "\n"


def at(values: Mapping[float, Any], rows: float) -> Any:
    """What a table of upper limits says of so many rows."""
    return next(value for limit, value in values.items() if rows <= limit)


PAGES = {"reference": reference, "diagnosis": diagnosis, "checks": checks, "metrics": metrics, "init": init}

if __name__ == "__main__":
    print(PAGES[sys.argv[1] if sys.argv[1:] else "reference"](), end="")
