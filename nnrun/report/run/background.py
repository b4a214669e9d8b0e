"""What a run was made of: config, data, machine, events, and the commands that make it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnrun.config.config import changed
from nnrun.config.dump import one_line
from nnrun.installation import command
from nnrun.models.ensembling.telling import CROSS_FITTED, selection_rows
from nnrun.report.page.html import Markup, code, commands, paragraph, table, tag, unfolded
from nnrun.report.page.page import Section
from nnrun.report.run.marks import event_words, words_of
from nnrun.runs.lineage import changes_in
from nnrun.runs.members import folds_told, is_gathered, read_ensemble
from nnrun.runs.records import Blas, Event, Host, RunRecord
from nnrun.runs.stored import StoredRun
from nnrun.text import percent, set_name, source_name


def config_section(run: StoredRun) -> Section:
    """The keys that differ from their defaults, and the whole file when asked for."""
    differing = changed(run.config.resolved())
    rows = [[code(key), code(one_line(value)), code(one_line(default))] for key, (value, default) in differing.items()]
    told = table("Keys that differ from their defaults", ["key", "here", "default"], rows, words=(0, 1, 2))
    text = run.text.decode(errors="replace")
    whole = unfolded("The whole config, every default filled in", tag("pre", code(text)))
    return Section("Config", [told if rows else paragraph("Everything is as by default."), whole])


def member_sections(run: StoredRun) -> list[Section]:
    """Of an ensemble of runs how its members were chosen and what each is worth; of folds what each came to."""
    if not is_gathered(run.record):
        folds, told_of_them = folds_told(run.record)
        lines = [paragraph(line) for line in told_of_them]
        return [Section("Folds", [table("What each came to", folds[0], folds[1:]), *lines])] if folds else []
    record = read_ensemble(run.directory)
    rows = [
        [
            one["id"],
            str(one.get("best_epoch") or "–"),
            f"{100 * one['weight']:.1f}%",
            percent(one.get("dev_error")),
            percent(one.get("without")),
        ]
        for one in record["members"]
    ]
    titles = ["member", "epoch", "weight", "dev error", "dev error without it"]
    told = [paragraph(line) for line in record.get("told", [])]
    found = selection_rows(record["dev"]) if "dev" in record else []
    chosen = [table("How they were chosen", found[0], found[1:], words=(0,)), paragraph(CROSS_FITTED)] if found else []
    return [Section("Members", [*told, table("What each is worth", titles, rows, words=(0,)), *chosen])]


def environment_section(record: RunRecord) -> Section:
    """Data files, machine and versions."""
    return Section("Data and environment", [_files(record), _machine(record)])


def _files(record: RunRecord) -> Markup:
    rows = [
        [file["name"], file["part"], f"{file['rows']:,}", code(file["sha256"][:16])] for file in record["data"]["files"]
    ]
    parts = ", ".join(f"{count:,} {set_name(part)}" for part, count in record["data"]["rows"].items())
    caption = f"Data: {parts}"
    return table(caption, ["file", "part", "rows", "SHA-256, first 16 digits"], rows, words=(0, 1, 3))


def _machine(record: RunRecord) -> Markup:
    host = record["host"]
    rows = [["machine", f"{host['system']}, {host['processor']}, {_cores(host)}"]]
    rows += [["BLAS", ", ".join(_blas(library) for library in record.get("blas") or []) or "unknown"]]
    rows += [[name, version] for name, version in record["versions"].items()]
    if git := record.get("git"):
        rows.append(["git", f"{git['commit'][:12]}{' with changes' if git['changed'] else ''}"])
    rows += [["began", record.get("created") or "–"], ["ended", record.get("ended") or "–"]]
    return table("Environment", ["what", "which"], rows, words=(0, 1))


def _cores(host: Host) -> str:
    usable = host.get("usable_cores", host["cores"])  # which older runs did not record
    return f"{host['cores']} cores" + ("" if usable == host["cores"] else f", of which {usable} could be used")


def _blas(library: Blas) -> str:
    return f"{library['library']} {library['version']} ({library['kernel']}), {library['threads']} thread(s)"


def events_part(events: Sequence[Event]) -> Markup:
    """What happened besides epochs, in the order of time."""
    rows = [[event["time"][:19].replace("T", " "), _told(event), _epoch_of(event)] for event in events]
    return table("Events", ["time", "what", "epoch"], rows, words=(0, 1))


def _epoch_of(event: Event) -> int | str:
    epoch = event.get("epoch")
    return "–" if epoch is None else epoch


def _told(event: Event) -> str:
    if changed := changes_in([event]):
        return ", ".join(["changed", *words_of(changed)[1:]])
    where = f" in {event['layer']}" if event.get("layer") else ""
    where += f" in fold {event['fold']}" if "fold" in event else ""
    return f"{event_words(event)}{where}" + (f": {event['why']}" if event.get("why") else "")


def again_section(run: StoredRun, why: str, words: Sequence[str]) -> Section:
    """What was typed, and the words of a command that makes it again from its directory."""
    return Section("How to make it again", [commands(_again(run, why, words)), *_provided(run.record)])


def _again(run: StoredRun, why: str, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    if argv := run.record.get("argv"):
        resumed = any(event["event"] == "resumed" for event in run.events)
        yield f"What was typed{', before it was resumed' * resumed}:", command(*argv[1:])
    yield why, command(*words)
    yield "This page:", command("report", str(run.path))


def _provided(record: RunRecord) -> Iterator[Markup]:
    names = ", ".join(dict.fromkeys(source_name(file["name"]) for file in record["data"]["files"]))
    yield tag("p", f"It needs {names} as it was, and for the last digits this machine's NumPy and BLAS.", cls="quiet")
