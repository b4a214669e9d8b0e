"""A run told in plain lines: what the console shows without a terminal, and what log.txt keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

PARTS = ("train", "dev", "test")


def percent(error: float | None) -> str:
    """An error as it stands on screen: 0.0253 → 2.5%."""
    return "–" if error is None else f"{100 * error:.1f}%"


def number(value: float | None) -> str:
    """Four significant digits."""
    return "–" if value is None else f"{value:.4g}"


def duration(seconds: float) -> str:
    """0.84 s, 12 s, 3 min 20 s or 2 h 05 min."""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def heading(name: str, config: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    """What is trained on what."""
    rows = ", ".join(f"{count:,} {part}" for part, count in facts["rows"].items())
    task = f"{len(facts['classes'])} classes" if facts["classes"] else "regression"
    widths = [facts["features"], *config["network"]["hidden"], facts["outputs"]]
    optimizer, network = config["optimizer"], config["network"]
    schedule = optimizer["schedule"]["name"]
    how = [
        f"{optimizer['name']} {optimizer['learning_rate']:g}" + ("" if schedule == "constant" else f" ({schedule})"),
        f"batch {facts['batch_size']}",
        f"{config['training']['epochs']} epochs",
        f"seed {config['seed']}",
    ]
    layers = [network["activation"], *(["batch norm"] if network["batch_norm"] else [])]
    return [
        f"run      {name}",
        f"data     {config['data']['source']}: {rows}; {facts['features']} features, {task}",
        f"network  {'-'.join(map(str, widths))} ({', '.join(layers)}), {facts['parameters']:,} parameters",
        f"training {', '.join(how)}",
        *(f"note     {notice}" for notice in facts["notices"]),
    ]


def epoch_line(row: Mapping[str, Any], epochs: int) -> str:
    """One epoch, its columns under those of the epoch before."""
    width = len(str(epochs))
    return (
        f"epoch {row['epoch']:>{width}}/{epochs}  cost {row['cost']:<9.4g} "
        f"train {percent(row['train_error']):>6} loss {row['train_loss']:<9.4g} "
        f"dev {percent(row['dev_error']):>6} loss {row['dev_loss']:<9.4g} rate {row['learning_rate']:.3g}"
    )


def ending(record: Mapping[str, Any], status: str) -> str:
    """How the run ended, in a line."""
    where = record.get("divergence")
    if status == "diverged" and where:
        return (
            f"diverged in epoch {where['epoch']}, step {where['step']}: layer {where['layer']} met numbers that are "
            f"not finite; the checkpoint of epoch {record['epochs']} is kept"
        )
    how = "stopped early" if record.get("stopped_early") else status
    best = f", best epoch {record['best_epoch']}" if record.get("best_epoch") else ""
    return f"{how} after {record.get('epochs', 0)} epochs in {duration(record.get('seconds', 0.0))}{best}"


def result_table(final: Mapping[str, Any]) -> list[str]:
    """Errors and losses of the best parameters, a column a part."""
    parts = [part for part in PARTS if f"{part}_error" in final]
    table = [["", *parts], ["error", *(percent(final[f"{part}_error"]) for part in parts)]]
    if f"{parts[0]}_rmse" in final:
        table[1][0] = "1 − R²"
        table.append(["rmse", *(number(final[f"{part}_rmse"]) for part in parts)])
    table.append(["loss", *(number(final[f"{part}_loss"]) for part in parts)])
    table.append(["cost", number(final["cost"])])
    return ["".join([f"{row[0]:<9}", *(f"{cell:>9}" for cell in row[1:])]).rstrip() for row in table]


def gaps(final: Mapping[str, Any], diagnosis: Mapping[str, float]) -> list[str]:
    """The two differences that matter, beside the tolerance."""
    base, tolerance = diagnosis["base_error"], diagnosis["tolerance"]
    steps = {
        f"avoidable bias  train − base ({percent(base)})": final["train_error"] - base,
        "variance        dev − train": final["dev_error"] - final["train_error"],
    }
    width = max(map(len, steps))
    return [
        f"{what:<{width}}  {100 * gap:+5.1f} points" + ("" if gap <= tolerance else f", above {100 * tolerance:g}")
        for what, gap in steps.items()
    ]


def summary(record: Mapping[str, Any], config: Mapping[str, Any], status: str) -> list[str]:
    """What a finished run came to."""
    lines = [ending(record, status)]
    final = record.get("final")
    if final:
        lines += ["", *result_table(final), "", *gaps(final, config["diagnosis"])]
        if "near_zero_weights" in final:
            lines.append(
                f"weights near zero (below 1% of their layer's largest): {percent(final['near_zero_weights'])}"
            )
        if "test_error" not in final:
            lines.append("no test set: the dev error is not unbiased, since the best epoch was chosen by it")
    return lines


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Rows of cells under each other; columns in `right` are flush right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            f"{c:>{w}}" if i in right else f"{c:<{w}}" for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
