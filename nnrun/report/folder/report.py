"""The page of a folder of runs: all of them in a table, the curves of the best, what their errors mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nnrun.errors import NnrunError
from nnrun.insight.comparison.contestants import TRANSFORMED, WEIGHED, WEIGHTS, errors_of
from nnrun.insight.comparison.lines import beginning, best, epochs, error_is, mark, marks_explained, plain_dev
from nnrun.insight.comparison.listing import BROKEN, LISTED, Entry, kept_best, rivals
from nnrun.report.page.charts import Chart, axis, colour, cut, dash, log_axis, whole_axis
from nnrun.report.page.html import Markup, Sortable, facts, join, listing, paragraph, table, tag
from nnrun.report.page.page import Grid, Page, Section, left_out, made_from
from nnrun.report.run.curves import series
from nnrun.runs.finding import in_short, list_runs
from nnrun.runs.records import HELD, Row
from nnrun.runs.stored import record_of
from nnrun.runs.telling import ending
from nnrun.runs.verdict import error_kind, error_name, metric_title, of_record, summary
from nnrun.text import counted, duration, in_percent, part_and_name, percent, sentence_case, source_name, yaml_text

BEST = 8  # runs of a data set whose curves are drawn: as many as there are colours
FAR_APART = 20  # times as many epochs that another run has: the few are seen on a logarithmic axis alone
DRAWN = ("dev_error", "train_error", "dev_loss", "train_loss")
SHA256 = 64  # letters of a checksum
HEADS = ("run", "kind", "status", *(f"{part} error" for part in LISTED))
MORE_HEADS = ("best epoch", "epochs", "seconds", "from")


def folder_page(root: Path, entries: Sequence[Entry]) -> Page:
    """All that the directories of these runs, the oldest first, tell; errors are compared within a data set alone."""
    whole = [entry for entry in entries if entry.facts["status"] != BROKEN]
    kept = kept_best(whole, BEST)
    sections = [_table_section(root, whole), *_curve_sections(kept), _verdicts_section(kept)]
    if len(whole) < len(entries):
        sections.append(_broken_section([entry for entry in entries if entry not in whole]))
    return Page(f"Runs in {root}", _lead(whole, kept), sections, made_from(root))


def _lead(whole: Sequence[Entry], kept: Sequence[Entry]) -> Markup:
    """The best run of each data set, and what there is."""
    sentences = [tag("p", _won(data, of[0]), cls="verdict") for data, of in _by_data(kept).items()]
    searches = sum(entry.search for entry in whole)
    numbers = [
        ("runs", f"{len(whole) - searches:,}", f"{sum(e.facts['status'] in HELD for e in whole):,} in training"),
        ("searches", f"{searches:,}", counted(sum(e.facts["trials"] or 0 for e in whole), "trial")),
        ("training", duration(sum(e.facts["seconds"] or 0 for e in whole)), "of all together"),
    ]
    return join([*sentences, facts(numbers)])


def _by_data(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Runs whose errors can be compared, by the name of their data, with what tells them from others of that name."""
    groups: dict[str, list[list[Entry]]] = {}
    for of in rivals(entries):
        groups.setdefault(_name(of[0]), []).append(of)
    found: dict[str, list[Entry]] = {}
    for alike in groups.values():
        for of in alike:
            name = _data(of[0], [one[0].measured_on for one in alike])
            found[f"{name}, {of[0].run.id}" if name in found else name] = of  # such as runs whose data.json is gone
    return found


def _name(entry: Entry) -> str:
    return source_name({each["part"]: each["name"] for each in _files(entry)}) or "data without a name"


def _files(entry: Entry) -> Sequence[Mapping[str, str]]:
    return entry.record["data"].get("files") or []


def _data(entry: Entry, alike: Sequence[Mapping[str, str]]) -> str:
    """The name of its data; `alike` is what errors on data of that name depend on."""
    on, kind = entry.measured_on, error_kind(entry.record["data"])
    given = {key: value for key, value in entry.settings.items() if kind == "weighted" and key.startswith(WEIGHTS)}
    by = ", ".join(f"{key}={yaml_text(value)}" for key, value in given.items() if value is not None)
    told = {
        "data": ", ".join(each["sha256"][:8] for each in _files(entry)),
        "targets": f"target {on.get('targets')}",
        TRANSFORMED: errors_of(on.get(TRANSFORMED)),
        "dev sets": f"dev set {on.get('dev sets', '')[:8]}{on.get('dev sets', '')[SHA256:]}",
        WEIGHED: f"{kind or 'plain'} errors{by and f' by {by}'}",
    }
    return ", ".join(
        [_name(entry), *(told[what] for what in told if what in on and len({each.get(what) for each in alike}) > 1)]
    )


def _won(data: str, first: Entry) -> str:
    """Which run is the best on a data set."""
    error = error_name(first.final, first.record["data"])
    test = first.final.get("test_error")
    beside = f", and a test {error} of {percent(test)}" if test is not None else ""
    return f"{data}: {first.run.id} has the lowest dev {error}, {percent(first.final.get('dev_error'))}{beside}."


def _table_section(root: Path, entries: Sequence[Entry]) -> Section:
    if not entries:
        return left_out("All runs", "there is none.")
    ids = [run.id for run in list_runs(root)]
    newest = entries[::-1]
    caption = "; ".join(["The newest first; the titles sort", *marks_explained(entries)])
    kinds = _kinds(newest)
    heads = [*HEADS, *kinds, *MORE_HEADS]
    rows = (_row(entry, [cells[i] for cells in kinds.values()], ids) for i, entry in enumerate(newest))
    words = [heads.index(head) for head in ("run", "kind", "status", "error is", "from") if head in heads]
    return Section("All runs", [table(caption, heads, rows, words, data_sortable=True), *_labels(newest)])


def _kinds(entries: Sequence[Entry]) -> dict[str, list[object]]:
    """What errors are, where any is none that counts each row alike, by the title of their column."""
    if {error_is(entry) for entry in entries} <= {"plain", "–"}:
        return {}
    found: dict[str, list[object]] = {"error is": [error_is(entry) for entry in entries]}
    if any("dev_plain_error" in entry.final for entry in entries):
        found["plain dev error"] = [Sortable(percent(error), error) for error in map(plain_dev, entries)]
    return found


def _row(entry: Entry, kinds: Sequence[object], ids: Sequence[str]) -> list[object]:
    facts_, final = entry.facts, entry.final
    errors = (Sortable(_error(entry, part), final.get(f"{part}_error")) for part in LISTED)
    parent = facts_["parent"]
    keys = ("best_trial", "trials") if entry.search else ("best_epoch", "epochs")
    counts = zip((best(entry), epochs(entry)), keys, strict=True)
    return [
        entry.run.id,
        facts_["kind"],
        facts_["status"],
        *errors,
        *kinds,
        *(Sortable(told, facts_[key]) for told, key in counts),
        Sortable("–" if facts_["seconds"] is None else f"{facts_['seconds']:.3g}", facts_["seconds"]),
        beginning(str(parent["id"]), ids) if parent else "",
    ]


def _error(entry: Entry, part: str) -> str:
    told = percent(entry.final.get(f"{part}_error"))
    return f"{told} {mark(entry)}".strip() if part == "dev" else told


def _labels(entries: Sequence[Entry]) -> Iterator[Markup]:
    """What people wrote on them."""
    told = []
    for entry in entries:
        words = [", ".join(entry.labels["tags"]), entry.labels["note"] or ""]
        if any(words):
            told.append(f"{entry.run.id}: {'; '.join(filter(None, words))}")
    if told:
        yield tag("h3", "Tags and notes")
        yield listing(told)


def _curve_sections(kept: Sequence[Entry]) -> Iterator[Section]:
    """The errors and losses of the best runs of each data set, of a search those of its best trial."""
    for data, of in _by_data(kept).items():
        drawn = [(entry, rows) for entry in of if (rows := _rows(entry))]
        title = f"The best on {data}"
        if drawn:
            note = (
                [paragraph("Of a search the best trial is drawn.")] if any(entry.search for entry, _ in drawn) else []
            )
            yield Section(title, [*note, Grid([_chart(key, drawn) for key in DRAWN])])
        else:
            yield left_out(title, "none of them has epochs that can be read.")


def _rows(entry: Entry) -> Sequence[Row]:
    try:
        return (entry.run.best or entry.run).rows
    except NnrunError:
        return ()


def _chart(key: str, drawn: Sequence[tuple[Entry, Sequence[Row]]]) -> Chart:
    """A curve a run, each in the colour and the dashes that it has in all charts."""
    entry, _ = drawn[0]
    part, what = part_and_name(key)
    name = f"{part} {metric_title(what, entry.final, entry.record['data'])}"
    traces = [
        series(cut(in_short(entry.run.id)), rows, key, colour(i), dash(i)) for i, (entry, rows) in enumerate(drawn)
    ]
    y = axis(name, percent=True, rangemode="tozero") if in_percent(key) else axis(name, rangemode="tozero")
    lengths = [len(rows) for _, rows in drawn]
    apart = max(lengths) > FAR_APART * min(lengths)
    x = log_axis("epoch", [1, max(lengths)]) if apart else whole_axis("epoch", 1, max(lengths))
    alt = f"{name} over the epochs of {counted(len(drawn), 'run')}."
    return Chart(sentence_case(name), sentence_case(alt), traces, {"xaxis": x, "yaxis": y})


def _verdicts_section(kept: Sequence[Entry]) -> Section:
    """What the errors of the best mean, and what is wrong with them."""
    rows = [[entry.run.id, _verdict(entry), _wrong(entry)] for entry in kept]
    if not rows:
        return left_out("Verdicts", "no run has a dev error.")
    return Section("Verdicts", [table("The best of each data set", ["run", "verdict", "symptoms"], rows, (0, 1, 2))])


def _verdict(entry: Entry) -> str:
    try:
        verdict = of_record(entry.run.record, entry.run.config.diagnosis)
    except NnrunError as error:
        return f"none: {error}"
    return summary(verdict) if verdict else ending(record_of(entry.run), entry.run.status, entry.run.config)


def _wrong(entry: Entry) -> str:
    try:
        found = entry.run.record.get("symptoms") or []
    except NnrunError:
        return ""
    return "; ".join(f"{one['name'].replace('_', ' ')}, epoch {one['epoch']}" for one in found) or "none"


def _broken_section(entries: Sequence[Entry]) -> Section:
    """Directories that cannot be read, with the reason."""
    rows = [[entry.run.id, str(entry.problem)] for entry in entries]
    return Section("Unreadable", [table("These hide no other run", ["directory", "why"], rows, (0, 1))])
