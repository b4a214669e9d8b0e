"""`training.changes`: values that hold from an epoch on, what may change while a network trains, and what may not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from nnrun.config.config import Config
from nnrun.config.dump import one_line
from nnrun.config.hints import field_at
from nnrun.config.messages import Located, Places
from nnrun.config.overrides import as_path, configured, fault, value_at
from nnrun.config.values import KeyPath, Settings, Tree
from nnrun.errors import ConfigError

CHANGES = ("training", "changes")
TOTAL, AVERAGE, EARLY_STOPPING = "training.epochs", "training.average", "regularization.early_stopping"

# What may change, section by section, with all that stands below these keys.
MAY_CHANGE = {
    "optimizer": ("learning_rate", "schedule", "beta1", "beta2", "epsilon", "weight_decay", "clip_norm"),
    "regularization": ("l1", "l2", "dropout", "input_dropout", "label_smoothing", "early_stopping", "augment"),
    "training": ("epochs", "batch_size", "average"),
}
# Why others may not, by key or section.
WHY_NOT = {
    "seed": "all draws hang on it from the first epoch on",
    "name": "the run has its name already",
    "data": "what the network has learned is learned from these rows and features",
    "network": "the parameters that are being trained have this shape",
    "network.ensemble": "its networks train side by side from the first epoch on",
    "optimizer": "what the optimizer has gathered so far belongs to this rule",
    "metrics": "the epochs so far were compared by it",
    "training": "it holds for a training as a whole",
    "training.loss": "the epochs so far were measured by it",
    "training.changes": "a change cannot hold others",
    "search": "training one network ignores this section",
    "tracking": "it says who is told of the training, and is read when that begins",
    "diagnosis": "it changes nothing in training; give it to diagnose",
}


def at(config: Config, epoch: int) -> Config:
    """The configuration as it holds in an epoch, from 1."""
    settings: Settings = {}
    for start, changes in sorted(config.training.changes.items()):
        for key, value in changes.items() if start <= epoch else ():
            settings.pop(key, None)  # so that it stands behind what it replaces
            settings[key] = value
    return configured(config, settings) if settings else config


def held(config: Config, epoch: int) -> Tree:
    """All values that hold in an epoch."""
    values = at(config, epoch).resolved()
    del values[CHANGES[0]][CHANGES[1]]
    return values


def stage(config: Config, epoch: int) -> int:
    """The first epoch of those that have the same configuration as this one; 0 of those before any change."""
    return max((start for start in config.training.changes if start <= epoch), default=0)


def goes_on(config: Config, start: int, epoch: int) -> bool:
    """Whether what began at `start` goes on in an epoch, as it also does by another total alone."""
    begun = stage(config, epoch)
    return begun == start or {*config.training.changes[begun]} == {TOTAL}


def out_of_reach(config: Config) -> list[tuple[int, int]]:
    """The epochs of changes that no training comes to, each with the last epoch that it comes to."""
    return _reach(config)[0]


def last_epoch(config: Config) -> int:
    """The last epoch that a training comes to where nothing ends it before."""
    return _reach(config)[1]


def _reach(config: Config) -> tuple[list[tuple[int, int]], int]:
    """What `out_of_reach` gives, and the last epoch that the training comes to."""
    last = config.training.epochs
    found = []
    for start in sorted(config.training.changes):
        then = at(config, start).training.epochs
        if start > last + 1 or start > then:
            found.append((start, last))
        else:
            last = then
    return found, last


def averages_of_nothing(config: Config) -> list[tuple[KeyPath, int]]:
    """Where averages over epochs begin that no second epoch comes into, each with the last epoch of all."""
    last, found = last_epoch(config), list[tuple[KeyPath, int]]()
    for start in (0, *sorted(config.training.changes)):
        average, own = at(config, start).training.average, config.training.changes.get(start, {})
        key = next((key for key in own if is_below(key, AVERAGE)), None)
        if average and average.swa and average.swa >= last and (key or not start):
            found.append(((*CHANGES, start, key) if key else (*AVERAGE.split("."), "swa"), last))
    return found


def begun_before(before: Config, now: Config, epoch: int) -> str | None:
    """Why an average over epochs cannot take over in an epoch, the first one that it may hold."""
    average = now.training.average
    if average is None or not average.swa or average.swa >= epoch or average == before.training.average:
        return None
    return f"an average over epochs cannot begin before epoch {epoch}, the first one to come, got swa: {average.swa}"


def with_changes(config: Config, epoch: int, settings: Settings) -> Config:
    """The configuration with further values from an epoch on; a ConfigError lists what cannot change.

    The lines name each key as it was set.
    """
    new = changed(config, epoch, settings)
    places = Places(arguments={(*CHANGES, epoch, key): f"{key}={one_line(value)}" for key, value in settings.items()})
    check(new, places)
    return new


def changed(config: Config, epoch: int, settings: Settings) -> Config:
    """The configuration with further values from an epoch on, whether they can change or not."""
    held = config.training.changes
    others = without({epoch: held.get(epoch, {})}, settings).get(epoch, {})
    return configured(config, {".".join(CHANGES): {**held, epoch: {**others, **settings}}})


def open_ended(config: Config, epoch: int, settings: Settings) -> Config:
    """The configuration without later totals, where these settings from an epoch on give one that is to hold."""
    held = config.training.changes
    later = {start for start in held if start > epoch and TOTAL in settings}
    left = {start: held[start] for start in held if start not in later}
    return configured(config, {".".join(CHANGES): left | without({start: held[start] for start in later}, [TOTAL])})


def check(config: Config, places: Places) -> None:
    """Raise a ConfigError with every change that cannot be made, each at its place."""
    if found := list(_problems(config, places)):
        raise ConfigError([problem.line for problem in sorted(found)])


def _problems(config: Config, places: Places) -> Iterator[Located]:
    """Each stage is looked at as far as the ones before are right, key by key in the order in which they stand."""
    now = config
    for epoch, settings in sorted(config.training.changes.items()):
        before, wrong = now, []
        for key, value in settings.items():
            why = _refusal(now, key, value)
            if why is None:
                now = configured(now, {key: value})
            else:
                wrong.append(places.locate((*CHANGES, epoch, key), why, at_key=why.startswith("unknown key")))
        total = now.training.epochs
        if not wrong and TOTAL in settings and (why := _other_total(before, now, epoch)):
            wrong.append(places.locate((*CHANGES, epoch, TOTAL), f"{why}, got {total}"))
        if not wrong and (why := begun_before(before, now, epoch)):
            key = next(key for key in settings if is_below(key, AVERAGE))
            wrong.append(places.locate((*CHANGES, epoch, key), why))
        yield from wrong
        if wrong:
            return


def is_below(key: str, above: str) -> bool:
    """Whether a dotted key is another one, or stands below it."""
    return key == above or key.startswith(f"{above}.")


def without(changes: Mapping[int, Settings], keys: Iterable[str]) -> dict[int, Settings]:
    """The changes but for those of these keys and of what stands below them."""
    left = {
        epoch: {key: value for key, value in held.items() if not any(is_below(key, above) for above in keys)}
        for epoch, held in changes.items()
    }
    return {epoch: held for epoch, held in left.items() if held}


def making_way(config: Config, epoch: int, keys: Sequence[str]) -> tuple[dict[int, Settings], Settings]:
    """The changes that are left where these keys are set in an epoch, and what they are set in.

    An option of what was changed as a whole until then is one of what holds now, which so stands in place of the
    changes that led there.
    """
    changes = config.training.changes
    past = {start: settings for start, settings in changes.items() if start <= epoch}
    changed = {other for settings in past.values() for other in settings}
    whole = sorted(other for other in changed if any(is_below(key, other) and key != other for key in keys))
    now = at(config, epoch)
    left = {start: settings for start, settings in changes.items() if start > epoch} | without(past, whole)
    return without(left, keys), {key: value_at(now, key) for key in whole}


def in_force(changes: Mapping[int, Settings], settings: Settings) -> Settings:
    """The settings, and beside them the changes that are left where some would put another value in their place."""
    left = without(changes, settings)
    return settings if left == changes else {**settings, ".".join(CHANGES): left}


def overruled(config: Config, key: str) -> str | None:
    """From when on the value of a key is that of a change, whatever the key says; None where it never is."""
    lost = {start for start, _ in out_of_reach(config)}
    for start, settings in sorted(config.training.changes.items()):
        other = next((other for other in settings if is_below(key, other) or is_below(other, key)), None)
        if other is not None and start not in lost:
            told = f"holds only before epoch {start}" if start > 1 else "has no effect"
            what = "it" if other == key else other
            return f"{told}, as training.changes sets {what} from epoch {start} on"
    return None


def may_change(key: str) -> bool:
    """Whether a key may have another value in the middle of a training."""
    section, _, below = key.partition(".")
    return below.partition(".")[0] in MAY_CHANGE.get(section, ())


def _refusal(config: Config, key: str, value: object) -> str | None:
    """Why a key cannot take a value in the middle of a training."""
    if key in MAY_CHANGE:
        return f"is a section; write each key that changes with its dot, as in {key}.{MAY_CHANGE[key][0]}"
    if may_change(key) or field_at(Config, as_path(key), config.resolved()) is None:
        wrong = fault(config, key, value)
        return wrong[1] if wrong else None
    reason = next(WHY_NOT[beginning] for beginning in (key, key.partition(".")[0]) if beginning in WHY_NOT)
    others = "; ".join(f"{section}.{{{', '.join(names)}}}" for section, names in MAY_CHANGE.items())
    return f"cannot change while the network trains: {reason}; what may: {others}"


def _other_total(before: Config, now: Config, epoch: int) -> str | None:
    """Why the number of epochs cannot become another one here."""
    total, schedule = now.training.epochs, now.optimizer.schedule
    if total < epoch:
        return f"must be at least {epoch}, the first epoch of the change"
    if total != before.training.epochs and schedule == before.optimizer.schedule and schedule.build().needs_total:
        return (
            f"the schedule {schedule.name} is shaped by the planned {before.training.epochs} epochs, so the rates "
            "would jump; change optimizer.schedule beside it"
        )
    return None


def replaced(config: Config, epoch: int, key: str) -> Settings:
    """The changes of an epoch that one of this key from there on takes the place of."""
    return {other: value for other, value in config.training.changes.get(epoch, {}).items() if is_below(other, key)}


def old_values(config: Config, epoch: int, settings: Settings) -> Settings:
    """What these keys hold in the epoch before the change."""
    before = at(config, epoch)
    return {key: value_at(before, key) for key in settings}
