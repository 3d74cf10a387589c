"""A stage's report as tables of text, for a reader of the terminal."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ttsd.report import StageReport

if TYPE_CHECKING:
    from ttsd.metrics.costs import Costs
    from ttsd.stages.plan import Plan

Table = tuple[list[str], list[list[str]]]
"""Header and rows."""
Timings = Mapping[str, Mapping[str, Any]]
"""Speed by voice, as `evaluate` writes it beside its report."""


def report_tables(report: StageReport, timings: Timings | None = None) -> list[Table]:
    """Return a report as tables of text: the counts and single facts first, then every table among its details.

    Args:
        report: What the stage did.
        timings: Of an evaluation: speed by voice.

    Returns:
        Header and rows of each table.
    """
    facts = [["in", str(report.n_in)], ["out", str(report.n_out)]]
    facts += [[f"dropped: {reason}", str(count)] for reason, count in report.dropped.items()]
    facts += [[f"unmeasured: {figure}", str(count)] for figure, count in report.unmeasured.items()]
    if report.duration_s:
        facts.append(["speech", f"{report.duration_s / 60:.1f} min"])
    tables: list[Table] = [(["", ""], facts)]
    details = report.details
    if "catalogue" in details:
        # Where the figures come from, and every sentence, are for report.json and the page.
        from ttsd.web.scores import evaluation_tables

        facts += [["note", note] for note in details["notes"]]
        return [*tables, *(_align(*table, n_text=1) for table in evaluation_tables(details, timings or {}))]
    _collect({key: value for key, value in details.items() if key != "parts"}, "", facts, tables)
    if details.get("parts"):
        tables.append(_parts_table(details["parts"]))
    return tables


def plan_tables(plan: "Plan") -> list[Table]:
    """Return a plan as tables of text: the guides with their total, requests in doubt, and facts of the account."""
    exact = ("sections", "bought", "in_doubt", "repeated")
    estimated = ("utterances", "characters", "requests", "credits")
    columns = ("sections", "utterances", "characters", "bought", "in_doubt", "repeated", "requests", "credits")
    rows = []
    for guide in [*plan.guides, plan.total]:
        mark = "~" if guide.sections_to_write else ""
        cells = {column: f"{getattr(guide, column):,}" for column in exact}
        for column in estimated:
            figure = getattr(guide, column)
            cells[column] = "unknown" if figure is None else f"{mark}{figure:,}"
        name = guide.guide if guide.take == 1 else f"{guide.guide}, take {guide.take}"
        rows.append([name, *(cells[column] for column in columns), mark + write_clock(guide.duration_s)])
    header = ["guide", *(column.replace("_", " ") for column in columns), "speech h:mm:ss"]
    tables = [_align(header, rows)]
    if plan.unknown:
        doubts = [[d["take"], f"{d['credits']:,}", f"{d['reason']}: {d['text']}"] for d in plan.unknown]
        tables.append(_align(["outcome unknown", "credits", "why, and what it says"], doubts, n_text=1))
    if facts := _plan_facts(plan):
        tables.append((["", ""], facts))
    return tables


def cost_tables(costs: "Costs") -> list[Table]:
    """Return what `qc` would cost as tables of text: the whole, then each check at its threshold and at others."""
    facts = [
        ["in", f"{costs.n_in:,} clips, {write_clock(3600 * costs.hours_in)}"],
        ["kept", f"{costs.n_kept:,} clips, {write_clock(3600 * costs.hours_kept)}"],
        *([f"dropped: {reason}", f"{n:,}"] for reason, n in costs.dropped.items()),
    ]
    rows = []
    for cost in costs.checks:
        threshold = "off" if cost.threshold is None else f"{cost.threshold:g}"
        others = ", ".join(f"{step.threshold:g}: {step.n:,} ({write_clock(3600 * step.hours)})" for step in cost.ladder)
        figures = [f"{cost.n:,}", write_clock(3600 * cost.hours), f"{cost.n_first:,}", f"{cost.n_unmeasured:,}"]
        rows.append([cost.setting, cost.check.replace("_", " "), threshold, *figures, others])
    header = ["setting", "check", "at", "drops", "h:mm:ss", "first", "unmeasured", "at others: drops (h:mm:ss)"]
    return [(["", ""], facts), _align(header, rows, n_text=1)]


def analysis_tables(found: Mapping[str, Any]) -> list[Table]:
    """Return what a listening test told as tables of text."""
    listeners = found["listeners"]
    facts = [["listeners", str(listeners["n"])], ["left out by their checks", str(len(listeners["left_out"]))]]
    rows = []
    for whose in ("kept", "all") if listeners["left_out"] else ("kept",):
        mark = "" if whose == "kept" else ", nobody left out"
        for student, one in found[whose]["students"].items():
            rows.append([f"{student} against teacher, -3 to 3{mark}", *_opinion(one["comparison"])])
            rows[-1][-1] = _verdict(one["comparison"])
            rows.append([f"{student} preferred{mark}", *_opinion(one["preference"], share=True)])
        for kind, asked in (("speaker", "same speaker, 1 to 5"), ("quality", "natural, 1 to 5")):
            for system, one in found[whose].get(kind, {}).items():
                rows.append([f"{system}: {asked}{mark}", *_opinion(one)])
    header = ["question", "value", "95 % interval", "answers", "listeners", "verdict"]
    return [(["", ""], facts), _align(header, rows, n_text=1)]


def _opinion(one: Mapping[str, Any], *, share: bool = False) -> list[str]:
    def write(value: float | None) -> str:
        return "\u2013" if value is None else f"{value:.0%}" if share else f"{value:+.2f}".replace("-", "\u2212")

    interval = "" if one["lo"] is None else f"{write(one['lo'])}\u2026{write(one['hi'])}"
    return [write(one["value"]), interval, str(one["n"]), str(one["n_listeners"]), ""]


def _verdict(comparison: Mapping[str, Any]) -> str:
    verdict, needed = str(comparison["verdict"]), comparison["listeners_needed"]
    if verdict != "not enough data" or needed is None:
        return verdict
    more = max(needed - comparison["n_listeners"], 1)
    return f"{verdict}: some {more} listener{'s' if more > 1 else ''} more"


def write_clock(seconds: float) -> str:
    """Return a duration as `h:mm:ss`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def _plan_facts(plan: "Plan") -> list[list[str]]:
    facts, price = plan.facts, plan.total.credits or 0
    rows = []
    if facts.sections_to_write:
        sections = f"{facts.sections_to_write:,} section{'s' * (facts.sections_to_write > 1)}"
        rows.append(["for Gemini to write", f"{sections}, about {facts.input_tokens:,} tokens of input"])
        rows.append(
            [
                "~",
                "estimated from the guides' own sentences; tables and code, which Gemini puts into words, come on top",
            ]
        )
    if facts.prices is None or facts.spent_credits is None:
        return rows
    prices = {"account": "of the account", "published": f"published ones of {facts.prices_as_of}"}
    rows.append(["prices", prices.get(facts.prices, "unknown")])
    left = facts.quota_left_credits
    short = "" if left is None or price <= left else f"; {price - left:,} short of this plan"
    rows.append(["quota left", (facts.quota_note or "") if left is None else f"{left:,} credits{short}"])
    rows.append(["spent so far", f"{facts.spent_credits:,} credits"])
    rows.append(["cap", _describe_cap(facts.cap_credits, facts.spent_credits, price)])
    if plan.unknown:
        n_takes, credits = len(plan.unknown), f"{facts.in_doubt_credits:,} credits"
        requests = f"{n_takes:,} request{'s' * (n_takes > 1)}, {credits}, looked for in the service's history first"
        then = "the rest is bought again, as planned above" if facts.rebuys_doubts else "--rebuy-unknown buys the rest"
        rows.append(["in doubt", f"{requests}; {then}"])
    return rows


def _describe_cap(cap: int | None, spent: int, price: int) -> str:
    if cap is None:
        return "none"
    left = cap - spent
    if left <= 0:
        return f"{cap:,} credits, all of them spent: nothing more is bought; raise --max-credits"
    short = f": {left:,} are left, {price - left:,} short of this plan; raise --max-credits" if price > left else ""
    return f"{cap:,} credits{short}"


def _parts_table(parts: Sequence[Mapping[str, Any]]) -> Table:
    counts = ("n_loaded", "n_new", "n_skipped")
    rows = [[str(part["part"]), *(str(part[count]) for count in counts), str(part.get("why", ""))] for part in parts]
    header = ["part", *(count.removeprefix("n_") for count in counts), "why"]
    if not any(row[-1] for row in rows):
        return _align(header[:-1], [row[:-1] for row in rows])
    return _align(header, rows, n_text=1)


def _align(header: list[str], rows: list[list[str]], n_text: int = 0) -> Table:
    """Set the figures to the right; the first column and the last `n_text` ones are text."""
    columns = list(zip(header, *rows, strict=True))
    for index in range(1, len(columns) - n_text):
        width = max(map(len, columns[index]))
        columns[index] = tuple(cell.rjust(width) for cell in columns[index])
    lines = [list(line) for line in zip(*columns, strict=True)]
    return lines[0], lines[1:]


def _collect(node: dict[str, Any], prefix: str, facts: list[list[str]], tables: list[Table]) -> None:
    for key, value in node.items():
        if isinstance(value, dict) and len(value) > 1 and all(_is_row(row) for row in value.values()):
            columns = list(dict.fromkeys(name for row in value.values() for name in row))
            rows = [[name, *(_show(row.get(column, "")) for column in columns)] for name, row in value.items()]
            tables.append(([prefix + key, *columns], rows))
        elif isinstance(value, dict):
            _collect(value, f"{prefix}{key}.", facts, tables)
        elif value == "":
            # Nothing was said, such as of rights.
            continue
        elif not isinstance(value, list):
            facts.append([prefix + key, _show(value)])
        elif value and len(value) <= 8 and not any(isinstance(part, dict | list) for part in value):
            facts.append([prefix + key, ", ".join(map(_show, value))])


def _is_row(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and not any(isinstance(cell, dict) for cell in value.values())


def _show(value: Any) -> str:
    if isinstance(value, list):
        return " … ".join(map(_show, value))
    if value is None:
        return "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
